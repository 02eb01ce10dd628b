"""What stands where in a run folder (docs/run-folder.md tells what each file holds)."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from textune.errors import RunFolderError

__all__ = ["RunFolder"]


@dataclass(frozen=True)
class RunFolder:
    """The folder of one study. The coordinator alone writes its top level; a trial writes in its attempt folder."""

    path: Path

    @staticmethod
    def refuse_existing(path: Path, *, fresh: bool) -> None:
        """Raises RunFolderError if there is something at `path` and `fresh` is off."""
        if _in_use(path) and not fresh:
            raise RunFolderError(
                f"{path} exists; add --fresh to move it aside and start anew, or name another folder with --out"
            )

    @classmethod
    def create(cls, path: Path, *, fresh: bool) -> RunFolder:
        """Makes a new run folder; an existing one is moved aside to `<name>.1` (`.2`, …) if `fresh`.

        Raises:
            RunFolderError: the folder exists and `fresh` is off.
        """
        cls.refuse_existing(path, fresh=fresh)
        if _in_use(path):
            number = 1
            while (aside := path.with_name(f"{path.name}.{number}")).exists():
                number += 1
            path.rename(aside)
        path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    @classmethod
    def find(cls, path: Path) -> RunFolder:
        """Returns the run folder at `path`, or of that name under `runs/`.

        Raises:
            RunFolderError: there is none.
        """
        for candidate in (path, Path("runs") / path):
            if (candidate / "events.jsonl").is_file():
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
        return self.path / "events.jsonl"

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


def _in_use(path: Path) -> bool:
    return path.exists() and (not path.is_dir() or any(path.iterdir()))
