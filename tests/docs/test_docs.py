"""What the documentation shows exists and works: studies, commands, code, links."""

from __future__ import annotations

import ast
import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest
import typer

from textune.cli import app
from textune.registry import lookup

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# (\S+\.\w+)\n")
COMMAND = re.compile(r"^(?:\$ )?((?:[A-Z_]+=\S+ )*textune .*)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}: {self.text.partition(chr(10))[0]}"


BLOCKS = [Block(page, *match.groups()) for page in PAGES for match in FENCE.finditer(page.read_text(encoding="utf-8"))]


def blocks(*languages: str, page: str = "") -> list[Block]:
    return [block for block in BLOCKS if block.language in languages and block.page.name.startswith(page)]


def commands() -> list[str]:
    """Returns every `textune …` line, in blocks and between backticks."""
    found = [match[1] for block in blocks("", "console", "sh", "bash") for match in COMMAND.finditer(block.text)]
    for page in PAGES:
        prose = FENCE.sub("", page.read_text(encoding="utf-8"))
        found += [code for code in re.findall(r"`(textune [^`]+)`", prose) if "…" not in code]
    return list(dict.fromkeys(found))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with the blocks of extending.md that name a file in their first line."""
    for block in blocks("python", "yaml", page="extending"):
        if name := FILE_NAME.match(block.text):
            (tmp_path / name[1]).write_text(block.text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_a_study_loads(block, files, python):
    """In a process of its own, for a plug-in registers its kinds in the process that loads it."""
    (files / "study.yaml").write_text(block.text, encoding="utf-8")
    imports = "from pathlib import Path; from textune.config.load import load_study; "
    python(files, "-c", imports + "load_study(Path('study.yaml'), allow_plugins=True)")


@pytest.mark.parametrize("line", commands())
def test_a_command_exists_with_its_options(line):
    words = shlex.split(re.split(" [|>] ", line)[0], comments=True)
    name, *arguments = words[words.index("textune") + 1 :]
    group = typer.main.get_command(app)
    if name.startswith("-"):
        assert name in {option for parameter in group.params for option in parameter.opts}
    elif arguments:
        group.commands[name].make_context(name, arguments)
    else:
        assert name in group.commands


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_code_compiles_and_names_what_exists(block):
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("textune"):
            module = import_module(node.module)
            assert [name.name for name in node.names if not hasattr(module, name.name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    dead = []
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        path, _, anchor = target.partition("#")
        if path.startswith(("http://", "https://")):
            continue
        file = (page.parent / path) if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            dead.append(target)
    assert dead == []


def anchors(page: Path) -> set[str]:
    """Returns the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_the_reference_is_not_stale(python):
    page = ROOT / "docs" / "study-file.md"
    assert page.read_text(encoding="utf-8") == python(ROOT, "docs/reference.py"), "run `make generated`"


def test_kinds_of_the_reference_exist():
    page = (ROOT / "docs" / "study-file.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### (\w+) `([\w-]+)`", page, re.MULTILINE)
    assert len(headings) > 30
    assert [heading for heading in headings if lookup(*heading) is None] == []


def test_every_role_has_the_contract_suite_that_is_promised():
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    names = re.findall(r"`(textune\.[\w.]+\.\w+)`", page)
    assert len(names) > 30
    for name in names:
        module, _, attribute = name.rpartition(".")
        assert hasattr(import_module(module), attribute), name


def test_the_encoder_of_the_page_trains_predicts_and_keeps_to_the_contract(files, python):
    settings = ("data.rows=200", "training.epochs=1", "search.trials=1")
    overrides = [word for setting in settings for word in ("--set", setting)]
    python(files, "-m", "textune", "run", "averaging.yaml", "--allow-plugins", "--quiet", *overrides)
    (files / "reviews.txt").write_text("not good at all\n", encoding="utf-8")
    printed = python(files, "-m", "textune", "predict", "runs/averaging", "reviews.txt", "--allow-plugins")
    assert printed.startswith("text,label,probability.negative")
    python(files, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_deep_averaging.py")
