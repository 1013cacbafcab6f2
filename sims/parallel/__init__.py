"""Who computes what: the plan of a sweep, its chunks, this machine and a cluster."""
