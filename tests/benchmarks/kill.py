"""Kill a stored sweep 50 times at random moments by SIGKILL and resume it; see README.md."""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from killing import kill_again_and_again  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rows", type=int, default=256, help="initialization scales of a sweep, by 96 learning rates")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = kill_again_and_again(Path(folder), given.kills, given.rows, given.seed)
    print(f"{found.kills} kills found {found.survived} finished chunks; {found.recomputed} were written again")
    print(f"variables that differ from the uninterrupted sweep in any bit: {', '.join(found.differing) or 'none'}")
    sys.exit(bool(found.recomputed or found.differing))


if __name__ == "__main__":
    main()
