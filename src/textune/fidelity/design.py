"""What is trained to find out what short forms are worth: which configurations, in which forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from textune.config.load import LoadedStudy
from textune.errors import Problem, StudyError, TextuneError
from textune.records import Fidelity, Repeat, TrialSpec
from textune.run_folder import RunFolder
from textune.search.random import RandomConfig
from textune.seeds import derive
from textune.stats.fidelity import MIN_CONFIGURATIONS

__all__ = ["AGAIN", "ENOUGH", "FULL", "IN_FULL", "SHORT", "Configuration", "Design"]

ENOUGH = 20
"""Configurations from which something can be said."""
FULL, AGAIN, SHORT = range(3)
"""Numbers of the trainings of a configuration: two in full of different seeds, and those in short of a third one."""
EPOCH_PARTS = (0.25, 0.5)
SHARES = (0.1, 0.25, 0.5)
WINDOW_PARTS = (0.25, 0.5)
IN_FULL = Fidelity()


@dataclass(frozen=True)
class Configuration:
    """What is trained in each form."""

    number: int
    params: Mapping[str, Any]
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Design:
    """What is trained to find out.

    Attributes:
        loaded: the study.
        configurations: the study as written, then points drawn at random.
    """

    loaded: LoadedStudy
    configurations: tuple[Configuration, ...]

    @classmethod
    def of(cls, loaded: LoadedStudy, number: int) -> Design:
        """Draws configurations; there may be fewer than asked for in a small space.

        Raises:
            StudyError: there are too few to compare.
        """
        design = cls(loaded, tuple(_drawn(loaded, number)))
        if len(design.configurations) < MIN_CONFIGURATIONS:
            message = (
                f"leads to {len(design.configurations)} different configurations, and at least {MIN_CONFIGURATIONS} "
                f"can be compared; let more vary, and ask for {ENOUGH} or more with --configurations"
            )
            raise StudyError([Problem("", "search.space", message)])
        return design

    @cached_property
    def epochs(self) -> tuple[int, ...]:
        """Numbers of epochs of the short forms."""
        whole = self.loaded.config.training.epochs
        return tuple(
            sorted({each for each in (1, *(round(part * whole) for part in EPOCH_PARTS)) if 1 <= each < whole})
        )

    @cached_property
    def windows(self) -> tuple[int, ...]:
        """Numbers of months of the short forms: none where the split does not go by months."""
        whole = cast("Any", self.loaded.config.split).num_train_months or 0
        return tuple(sorted({each for each in (round(part * whole) for part in WINDOW_PARTS) if 1 <= each < whole}))

    @cached_property
    def is_nested(self) -> bool:
        """Whether fewer epochs are the beginning of more: learning rates do not depend on how many there are."""
        schedule = cast("Any", self.loaded.config.training.schedule)  # typed by role at run time
        paths = [path for path in self.loaded.space.paths if f"{path}.".startswith("training.schedule.")]
        alike = all(schedule.factor(step, 100) == schedule.factor(step, 1_000) for step in range(100))
        return alike and not paths

    def specs(self, folder: RunFolder | None) -> list[TrialSpec]:
        """Returns all trainings, one configuration after the other, so that more of these can follow later."""
        specs: list[TrialSpec] = []
        for configuration in self.configurations:
            for repeat, fidelity in self._trainings():
                number = len(specs)
                specs.append(
                    TrialSpec(
                        number=number,
                        params=dict(configuration.params),
                        config=dict(configuration.config),
                        objective=self.loaded.config.objective,
                        seed=self._seed(repeat),
                        fidelity=fidelity,
                        repeat=Repeat(number=repeat, rows="same", purpose="fidelity"),
                        candidate=configuration.number,
                        folder=None if folder is None else str(folder.attempt(number)),
                    )
                )
        return specs

    def source(self, fidelity: Fidelity) -> tuple[int, Fidelity] | None:
        """Returns the training of which a short form is a part; None: of both in full."""
        trained = fidelity.model_copy(update={"folds": None, **({"epochs": None} if self.is_nested else {})})
        return None if trained == IN_FULL else (SHORT, trained)

    def forms(self, num_folds: int) -> list[Fidelity]:
        """Returns the short forms: fewer epochs, fewer of the rows, the newest folds, or two of these."""
        folds = {1, num_folds // 2} - {0, num_folds} if num_folds > 1 else set()
        fewer_rows = [*((share, None) for share in SHARES), *((None, window) for window in self.windows)]
        return [
            Fidelity(epochs=epochs, share=share, window=window, folds=newest)
            for epochs in (None, *self.epochs)
            for share, window in ((None, None), *fewer_rows)
            for newest in (None, *sorted(folds))
            if 1 <= sum(part is not None for part in (epochs, share or window, newest)) <= 2
        ]

    def _trainings(self) -> Iterator[tuple[int, Fidelity]]:
        yield FULL, IN_FULL
        yield AGAIN, IN_FULL
        for fidelity in self.forms(1):
            source = self.source(fidelity)
            if source == (SHORT, fidelity):
                yield source

    def _seed(self, repeat: int) -> int:
        seed = self.loaded.config.seed
        return derive(seed, "trial") if repeat == FULL else derive(seed, "fidelity", repeat)


def _drawn(loaded: LoadedStudy, number: int) -> Iterator[Configuration]:
    base = loaded.resolver.resolve({})
    yield Configuration(0, loaded.base_params(), _with_loss(base.config))
    known, objective = {base.key}, loaded.config.objective
    sampler = RandomConfig().build(loaded.space, objective, derive(loaded.config.seed, "fidelity"))

    def is_new(params: Mapping[str, Any]) -> bool:
        try:
            return loaded.resolver.resolve(params).key not in known
        except (TextuneError, ValueError):  # not every combination makes a config
            return False

    for index in range(1, number if loaded.space.dimensions else 1):
        params = sampler.ask(index, is_new)
        if params is None:
            return
        point = loaded.resolver.resolve(params)
        known.add(point.key)
        yield Configuration(index, dict(params), _with_loss(point.config))


def _with_loss(config: Mapping[str, Any]) -> dict[str, Any]:
    training = config["training"]
    return {**config, "training": {**training, "metrics": list(dict.fromkeys([*training["metrics"], "loss"]))}}
