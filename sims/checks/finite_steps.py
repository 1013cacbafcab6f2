"""Checks of section EXA."""
