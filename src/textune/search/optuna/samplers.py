"""Samplers of Optuna."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from typing import ClassVar

import optuna
from optuna.trial import TrialState as State

from textune.records import EndReason, Objective, Progress, TrialResult, TrialSpec, TrialState
from textune.search.base import Event, IsNew, Params, Sampler
from textune.search.optuna.study import encoded, new_study, quiet, suggest
from textune.seeds import derive
from textune.space import Space

__all__ = ["CmaEsSampler", "GpSampler", "OptunaSampler", "TpeSampler"]

SAYS_NOTHING = frozenset({EndReason.WORKER_LOST, EndReason.INTERRUPTED})
"""Ends that the params are not to blame for."""
FAILED = "failed"
"""The name of the constraint that failed trials violate."""


class OptunaSampler(Sampler):
    """What the samplers of Optuna share: a study in memory, and an Optuna sampler seeded anew for each ask.

    Asking leaves no trace: a trial enters the study when it is told of, proposed by this sampler or not. A value that
    is no finite number is a failure; a lost worker and an interruption say nothing about the params.
    """

    every_dimension: ClassVar[bool] = False
    """Whether Optuna sees a value of each dimension, active or not: some samplers need the same dimensions always."""

    def __init__(self, space: Space, objective: Objective, seed: int, stage: int) -> None:
        self._space, self._objective, self._seed, self._stage = space, objective, seed, stage
        self._study = new_study(objective)
        self._proposed: dict[int, Params] = {}
        self._running: dict[int, optuna.Trial] = {}
        self._repeat_of: dict[int, int] = {}
        self._measured: set[int] = set()
        self._last: dict[int, float] = {}

    def ask(self, number: int, is_new: IsNew) -> Params | None:  # noqa: ARG002 - a good point may come again
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what Optuna calls experimental, and of fits that it repairs itself
            self._study.sampler = self._seeded(derive(self._seed, "sampler", self._stage, number) % 2**32)
            trial = self._study.ask()
            values = self._suggested(trial)
        self._asked(number, trial, values)
        return self._space.fill(lambda dimension: values[dimension.path])

    def tell(self, event: Event) -> None:
        if isinstance(event, TrialSpec):
            if event.number not in self._running and self._space.contains(event.params):
                self._running[event.number] = self._entered(event)
            if event.repeat_of is not None:
                self._repeat_of[event.number] = event.repeat_of
        elif (trial := self._running.get(event.trial)) is None:
            return  # a base point outside the space
        elif isinstance(event, Progress):
            trial.report(event.value, event.fold * event.epochs + event.epoch)
            self._last[event.trial] = event.value
        elif event.final:
            del self._running[event.trial]
            self._end(trial, event)

    @abstractmethod
    def _seeded(self, seed: int) -> optuna.samplers.BaseSampler:
        """Returns a new sampler of Optuna."""

    @abstractmethod
    def _tell_failed(self, trial: optuna.Trial) -> None:
        """A trial failed for its params."""

    def _tell_value(self, trial: optuna.Trial, value: float) -> None:
        self._study.tell(trial, value)

    def _tell_pruned(self, trial: optuna.Trial, last: float) -> None:
        """A trial was behind others at its `last` value. Left out, most of what was measured would be."""
        self._tell_value(trial, last)

    def _tell_repeated(self, trial: optuna.Trial) -> None:
        """A trial was answered from an earlier one: it cost a trial and brought nothing, which drives them on."""
        self._tell_failed(trial)

    def _asked(self, number: int, trial: optuna.Trial, values: Params) -> None:
        """Trial `number` may come to be, or may not."""
        self._forget(trial)
        self._proposed[number] = values

    def _end(self, trial: optuna.Trial, result: TrialResult) -> None:
        last = self._last.pop(result.trial, math.nan)
        if self._repeat_of.pop(result.trial, None) in self._measured:
            self._tell_repeated(trial)
        elif result.state is TrialState.COMPLETE and result.value is not None and math.isfinite(result.value):
            self._measured.add(result.trial)
            self._tell_value(trial, result.value)
        elif result.state is TrialState.PRUNED and math.isfinite(last):
            self._measured.add(result.trial)
            self._tell_pruned(trial, last)
        elif result.end in SAYS_NOTHING:
            self._forget(trial)
        else:
            self._tell_failed(trial)

    def _forget(self, trial: optuna.Trial) -> None:
        self._study.tell(trial, state=State.FAIL)

    def _suggested(self, trial: optuna.Trial) -> Params:
        """Returns values of the active dimensions, or of all where Optuna sees all."""
        if self.every_dimension:
            return {dimension.path: suggest(trial, dimension) for dimension in self._space.dimensions}
        return self._space.fill(lambda dimension: suggest(trial, dimension))

    def _entered(self, spec: TrialSpec) -> optuna.Trial:
        """Starts a trial where it was proposed; of other trials inactive dimensions stand at their middle."""
        values = {**self._proposed.pop(spec.number, {}), **spec.params}
        fixed = {
            dimension.path: encoded(dimension, values.get(dimension.path, dimension.from_unit(0.5)))
            for dimension in self._space.dimensions
            if self.every_dimension or dimension.path in values
        }
        self._study.enqueue_trial(fixed)
        trial = self._study.ask()
        self._suggested(trial)
        return trial


class TpeSampler(OptunaSampler):
    """Tree-structured Parzen estimator, over all dimensions together.

    Running trials count as bad ones, so that parallel asks differ. A pruned trial ranks below the complete ones, a
    failed one below all.

    Source: Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011.
    """

    def __init__(self, space: Space, objective: Objective, seed: int, stage: int, startup_trials: int) -> None:
        super().__init__(space, objective, seed, stage)
        self._startup_trials = startup_trials

    def _seeded(self, seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=self._startup_trials, multivariate=True, group=self._space.conditional
        )

    def _tell_pruned(self, trial: optuna.Trial, last: float) -> None:  # noqa: ARG002 - Optuna keeps it
        self._study.tell(trial, state=State.PRUNED)

    def _tell_failed(self, trial: optuna.Trial) -> None:
        trial.set_constraint(FAILED, 1.0)
        self._study.tell(trial, state=State.PRUNED)


class GpSampler(OptunaSampler):
    """A Gaussian process over all dimensions, and the point whose expected improvement is greatest.

    A second process learns where trials fail. The first needs a value there as well: the worst so far; a trial that
    failed before there was any stays a running one.

    Source: Ament et al., "Unexpected Improvements to Expected Improvement for Bayesian Optimization", NeurIPS 2023;
    Gardner et al., "Bayesian Optimization with Inequality Constraints", ICML 2014.
    """

    every_dimension = True

    def __init__(self, space: Space, objective: Objective, seed: int, stage: int, startup_trials: int) -> None:
        super().__init__(space, objective, seed, stage)
        self._startup_trials = startup_trials
        self._worst: float | None = None
        self._waiting: list[optuna.Trial] = []

    def _seeded(self, seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.GPSampler(
            seed=seed, n_startup_trials=self._startup_trials, warn_independent_sampling=False
        )

    def _tell_value(self, trial: optuna.Trial, value: float) -> None:
        if self._worst is None or self._objective.better(self._worst, value):
            self._worst = value
        trial.set_constraint(FAILED, -1.0)
        self._study.tell(trial, value)
        while self._waiting:
            self._tell_failed(self._waiting.pop(0))

    def _tell_failed(self, trial: optuna.Trial) -> None:
        if self._worst is None:
            self._waiting.append(trial)
        else:
            trial.set_constraint(FAILED, 1.0)
            self._study.tell(trial, self._worst)


class CmaEsSampler(OptunaSampler):
    """Covariance matrix adaptation: a normal distribution of points that moves, generation by generation.

    It starts in the middle of the ranges. Choices it does not learn; they are drawn evenly. Only the order of values
    counts, so a failed trial is infinitely bad.

    Source: Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv:1604.00772, 2016.
    """

    every_dimension = True

    def __init__(
        self, space: Space, objective: Objective, seed: int, stage: int, population_size: int | None = None
    ) -> None:
        super().__init__(space, objective, seed, stage)
        self._population_size = population_size
        self._asked_for: dict[int, optuna.Trial] = {}

    def _seeded(self, seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.CmaEsSampler(seed=seed, popsize=self._population_size, warn_independent_sampling=False)

    def _asked(self, number: int, trial: optuna.Trial, values: Params) -> None:
        """The trial itself knows the generation that it belongs to, so it is the one that goes on."""
        self._asked_for[number] = trial
        self._proposed[number] = values

    def _entered(self, spec: TrialSpec) -> optuna.Trial:
        """A trial of other params than those proposed is not of a generation."""
        asked, proposed = self._asked_for.pop(spec.number, None), self._proposed.get(spec.number)
        if asked is None or proposed is None:
            return super()._entered(spec)
        if self._space.fill(lambda dimension: proposed[dimension.path]) == spec.params:
            del self._proposed[spec.number]
            return asked
        self._forget(asked)
        return super()._entered(spec)

    def _tell_failed(self, trial: optuna.Trial) -> None:
        self._tell_value(trial, -math.inf if self._objective.direction == "maximize" else math.inf)

    def _tell_repeated(self, trial: optuna.Trial) -> None:
        """A generation is made of different points; told bad values of good points, it would walk away from them."""
        self._forget(trial)
