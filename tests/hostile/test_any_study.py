"""Whatever a study says: it is valid, or every problem has a place and a sentence. Never another exception."""

from __future__ import annotations

import json
from typing import get_args

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textune.config.base import Component, Config
from textune.config.load import load_study
from textune.config.study import DimensionConfig, SearchConfig, StudyConfig
from textune.errors import StudyError
from textune.registry import ROLES, kinds

QUICK = settings(max_examples=200, suppress_health_check=list(HealthCheck))
THOROUGH = settings(max_examples=2_000, suppress_health_check=list(HealthCheck))

TUNABLE = ("data", "split", "tokenizer", "model", "training")


def _role(field):
    return next((mark.role for mark in field.metadata if isinstance(mark, Component)), None)


def _section(field):
    candidates = (field.annotation, *get_args(field.annotation))
    return next((each for each in candidates if isinstance(each, type) and issubclass(each, Config)), None)


def _paths(cls, prefix=""):
    for name, field in cls.model_fields.items():
        path = f"{prefix}{name}"
        yield path
        if (role := _role(field)) is not None:
            yield f"{path}.kind"
            for config in kinds(role).values():
                yield from _paths(config, f"{path}.")
        elif (section := _section(field)) is not None:
            yield from _paths(section, f"{path}.")


PATHS = sorted({path for path in _paths(StudyConfig) if path.split(".")[0] in TUNABLE})
NAMES = sorted({part for path in _paths(StudyConfig) for part in path.split(".")} | {"low", "high", "values", "when"})
KINDS = sorted({kind for role in ROLES for kind in kinds(role)})

numbers = st.one_of(
    st.integers(-3, 300),
    st.integers(),
    st.floats(),
    st.sampled_from([10**400, -(10**400), 2**63, 2**64, 1e-308, 5e-324, 1e308, -0.0, 0.1, 1e-3]),
)
words = st.one_of(
    st.sampled_from(KINDS),
    st.sampled_from(NAMES),
    st.sampled_from(PATHS),
    st.sampled_from(["", "~", "../x", "/dev/null", "\0", "x" * 300, "utf-16", "rot13", "\u202e", "\x1b[31m", "1e3"]),
    st.text(max_size=6),
)
leaves = st.one_of(st.none(), st.booleans(), numbers, words)
anything = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(words, inner, max_size=4),
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    ),
    max_leaves=12,
)
"""JSON-like trees of any shape."""


def _value(field):
    """A value of about the right kind for a setting, mostly."""
    if (role := _role(field)) is not None:
        return st.one_of(component(role), component(role), anything)
    if (section := _section(field)) is not None:
        return st.one_of(settings_of(section), settings_of(section), anything)
    options = [each for each in get_args(field.annotation) if isinstance(each, str)]
    return st.one_of(numbers, numbers, words, *([st.sampled_from(options)] if options else []), anything)


def settings_of(cls):
    fields = {name: st.deferred(lambda field=field: _value(field)) for name, field in cls.model_fields.items()}
    return st.fixed_dictionaries({}, optional=fields)


def component(role):
    named = [
        settings_of(config).map(lambda settings, kind=kind: {"kind": kind, **settings})
        for kind, config in kinds(role).items()
    ]
    return st.one_of(st.sampled_from(sorted(kinds(role))), *named)


def _choices(path):
    """Values for the dimension at a path: components where one stands, if there is one."""
    last = path.removesuffix(".kind").split(".")[-1]
    return st.one_of(component(last), leaves) if last in ROLES else st.one_of(numbers, words, anything)


def _dimension(path):
    ranges = st.one_of(
        st.fixed_dictionaries(
            {"low": numbers, "high": numbers},
            optional={"log": st.booleans(), "steps": numbers, "when": _conditions()},
        ),
        settings_of(DimensionConfig),
    )
    return st.one_of(st.lists(_choices(path), max_size=4), ranges, anything)


def _conditions():
    return st.dictionaries(st.sampled_from(PATHS), st.one_of(words, st.lists(words, max_size=2), leaves), max_size=2)


spaces = st.lists(st.one_of(st.sampled_from(PATHS), words), max_size=5, unique=True).flatmap(
    lambda paths: st.fixed_dictionaries({path: _dimension(path) for path in paths})
)
one_search = st.one_of(settings_of(SearchConfig), st.just({})).flatmap(
    lambda search: spaces.map(lambda space: {**search, "space": space})
)
searches = st.one_of(one_search, one_search, st.lists(st.one_of(one_search, anything), max_size=3))
studies = st.one_of(
    settings_of(StudyConfig),
    st.tuples(settings_of(StudyConfig), searches).map(lambda pair: {**pair[0], "search": pair[1]}),
    searches.map(lambda search: {"search": search}),
    st.dictionaries(words, anything, max_size=5),
).flatmap(lambda study: st.sampled_from([study, {"data": "synthetic", **study}]))
"""Trees in the shape of a study whose values are often wrong."""


def load(source, overrides=()):
    """Loads a study, and checks what comes out; returns None where it was refused."""
    try:
        loaded = load_study(source, overrides)
    except StudyError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.where
            assert problem.message
            assert len(problem.message) < 3_000
            str(problem).encode()
        return None
    assert StudyConfig.model_validate(loaded.config.dump()) == loaded.config
    json.dumps(loaded.config.dump())
    for stage in loaded.stages:
        assert stage.space.contains(stage.base_params()) in (True, False)
        trials = stage.num_trials
        assert trials is None or trials >= 1
        for unit in (0.0, 0.3, 1 - 2**-53):
            params = stage.space.from_units([unit] * len(stage.space.dimensions))
            assert stage.space.contains(params)
            assert json.loads(json.dumps(params, allow_nan=False)) == params
    return loaded


def check_tree(tree):
    load(tree)


def check_bytes(path, content):
    path.write_bytes(content)
    load(path)


def check_override(path, value):
    load({"data": "synthetic", "search": {"space": {"training.epochs": [1, 2]}}}, [f"{path}={value}"])


@QUICK
@given(studies)
def test_any_tree(tree):
    check_tree(tree)


@pytest.mark.slow
@THOROUGH
@given(studies)
def test_any_of_very_many_trees(tree):
    check_tree(tree)


yaml_texts = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100).map(lambda text: text.encode(errors="surrogatepass")),
    st.lists(
        st.one_of(
            st.sampled_from([*NAMES, "search:", "space:", "&a", "*a", "<<: *a", "- ", "  ", "\n", "{", "}", "[", "]"]),
            st.sampled_from(
                ["!!python/object:os.system", "!!binary aGk=", "!!set", "? ", "|", ">", "'", '"', "%", "---"]
            ),
            st.sampled_from(
                [": ", ", ", "#", "\t", "1e3", "0x1f", "0o7", ".nan", "-.inf", "~", "2024-01-01", "9" * 5_000]
            ),
        ),
        max_size=30,
    ).map(lambda parts: "".join(parts).encode()),
    studies.map(lambda tree: yaml.safe_dump(tree, allow_unicode=True).encode(errors="surrogatepass")),
    studies.map(lambda tree: json.dumps(tree).encode()),
)


@QUICK
@given(content=yaml_texts, name=st.sampled_from(["study.yaml", "study.json"]))
def test_any_file(tmp_path_factory, content, name):
    check_bytes(tmp_path_factory.getbasetemp() / name, content)


@pytest.mark.slow
@THOROUGH
@given(content=yaml_texts, name=st.sampled_from(["study.yaml", "study.json"]))
def test_any_of_very_many_files(tmp_path_factory, content, name):
    check_bytes(tmp_path_factory.getbasetemp() / name, content)


overridden = st.one_of(
    st.sampled_from(PATHS), words, st.sampled_from(["search.space", "search.space.training.epochs.low"])
)
given_values = st.one_of(
    st.text(max_size=20), anything.map(lambda value: yaml.safe_dump(value, default_flow_style=True)), leaves.map(str)
)


@QUICK
@given(overridden, given_values)
def test_any_override(path, value):
    check_override(path, value)


@pytest.mark.slow
@THOROUGH
@given(overridden, given_values)
def test_any_of_very_many_overrides(path, value):
    check_override(path, value)
