"""One CSV row per training of the confirmation, written when it ends."""

from __future__ import annotations

import csv
from pathlib import Path

from textune.records import StudyStart, TrialResult, TrialSpec
from textune.tracking.base import Event, Tracker
from textune.tracking.table import cell, rounded

__all__ = ["ConfirmationTable"]


class ConfirmationTable(Tracker):
    """Columns: run, trial (of the search), purpose, repeat, rows, state, reason, metrics, epochs, seconds, params."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._metrics: tuple[str, ...] = ()
        self._params: tuple[str, ...] = ()
        self._specs: dict[int, TrialSpec] = {}

    def start(self, study: StudyStart) -> None:
        self._metrics, self._params = study.metrics, study.paths
        names = ["run", "trial", "purpose", "repeat", "rows", "state", "reason", *self._metrics, "epochs", "seconds"]
        self._path.unlink(missing_ok=True)  # of an earlier session, whose events are all told again
        self._append([*names, *map(cell, self._params)])

    def record(self, event: Event) -> None:
        if isinstance(event, TrialSpec):
            self._specs[event.number] = event
        elif isinstance(event, TrialResult):
            self._append(self._row(self._specs.pop(event.trial), event))

    def _row(self, spec: TrialSpec, result: TrialResult) -> list[str]:
        repeat, params = spec.repeat, spec.params
        assert repeat is not None
        return [
            str(result.trial),
            str(spec.candidate),
            repeat.purpose,
            str(repeat.number),
            repeat.rows,
            result.state.value,
            cell(result.reason),
            *(rounded(result.metrics.get(name), 6) for name in self._metrics),
            str(result.epochs),
            rounded(result.seconds, 3),
            *(cell(params[path]) if path in params else "" for path in self._params),
        ]

    def _append(self, row: list[str]) -> None:
        with self._path.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(row)
