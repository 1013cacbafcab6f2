"""One sample: which interpolator has the least norm, the least sharpness, the least expected error (section ONE)."""
