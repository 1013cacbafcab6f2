"""Whether a person is there who would read what is said of long work while it lasts."""

import sys


def looked_at() -> bool:
    """Whether the error stream is a terminal or the output of a notebook."""
    stream = sys.stderr
    return stream is not None and (stream.isatty() or type(stream).__module__.startswith("ipykernel."))
