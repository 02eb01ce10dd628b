import inspect

import pytest

from textune import errors
from textune.errors import MissingDependencyError, Problem, StudyError, TextuneError, quoted, suggestion


def test_every_error_of_textune_is_one_a_user_is_meant_to_read():
    exceptions = [
        value for name in errors.__all__ if inspect.isclass(value := getattr(errors, name)) and name != "Problem"
    ]
    assert len(exceptions) > 5
    assert all(issubclass(exception, TextuneError) for exception in exceptions)


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = {line.split()[0].strip("│├└─ ") if line[0] == "T" else line.strip("│├└─ ").split()[0] for line in _tree()}
    assert drawn == {name for name in errors.__all__ if name.endswith("Error")}
    assert issubclass(errors.DivergedError, errors.TrialError)


def _tree():
    return [line for line in (errors.__doc__ or "").splitlines() if "Error" in line]


def test_a_study_error_tells_one_problem_a_line():
    problems = [
        Problem("study.yaml:4", "model.encoder.hidden_szie", "encoder 'rnn' has no such setting"),
        Problem("study.yaml", "", "there is no such file"),
    ]
    assert str(StudyError(problems)).splitlines() == [
        "study.yaml:4: model.encoder.hidden_szie: encoder 'rnn' has no such setting",
        "study.yaml: there is no such file",
    ]


def test_a_missing_package_comes_with_the_command_that_installs_it():
    error = MissingDependencyError("reading parquet", "pyarrow", "parquet")
    assert "pip install 'textune[parquet]'" in str(error)


@pytest.mark.parametrize(
    ("given", "words", "hint"),
    [
        ("hidden_szie", ["hidden_size", "num_layers"], "; did you mean 'hidden_size'?"),
        ("xyz", ["hidden_size", "num_layers"], ""),
        ("anything", [], ""),
    ],
)
def test_a_suggestion_is_made_where_a_word_is_close(given, words, hint):
    assert suggestion(given, words) == hint


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("good", "'good'"),
        (3, "3"),
        ("two\nlines", r"'two\nlines'"),
        ("9" * 5000, "'" + "9" * 56 + "…"),
    ],
)
def test_a_quoted_value_is_short_and_on_one_line(value, shown):
    assert quoted(value) == shown


def test_a_value_too_deep_to_write_is_quoted_all_the_same():
    nested = []
    for _ in range(100_000):
        nested = [nested]
    assert quoted(nested) == "lists in lists"
