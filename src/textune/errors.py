"""What can go wrong, as a tree.

TextuneError                 one clear sentence: where, what was given, what is allowed, what to do
├── StudyError               the study file is wrong; carries every problem found, each with its line
├── DataError                the data is wrong or missing; names the file and the row or column
├── RunFolderError           the run folder cannot be used (exists, locked, damaged)
├── MissingDependencyError   an extra is not installed; names the pip command that helps
├── TrialError               ends one trial, never the study
│   ├── DivergedError        the loss or the gradients were not finite
│   └── InterruptedTrial     thrown into a trial that is to go on later
└── FatalError               ends the study; what was measured so far is kept
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

__all__ = [
    "DataError",
    "DivergedError",
    "FatalError",
    "InterruptedTrial",
    "MissingDependencyError",
    "Problem",
    "RunFolderError",
    "StudyError",
    "TextuneError",
    "TrialError",
    "plain",
    "quoted",
    "suggestion",
    "type_of",
]


class TextuneError(Exception):
    """Base of every error a user is meant to read; its text is a sentence."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a study.

    `where` is `file:line` (or a file, or `--set`), `path` the dotted setting, `message` what is wrong and allowed.
    """

    where: str
    path: str
    message: str

    def __str__(self) -> str:
        return plain(": ".join(part for part in (self.where, self.path, self.message) if part))


MOST_PROBLEMS = 50
"""Lines that a person reads."""


class StudyError(TextuneError):
    """The study is wrong. `problems` holds all of them, in the order of the file; the text lists the first ones."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems[:MOST_PROBLEMS]]
        if more := len(self.problems) - len(lines):
            lines.append(f"and {more:,} more problem{'' if more == 1 else 's'}")
        super().__init__("\n".join(lines))


class DataError(TextuneError):
    """The data cannot be used as it is; the sentence names the file and the row or column, on one line."""

    def __init__(self, sentence: str) -> None:
        super().__init__(plain(sentence))


class RunFolderError(TextuneError):
    """The run folder cannot be used."""


class MissingDependencyError(TextuneError):
    """A package that only some studies need is not installed."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the package '{package}', which is not installed; run: pip install 'textune[{extra}]'"
        )


class TrialError(TextuneError):
    """Ends one trial as failed; the study goes on."""


class DivergedError(TrialError):
    """The loss or the gradients were not finite; the sentence names epoch, step and value."""


class InterruptedTrial(TrialError):
    """Thrown into a trial where it yields: it leaves a checkpoint, from which a later attempt goes on, and ends."""


class FatalError(TextuneError):
    """Ends the study; every trial that ended before is kept."""


def plain(text: object) -> str:
    """Returns text on one line that cannot steer a terminal: control and direction characters become visible."""
    shown = str(text)
    if shown.isprintable():
        return shown
    return "".join(
        character if unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} else _escape(character)
        for character in shown
    )


def quoted(value: object) -> str:
    """Returns a value as a message quotes it: as Python writes it, at most 60 characters."""
    try:
        shown = repr(value)
    except RecursionError:
        return "lists in lists"
    except ValueError:  # a whole number of thousands of digits
        return f"a long {type(value).__name__}"
    return shown if len(shown) <= 60 else f"{shown[:57]}…"


def type_of(value: object) -> str:
    """Returns the type of a value as a message names it: a list, an int."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeioAEIO' else 'a'} {name}"


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def suggestion(given: str, allowed: Sequence[str]) -> str:
    """Returns `; did you mean 'x'?` for the closest allowed word, or an empty string."""
    matches = get_close_matches(given, allowed, n=1, cutoff=0.6)
    return f"; did you mean '{matches[0]}'?" if matches else ""
