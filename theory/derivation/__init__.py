"""From one expression to formulas, and to the law that kernels run."""
