"""What each of the runs of claims takes on one core of the machine of tests/benchmarks/README.md, in minutes."""

MINUTES: dict[str, float] = {}
