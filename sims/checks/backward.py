"""Checks of section BEA."""
