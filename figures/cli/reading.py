"""How words become the options of a verb: whole numbers as people write them, and what ``--help`` adds."""

import sys
from typing import Any

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from .examples import EXAMPLES

CONFIG = (tyro.conf.OmitSubcommandPrefixes, tyro.conf.OmitArgPrefixes)
_registry = ConstructorRegistry()


@_registry.primitive_rule
def _whole_numbers(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
    if info.type is not int:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="INT",
        instance_from_str=lambda words: whole_number(words[0]),
        is_instance=lambda value: isinstance(value, int) and not isinstance(value, bool),
        str_from_instance=lambda value: [str(value)],
    )


def whole_number(word: str) -> int:
    """``100000`` from ``100000``, ``100_000`` and ``1e5``; raises ValueError for others."""
    try:
        return int(word)
    except ValueError:
        value = float(word)
    if not value.is_integer() or abs(value) > 2**53:
        raise ValueError(f"{word} is no whole number")
    return int(value)


def read_verb(verbs: dict[str, Any], arguments: list[str], about: str) -> Any:
    """The verb with its options; ``--help`` of one ends with examples."""
    with _registry:
        try:
            return tyro.extras.subcommand_cli_from_dict(
                verbs, prog="gdbias", description=about, args=arguments, config=CONFIG
            )
        except SystemExit as end:
            if not end.code and arguments and arguments[0] in EXAMPLES:
                _print_examples(arguments[0])
            raise


def read_options(verb: Any, name: str, arguments: list[str], default: Any) -> Any:
    """One verb from its arguments, with other defaults."""
    with _registry:
        return tyro.cli(verb, prog=f"gdbias {name}", args=arguments, default=default, config=CONFIG)


def _print_examples(verb: str) -> None:
    print("\nExamples:")
    for purpose, command in EXAMPLES[verb]:
        print(f"\n  {purpose}\n    gdbias {verb} {command}".rstrip())
    sys.stdout.flush()
