"""Checks of section BIF."""
