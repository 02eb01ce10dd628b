import pytest

from textune.records import EndReason, Objective, Progress, TrialResult
from textune.search.pruning import HyperbandConfig, MedianConfig, PercentileConfig, SuccessiveHalvingConfig
from textune.testing.pruners import EPOCHS, run_trial


class TestMedian:
    def test_a_trial_below_the_median_is_stopped(self):
        pruner = MedianConfig(startup_trials=3).build(Objective(), EPOCHS)
        for number, value in enumerate((0.5, 0.6, 0.7)):
            assert run_trial(pruner, number, value) == EPOCHS
        assert run_trial(pruner, 3, 0.55) == 1
        assert run_trial(pruner, 4, 0.65) == EPOCHS

    def test_none_is_stopped_before_enough_are_complete(self):
        pruner = MedianConfig(startup_trials=3).build(Objective(), EPOCHS)
        run_trial(pruner, 0, 0.9)
        run_trial(pruner, 1, 0.9, end=EndReason.CRASHED)
        run_trial(pruner, 2, 0.9)
        assert run_trial(pruner, 3, 0.1) == EPOCHS

    def test_every_trial_trains_the_least_number_of_epochs(self):
        pruner = MedianConfig(startup_trials=1, min_epochs=4).build(Objective(), EPOCHS)
        run_trial(pruner, 0, 0.9)
        assert run_trial(pruner, 1, 0.1) == 4

    def test_one_peer_that_came_so_far_is_not_enough_to_compare_with(self):
        """Most trials have few epochs, or stopped early: only one has been at epoch 6."""
        for more, stopped_at in (({}, EPOCHS), ({"min_trials": 2}, EPOCHS), ({"min_trials": 1}, 6)):
            for config in (MedianConfig, PercentileConfig):
                pruner = config(startup_trials=3, **more).build(Objective(), EPOCHS)
                for number, epochs in enumerate((5, 5, EPOCHS)):
                    assert run_trial(pruner, number, 0.5 + number / 10, epochs=epochs) == epochs
                assert run_trial(pruner, 3, 0.65) == stopped_at

    def test_smaller_is_better_when_minimizing(self):
        pruner = MedianConfig(startup_trials=1).build(Objective(direction="minimize"), EPOCHS)
        run_trial(pruner, 0, 0.5)
        assert run_trial(pruner, 1, 0.9) == 1
        assert run_trial(pruner, 2, 0.1) == EPOCHS


class TestSuccessiveHalving:
    def test_trials_are_stopped_at_the_rungs(self):
        pruner = SuccessiveHalvingConfig(min_epochs=1, reduction_factor=3).build(Objective(), EPOCHS)
        for number in range(9):
            run_trial(pruner, number, 1.0)
        stops = [run_trial(pruner, 9 + number, 0.1 * number) for number in range(9)]
        assert set(stops) == {1}

    def test_a_rung_lets_one_in_factor_pass(self):
        """Trials arrive from worst to best; of nine at a rung the best three pass, a better one each time."""
        pruner = SuccessiveHalvingConfig(min_epochs=2, reduction_factor=3).build(Objective(), EPOCHS)
        for number in range(8):
            run_trial(pruner, number, number / 10)
        assert run_trial(pruner, 8, 0.45) == 2
        assert run_trial(pruner, 9, 0.55) == EPOCHS

    def test_nan_is_behind_everything(self):
        pruner = SuccessiveHalvingConfig().build(Objective(), EPOCHS)
        assert run_trial(pruner, 0, float("nan")) == 1


class TestPercentile:
    @pytest.mark.parametrize(("keep_percent", "stopped"), [(75, 2), (50, 5), (25, 7)])
    def test_the_best_so_many_percent_go_on(self, keep_percent, stopped):
        """Ten trials with values 0 to 9 are complete; the trials that follow lie between them."""
        stops = []
        for value in range(10):
            pruner = PercentileConfig(keep_percent=keep_percent, startup_trials=10).build(Objective(), EPOCHS)
            for number in range(10):
                run_trial(pruner, number, number)
            stops.append(run_trial(pruner, 10, value - 0.1))
        assert stops == [1] * stops.count(1) + [EPOCHS] * stops.count(EPOCHS)
        assert stops.count(1) == pytest.approx(stopped, abs=1)

    def test_half_is_the_median(self):
        values = [0.5, 0.9, 0.1, 0.7, 0.3, 0.8, 0.2, 0.6, 0.0, 1.0, 0.4]
        half, median = (
            PercentileConfig(keep_percent=50).build(Objective(), EPOCHS),
            MedianConfig().build(Objective(), EPOCHS),
        )
        assert [run_trial(half, *each) for each in enumerate(values)] == [
            run_trial(median, *each) for each in enumerate(values)
        ]


class TestHyperband:
    def test_trials_start_at_several_rungs(self):
        """Of nine epochs the rungs are 1, 3 and 9; trials that get worse stop at the first one of their bracket."""
        pruner = HyperbandConfig().build(Objective(), EPOCHS)
        stops = {run_trial(pruner, number, -number) for number in range(40)}
        assert stops == {1, 3, EPOCHS}

    def test_a_trial_has_its_bracket_by_its_number(self):
        """Also where others were told of before it, or none: each running trial may have a pruner of its own."""
        bad = range(20, 40)
        stops = []
        for known in (range(20), range(1, 20, 2)):
            pruner = HyperbandConfig().build(Objective(), EPOCHS)
            for number in known:
                run_trial(pruner, number, 1.0)
            stops.append([run_trial(pruner, number, -number) for number in bad])
        assert stops[0] == stops[1]

    def test_the_epochs_of_the_trials_so_far_do_not_matter(self):
        """Brackets are those of the longest trial, however short the first one is."""
        stops = []
        for first in (1, EPOCHS):
            pruner = HyperbandConfig().build(Objective(), EPOCHS)
            run_trial(pruner, 0, 1.0, epochs=first)
            stops.append([run_trial(pruner, number, -number) for number in range(1, 40)])
        assert stops[0] == stops[1]
        assert set(stops[0]) == {1, 3, EPOCHS}

    def test_more_first_epochs_than_epochs_stop_nothing(self):
        pruner = HyperbandConfig(min_epochs=EPOCHS + 1).build(Objective(), EPOCHS)
        assert {run_trial(pruner, number, -number) for number in range(9)} == {EPOCHS}


@pytest.mark.parametrize("config", [MedianConfig, PercentileConfig, SuccessiveHalvingConfig, HyperbandConfig])
def test_another_attempt_goes_on_where_the_first_was(config):
    """The pruner knows the first epochs of a trial from an attempt that lost its worker."""
    pruner = config().build(Objective(), EPOCHS)
    for number in range(9):
        run_trial(pruner, number, 0.9)
    first = [pruner.should_prune(_at(epoch, attempt=1)) for epoch in (1, 2)]
    pruner.tell(_lost())
    rest = [pruner.should_prune(_at(epoch, attempt=2)) for epoch in (3, 4)]
    assert [*first, *rest] == [False] * 4


def _at(epoch, *, attempt):
    return Progress(trial=9, attempt=attempt, epoch=epoch, epochs=EPOCHS, value=0.9 + epoch)


def _lost():
    return TrialResult(trial=9, end=EndReason.WORKER_LOST, reason="worker-lost", final=False)
