"""Trials that cannot be trained are rows of the table; they neither win nor stop the study."""

import re

import pytest
from tests.faults.driver import STUDY, Place

from textune.records import EndReason
from textune.tracking.log import read_study

SPACE = {"model.embedding.size": [8, 16, 4_000_000], "training.optimizer.learning_rate": [0.01, 1e38]}


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_a_third_diverges_and_a_third_does_not_fit(tmp_path, executor):
    study = {
        **STUDY,
        "search": {"space": SPACE, "sampler": {"kind": "grid"}, "include_base": False},
        "execution": {"kind": executor, "memory_bytes_per_worker": 300 * 2**20},
    }
    place = Place(tmp_path, study)
    assert place.run() == 0, place.screen
    record = read_study(place.folder)
    ends = {tuple(trial.spec.params.values()): trial.result.end for trial in record.trials}
    assert ends == {
        (8, 0.01): EndReason.FINISHED,
        (16, 0.01): EndReason.FINISHED,
        (8, 1e38): EndReason.DIVERGED,
        (16, 1e38): EndReason.DIVERGED,
        (4_000_000, 0.01): EndReason.OUT_OF_MEMORY,
        (4_000_000, 1e38): EndReason.OUT_OF_MEMORY,
    }
    assert record.best.result.end is EndReason.FINISHED
    diverged = next(trial.result for trial in record.trials if trial.result.end is EndReason.DIVERGED)
    assert re.match(r"diverged: epoch 1, step \d+: the .* is (nan|inf) at a learning rate of 1e\+38", diverged.reason)
    page = (place.folder / "report.html").read_text(encoding="utf-8")
    for end in ("finished", "diverged", "out-of-memory"):
        assert re.search(rf"<td[^>]*>{end}</td>\s*<td[^>]*>2</td>", page), end
    assert "4 of 6 trials failed: 2 diverged, 2 out-of-memory" in place.screen


def test_a_batch_that_does_not_fit_is_trained_in_parts(tmp_path):
    study = {
        **STUDY,
        "data": {"kind": "synthetic", "rows": 800},
        "model": {
            "embedding": {"size": 64},
            "encoder": {"kind": "cnn", "widths": [2, 3, 4], "num_filters": 2048},
            "pooling": "max",
        },
        "training": {"epochs": 1, "batch_size": 512, "precision": "fp32"},
        "search": {"trials": 1},
    }
    whole = Place(tmp_path / "whole", study)
    assert whole.run() == 0, whole.screen
    assert read_study(whole.folder).trials[0].result.details["micro_batch_size"] == 512
    # In a worker: native code that finds no memory may crash (seen once), and takes a serial study with it.
    limited = {"kind": "processes", "workers": 1, "memory_bytes_per_worker": 250 * 2**20}
    parts = Place(tmp_path / "parts", {**study, "execution": limited})
    assert parts.run() == 0, parts.screen
    result = read_study(parts.folder).trials[0].result
    assert result.end is EndReason.FINISHED
    assert result.details["micro_batch_size"] < 512
    expected = read_study(whole.folder).trials[0].result
    assert result.metrics["train.loss"] == pytest.approx(expected.metrics["train.loss"], rel=1e-3)
