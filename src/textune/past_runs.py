"""What was run before: shown, listed and reported, as event logs tell it. Nothing here loads torch."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from textune.errors import RunFolderError
from textune.execution.attempt import result_so_far
from textune.json_records import FidelityFindings
from textune.records import EndReason, StudyRecord, TrialRecord, TrialState
from textune.run_folder import EVENTS, RunFolder
from textune.storage import is_in_use
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
    return Finished(folder, _read(folder.path))


def _read(folder: Path) -> StudyRecord:
    """Returns a study as its log tells it; one that seems to run, and has no process any more, was interrupted."""
    record = read_study(folder)
    if record.state != "running" or is_in_use(folder):
        return record
    stopped = {
        "state": "interrupted",
        "reason": "its process was killed, or the machine went down",
        "trials": tuple(map(_stopped, record.trials)),
        "repeats": tuple(map(_stopped, record.repeats)),
    }
    return record.model_copy(update=stopped)


def _stopped(trial: TrialRecord) -> TrialRecord:
    """Returns a trial that does not run any more."""
    if trial.result is not None:
        return trial
    result = result_so_far(trial.spec, trial.progress, EndReason.INTERRUPTED, "", 0.0)
    return trial.model_copy(update={"result": result.model_copy(update={"final": False})})


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


def _found(folder: RunFolder) -> FidelityFindings | None:
    """Returns what stands in the folder of a `fidelity` that came to its end; None in others.

    Raises:
        RunFolderError: it is damaged.
    """
    table = folder.fidelity_table
    if not table.is_file():
        return None
    try:
        return TypeAdapter(FidelityFindings).validate_json(table.read_bytes())
    except ValidationError as error:
        first, *_ = error.errors()
        reason = ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
        raise RunFolderError(
            f"{table} is damaged ({reason}); the command that made the folder, 'textune fidelity', writes it again"
        ) from error


def runs(folder: Path) -> list[str]:
    """Returns a line for each run below a folder, the latest last."""
    from textune.tracking.wording import plain

    found = [(_age(path), path) for path in folder.iterdir()] if folder.is_dir() else []
    listed = sorted((age, path) for age, path in found if age is not None)
    width = max((len(plain(path.name)) for _, path in listed), default=0)
    return [f"{plain(path.name):{width}}  {_line(path)}" for _, path in listed]


def _age(path: Path) -> float | None:
    """Returns when a run folder was last written to, 0 where that cannot be seen; None: it is not a run folder."""
    try:
        return (path / EVENTS).stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return 0.0


def _line(path: Path) -> str:
    """Returns how the study of a run folder stands, or why that cannot be known."""
    try:
        if not stat.S_ISREG((path / EVENTS).stat().st_mode):
            return f"{path / EVENTS} is not a file"
        record = _read(path)
    except RunFolderError as error:
        return str(error)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    return f"{record.state:11}  {_score(record)}"


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
