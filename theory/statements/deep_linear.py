"""Deep linear networks: modes, balancedness, sharpness at minima (section DEEP)."""
