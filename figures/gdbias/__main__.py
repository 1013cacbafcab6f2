"""``python -m gdbias``: the command line."""

from gdbias.figures.cli.command import main

if __name__ == "__main__":
    main()
