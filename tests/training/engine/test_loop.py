import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from textune.errors import DivergedError
from textune.records import Objective
from textune.training.engine import loop
from textune.training.engine.predict import Collector, predict

NAMES = ("adam", "adamw", "sgd", "rmsprop", "adagrad")


def numbers(measurements):
    return [dataclasses.replace(measurement, seconds=0.0, train_seconds=0.0) for measurement in measurements]


@pytest.mark.parametrize("kind", NAMES)
def test_every_optimizer_learns(task, kind):
    rates = {"sgd": 3.0, "adagrad": 0.3}
    optimizer = {"kind": kind, "learning_rate": rates.get(kind, 0.03)}
    measurements, result = task.fit(task.model(), {"optimizer": optimizer, "epochs": 12})
    assert measurements[-1].metrics["train.loss"] < 0.8 * measurements[0].metrics["train.loss"]
    assert result.value > 0.7


@pytest.mark.parametrize("kind", NAMES)
def test_equal_seeds_give_equal_numbers_bit_for_bit(task, kind):
    settings = {"optimizer": {"kind": kind}, "epochs": 3, "max_grad_norm": 1.0, "precision": "bf16"}
    first, first_result = task.fit(task.model(), settings)
    torch.rand(7)  # what the caller draws does not matter
    second, second_result = task.fit(task.model(), settings)
    assert numbers(first) == numbers(second)
    np.testing.assert_array_equal(first_result.valid.probabilities_NK, second_result.valid.probabilities_NK)


def test_another_seed_gives_other_dropout(task):
    one, _ = task.fit(task.model(), {"epochs": 1}, seed=1)
    two, _ = task.fit(task.model(), {"epochs": 1}, seed=2)
    assert one[0].metrics != two[0].metrics


def test_the_callers_random_state_is_left_alone(task):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    task.fit(task.model(), {"epochs": 2})
    assert torch.equal(torch.rand(3), expected)


def test_trainings_that_take_turns_do_not_disturb_each_other(task):
    alone, _ = task.fit(task.model(), {"epochs": 3})
    first = task.measurements(task.start(task.model(), {"epochs": 3}))
    second = task.measurements(task.start(task.model(1), {"epochs": 3}, seed=2))
    in_turns = [next(first), next(second), next(first), next(second), next(first)][::2]
    assert numbers(in_turns) == numbers(alone)


def test_the_weights_of_the_best_epoch_are_restored(task):
    model = task.model()
    measurements, result = task.fit(model, {"epochs": 8, "optimizer": {"learning_rate": 0.3}})
    values = [measurement.value for measurement in measurements]
    assert result.best_epoch == 1 + int(np.argmax(values))
    assert result.value == max(values)
    assert result.metrics == measurements[result.best_epoch - 1].metrics
    np.testing.assert_array_equal(predict(model, task.valid).probabilities_NK, result.valid.probabilities_NK)


def test_it_stops_early_and_says_so(task):
    settings = {"epochs": 50, "optimizer": {"learning_rate": 1e-7}, "early_stopping": {"patience": 2}}
    measurements, result = task.fit(task.model(), settings)
    assert (result.epochs, result.stopped_early, len(measurements)) == (3, True, 3)


def test_all_epochs_are_not_an_early_stop(task):
    _, result = task.fit(task.model(), {"epochs": 2})
    assert (result.epochs, result.stopped_early) == (2, False)


def test_the_watched_metric_chooses_the_epoch_and_the_objective_scores_it(task):
    settings = {"epochs": 12, "optimizer": {"learning_rate": 0.2}, "early_stopping": {"metric": "valid.loss"}}
    measurements, result = task.fit(task.model(), {**settings, "metrics": ["f1_macro"]})
    assert set(measurements[0].metrics) == {"valid.f1_macro", "valid.accuracy", "valid.loss", "train.loss"}
    best = min(measurements, key=lambda measurement: measurement.metrics["valid.loss"])
    assert (result.best_epoch, result.value) == (best.epoch, best.metrics["valid.accuracy"])


def test_a_metric_can_be_minimized(task):
    objective = Objective(metric="valid.log_loss", direction="minimize")
    measurements, result = task.fit(task.model(), {"epochs": 6}, objective=objective)
    assert result.value == min(measurement.value for measurement in measurements)


def test_the_schedule_sets_the_learning_rate_of_each_step(task):
    schedule = {"kind": "linear", "warmup_fraction": 0.5}
    measurements, _ = task.fit(task.model(), {"epochs": 4, "schedule": schedule})
    rates = [measurement.learning_rate for measurement in measurements]
    assert rates == pytest.approx([0.03 * factor for factor in (10 / 21, 20 / 21, 11 / 20, 1 / 20)])


def test_plateau_follows_the_watched_metric(task):
    settings = {"optimizer": {"learning_rate": 1e-7}, "schedule": {"kind": "plateau", "patience": 1, "cut": 0.1}}
    measurements, _ = task.fit(task.model(), {"epochs": 4, **settings})
    rates = [measurement.learning_rate for measurement in measurements]
    assert rates == pytest.approx([1e-7, 1e-7, 1e-8, 1e-9])


def test_probabilities_that_are_not_finite_end_the_training(task):
    with pytest.raises(DivergedError, match="epoch 1"):
        task.fit(task.model(), {"epochs": 1, "optimizer": {"kind": "sgd", "learning_rate": 1e38}})


def test_clipping_bounds_the_step(task):
    def change(settings):
        model = task.model()
        before = [parameter.detach().clone() for parameter in model.parameters()]
        settings = {"optimizer": {"kind": "sgd", "learning_rate": 1.0}, "epochs": 1, **settings}
        task.fit(model, settings, train=lambda epoch: task.train(epoch)[:1])
        pairs = zip(model.parameters(), before, strict=True)
        return float(sum((after.detach() - then).square().sum() for after, then in pairs) ** 0.5)

    assert change({"max_grad_norm": 0.01}) == pytest.approx(0.01, rel=1e-3)
    assert change({"max_grad_norm": 1e3}) == pytest.approx(change({}))
    assert change({}) > 0.02


def test_label_smoothing_keeps_the_model_from_certainty(task):
    def confidence(settings):
        settings = {"epochs": 30, "early_stopping": {"metric": "valid.accuracy"}, **settings}
        model = task.model(dropout=0.0)
        task.fit(model, settings)
        return predict(model, task.batches(np.arange(160))).probabilities_NK.max(axis=1).mean()

    assert confidence({"label_smoothing": 0.4}) < confidence({}) - 0.05


def test_balanced_class_weights_find_more_of_the_rare_class(task):
    def predicted(settings):
        _, result = task.fit(task.model(), {"epochs": 3, "optimizer": {"learning_rate": 0.01}, **settings})
        return (result.valid.probabilities_NK.argmax(axis=1) == 2).sum()

    assert predicted({"class_weights": "balanced"}) > predicted({})


def test_a_penalty_is_part_of_what_is_minimized(task):
    class Penalized(type(task.model())):
        def forward(self, ids_BT, mask_BT):
            self.penalty = 100 * self.linear.weight.square().sum()
            return super().forward(ids_BT, mask_BT)

    model = Penalized()
    penalty_before = 100 * float(model.linear.weight.detach().square().sum())
    measurements, _ = task.fit(model, {"epochs": 1, "optimizer": {"learning_rate": 0.03}})
    assert measurements[0].metrics["train.loss"] > measurements[0].metrics["valid.loss"] + 0.1 * penalty_before
    assert 100 * float(model.linear.weight.detach().square().sum()) < 0.5 * penalty_before


def test_frozen_parameters_stay(task):
    model = task.model()
    model.embedding.weight.requires_grad_(False)
    before = model.embedding.weight.clone()
    task.fit(model, {"epochs": 2, "max_grad_norm": 1.0})
    assert torch.equal(model.embedding.weight, before)


def test_the_result_tells_speed_memory_and_precision(task):
    _, result = task.fit(task.model(), {"epochs": 2, "precision": "bf16"})
    assert result.examples_per_second > 0
    assert result.peak_memory_bytes is None or result.peak_memory_bytes > 1e6
    assert result.precision == "bf16"


def test_waiting_for_the_predictions_is_part_of_an_epochs_time(task, monkeypatch):
    """A GPU computes while the program goes on; only who asks for its numbers waits."""
    clock = SimpleNamespace(now=0.0)

    class Slow(Collector):
        def predictions(self):
            clock.now += 100.0
            return super().predictions()

    monkeypatch.setattr(loop, "Collector", Slow)
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    measured = [each for each in task.start(task.model(), {"epochs": 2}).moments() if each is not None]
    assert [each.seconds for each in measured] == [100.0, 100.0]
