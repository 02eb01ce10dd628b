"""Textune from Python: `study = textune.run("study.yaml")`, or with a mapping and a DataFrame."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textune import commands
from textune.errors import DataError
from textune.records import StudyRecord, TrialRecord

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from textune.data import Label
    from textune.pipeline import Pipeline

__all__ = ["Study", "load", "run"]

FRAME = "rows.jsonl"


@dataclass(frozen=True)
class Study:
    """A study that was run: what happened, and what it hands over."""

    folder: Path
    record: StudyRecord

    @property
    def best(self) -> TrialRecord | None:
        """The trial whose configuration is handed over: what the confirmation chose, or else the best of the search."""
        return self.record.chosen

    @property
    def trials(self) -> pd.DataFrame:
        """One row per ended trial, as `trials.csv` has it; needs pandas."""
        import pandas as pd

        return pd.read_csv(self.folder / "trials.csv")

    def report(self) -> Path:
        """Writes `report.html` anew and returns its path."""
        return commands.report(self.folder)

    def predict(self, texts: Sequence[str]) -> list[Label]:
        """Returns the label of each text, in the type of the labels it was trained on: text, int, float or bool."""
        labels = self.pipeline.labels
        return [labels[index] for index in self.predict_proba(texts).argmax(1).tolist()]

    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns probabilities, a row per text and a column per class (`study.pipeline.config.classes`)."""
        return self.pipeline.predict(texts)

    @cached_property
    def pipeline(self) -> Pipeline:
        """The model of `best`, with its tokenizer and classes."""
        from textune.serve.predict import find_pipeline

        return find_pipeline(self.folder)


def run(
    study: str | Path | Mapping[str, Any],
    data: pd.DataFrame | None = None,
    *,
    out: str | Path | None = None,
    fresh: bool = False,
    overrides: Sequence[str] = (),
    quiet: bool = False,
    allow_plugins: bool = False,
) -> Study:
    """Runs a study and returns it.

    Args:
        study: a study file, or the study as a mapping.
        data: rows to learn from in place of the study's `data.path`; columns as the study's `data` names them
            (`text` and `label` by default).
        out: the run folder; default `runs/<name>`.
        fresh: move an existing run folder aside first.
        overrides: `"training.epochs=3"`.
        quiet: show nothing while it runs.
        allow_plugins: let the study run the Python files it names.

    Raises:
        TextuneError: as the command line would say it.
    """
    changes = list(overrides)
    if data is not None:
        changes += ["data.kind=files", "data.train=null", f"data.path={_store(data)}", "data.encoding=utf-8"]
    finished = commands.run(
        study if isinstance(study, Mapping) else Path(study),
        out=None if out is None else Path(out),
        fresh=fresh,
        overrides=changes,
        quiet=quiet,
        allow_plugins=allow_plugins,
    )
    return Study(finished.folder.path, finished.record)


def load(folder: str | Path) -> Study:
    """Returns a study that was run before, from its run folder or its name under `runs/`."""
    finished = commands.load_run(Path(folder))
    return Study(finished.folder.path, finished.record)


def _in_local_time(data: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows without time zones: JSON would have them in UTC, and days in another one."""
    aware = [name for name, dtype in data.dtypes.items() if getattr(dtype, "tz", None) is not None]
    if not aware or not data.columns.is_unique:
        return data
    data = data.copy()
    for name in aware:
        data[name] = data[name].dt.tz_localize(None)
    return data


def _store(data: pd.DataFrame) -> Path:
    """Writes a DataFrame where workers can read it, named by its content; it is forgotten when long unused."""
    from textune.data import Cache, content_key
    from textune.storage import write_atomically

    if not len(data):
        raise DataError("the DataFrame has no rows")
    try:
        content = (
            _in_local_time(data).to_json(orient="records", lines=True, date_format="iso", force_ascii=False).encode()
        )
    except (ValueError, OverflowError) as error:  # half characters, two columns of one name, lists in lists
        raise DataError(f"the DataFrame cannot be written as JSON: {error}") from error
    folder = Cache().folder(
        content_key("frame", hashlib.sha256(content).hexdigest()),
        lambda folder: write_atomically(folder / FRAME, content),
    )
    return folder / FRAME
