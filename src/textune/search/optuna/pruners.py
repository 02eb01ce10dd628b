"""Pruners of Optuna."""

from __future__ import annotations

import math
from collections.abc import Callable

import optuna
from optuna.trial import TrialState as State

from textune.records import Objective, Progress, TrialResult, TrialSpec, TrialState
from textune.search.base import Pruner
from textune.search.optuna.study import new_study

__all__ = ["OptunaPruner", "hyperband", "percentile", "successive_halving"]


class OptunaPruner(Pruner):
    """A pruner of Optuna. Each fold has a study of its own, so that only equal folds and epochs are compared.

    There a trial has its own number, by which Hyperband takes its bracket, however many were told of before it.

    Args:
        new_pruner: returns the pruner of a fold.
    """

    def __init__(self, new_pruner: Callable[[], optuna.pruners.BasePruner], objective: Objective) -> None:
        self._new_pruner, self._objective = new_pruner, objective
        self._studies: dict[int, optuna.Study] = {}
        self._trials: dict[int, list[optuna.Trial]] = {}
        self._folds: dict[int, set[int]] = {}

    def should_prune(self, progress: Progress) -> bool:
        number, fold = progress.trial, progress.fold
        if math.isnan(progress.value):
            return True  # NaN is behind everything
        if fold not in self._studies:
            self._studies[fold] = new_study(self._objective, self._new_pruner())
            self._trials[fold] = []
        study, trials = self._studies[fold], self._trials[fold]
        while len(trials) <= number:
            trials.append(study.ask())
        self._folds.setdefault(number, set()).add(fold)
        trials[number].report(progress.value, progress.epoch)
        return trials[number].should_prune()

    def tell(self, event: TrialSpec | TrialResult) -> None:
        if not isinstance(event, TrialResult) or not event.final:
            return
        for fold in self._folds.pop(event.trial, ()):
            study, trial = self._studies[fold], self._trials[fold][event.trial]
            if event.state is TrialState.COMPLETE and event.value is not None and not math.isnan(event.value):
                study.tell(trial, event.value)
            else:
                study.tell(trial, state=State.FAIL)


def percentile(
    objective: Objective, keep_percent: float, startup_trials: int, min_trials: int, min_epochs: int
) -> OptunaPruner:
    return OptunaPruner(
        lambda: optuna.pruners.PercentilePruner(keep_percent, startup_trials, min_epochs, n_min_trials=min_trials),
        objective,
    )


def successive_halving(objective: Objective, min_epochs: int, reduction_factor: int) -> OptunaPruner:
    return OptunaPruner(lambda: optuna.pruners.SuccessiveHalvingPruner(min_epochs, reduction_factor), objective)


def hyperband(objective: Objective, min_epochs: int, max_epochs: int, reduction_factor: int) -> OptunaPruner:
    most = max(max_epochs, min_epochs)
    return OptunaPruner(lambda: optuna.pruners.HyperbandPruner(min_epochs, most, reduction_factor), objective)
