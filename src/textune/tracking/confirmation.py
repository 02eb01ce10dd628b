"""One CSV row per training of the confirmation, written when it ends."""

from __future__ import annotations

from textune.records import StudyRecord, TrialResult, TrialSpec
from textune.tracking.table import TableTracker, cell, rounded

__all__ = ["ConfirmationTable"]


class ConfirmationTable(TableTracker):
    """Columns: run, trial (of the search), purpose, repeat, rows, state, reason, metrics, epochs, seconds, params."""

    def finish(self, study: StudyRecord) -> None:
        """Rows stay in the order in which trainings ended."""

    def _header(self) -> list[str]:
        names = ["run", "trial", "purpose", "repeat", "rows", "state", "reason", *self._metrics, "epochs", "seconds"]
        return [*names, *map(cell, self._params)]

    def _row(self, spec: TrialSpec, result: TrialResult) -> list[str]:
        repeat, params = spec.repeat, spec.choices
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
