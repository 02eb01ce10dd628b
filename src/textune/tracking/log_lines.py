"""The lines of the event log, by event."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from textune.json_records import Confirmation, TestReading
from textune.records import Progress, Record, TrialResult, TrialSpec
from textune.tracking.base import StudyStart
from textune.tracking.history import SEARCH, EndState

__all__ = [
    "FORMAT",
    "STARTS",
    "AnyLine",
    "ConfirmedLine",
    "EndLine",
    "Limits",
    "PhaseEnd",
    "PhaseEndLine",
    "SessionLine",
    "StudyEnd",
    "TestLine",
    "TrialLine",
    "parsed",
]

FORMAT = 2
"""Of the log; greater where an older Textune could not read it. In 1 lines are not chained."""

Limits = tuple[int | None, float | None]
"""Trials, and seconds, that a phase may take."""

STARTS = ("study-started", "study-resumed")


class StudyEnd(Record):
    """How a study ended, or stopped."""

    state: EndState
    reason: str
    seconds: float


class PhaseEnd(StudyEnd):
    """How a phase ended, or stopped, and within which limits."""

    limits: Limits


class Line(Record):
    """What every line has; those of a phase name it."""

    time: float = Field(allow_inf_nan=False)
    phase: str = SEARCH


class SessionLine(Line):
    """A session begins; the lines of the log have this format from here on."""

    event: Literal["study-started", "study-resumed"]
    format: int = Field(1, le=FORMAT)
    content: StudyStart


class StartLine(Line):
    event: Literal["trial-started"]
    content: TrialSpec


class ProgressLine(Line):
    event: Literal["progress"]
    content: Progress


class ResultLine(Line):
    """In `attempt-ended` another attempt follows, or may."""

    event: Literal["trial-ended", "attempt-ended"]
    content: TrialResult


class PhaseEndLine(Line):
    event: Literal["phase-ended"]
    content: PhaseEnd


class ConfirmedLine(Line):
    event: Literal["confirmed"]
    content: Confirmation


class TestLine(Line):
    event: Literal["test-read"]
    content: TestReading


class EndLine(Line):
    event: Literal["study-ended"]
    content: StudyEnd


TrialLine = StartLine | ProgressLine | ResultLine
AnyLine = SessionLine | TrialLine | PhaseEndLine | ConfirmedLine | TestLine | EndLine

_LINE: TypeAdapter[AnyLine] = TypeAdapter(Annotated[AnyLine, Field(discriminator="event")])


def parsed(text: bytes) -> AnyLine:
    """Returns a line of the log.

    Raises:
        ValueError: the text is none; says why in a sentence.
    """
    try:
        return _LINE.validate_json(text)
    except ValidationError as error:
        if (written := _format(text)) > FORMAT:
            reason = f"a newer Textune wrote this log (format {written}; this version reads up to {FORMAT})"
            raise ValueError(f"{reason}; update Textune") from None
        first, *_ = error.errors()
        raise ValueError(
            f"the line is not understood ({'.'.join(map(str, first['loc']))}: {first['msg']}); it was changed by hand, "
            "or another version of Textune wrote it"
        ) from None


def _format(text: bytes) -> int:
    """Returns the format that a line names, 1 where it names none."""
    try:
        line = from_json(text)
    except ValueError:
        return 1
    written = line.get("format") if isinstance(line, dict) else None
    return written if isinstance(written, int) else 1
