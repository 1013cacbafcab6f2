"""One-dimensional maps: period doublings, chaos, divergence (section BIF)."""
