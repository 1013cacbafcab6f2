"""Checks of section GF."""
