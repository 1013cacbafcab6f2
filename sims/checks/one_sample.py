"""Checks of section ONE."""
