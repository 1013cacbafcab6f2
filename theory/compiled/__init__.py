"""How Numba compiles what has to be fast: its passes, the marks of compiled functions, and a cache on disk."""
