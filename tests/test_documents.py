"""What the papers say is there: links, files, commands and names of every README, of docstrings, and API pages."""

import ast
import importlib
import os
import re
import shlex
import subprocess
import sys
from functools import reduce
from pathlib import Path

import pytest

import gallery
from gdbias import figures
from gdbias.figures.cli import command
from gdbias.theory import MissingExtra

ROOT = Path(__file__).parent.parent
ROOMS = ("theory", "sims", "figures")
PAPERS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / room / "README.md" for room in (*ROOMS, "tests"))]
PAPERS.append(ROOT / "tests" / "benchmarks" / "README.md")
every_paper = pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: str(paper.relative_to(ROOT)))


def prose(paper):
    """The text of a paper without its fenced code."""
    return re.sub(r"^```.*?^```$", "", paper.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(paper):
    """The anchors that GitHub gives the headings of a paper."""
    titles = re.findall(r"^#+ (.*)$", prose(paper), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_gallery_is_what_its_command_makes_and_shows_every_figure():
    text = gallery.PAGE.read_text(encoding="utf-8")
    assert gallery.written(text) == text
    shown = {picture.figure: picture for picture in gallery.PICTURES}
    assert set(shown) == set(figures.FIGURES)
    for name, picture in shown.items():
        assert (gallery.FOLDER / f"{picture.name}.png").exists()
        assert (
            any(f"plot {name} " in one for one in picture.commands)
            or f"figures.{name}(" in picture.python
            or (picture.commands == ("quickstart",))
        )


def test_the_readme_is_short():
    assert (ROOT / "README.md").stat().st_size <= 8192  # the rest stands in the rooms


@every_paper
def test_links_lead_somewhere(paper):
    targets = re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", prose(paper))
    for target in filter(None, (a or b for a, b in targets)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        place = (paper.parent / name).resolve() if name else paper
        assert place.exists(), f"{target} leads nowhere"
        assert not anchor or anchor in anchors(place), f"{target}: no such heading"


@every_paper
def test_files_that_are_named_exist(paper):
    spans = re.findall(r"`((?:[\w.*-]+/)+(?:[\w.*-]+\.(?:py|md|json|png|cu|c))?)`", prose(paper))
    for span in spans:
        if not span.startswith("gdbias-"):  # what a command leaves behind
            assert any(list(place.glob(span)) for place in (ROOT, paper.parent)), f"{span} does not exist"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_lists_what_is_in_it(room):
    table = prose(ROOT / room / "README.md").split("\n\n")[2]
    listed = {name for row in table.splitlines()[2:] for name in re.findall(r"`([^`]+)`", row.split("|")[1])}
    inside = [file.name for file in (ROOT / room).glob("*.py")] + [
        f"{folder.name}/" for folder in (ROOT / room).iterdir() if any(folder.glob("*.*"))
    ]
    assert listed == {name for name in inside if not name.startswith("__")}


def commands(text):
    """The gdbias commands of a text: its indented lines, and what stands in backticks."""
    lines = re.findall(r"^    (?:\$ )?gdbias (.*)$", text, re.MULTILINE) + re.findall(r"`gdbias ([^`]*)`", text)
    return [line for line in lines if "..." not in line and not re.search(r"\b[A-Z]{4,}\b", line)]


@every_paper
def test_commands_are_understood(paper, tmp_path, monkeypatch):
    (tmp_path / "sweep.toml").write_text('lr = "0.01:1:4:log"\n')
    monkeypatch.chdir(tmp_path)
    for line in commands(prose(paper)):
        words = shlex.split(line, comments=True)
        if words[0].startswith("-") or words[-1] == "--help":
            continue
        if len(words) == 1 and words[0] not in ("quickstart", "verify"):  # a verb's name alone
            assert words[0] in command.VERBS
            continue
        assert callable(command.read_arguments(words)), line


@every_paper
def test_names_in_examples_exist(paper):
    for code in re.findall(r"```python\n(.*?)```", paper.read_text(encoding="utf-8"), re.DOTALL):
        for node in ast.walk(ast.parse(code)):
            names = []
            while isinstance(node, ast.Attribute):
                names, node = [node.attr, *names], node.value
            if names and isinstance(node, ast.Name) and node.id in ROOMS:
                try:
                    reduce(getattr, names, importlib.import_module(f"gdbias.{node.id}"))
                except MissingExtra as reason:
                    pytest.skip(str(reason))


def modules():
    """Every module of the package by name, with the file it is in."""
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            name = ".".join(("gdbias", *parts)).removesuffix(".__init__")
            yield name.replace("gdbias.figures.gdbias", "gdbias"), file


def found(name, place, scope):
    """Whether a docstring's ``name`` exists: an absolute one, or one of the module, of its classes or of its room."""
    if name.startswith("gdbias."):
        parts = name.split(".")
        for end in range(len(parts), 0, -1):
            try:
                start = importlib.import_module(".".join(parts[:end]))
            except ModuleNotFoundError:
                continue
            return found(".".join(parts[end:]), start, ()) if end < len(parts) else True
    room = importlib.import_module(".".join(place.__name__.split(".")[:2]))
    for start in (place, *(getattr(place, part, None) for part in scope), room):
        try:
            reduce(getattr, name.split("."), start)
            return True
        except MissingExtra:  # the gate, which has all extras, reads it
            return True
        except AttributeError:
            fields = getattr(start, "__dataclass_fields__", {})
            if name in fields or name in getattr(start, "__annotations__", {}):
                return True
    return False


def test_names_in_docstrings_are_found():
    missing = []
    for name, file in modules():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
        texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        roles = [role for text in texts for role in re.findall(r":[a-z]+:`([^`]*)`", text)]
        if not roles:
            continue
        try:
            place = importlib.import_module(name)
        except MissingExtra:
            continue
        missing += [f"{name}: {role}" for role in roles if not found(role, place, classes)]
    assert missing == []


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The API pages, made by the command of the README."""
    pytest.importorskip("pdoc", reason="needs pip install 'gdbias[docs]'")
    [line] = re.findall(r"`[^`]*EAGER_IMPORT=1 pdoc ([^`]*)`", (ROOT / "README.md").read_text(encoding="utf-8"))
    out = tmp_path_factory.mktemp("pages") / "site"
    words = [str(out) if word == "site" else word for word in shlex.split(line)]
    done = subprocess.run(
        [sys.executable, "-m", "pdoc", *words], env=os.environ | {"EAGER_IMPORT": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Warn" not in done.stderr, done.stderr
    return out


PAGES = (
    "theory", "theory.statements", "sims", "sims.deep", "sims.linear", "sims.store", "sims.checks", "figures",
)  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_every_public_name_has_its_docstring_on_a_page(site, page):
    module = importlib.import_module(f"gdbias.{page}")
    text = (site / "gdbias" / f"{page.replace('.', '/')}.html").read_text(encoding="utf-8")
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        if type(value).__name__ == "module":
            continue
        [section] = re.findall(rf'<section id="{name}">.*?</section>', text, re.DOTALL)
        head = section.split('<div id="')[0]  # without the members of a class
        assert not callable(value) or '<div class="docstring">' in head, f"{page}.{name} has no docstring"


def test_docstrings_are_rendered_in_full(site):
    for page in site.rglob("*.html"):
        for text in re.findall(r'<div class="docstring">(.*?)</div>', page.read_text(encoding="utf-8"), re.DOTALL):
            shown = re.sub(r"<pre>.*?</pre>|<code>.*?</code>", "", text, flags=re.DOTALL)
            left = re.search(r":[a-z]+:`|`|<em>|^(Args|Attributes|Raises):", shown, re.MULTILINE)
            assert not left, f"{page.name}: {left} in {shown}"
