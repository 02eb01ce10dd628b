"""The shape of the code, kept by tests (the layers are kept by import-linter)."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import textune
from textune.registry import PACKAGES

SOURCE = Path(textune.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
MODULES = [".".join(("textune", *file.relative_to(SOURCE).with_suffix("").parts)) for file in FILES]
MODULES = [name.removesuffix(".__init__") for name in MODULES if not name.endswith("__main__")]
MEANINGLESS = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "handler"}
HEAVY = ("torch", "sklearn", "pandas", "optuna", "plotly", "tokenizers")


def relative(file):
    return str(file.relative_to(SOURCE))


@pytest.mark.parametrize("file", FILES, ids=relative)
def test_a_file_is_short_and_so_are_its_functions(file):
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno >= 60
    ]
    assert not long


def test_names_say_what_a_module_is_for():
    assert not [name for name in MODULES if MEANINGLESS & set(name.split("."))]


@pytest.mark.parametrize("name", MODULES)
def test_all_names_what_a_module_offers(name):
    module = importlib.import_module(name)
    assert not [each for each in getattr(module, "__all__", ()) if not hasattr(module, each)]
    assert len(set(getattr(module, "__all__", ()))) == len(getattr(module, "__all__", ()))


def test_components_are_found_without_loading_what_only_a_trial_needs():
    imports = [f"import textune.{package}" for package in PACKAGES]
    assert loaded_by("; ".join([*imports, "from textune.registry import kinds; kinds('encoder')"])) == set()


def test_the_package_itself_loads_next_to_nothing():
    code = "import textune"
    assert loaded_by(code) == set()
    assert loaded_by(code, ("pydantic", "numpy", "rich", "typer", "yaml")) == set()


def test_the_front_door_gives_what_it_promises():
    for name in textune.__all__:
        assert getattr(textune, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = textune.nonsense


def loaded_by(code, names=HEAVY):
    """Returns which of the top-level modules a fresh interpreter has loaded after the code."""
    told = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport json, sys; print(json.dumps(list(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return set(names) & set(json.loads(told.splitlines()[-1]))
