"""What stands where in a run folder (docs/run-folder.md tells what each file holds)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from textune.errors import RunFolderError, plain
from textune.records import StudyRecord, TrialRecord
from textune.storage import LOCK_FILE, FolderLock
from textune.temporary import is_temporary, remove_abandoned, remove_folder

__all__ = ["CHECKPOINT", "EVENTS", "RunFolder"]

EVENTS = "events.jsonl"
CHECKPOINT = "checkpoint.safetensors"
MODEL = "model"


@dataclass(frozen=True)
class RunFolder:
    """The folder of one study. The coordinator alone writes its top level; a trial writes in its attempt folder."""

    path: Path
    attempts: str = "trials"
    """The folder below it in which trials have theirs; those of the confirmation stand in another."""

    @property
    def confirmation(self) -> RunFolder:
        """The same folder as trials of the confirmation see it."""
        return replace(self, attempts="confirmation")

    @property
    def fidelity(self) -> RunFolder:
        """The same folder as trainings see it that measure what short forms are worth."""
        return replace(self, attempts="fidelity")

    def of_phase(self, name: str) -> RunFolder:
        """The same folder as trials of a phase see it, which is named as in the log."""
        if name.startswith("search"):
            return self
        return self.fidelity if name.startswith("fidelity") else self.confirmation

    @classmethod
    def at(cls, path: Path) -> RunFolder | None:
        """Returns the run folder at `path`, None if nothing is there.

        Raises:
            RunFolderError: something else is there.
        """
        if not _is_taken(path):
            return None
        if not _is_run(path):
            raise RunFolderError(f"{path} exists and is no run folder; name another folder with --out")
        return cls(path)

    @classmethod
    def create(cls, path: Path) -> RunFolder:
        """Makes a new run folder; an existing one is moved aside to `<name>.1` (`.2`, …).

        Raises:
            RunFolderError: something else is there, or a study still runs in it.
        """
        if cls.at(path) is not None:
            with FolderLock(path):
                _move_aside(path.absolute())
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(f"{path} cannot be made: {error.strerror}; name another folder with --out") from error
        return cls(path)

    @classmethod
    def taken(cls, place: Path | RunFolder, held: ExitStack) -> RunFolder:
        """Returns a folder that is locked already, or makes one at a path, whose lock `held` keeps."""
        if isinstance(place, RunFolder):
            return place
        folder = cls.create(place)
        held.enter_context(FolderLock(folder.path))
        return folder

    def enter(self, held: ExitStack) -> None:
        """Takes the folder to write in it: locks it, and removes what writers left there that were killed.

        Raises:
            RunFolderError: another process has it, or something in it is a symbolic link. What such a link names lies
                elsewhere, and whoever made the folder may have chosen it.
        """
        held.enter_context(FolderLock(self.path))
        for entry in _entries(self.path):
            if entry.is_symlink():
                raise RunFolderError(
                    f"{plain(entry.path)} is a symbolic link, and nothing in a run folder is written through one; "
                    "remove it, or name another folder with --out"
                )
            if is_temporary(entry.name):
                remove_abandoned(Path(entry.path))

    @classmethod
    def find(cls, path: Path) -> RunFolder:
        """Returns the run folder at `path`, or of that name under `runs/`.

        Raises:
            RunFolderError: there is none.
        """
        for candidate in (path, Path("runs") / path):
            if (candidate / EVENTS).is_file():
                return cls(candidate)
        raise RunFolderError(
            f"{path} is no run folder (it has no events.jsonl); 'textune list' shows those under runs/"
        )

    @property
    def study_file(self) -> Path:
        return self.path / "study.yaml"

    @property
    def resolved_study(self) -> Path:
        return self.path / "study.json"

    @property
    def events(self) -> Path:
        return self.path / EVENTS

    @property
    def table(self) -> Path:
        return self.path / "trials.csv"

    @property
    def confirmation_table(self) -> Path:
        return self.path / "confirmation.csv"

    @property
    def fidelity_table(self) -> Path:
        return self.path / "fidelity.json"

    @property
    def fidelity_page(self) -> Path:
        return self.path / "fidelity.html"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def has_current_report(self) -> bool:
        return self.report.is_file() and self.report.stat().st_mtime >= self.events.stat().st_mtime

    @property
    def best(self) -> Path:
        return self.path / "best"

    def attempt(self, trial: int, attempt: int = 1) -> Path:
        return self.path / self.attempts / f"{trial:04d}" / f"attempt-{attempt}"

    def model(self, trial: int, attempt: int = 1) -> Path:
        return self.attempt(trial, attempt) / MODEL

    def model_of(self, chosen: TrialRecord, record: StudyRecord) -> Path:
        """Returns where a trial's weights are, or belong: after a search in short form, those trained in full since."""
        full = record.in_full(chosen)
        if full is not None:
            return self.confirmation.model(full.spec.number, full.spec.attempt)
        return self.model(chosen.spec.number, chosen.spec.attempt)

    def outcomes(self, trial: int, attempt: int = 1) -> Path:
        return self.attempt(trial, attempt) / "outcomes.npz"

    def last_checkpoint(self, trial: int, attempt: int) -> Path | None:
        """Returns the checkpoint of the latest attempt, up to `attempt`, that left one."""
        paths = (self.attempt(trial, each) / CHECKPOINT for each in range(attempt, 0, -1))
        return next((path for path in paths if path.is_file()), None)

    def drop_leftovers(self, trial: int, last: int) -> None:
        """Removes what a trial that ended in its attempt `last` needed to go on, and models of attempts before.

        Also what its workers were writing when they were killed: the study may end before another start looks for it.
        """
        for folder in (self.path / self.attempts / f"{trial:04d}").glob("attempt-*"):
            (folder / CHECKPOINT).unlink(missing_ok=True)
            for path in folder.glob(".*"):
                if is_temporary(path.name):
                    remove_abandoned(path)
        for attempt in range(1, last):
            self.drop_model(trial, attempt)

    def with_leftovers(self) -> list[tuple[str, int]]:
        """Returns the trials, each with the folder that has its attempts, of which there are checkpoints or models."""
        left = (path for name in (CHECKPOINT, MODEL) for path in self.path.glob(f"*/*/attempt-*/{name}"))
        places = {path.relative_to(self.path).parts[:2] for path in left}
        return sorted((attempts, int(trial)) for attempts, trial in places if trial.isdecimal())

    def drop_model(self, trial: int, attempt: int = 1) -> None:
        remove_folder(self.model(trial, attempt))


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yields all that lies in a folder and below it, but what lies in temporary folders; follows no links."""
    with os.scandir(folder) as entries:
        for entry in entries:
            yield entry
            if entry.is_dir(follow_symlinks=False) and not is_temporary(entry.name):
                yield from _entries(Path(entry.path))


def _is_taken(path: Path) -> bool:
    return path.exists() and (not path.is_dir() or any(path.iterdir()))


def _move_aside(path: Path) -> None:
    number = 1
    while (aside := path.with_name(f"{path.name}.{number}")).exists():
        number += 1
    path.rename(aside)


def _is_run(path: Path) -> bool:
    """A study that ended before its first event leaves its lock at least."""
    return (path / EVENTS).is_file() or (path / LOCK_FILE).is_file()
