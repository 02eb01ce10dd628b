"""What `textune show --json` prints."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from textune.records import EndReason
from textune.report.as_json import show_json


def result_of(trial, **changes):
    return trial.model_copy(update={"result": trial.result.model_copy(update=changes)})


def test_show_json_has_the_documented_form(make_study):
    study = make_study()
    shown = json.loads(json.dumps(show_json(study), allow_nan=False))
    assert list(shown) == [
        "name",
        "state",
        "trials",
        "best",
        "chosen",
        "confirmation",
        "one_at_a_time",
        "test",
        "baselines",
    ]
    assert list(shown["trials"]) == ["complete", "pruned", "failed"]
    assert sum(shown["trials"].values()) == 30
    assert list(shown["best"]) == ["trial", "value", "params", "metrics"]
    assert all(name.startswith("valid.") for name in shown["best"]["metrics"])
    assert shown["test"]["test.accuracy"] == pytest.approx(0.5136, abs=1e-4)
    assert shown["baselines"]["tfidf"] == {
        "name": "TF-IDF + logistic regression",
        "metrics": {"valid.accuracy": 0.3924, "valid.loss": 1.36, "test.accuracy": 0.4122},
        "seconds": 1.9,
    }


def test_show_json_of_a_study_without_winner(make_study, make_trial):
    trial = make_trial(0, {}, np.random.default_rng(0), EndReason.DIVERGED)
    shown = show_json(make_study(trials=(trial,), test=None))
    assert shown["best"] is None
    assert shown["test"] is None
    assert shown["trials"] == {"complete": 0, "pruned": 0, "failed": 1}


def test_show_json_turns_what_json_lacks_into_null(make_study, make_trial):
    trial = make_trial(0, {}, np.random.default_rng(0))
    metrics = {"valid.accuracy": 0.5, "valid.loss": math.inf}
    shown = show_json(make_study(trials=(result_of(trial, metrics=metrics, value=0.5),), test=None))
    assert shown["best"]["metrics"] == {"valid.accuracy": 0.5, "valid.loss": None}
