"""Checks of section INV."""
