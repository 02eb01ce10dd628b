import logging

import optuna
import pytest

from textune.records import EndReason, Objective, Progress, TrialResult, TrialSpec
from textune.search.pruning import MedianConfig, SuccessiveHalvingConfig
from textune.search.tpe import TpeConfig
from textune.space import ChoiceDimension, FloatDimension, IntDimension, Space
from textune.testing.pruners import EPOCHS, run_trial
from textune.testing.samplers import conditional_space, mixed_space, propose, tell


def always_new(_params):
    return True


def a_space():
    return Space(
        [
            FloatDimension("learning_rate", 1e-5, 1.0, log=True),
            ChoiceDimension("cell", ({"kind": "rnn"}, {"kind": "lstm"}, "gru")),
        ],
        lambda _params, _path: None,
    )


def search(config, space, value_of, trials, direction="maximize"):
    """Returns the params of the trials, each measured by `value_of` (None: it fails)."""
    sampler = config.build(space, Objective(direction=direction), 3)
    asked = []
    for number in range(trials):
        params = sampler.ask(number, always_new)
        value = value_of(params)
        end = EndReason.DIVERGED if value is None else EndReason.FINISHED
        sampler.tell(TrialSpec(number=number, params=params))
        sampler.tell(TrialResult(trial=number, end=end, reason=end.value, value=value))
        asked.append(params)
    return asked


class TestTpe:
    @pytest.mark.parametrize("direction", ["maximize", "minimize"])
    def test_it_learns_where_good_trials_lie(self, direction):
        sign = 1 if direction == "maximize" else -1

        def value_of(params):
            return sign * (-abs(params["learning_rate"] - 1e-3) + (params["cell"] == {"kind": "lstm"}))

        late = search(TpeConfig(), a_space(), value_of, 50, direction)[25:]
        assert sum(params["cell"] == {"kind": "lstm"} for params in late) > 15

    def test_it_learns_from_failures_too(self):
        def value_of(params):
            return None if params["cell"] == "gru" else 0.5

        late = search(TpeConfig(), a_space(), value_of, 50)[25:]
        assert sum(params["cell"] == "gru" for params in late) < 8

    def test_running_trials_are_not_proposed_again(self):
        sampler = TpeConfig(startup_trials=1).build(a_space(), Objective(), 3)
        tell(sampler, 0, sampler.ask(0, always_new), EndReason.FINISHED)
        rates = []
        for number in range(1, 9):
            params = sampler.ask(number, always_new)
            sampler.tell(TrialSpec(number=number, params=params))
            rates.append(params["learning_rate"])
        assert len(set(rates)) == 8

    def test_it_learns_from_a_base_point_in_the_space(self):
        space, base = mixed_space(), {"learning_rate": 1e-2, "dropout": 0.1, "batch_size": 32}
        asked = []
        for points in ([], [base]):
            sampler = TpeConfig(startup_trials=1).build(space, Objective(), 3)
            for number, params in enumerate(points):
                tell(sampler, number, params, EndReason.FINISHED)
            asked.append(sampler.ask(1, always_new))
        assert asked[0] != asked[1]

    def test_conditional_dimensions_give_no_warning(self, recwarn):
        propose(TpeConfig(startup_trials=2), conditional_space(), 5)
        assert not recwarn.list

    def test_it_says_nothing(self, capfd):
        propose(TpeConfig(), a_space(), 12)
        assert capfd.readouterr() == ("", "")
        assert optuna.logging.get_verbosity() == logging.INFO

    def test_equal_events_in_another_order_of_ends_may_differ_but_replay_does_not(self):
        """Two workers: trial 1 ends before trial 0. A sampler told the same goes on the same way."""

        def replay():
            sampler = TpeConfig(startup_trials=2).build(a_space(), Objective(), 3)
            first, second = sampler.ask(0, always_new), None
            sampler.tell(TrialSpec(number=0, params=first))
            second = sampler.ask(1, always_new)
            sampler.tell(TrialSpec(number=1, params=second))
            sampler.tell(Progress(trial=0, epoch=1, epochs=2, value=0.2))
            sampler.tell(TrialResult(trial=1, end=EndReason.FINISHED, reason="finished", value=0.7))
            third = sampler.ask(2, always_new)
            sampler.tell(TrialSpec(number=2, params=third))
            sampler.tell(TrialResult(trial=0, end=EndReason.PRUNED, reason="pruned", value=0.2))
            return [first, second, third, sampler.ask(3, always_new)]

        assert replay() == replay()

    def test_whole_numbers_and_choices_come_back_as_themselves(self):
        space = Space(
            [IntDimension("n", 1, 512, log=True), ChoiceDimension("c", ("a", {"b": [1]}))], lambda _params, _path: None
        )
        for params in propose(TpeConfig(startup_trials=3), space, 20):
            assert type(params["n"]) is int
            assert params["c"] in ("a", {"b": [1]})


class TestMedian:
    def test_a_trial_below_the_median_is_stopped(self):
        pruner = MedianConfig(startup_trials=3).build(Objective())
        for number, value in enumerate((0.5, 0.6, 0.7)):
            assert run_trial(pruner, number, value) == EPOCHS
        assert run_trial(pruner, 3, 0.55) == 1
        assert run_trial(pruner, 4, 0.65) == EPOCHS

    def test_none_is_stopped_before_enough_are_complete(self):
        pruner = MedianConfig(startup_trials=3).build(Objective())
        run_trial(pruner, 0, 0.9)
        run_trial(pruner, 1, 0.9, end=EndReason.CRASHED)
        run_trial(pruner, 2, 0.9)
        assert run_trial(pruner, 3, 0.1) == EPOCHS

    def test_every_trial_trains_the_least_number_of_epochs(self):
        pruner = MedianConfig(startup_trials=1, min_epochs=4).build(Objective())
        run_trial(pruner, 0, 0.9)
        assert run_trial(pruner, 1, 0.1) == 4

    def test_smaller_is_better_when_minimizing(self):
        pruner = MedianConfig(startup_trials=1).build(Objective(direction="minimize"))
        run_trial(pruner, 0, 0.5)
        assert run_trial(pruner, 1, 0.9) == 1
        assert run_trial(pruner, 2, 0.1) == EPOCHS


class TestSuccessiveHalving:
    def test_trials_are_stopped_at_the_rungs(self):
        pruner = SuccessiveHalvingConfig(min_epochs=1, reduction_factor=3).build(Objective())
        for number in range(9):
            run_trial(pruner, number, 1.0)
        stops = [run_trial(pruner, 9 + number, 0.1 * number) for number in range(9)]
        assert set(stops) == {1}

    def test_a_rung_lets_one_in_factor_pass(self):
        """Trials arrive from worst to best; of nine at a rung the best three pass, a better one each time."""
        pruner = SuccessiveHalvingConfig(min_epochs=2, reduction_factor=3).build(Objective())
        for number in range(8):
            run_trial(pruner, number, number / 10)
        assert run_trial(pruner, 8, 0.45) == 2
        assert run_trial(pruner, 9, 0.55) == EPOCHS

    def test_nan_is_behind_everything(self):
        pruner = SuccessiveHalvingConfig().build(Objective())
        assert run_trial(pruner, 0, float("nan")) == 1
