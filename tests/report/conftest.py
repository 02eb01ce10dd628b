"""Studies as their logs would tell them, without running any."""

from __future__ import annotations

import math

import numpy as np
import pytest

from textune.records import EndReason, Objective, Progress, StudyRecord, TrialRecord, TrialResult, TrialSpec
from textune.stats.intervals import wilson

CLASSES = ("very negative", "negative", "neutral", "positive", "very positive")
CONFUSION = [
    [112, 138, 17, 10, 2],
    [73, 398, 92, 63, 7],
    [15, 121, 118, 121, 14],
    [6, 42, 74, 308, 80],
    [2, 11, 15, 172, 199],
]
RATE, SIZE = "training.optimizer.learning_rate", "model.encoder.hidden_size"
CELL, LAYERS, KIND = "model.encoder.cell", "model.encoder.num_layers", "model.encoder.kind"
SPACE = {
    RATE: {"low": 5e-6, "high": 1e-2, "log": True},
    SIZE: {"low": 50, "high": 300},
    KIND: {"values": ["rnn", "bag-of-words"]},
    CELL: {"values": ["rnn", "gru", "lstm"], "when": {KIND: "rnn"}},
    LAYERS: {"low": 1, "high": 5, "when": {KIND: "rnn"}},
}
CONFIG = {
    "model": {"encoder": {"kind": "rnn", "cell": "lstm", "hidden_size": 128, "num_layers": 1}},
    "training": {"optimizer": {"kind": "adam", "learning_rate": 1e-3}},
}
EPOCHS = 12


def draw(rng) -> dict:
    params = {RATE: float(10 ** rng.uniform(-5.3, -2)), SIZE: int(rng.integers(50, 301))}
    params[KIND] = str(rng.choice(["rnn", "bag-of-words"], p=[0.8, 0.2]))
    if params[KIND] == "rnn":
        params[CELL] = str(rng.choice(["rnn", "gru", "lstm"]))
        params[LAYERS] = int(rng.integers(1, 6))
    return params


def ceiling(params) -> float:
    """The accuracy these params would reach."""
    rate = 0.17 * math.exp(-((math.log10(params.get(RATE, 1e-3)) + 3) ** 2) / 0.9)
    cell = {"rnn": -0.03, "gru": 0.015, "lstm": 0.02}.get(params.get(CELL), 0)
    return 0.26 + rate + cell - 0.006 * params.get(LAYERS, 2) + 0.0001 * params.get(SIZE, 100)


def make_trial(number: int, params: dict, rng, end: EndReason | None = EndReason.FINISHED) -> TrialRecord:
    """A trial whose curve rises to the ceiling of its params; it stops early where `end` says so."""
    epochs = {EndReason.PRUNED: 4, EndReason.DIVERGED: 1, EndReason.EARLY_STOPPED: 9, None: 5}.get(end, EPOCHS)
    top, pace = ceiling(params), rng.uniform(1.5, 4)
    progress = []
    for epoch in range(1, epochs + 1):
        value = (
            0.24 + (top - 0.24) * (1 - math.exp(-epoch / pace)) + 0.006 * rng.normal() - 0.0008 * max(0, epoch - 8) ** 2
        )
        metrics = {
            "train.loss": 1.6 * math.exp(-epoch / (2 * pace)) + 0.1,
            "valid.loss": 1.62 - 2 * (value - 0.24) + 0.004 * epoch,
            "valid.accuracy": value,
            "valid.f1_macro": 0.92 * value,
        }
        progress.append(
            Progress(trial=number, epoch=epoch, epochs=EPOCHS, value=value, metrics=metrics, seconds=6.1 * epoch)
        )
    spec = TrialSpec(number=number, params=params, config=CONFIG)
    if end is None:
        return TrialRecord(spec=spec, progress=tuple(progress))
    best = max(progress, key=lambda point: point.value)
    failed = end in {EndReason.DIVERGED, EndReason.CRASHED}
    result = TrialResult(
        trial=number,
        end=end,
        reason=f"{end.value}: {end.sentence}",
        value=None if failed else best.value,
        metrics={} if failed else best.metrics,
        best_epoch=None if failed else best.epoch,
        epochs=epochs,
        seconds=6.1 * epochs + 1.5,
        seconds_per_epoch=6.1,
        details={"num_parameters": 1_234_567, "examples_per_second": 1_400.0},
    )
    return TrialRecord(spec=spec, progress=tuple(progress), result=result)


def make_data() -> dict:
    splits = {"train": (8_544, 19.1), "valid": (1_101, 19.3), "test": (2_210, 19.2), "all": (11_855, 19.2)}
    return {
        "rows": 11_855,
        "rows_in_no_split": 0,
        "folds": 1,
        "vocabulary_size": 16_581,
        "splits": {
            name: {
                "rows": rows,
                "repeated_texts": rows // 1_000,
                "tokens_mean": mean,
                "tokens_median": 18.0,
                "tokens_min": 2,
                "tokens_max": 56,
                "unknown_share": 0.0 if name == "train" else 0.0471,
                "cut_share": 0.0,
            }
            for name, (rows, mean) in splits.items()
        },
        "labels": {
            name: dict(
                zip(CLASSES, np.multiply([0.12, 0.27, 0.19, 0.27, 0.15], rows).astype(int).tolist(), strict=True)
            )
            for name, (rows, _) in splits.items()
        },
        "texts_in_two_splits": {"train and valid": 1, "train and test": 2, "valid and test": 0},
        "skipped": {"no label": 3},
        "sources": ["/data/sst/train.txt", "/data/sst/dev.txt", "/data/sst/test.txt"],
        "fingerprint": "e2f3f41b0b1e6d4dddc0effe3bfc2d27ed8928079aa9a03d652311614fc5feb7",
    }


def make_header(space=SPACE) -> dict:
    return {
        "data": make_data(),
        "textune": "0.1.0",
        "python": "3.11.7",
        "versions": {"torch": "2.13.0", "optuna": "5.0.0"},
        "config": {"name": "sst5-lstm", "seed": 42, "search": {"space": space, "trials": 30}},
        "baselines": {
            "majority": {"valid.accuracy": 0.2625, "valid.loss": 1.58},
            "tfidf": {"valid.accuracy": 0.3924, "valid.loss": 1.36, "seconds": 1.9},
        },
    }


def make_test() -> dict:
    hits, rows = int(np.trace(CONFUSION)), int(np.sum(CONFUSION))
    return {
        "metrics": {"test.accuracy": hits / rows, "test.f1_macro": 0.492},
        "confusion": CONFUSION,
        "classes": list(CLASSES),
        "num_rows": rows,
        "readings": 1,
        "interval": {"metric": "test.accuracy", **wilson(hits, rows).dump()},
        "baselines": {"majority": {"test.accuracy": 0.2308}, "tfidf": {"test.accuracy": 0.4122}},
    }


def make_study(num_trials: int = 30, *, seed: int = 0, **changes) -> StudyRecord:
    """A search over a recurrent network and a bag of words: some trials pruned, early-stopped, diverged, crashed."""
    rng = np.random.default_rng(seed)
    ends = [EndReason.FINISHED, EndReason.EARLY_STOPPED, EndReason.PRUNED, EndReason.DIVERGED, EndReason.CRASHED]
    trials = [make_trial(0, {}, rng)]
    for number in range(1, num_trials):
        params = draw(rng)
        end = EndReason(rng.choice(ends, p=[0.45, 0.15, 0.3, 0.07, 0.03]))
        trials.append(make_trial(number, params, rng, end))
    study = {
        "name": "sst5-lstm",
        "state": "done",
        "objective": Objective(),
        "header": make_header(),
        "trials": tuple(trials),
        "test": make_test(),
        "seconds": 61.0 * num_trials / 2,
    }
    return StudyRecord(**{**study, **changes})


@pytest.fixture(scope="session", name="make_study")
def _make_study():
    return make_study


@pytest.fixture(scope="session", name="make_trial")
def _make_trial():
    return make_trial
