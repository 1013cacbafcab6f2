"""From formulas to numbers: what descent does, without a run."""
