"""Study files are read as people mean them, and nothing they hold is guessed, lost or run."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from textune.config.files import parse, parse_value
from textune.errors import StudyError

scalars = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats(allow_nan=False) | st.text(max_size=20)
keys = st.text(min_size=1, max_size=10)
trees = st.dictionaries(
    keys, st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner)), max_size=4
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("5E6", 5e6),
        (".5", 0.5),
        ("-3", -3),
        ("0x10", 16),
        ("0o17", 15),
        ("010", 10),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("True", "True"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("2024-01-01", "2024-01-01"),
        ("'1e-3'", "1e-3"),
        ("[rnn, {low: 1}]", ["rnn", {"low": 1}]),
    ],
)
def test_plain_words_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


@given(trees)
def test_json_is_read_as_json_does(tree: dict[str, object]) -> None:
    assert parse(json.dumps(tree, ensure_ascii=False), as_json=True).values == tree


@given(st.text())
def test_any_text_gives_values_or_a_located_problem(text: str) -> None:
    try:
        document = parse(text, "study.yaml")
    except StudyError as error:
        assert all(problem.where.startswith("study.yaml") for problem in error.problems)
    else:
        assert isinstance(document.values, dict)


def test_every_setting_knows_its_line() -> None:
    document = parse("name: a\nmodel:\n  encoder:\n    kind: rnn\nsearch: {space: {x: [1,\n 2]}}\n", "s.yaml")
    assert document.where(("model", "encoder", "kind")) == "s.yaml:4"
    assert document.where(("model", "encoder", "unknown")) == "s.yaml:3"
    assert document.where(("search", "space", "x", 1)) == "s.yaml:6"


def test_a_key_given_twice_is_an_error_with_both_lines() -> None:
    with pytest.raises(StudyError, match=r"s.yaml:3: a.b: is given twice; first on line 2"):
        parse("a:\n  b: 1\n  b: 2\n", "s.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "s.yaml:1: is not valid YAML"),
        ("- 1", "must be a mapping"),
        ("a: !!python/object/apply:os.system [ls]", "a: has the YAML tag"),
        ("a: !!int x", "a: is a number"),
        ("1: b", "keys must be text"),
        ("a: &x {b: *x}", "aliases"),
        ("a: " + "9" * 5000, "too many digits"),
        ("a: " + "[" * 200 + "]" * 200, "levels"),
    ],
)
def test_odd_files_end_in_a_sentence(text: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        parse(text, "s.yaml")


def test_aliases_cannot_grow_a_small_file_into_a_large_one() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(StudyError, match="has more than 5,000 keys and values"):
        parse("\n".join(lines))


def test_plain_aliases_are_allowed() -> None:
    assert parse("a: &x {b: 1}\nc: *x").values == {"a": {"b": 1}, "c": {"b": 1}}


@given(trees)
def test_what_yaml_writes_is_read_back_except_its_own_old_words(tree: dict[str, object]) -> None:
    text = yaml.safe_dump(json.loads(json.dumps(tree)), default_style='"', allow_unicode=False)
    values = parse(text).values
    assert set(values) == set(tree)
