"""A training that goes on from a state ends as if it had never stopped, bit for bit."""

import dataclasses

import numpy as np
import pytest
import torch

from textune.training.engine import loop
from textune.training.engine.checkpoint import read_state, write_state

OPTIMIZERS = [
    {"kind": "adam"},
    {"kind": "adam", "embedding_updates": "dense"},
    {"kind": "adamw", "weight_decay": 0.1},
    {"kind": "sgd", "learning_rate": 1.0},
    {"kind": "sgd", "momentum": 0.9},
    {"kind": "rmsprop", "momentum": 0.5},
    {"kind": "adagrad", "learning_rate": 0.3},
]
SCHEDULES = [
    {"kind": "constant"},
    {"kind": "linear", "warmup_fraction": 0.3},
    {"kind": "cosine"},
    {"kind": "exponential"},
    {"kind": "plateau", "patience": 1, "cut": 0.3},
]
MOMENTS = {"first-step": 1, "mid-epoch": 22, "before-evaluation": 25, "mid-evaluation": 27, "epoch-end": 32}
"""What a pulse after every piece of work makes of an epoch: 10 steps, 5 batches to evaluate, and the measurement."""


@pytest.fixture(autouse=True)
def pulse_after_every_step(monkeypatch):
    monkeypatch.setattr(loop, "PULSE_SECONDS", 0.0)


@pytest.fixture
def compare(task, tmp_path):
    """Trains without a stop, and with one after some moments; both must come to the same."""

    def go(settings, after, **arguments):
        models = [task.model(dropout=0.3) for _ in range(3)]
        expected, expected_result = task.fit(models[0], settings, **arguments)
        first = task.start(models[1], settings, **arguments)
        moments = first.moments()
        got = [moment for moment in (next(moments) for _ in range(after)) if moment is not None]
        write_state(tmp_path / "state", first.state())
        torch.rand(3)
        second = task.start(models[2], settings, **arguments)
        second.load_state(read_state(tmp_path / "state"))
        got += task.measurements(second)
        result = second.result()
        assert numbers(got) == numbers(expected)
        np.testing.assert_array_equal(result.valid.probabilities_NK, expected_result.valid.probabilities_NK)
        for name in ("best_epoch", "epochs", "metrics", "stopped_early", "num_skipped_steps"):
            assert getattr(result, name) == getattr(expected_result, name)
        for weights, expected_weights in zip(models[2].parameters(), models[0].parameters(), strict=True):
            assert torch.equal(weights, expected_weights)
        return result

    return go


def numbers(measurements):
    return [dataclasses.replace(measurement, seconds=0.0, train_seconds=0.0) for measurement in measurements]


@pytest.mark.parametrize("after", MOMENTS.values(), ids=MOMENTS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda settings: "-".join(map(str, settings.values())))
def test_with_every_optimizer(compare, optimizer, after):
    compare({"epochs": 4, "optimizer": {"learning_rate": 0.03, **optimizer}, "max_grad_norm": 1.0}, after)


@pytest.mark.parametrize("after", [MOMENTS["mid-epoch"], MOMENTS["epoch-end"]])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda settings: settings["kind"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_with_every_schedule_and_precision(compare, schedule, precision, after):
    optimizer = {"learning_rate": 1e-7} if schedule["kind"] == "plateau" else {}
    compare({"epochs": 4, "schedule": schedule, "precision": precision, "optimizer": optimizer}, after)


@pytest.mark.parametrize("after", [20, 32, 50, 64])
def test_early_stopping_goes_on_counting(compare, after):
    settings = {"epochs": 50, "optimizer": {"learning_rate": 1e-7}, "early_stopping": {"patience": 3}}
    assert compare(settings, after).stopped_early


def test_a_training_that_had_ended_is_not_trained_again(compare):
    compare({"epochs": 3}, 48)


def test_micro_batches_stay_as_small_as_they_were(compare):
    compare({"epochs": 3}, MOMENTS["mid-epoch"], micro_batch=5)


def test_the_smaller_micro_batch_holds_where_another_was_asked_for(task):
    first = task.start(task.model(), {}, micro_batch=8)
    for asked, expected in ((None, 8), (4, 4), (12, 8)):
        second = task.start(task.model(), {}, micro_batch=asked)
        second.load_state(first.state())
        assert second.micro_batch == expected


def test_a_step_left_out_stays_counted(compare, task):
    def train(epoch):
        batches = task.train(epoch)
        if epoch == 1:
            batches[3] = dataclasses.replace(batches[3], mask_BT=np.zeros_like(batches[3].mask_BT))  # divides by zero
        return batches

    assert compare({"epochs": 3}, MOMENTS["mid-epoch"], train=train).num_skipped_steps == 1


def test_time_of_both_attempts_counts(task):
    first = task.start(task.model(), {"epochs": 2})
    moments = first.moments()
    for _ in range(MOMENTS["mid-epoch"]):
        next(moments)
    state = first.state()
    state["epoch"].update(seconds=100.0, train_seconds=60.0)
    second = task.start(task.model(), {"epochs": 2})
    second.load_state(state)
    (measured,) = task.measurements(second)
    assert 100 < measured.seconds < 110
    assert 60 < measured.train_seconds < 70
    assert 100 < second.result().seconds < 110
