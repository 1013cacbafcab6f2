"""Backward error analysis: the flow that a finite step follows (section BEA)."""
