"""Whole studies that take a second: what a component meets in one, its own methods do not show."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from textune import commands
from textune.config.base import Config
from textune.config.tree import assign
from textune.records import TrialRecord, TrialState
from textune.serve.predict import find_pipeline

__all__ = ["outcome", "run_study"]

STUDY = {
    "name": "whole",
    "data": {"kind": "synthetic", "rows": 120},
    "model": {"embedding": {"size": 8}, "encoder": {"kind": "bag-of-words", "ngrams": 1}, "head": {"dropout": 0.3}},
    "training": {"epochs": 2, "batch_size": 16, "optimizer": {"learning_rate": 0.01}},
    "search": {
        "space": {
            "training.label_smoothing": {"low": 0.0, "high": 0.2, "steps": 2},
            "training.length_buckets": [True, False],
        },
        "trials": 2,
    },
    "confirm": "off",
    "execution": "serial",
    "tracking": [],
}
"""Components that are not given are the default ones, or quick ones."""

MEASURED = (TrialState.COMPLETE, TrialState.PRUNED)


def run_study(folder: Path, parts: Mapping[str, Any], source: Path | None = None) -> tuple[TrialRecord, ...]:
    """Runs a study to its end, looks at what it leaves, and predicts with its model.

    Args:
        folder: where it writes everything, its cache included.
        parts: dotted path of a setting, such as `model.encoder` → its value, or the config of a component.
        source: the folder of its data; None: `folder`.

    Returns:
        Its trials, all of them measured.
    """
    settings: dict[str, Any] = copy.deepcopy(STUDY)
    for path, value in parts.items():
        assign(settings, path, value.dump() if isinstance(value, Config) else value)
    study = (source or folder) / "whole.yaml"
    study.write_text(yaml.safe_dump(settings), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEXTUNE_CACHE", str(folder / "cache"))
        finished = commands.run(study, out=folder / "run", quiet=True)
    record = finished.record
    for trial in record.trials:
        assert trial.result is not None
        assert trial.result.state in MEASURED, trial.result.reason
    assert record.state == "done", record.reason
    assert (finished.folder.path / "report.html").is_file()
    pipeline = find_pipeline(finished.folder.path)
    assert pipeline.predict(["a fine film", ""]).shape == (2, len(pipeline.config.classes))
    return record.trials


def outcome(trial: TrialRecord) -> tuple[Any, ...]:
    """Returns what must not depend on where a trial was run: params, measurements and result."""
    assert trial.result is not None
    measured = [(each.fold, each.epoch, each.metrics) for each in trial.progress]
    return trial.spec.params, measured, trial.result.end, trial.result.best_epoch, trial.result.metrics
