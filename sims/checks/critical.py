"""Checks of section CRIT."""
