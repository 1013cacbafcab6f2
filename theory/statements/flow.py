"""Gradient flow as mirror flow: potentials and endpoints (section GF)."""
