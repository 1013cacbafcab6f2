"""Critical learning rates and convergence (section CRIT)."""
