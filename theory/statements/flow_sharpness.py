"""Sharpness of the gradient-flow solution, along descent (section GFS)."""
