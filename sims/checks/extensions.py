"""Checks of section EXT."""
