"""What `textune show --json` prints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from textune.records import StudyRecord, TrialRecord, TrialState
from textune.report.ablation import Ablation, Effect, ablations
from textune.report.verdict import BASELINES, baseline

__all__ = ["show_json"]


def show_json(record: StudyRecord, run_folder: Path | None = None) -> dict[str, Any]:
    """Returns what `textune show --json` prints; numbers that are not finite become null.

    Args:
        record: the study, also while it runs.
        run_folder: where the outcomes of its trials lie, by which changes of one variable are compared.
    """
    confirmation = record.confirmation
    return {
        "name": record.name,
        "state": record.state,
        "trials": {state.value: record.count(state) for state in TrialState},
        "best": _trial_json(record.best),
        "chosen": _trial_json(record.chosen),
        "confirmation": None if confirmation is None else {k: v for k, v in confirmation.items() if k != "key"},
        "one_at_a_time": [_ablation_json(each) for each in ablations(record, run_folder)],
        "test": None if record.test is None else {k: _finite(v) for k, v in record.test.get("metrics", {}).items()},
        "baselines": {key: _baseline_json(record, key) for key in BASELINES if baseline(record, key)},
    }


def _baseline_json(record: StudyRecord, key: str) -> dict[str, Any]:
    scores = {name: _finite(value) for name, value in baseline(record, key).items()}
    seconds = scores.pop("seconds", None)
    return {"name": BASELINES[key], "metrics": scores, "seconds": seconds}


def _trial_json(trial: TrialRecord | None) -> dict[str, Any] | None:
    if trial is None or trial.result is None:
        return None
    metrics = trial.result.metrics.items()
    return {
        "trial": trial.spec.number,
        "value": _finite(trial.result.value),
        "params": trial.spec.choices,
        "metrics": {name: _finite(value) for name, value in metrics if name.startswith("valid.")},
    }


def _ablation_json(ablation: Ablation) -> dict[str, Any]:
    return {
        "stage": ablation.stage,
        "base": _mean_json(ablation.base),
        "changes": [
            {"path": effect.path, "value": effect.value, **_mean_json(effect), **_change_json(effect, ablation)}
            for effect in ablation.effects
        ],
        "combination": ablation.combination(),
    }


def _mean_json(effect: Effect) -> dict[str, Any]:
    """Returns the trials of a value, and what they came to in the mean."""
    metrics = dict.fromkeys(name for result in effect.results for name in result.metrics if name.startswith("valid."))
    return {
        "trials": [trial.spec.number for trial in effect.trials],
        "metrics": {name: _finite(effect.mean(name)) for name in metrics},
        "best_epoch": effect.mean("best_epoch"),
        "seconds_per_epoch": effect.mean("seconds_per_epoch"),
    }


def _change_json(effect: Effect, ablation: Ablation) -> dict[str, Any]:
    """Returns the difference to the base; its interval holds with those of all other values together."""
    change = effect.change
    if change is None:
        return {"difference": None, "low": None, "high": None, "verdict": "unknown"}
    verdict = "better" if ablation.is_better(effect) else "worse" if change.real else "noise"
    low, high = _finite(change.interval.low), _finite(change.interval.high)
    return {"difference": _finite(change.estimate.mean), "low": low, "high": high, "verdict": verdict}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
