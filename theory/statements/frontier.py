"""The frontier of norm and sharpness, and the constrained flow (section FRO)."""
