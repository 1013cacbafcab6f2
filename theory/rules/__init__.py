"""Update rules: what one step does to a weight, the curvature that it bears, and its learning rate on the way."""
