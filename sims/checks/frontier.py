"""Checks of section FRO."""
