"""Textune from Python: `study = textune.run("study.yaml")`, or with a mapping and a DataFrame."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textune import commands
from textune.records import StudyRecord, TrialRecord
from textune.surroundings import as_before

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from textune.data import Label
    from textune.pipeline import Pipeline

__all__ = ["Study", "load", "run"]

FRAME = "the DataFrame"
"""Stands for the path of a frame that is not stored yet."""


@dataclass(frozen=True, repr=False)
class Study:
    """A study that was run: what happened, and what it hands over.

    Attributes:
        folder: its run folder.
        record: everything that happened.
        allow_plugins: whether its model may run the Python files beside it.
    """

    folder: Path
    record: StudyRecord
    allow_plugins: bool = False

    def __repr__(self) -> str:
        trials = len(self.record.trials)
        text = f"{self.record.state}, {trials} trial{'' if trials == 1 else 's'}"
        if self.best is not None and self.best.result is not None:
            objective = f"{self.record.objective.metric} {self.best.result.value:.4g}"
            text += f", best: trial {self.best.spec.number} with {objective}"
        return f"<Study {str(self.folder)!r}: {text}>"

    @property
    def best(self) -> TrialRecord | None:
        """The trial whose configuration is handed over: what the confirmation chose, or else the best of the search."""
        return self.record.chosen

    @property
    def trials(self) -> pd.DataFrame:
        """One row per ended trial, with the columns of `trials.csv` and values as they are; needs pandas.

        A param that does not apply to a trial is `pd.NA`, a choice of null is None.
        """
        from textune.report.trials import trials_frame

        return trials_frame(self.record)

    @as_before()
    def report(self) -> Path:
        """Writes `report.html` anew and returns its path."""
        return commands.report(self.folder)

    def predict(self, texts: Iterable[object]) -> list[Label]:
        """Returns the label of each text, in the type of the labels it was trained on: text, int, float or bool.

        Args:
            texts: any iterable, Series or array of texts, or a frame as `run` takes it, with the study's text column.
        """
        labels = self.pipeline.labels
        return [labels[index] for index in self.predict_proba(texts).argmax(1).tolist()]

    @as_before()
    def predict_proba(self, texts: Iterable[object]) -> NDArray[np.float32]:
        """Returns probabilities, a row per text and a column per class (`study.pipeline.config.classes`)."""
        return self.pipeline.predict(texts)

    @cached_property
    @as_before()
    def pipeline(self) -> Pipeline:
        """The model of `best`, with its tokenizer and classes."""
        from textune.serve.predict import find_pipeline

        return find_pipeline(self.folder, allow_plugins=self.allow_plugins)


@as_before()
def run(
    study: str | Path | Mapping[str, Any],
    data: object | None = None,
    *,
    out: str | Path | None = None,
    fresh: bool = False,
    overrides: Sequence[str] = (),
    quiet: bool = False,
    allow_plugins: bool = False,
) -> Study:
    """Runs a study and returns it.

    What is the whole program's is left as it was: environment, threads, warnings, random states, signal handlers.

    Args:
        study: a study file, or the study as a mapping.
        data: rows to learn from in place of the study's `data.path`: a pandas or polars DataFrame, an Arrow table, a
            list of dicts or a dict of lists, with the columns that the study's `data` names (`text` and `label` by
            default). Other columns may hold anything.
        out: the run folder; default `runs/<name>`.
        fresh: move an existing run folder aside first.
        overrides: `"training.epochs=3"`.
        quiet: show nothing while it runs.
        allow_plugins: let the study run the Python files it names.

    Raises:
        TextuneError: as the command line would say it.
    """
    source = study if isinstance(study, Mapping) else Path(study)
    changes = list(overrides)
    if data is not None:
        changes += ["data.kind=files", "data.train=null", f"data.path={FRAME}"]
        changes.append(f"data.path={_store(data, source, changes, allow_plugins=allow_plugins)}")
    finished = commands.run(
        source,
        out=None if out is None else Path(out),
        fresh=fresh,
        overrides=changes,
        quiet=quiet,
        allow_plugins=allow_plugins,
    )
    return Study(finished.folder.path, finished.record, allow_plugins)


def load(folder: str | Path, *, allow_plugins: bool = False) -> Study:
    """Returns a study that was run before, from its run folder or its name under `runs/`.

    Args:
        folder: where it is.
        allow_plugins: let its model run the Python files beside it.

    Raises:
        TextuneError: there is no run, or it is damaged.
    """
    finished = commands.load_run(Path(folder))
    return Study(finished.folder.path, finished.record, allow_plugins)


def _store(
    data: object, study: Path | Mapping[str, Any], overrides: Sequence[str], *, allow_plugins: bool = False
) -> Path:
    """Writes the columns of a frame that a study uses to the cache, where workers can read them, by their content."""
    from textune.config.load import load_study
    from textune.data import STORED, Cache, FilesConfig, content_key, frame_as_table, stored_lines
    from textune.storage import written_atomically

    config = load_study(study, overrides, allow_plugins=allow_plugins).config.data
    assert isinstance(config, FilesConfig)
    # A column of the name 'split' that the study does not name counts only if it says train, valid or test.
    table = frame_as_table(data, config.wanted, optional=() if config.split else ("split",))
    digest = hashlib.sha256()
    for line in stored_lines(table):
        digest.update(line)

    def build(folder: Path) -> None:
        with written_atomically(folder / STORED) as file:
            file.writelines(stored_lines(table))

    return Cache().folder(content_key("frame", digest.hexdigest()), build) / STORED
