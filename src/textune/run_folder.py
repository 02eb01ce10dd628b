"""What stands where in a run folder (docs/run-folder.md tells what each file holds)."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from textune.errors import RunFolderError
from textune.storage import LOCK_FILE, FolderLock

__all__ = ["EVENTS", "RunFolder"]

EVENTS = "events.jsonl"


@dataclass(frozen=True)
class RunFolder:
    """The folder of one study. The coordinator alone writes its top level; a trial writes in its attempt folder."""

    path: Path

    @staticmethod
    def refuse_existing(path: Path, *, fresh: bool) -> None:
        """Raises RunFolderError if there is something at `path` that `fresh` may not move aside, or `fresh` is off."""
        if not _is_taken(path):
            return
        if not _is_run(path):
            raise RunFolderError(f"{path} exists and is no run folder; name another folder with --out")
        if not fresh:
            raise RunFolderError(
                f"{path} exists; add --fresh to move it aside and start anew, or name another folder with --out"
            )
        FolderLock(path).release()  # a study that still runs keeps its folder

    @classmethod
    def create(cls, path: Path, *, fresh: bool) -> RunFolder:
        """Makes a new run folder; an existing one is moved aside to `<name>.1` (`.2`, …) if `fresh`.

        Raises:
            RunFolderError: the folder exists and `fresh` is off, or it is no run folder, or its study still runs.
        """
        cls.refuse_existing(path, fresh=fresh)
        if _is_taken(path):
            with FolderLock(path):
                _move_aside(path.absolute())
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(f"{path} cannot be made: {error.strerror}; name another folder with --out") from error
        return cls(path)

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
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def best(self) -> Path:
        return self.path / "best"

    def attempt(self, trial: int, attempt: int = 1) -> Path:
        return self.path / "trials" / f"{trial:04d}" / f"attempt-{attempt}"

    def model(self, trial: int, attempt: int = 1) -> Path:
        return self.attempt(trial, attempt) / "model"

    def outcomes(self, trial: int, attempt: int = 1) -> Path:
        return self.attempt(trial, attempt) / "outcomes.npz"

    def drop_model(self, trial: int, attempt: int = 1) -> None:
        shutil.rmtree(self.model(trial, attempt), ignore_errors=True)


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
