"""Checks of section RED."""
