"""Checks of section GFS."""
