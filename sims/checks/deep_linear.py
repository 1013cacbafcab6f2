"""Checks of section DEEP."""
