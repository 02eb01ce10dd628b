"""What every pruner keeps to. Inherit and give it a config, as with `SamplerContract`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from textune.records import EndReason, Objective, Progress, TrialResult, TrialSpec
from textune.testing.studies import run_study

__all__ = ["PrunerContract", "run_trial"]

EPOCHS = 9


class PrunerContract:
    """Runs trials that stay at one value in every epoch, one after the other, and looks at which are stopped."""

    @pytest.fixture
    def config(self) -> Any:
        """Returns the pruner's config; override."""
        raise NotImplementedError

    @pytest.mark.parametrize("direction", ["maximize", "minimize"])
    def test_a_trial_better_than_all_before_runs_to_its_end(self, config: Any, direction: Any) -> None:
        pruner = config.build(Objective(direction=direction), EPOCHS)
        sign = 1 if direction == "maximize" else -1
        assert [run_trial(pruner, number, sign * number) for number in range(12)] == [EPOCHS] * 12

    def test_it_decides_the_same_again(self, config: Any) -> None:
        values = [0.5, 0.9, 0.1, 0.7, 0.3, 0.8, 0.2, 0.6, 0.0, 1.0, 0.4]
        first, second = config.build(Objective(), EPOCHS), config.build(Objective(), EPOCHS)
        assert [run_trial(first, *each) for each in enumerate(values)] == [
            run_trial(second, *each) for each in enumerate(values)
        ]

    def test_other_folds_are_not_compared(self, config: Any) -> None:
        pruner = config.build(Objective(), EPOCHS)
        for number in range(12):
            run_trial(pruner, number, 0.9)
        assert run_trial(pruner, 12, 0.1, fold=1) == EPOCHS

    @pytest.mark.parametrize("end", list(EndReason))
    def test_every_end_can_be_told(self, config: Any, end: EndReason) -> None:
        pruner = config.build(Objective(), EPOCHS)
        run_trial(pruner, 0, 0.5, end=end)
        run_trial(pruner, 1, float("nan"), end=end)
        assert run_trial(pruner, 2, 0.9) == EPOCHS

    def test_a_whole_study_runs_with_it(self, config: Any, tmp_path: Path) -> None:
        run_study(tmp_path, {"search.pruner": config, "search.trials": 4})


def run_trial(
    pruner: Any,
    number: int,
    value: float,
    *,
    fold: int = 0,
    end: EndReason = EndReason.FINISHED,
    epochs: int = EPOCHS,
) -> int:
    """Runs a trial and returns the epoch at which it was stopped, or its last one."""
    pruner.tell(TrialSpec(number=number))
    epoch, stopped = 0, False
    while epoch < epochs and not stopped:
        epoch += 1
        stopped = pruner.should_prune(Progress(trial=number, fold=fold, epoch=epoch, epochs=epochs, value=value))
    end = EndReason.PRUNED if stopped else end
    pruner.tell(TrialResult(trial=number, end=end, reason=end.value, value=value, epochs=epoch))
    return epoch
