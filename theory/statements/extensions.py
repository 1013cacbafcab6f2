"""Momentum, weight decay, noise, and the logistic loss (section EXT)."""
