"""One CSV row per trial, written when the trial ends."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

from textune.records import StudyRecord, TrialResult, TrialSpec
from textune.registry import register
from textune.storage import redact, write_atomically
from textune.tracking.base import Event, StudyStart, Tracker, TrackerConfig

__all__ = ["TABLE", "TableConfig", "TableTracker", "cell", "rounded"]

TABLE = "trials.csv"
FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""The last four are the signs of full width, which some spreadsheets take for the others."""

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that end lines, turn the direction of the rest of a line, or are none."""


class TableTracker(Tracker):
    """Columns: trial, state, reason, the metrics, best_epoch, epochs, seconds, seconds_per_epoch, the params.

    A param that does not apply to a trial, and a metric it did not come to, is an empty cell.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._metrics: tuple[str, ...] = ()
        self._params: tuple[str, ...] = ()
        self._specs: dict[int, TrialSpec] = {}

    def start(self, study: StudyStart) -> None:
        self._metrics, self._params = study.metrics, study.paths
        self._path.unlink(missing_ok=True)  # of an earlier session, whose events are all told again
        self._append(self._header())

    def record(self, event: Event) -> None:
        if isinstance(event, TrialSpec):
            self._specs[event.number] = event
        elif isinstance(event, TrialResult):
            self._append(self._row(self._specs.pop(event.trial), event))

    def finish(self, study: StudyRecord) -> None:
        """Puts the rows, which came in the order in which trials ended, into the order of their numbers."""
        rows = [self._row(trial.spec, trial.result) for trial in study.trials if trial.result is not None]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self._header(), *rows])
        write_atomically(self._path, text.getvalue())

    def _header(self) -> list[str]:
        names = ["trial", "state", "reason", *self._metrics, "best_epoch", "epochs", "seconds", "seconds_per_epoch"]
        return [*names, *map(cell, self._params)]

    def _row(self, spec: TrialSpec, result: TrialResult) -> list[str]:
        params = spec.choices
        return [*self._outcome(result), *(cell(params[path]) if path in params else "" for path in self._params)]

    def _outcome(self, result: TrialResult) -> list[str]:
        metrics = (result.metrics.get(name) for name in self._metrics)
        return [
            str(result.trial),
            result.state.value,
            cell(result.reason),
            *(rounded(value, 6) for value in metrics),
            rounded(result.best_epoch, 0),
            str(result.epochs),
            rounded(result.seconds, 3),
            rounded(result.seconds_per_epoch, 3),
        ]

    def _append(self, row: list[str]) -> None:
        """Opens the file for each row: it is whole whenever someone looks, and no handle keeps a reader out."""
        with self._path.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(row)


@register("tracker", "table")
class TableConfig(TrackerConfig):
    """A row per trial in trials.csv."""

    def build(self, folder: Path) -> TableTracker:
        return TableTracker(folder / TABLE)


def rounded(value: float | None, digits: int) -> str:
    """Returns a number with so many digits, nothing for None."""
    return "" if value is None else str(round(value, digits))


def cell(value: Any) -> str:
    """Returns text on one line and no formula to a spreadsheet; anything else as JSON."""
    if not isinstance(value, str):
        return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", redact(json.dumps(value, ensure_ascii=False)))
    text = _UNSEEN.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode(), redact(value))
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
