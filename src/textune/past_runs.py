"""What was run before: shown, listed and reported, as event logs tell it. Nothing here loads torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textune.errors import RunFolderError
from textune.records import StudyRecord, TrialState
from textune.run_folder import EVENTS, RunFolder
from textune.tracking.log import read_study

__all__ = ["Finished", "load_run", "report", "runs", "show"]


@dataclass(frozen=True)
class Finished:
    """A study that ended, one way or another."""

    folder: RunFolder
    record: StudyRecord

    @property
    def exit_code(self) -> int:
        """0 done, 1 nothing finished, 130 interrupted."""
        if self.record.state == "interrupted":
            return 130
        return 0 if self.record.state == "done" and self.record.best is not None else 1


def load_run(path: Path) -> Finished:
    """Returns a run as its event log tells it."""
    folder = RunFolder.find(path)
    return Finished(folder, read_study(folder.path))


def show(path: Path, *, as_json: bool = False) -> Any:
    """Returns how a run stands: JSON values, or something rich prints."""
    finished = load_run(path)
    if found := _found(finished.folder):
        from textune.report.fidelity import fidelity_table

        return found if as_json else fidelity_table(found)
    if as_json:
        from textune.report.as_json import show_json

        return show_json(finished.record, finished.folder.path)
    from textune.report.terminal import show as result_table

    return result_table(finished.record, finished.folder.path)


def _found(folder: RunFolder) -> Any:
    """Returns what stands in the folder of a `fidelity` that came to its end; None in others."""
    table = folder.fidelity_table
    return json.loads(table.read_text(encoding="utf-8")) if table.is_file() else None


def runs(folder: Path) -> list[str]:
    """Returns a line for each run below a folder, the latest last."""
    from textune.tracking.wording import plain

    paths = [path.parent for path in folder.glob(f"*/{EVENTS}")] if folder.is_dir() else []
    width = max((len(path.name) for path in paths), default=0)
    lines = []
    for path in sorted(paths, key=lambda path: (path / EVENTS).stat().st_mtime):
        try:
            record = read_study(path)
        except RunFolderError as error:
            lines.append(f"{plain(path.name):{width}}  {error}")
        else:
            lines.append(f"{plain(path.name):{width}}  {record.state:11}  {_score(record)}")
    return lines


def _score(record: StudyRecord) -> str:
    """Returns what a study came to: the score, in the search, of what is handed over, and how its trials ended."""
    from textune.tracking.wording import number, plain

    if record.repeats and not record.trials:
        return f"{len(record.repeats)} trainings, to compare short forms"
    value = None if record.chosen is None or record.chosen.result is None else record.chosen.result.value
    counts = ", ".join(f"{record.count(state)} {state}" for state in TrialState if record.count(state))
    return f"{plain(record.objective.metric)} {number(value)}  {counts or 'no trials'}"


def report(path: Path) -> Path:
    """Writes a run's report anew and returns its path."""
    from textune.report import write_report
    from textune.report.fidelity import write_fidelity_page

    finished = load_run(path)
    if found := _found(finished.folder):
        write_fidelity_page(finished.folder.fidelity_page, found)
        return finished.folder.fidelity_page
    return write_report(finished.folder.path, finished.record)
