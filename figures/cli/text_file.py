"""Writing a text that a verb makes."""

import sys
from pathlib import Path

from ...sims.store.place import check_file
from ...theory.errors import InputError


def write_text(path: Path, text: str) -> None:
    """Write the text and say where; raises InputError where the path cannot be written."""
    path = check_file(path)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): choose a folder that can be written") from None
    print(f"written to {path}", file=sys.stderr)
