"""Families that are one another in other coordinates, step for step (section RED)."""
