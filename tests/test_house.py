"""How the house is built: where imports stand, what modules are called, how many lie flat; and no family is named."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLAT = {"theory": 15, "sims": 12, "figures": 15}  # modules of a room that are in none of its rooms
DRIVERS = ("sims/engine/numba/advance.py", "sims/engine/numba/follow.py")  # files that are read, and imported by none
MARKERS = re.compile(r"#\s*(pyright|type|noqa|fmt)\b[^#]*")  # notes to tools, which give no reason
FAMILY = re.compile(r"\b(power|difference|product)\b")  # declared in theory/families.py, and known there alone
SEARCHES = ("startswith", "endswith", "find", "index", "count", "match", "fullmatch", "search", "removeprefix")
MODULES = {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for room in FLAT
           for file in sorted((ROOT / room).rglob("*.py"))}  # fmt: skip
every_module = pytest.mark.parametrize("module", MODULES)


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def reason(line):
    """The comment of a line, without what it tells to tools."""
    _, mark, comment = MARKERS.sub("", line).partition("#")
    return comment.strip() if mark else ""


@every_module
def test_an_import_in_a_function_says_why(module):
    lines = MODULES[module].splitlines()
    inside = {
        node.lineno: node.end_lineno
        for function in functions(ast.parse(MODULES[module]))
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    told = set()
    for first, last in sorted(inside.items()):
        above = lines[first - 2].strip()
        if reason(lines[last - 1]) or (above.startswith("#") and reason(above)) or first - 1 in told:
            told.add(last)  # and for the import right below
    assert [lines[first - 1].strip() for first, last in inside.items() if last not in told] == []


@every_module
def test_a_module_has_another_name_than_what_it_defines(module):
    if module in DRIVERS:
        return
    body = ast.parse(MODULES[module]).body
    defined = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    assert Path(module).stem not in defined


@pytest.mark.parametrize("room", FLAT)
def test_a_room_is_no_heap(room):
    assert len(list((ROOT / room).glob("*.py"))) <= FLAT[room]


def compared(tree):
    """The texts that a module compares with, matches or searches for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            places = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SEARCHES:
            places = node.args
        elif isinstance(node, ast.MatchValue):
            places = [node.value]
        else:
            continue
        for place in places:
            for part in place.elts if isinstance(place, ast.Tuple | ast.List | ast.Set) else [place]:
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


@every_module
def test_no_family_is_tested_by_its_name(module):
    if module != "theory/families.py":
        assert [text for text in compared(ast.parse(MODULES[module])) if FAMILY.search(text)] == []


@every_module
def test_families_are_data_of_statements_and_of_their_checks_alone(module):
    """Elsewhere a model is asked for its properties; a default, a remedy in a message and a docstring are texts."""
    names = {
        alias.name
        for node in ast.walk(ast.parse(MODULES[module]))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[-1] in ("families", "theory", "gdbias")
        for alias in node.names
    }
    if not module.startswith(("theory/statements/", "sims/checks/")) and module != "theory/__init__.py":
        assert not names & set(FAMILY.pattern.strip(r"\b()").split("|"))
