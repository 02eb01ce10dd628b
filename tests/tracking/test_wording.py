from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textune.records import Fidelity
from textune.tracking.wording import duration, number, params_text, plain, setting, short_form, short_names, size


@given(st.text())
def test_plain_text_has_no_control_characters_and_is_stable(text):
    shown = plain(text)
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cf", "Zl", "Zp"}
    assert plain(shown) == shown
    shown.encode()


def test_ordinary_text_of_any_language_is_left_alone():
    assert plain("naïve 电影 très bien 🎬 [x]") == "naïve 电影 très bien 🎬 [x]"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (float("inf"), "–"),
        (0.44, "0.4 s"),
        (59.7, "1 min 00 s"),
        (200, "3 min 20 s"),
        (7_500, "2 h 05 min"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.5, "0.5000"), (float("nan"), "NaN"), (-0.25, "-0.2500"), (1e6, "1e+06")]
)
def test_numbers(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.000123456, "0.000123"),
        (3, "3"),
        (True, "true"),
        ("lstm", "lstm"),
        (None, "null"),
        ([3, 4], "[3, 4]"),
        ({"kind": "rnn", "cell": "gru"}, "rnn(cell=gru)"),
        ({"cell": "gru", "bidirectional": True}, "(cell=gru, bidirectional=true)"),
        ({}, "{}"),
    ],
)
def test_settings_read_as_in_a_study_file(value, text):
    assert setting(value) == text


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(".".join), max_size=8))
def test_short_names_tell_paths_apart(paths):
    names = short_names(paths)
    assert set(names) == set(paths)
    assert len(set(names.values())) == len(set(paths))
    assert all(path == name or path.endswith(f".{name}") for path, name in names.items())


def test_params_on_one_line():
    assert params_text({"model.a.size": 3, "model.b.size": 4, "x.rate": 0.1}) == "a.size=3 b.size=4 rate=0.1"


def test_sizes():
    assert [size(n) for n in (12, 340_000, 1_200_000_000)] == ["12 B", "340 kB", "1.2 GB"]


def test_a_short_form_names_what_it_uses():
    assert short_form(Fidelity()) == "in full"
    assert short_form(Fidelity(epochs=2, share=0.25)) == "epochs 2, share 25%"
    assert short_form(Fidelity(window=3, folds=1)) == "newest months 3, newest folds 1"
