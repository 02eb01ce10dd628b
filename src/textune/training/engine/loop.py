"""The training loop: batches in, one measurement per epoch out, the best weights kept."""

# B batch, T tokens, K classes

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from textune.config.study import TrainingConfig
from textune.errors import DivergedError
from textune.memory import is_exhausted, release_memory
from textune.random_state import RandomState
from textune.records import Objective
from textune.seeds import derive
from textune.training.early_stopping import EarlyStopping
from textune.training.engine import memory
from textune.training.engine.predict import Collector
from textune.training.engine.steps import Steps
from textune.training.engine.turns import Turns
from textune.training.measurement import Batch, EpochMeasurement, FitResult, Predictions
from textune.training.metrics import evaluate, greater_is_better

__all__ = ["Fit", "fit_blindly"]

PULSE_SECONDS = 0.1
"""How long a training works before it lets its caller decide whether it goes on."""

Batches = Callable[[int], Iterable[Batch]]


class Fit:
    """A training of `model` where it stands. It leaves the weights of the best epoch in it.

    The best epoch is that of `early_stopping.metric`, or of the objective where none is set. Dropout is a function of
    seed and epoch and does not disturb the caller's random state. On a CPU, and on a GPU where `config.deterministic`,
    equal arguments give equal numbers, bit for bit, and so does a training that goes on from the state of another one.

    Args:
        model: (ids_BT, mask_BT) → logits_BK; a submodule's `penalty` (a scalar tensor, or None), a mean over the rows
            of the batch or independent of them, is added to the loss.
        train: epoch, from 1 → its batches in their order, each time the same.
        valid: the valid batches; kept for all epochs if they come from an iterator.
        config: the settings.
        class_counts_K: train rows of each class.
        steps_per_epoch: how many batches `train` gives; the schedule needs it.
        objective: what is scored.
        seed: of dropout.
        micro_batch: rows that go through the model at once at most; None: those of a batch. Halved where they do not
            fit into memory.
        num_epochs: train for exactly so many, and look at the valid rows once, after the last; None: after each.
    """

    def __init__(
        self,
        model: nn.Module,
        train: Batches,
        valid: Iterable[Batch],
        config: TrainingConfig,
        *,
        class_counts_K: NDArray[np.int64],
        steps_per_epoch: int,
        objective: Objective,
        seed: int,
        micro_batch: int | None = None,
        num_epochs: int | None = None,
    ) -> None:
        self._num_epochs = num_epochs
        self._model, self._config, self._objective, self._seed = model, config, objective, seed
        self._train_batches = train
        self._valid_batches = list(valid) if isinstance(valid, Iterator) else valid
        self._steps = Steps(model, config, class_counts_K, config.epochs * steps_per_epoch, micro_batch)
        self._scoring = _Scoring.of(config, objective)
        self._stopping = EarlyStopping(config.early_stopping.patience, config.early_stopping.min_delta)
        self._turns = Turns(self._steps.device, self._steps.precision, deterministic=config.deterministic)
        self._epochs: list[EpochMeasurement] = []
        self._best: tuple[dict[str, Any], Predictions] | None = None
        memory.reset_peak(self._steps.device)
        self._start(_Epoch(1))

    @property
    def micro_batch(self) -> int | None:
        """Rows that go through the model at once at most; None: those of a batch."""
        return self._steps.micro_batch

    def moments(self) -> Iterator[EpochMeasurement | None]:
        """Trains. Yields measurements, and about ten times a second None: it can be stopped here.

        Raises:
            DivergedError: too many steps in a row, or the probability of a valid row, were not finite.
            MemoryError: the model does not fit into memory.
        """
        while not self._is_over:
            if not self._epoch.trained:
                batches = self._train_batches(self._epoch.number)
                yield from self._in_turns(_train(self._steps, batches, self._epoch, self._stopping.history))
                self._epoch.trained = True
            if self._epoch.number < (self._num_epochs or 0):
                self._start(self._epoch.next_unmeasured())
                continue
            predictions: list[Predictions] = []
            yield from self._in_turns(self._evaluate(predictions))
            yield self._measured(predictions.pop())

    def result(self) -> FitResult:
        """Returns what `moments` came to, when it has ended."""
        assert self._best is not None
        weights, predictions = self._best
        self._model.load_state_dict(weights)
        best, batch_size = self._epochs[self._stopping.best_epoch - 1], self._config.batch_size
        return FitResult(
            best_epoch=best.epoch,
            epochs=self._epochs[-1].epoch,
            value=best.value,
            metrics=best.metrics,
            valid=predictions,
            stopped_early=self._num_epochs is None and len(self._epochs) < best.epochs,
            seconds=sum(epoch.seconds for epoch in self._epochs),
            examples_per_second=self._steps.num_rows / sum(epoch.train_seconds for epoch in self._epochs),
            peak_memory_bytes=memory.peak_bytes(self._steps.device),
            precision=self._steps.precision,
            num_skipped_steps=self._steps.guard.num_skipped,
            micro_batch_size=min(self.micro_batch or batch_size, batch_size),
        )

    def state(self) -> dict[str, Any]:
        """Returns all that it takes to go on from the last moment: JSON values, tensors and arrays, none copied.

        Early stopping follows from the epochs, and the order of the batches from the epoch.
        """
        weights, predictions = self._best or (None, None)
        return {
            "model": self._model.state_dict(),
            "steps": self._steps.state(),
            "epoch": asdict(self._epoch),
            "random_state": self._turns.random_state.saved(),
            "epochs": [asdict(epoch) for epoch in self._epochs],
            "best_weights": weights,
            "best_predictions": None if predictions is None else vars(predictions),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Goes on from what another training with equal arguments had as its `state`."""
        self._model.load_state_dict(state["model"])
        self._steps.load_state(state["steps"])
        self._epoch = _Epoch(**state["epoch"])
        self._turns.random_state = RandomState.loaded(state["random_state"], self._steps.device)
        self._epochs = [EpochMeasurement(**epoch) for epoch in state["epochs"]]
        for epoch in self._epochs:
            self._stopping.update(self._scoring.gain(epoch.metrics))
        if self._epochs:
            self._best = state["best_weights"], Predictions(**state["best_predictions"])

    @property
    def _is_over(self) -> bool:
        if self._num_epochs is not None:
            return bool(self._epochs)
        return len(self._epochs) == self._config.epochs or self._stopping.exhausted

    def _copy_of_weights(self) -> dict[str, Any]:
        """Tries again where there is no room: what the steps took is free, but not yet given back."""
        try:
            return copy.deepcopy(self._model.state_dict())
        except (MemoryError, RuntimeError) as error:
            if not is_exhausted(error):
                raise
        release_memory()
        return copy.deepcopy(self._model.state_dict())

    def _start(self, epoch: _Epoch) -> None:
        self._epoch = epoch
        self._turns.seed(derive(self._seed, "dropout", epoch.number))

    def _in_turns(self, work: Iterator[None]) -> Iterator[None]:
        """Does `work`, and yields between turns, in which what is global in PyTorch is the caller's."""
        while not self._turn(work):
            yield

    def _turn(self, work: Iterator[None]) -> bool:
        """Goes on with `work` for a while; returns whether it is done."""
        started = time.perf_counter()
        with self._turns.turn():
            done = _go_on(work, until=started + PULSE_SECONDS)
        seconds = time.perf_counter() - started
        self._epoch.seconds += seconds
        if not self._epoch.trained:
            self._epoch.train_seconds += seconds
        return done

    def _evaluate(self, predictions: list[Predictions]) -> Iterator[None]:
        """Adds the one evaluation to `predictions`. A GPU is waited for here, so that the epoch's time includes it."""
        self._model.eval()
        collector = Collector(self._model, self._steps.precision)
        for batch in self._valid_batches:
            collector.add(batch)
            yield
        predictions.append(collector.predictions())

    def _measured(self, predictions: Predictions) -> EpochMeasurement:
        """Ends the epoch."""
        epoch = self._epoch
        metrics = {**self._scoring.metrics(epoch.number, predictions), "train.loss": epoch.mean_loss}
        improved = self._stopping.update(self._scoring.gain(metrics))
        if improved:
            self._best = self._copy_of_weights(), predictions
        measurement = EpochMeasurement(
            epoch=epoch.number,
            epochs=self._num_epochs or self._config.epochs,
            value=metrics[self._objective.metric],
            metrics=metrics,
            learning_rate=self._steps.learning_rate,
            seconds=epoch.seconds,
            train_seconds=epoch.train_seconds,
            improved=improved,
        )
        self._epochs.append(measurement)
        self._start(_Epoch(epoch.number + 1))
        return measurement


def fit_blindly(
    model: nn.Module,
    train: Batches,
    config: TrainingConfig,
    *,
    num_epochs: int,
    class_counts_K: NDArray[np.int64],
    steps_per_epoch: int,
    seed: int,
    micro_batch: int | None = None,
) -> Generator[None, None, str]:
    """Trains for `num_epochs` without valid rows, at the learning rates these have in a `Fit`; returns the precision.

    A `plateau` schedule, which reacts to valid rows, stays at its first learning rate. Arguments are those of `Fit`.

    Yields:
        About ten times a second.

    Raises:
        DivergedError: too many steps in a row were not finite.
        MemoryError: the model does not fit into memory.
    """
    steps = Steps(model, config, class_counts_K, config.epochs * steps_per_epoch, micro_batch)
    turns = Turns(steps.device, steps.precision, deterministic=config.deterministic)
    for epoch in range(1, num_epochs + 1):
        turns.seed(derive(seed, "dropout", epoch))
        work, done = _train(steps, train(epoch), _Epoch(epoch), []), False
        while not done:
            with turns.turn():
                done = _go_on(work, until=time.perf_counter() + PULSE_SECONDS)
            yield
    return steps.precision


@dataclass
class _Epoch:
    """How far an epoch has come.

    Attributes:
        num_batches: trained on, or left out.
        num_rows: of the batches that were not left out; `total_loss` is the sum of their losses.
        trained: whether only its evaluation is left.
        seconds: of training and evaluation since the last measurement; `train_seconds` of training alone.
    """

    number: int
    num_batches: int = 0
    num_rows: int = 0
    total_loss: float = 0.0
    trained: bool = False
    seconds: float = 0.0
    train_seconds: float = 0.0

    @property
    def mean_loss(self) -> float:
        """NaN if every step was left out."""
        return self.total_loss / self.num_rows if self.num_rows else float("nan")

    def next_unmeasured(self) -> _Epoch:
        return _Epoch(self.number + 1, seconds=self.seconds, train_seconds=self.train_seconds)


def _train(steps: Steps, batches: Iterable[Batch], epoch: _Epoch, history: list[float]) -> Iterator[None]:
    """Trains on the batches that the epoch has left; yields after each."""
    steps.model.train()
    for batch in islice(batches, epoch.num_batches, None):
        epoch.num_batches += 1
        loss = steps.step(batch, history, f"epoch {epoch.number}, step {epoch.num_batches}")
        if loss is not None:
            epoch.num_rows += len(batch.labels_B)
            epoch.total_loss += loss * len(batch.labels_B)
        yield


def _go_on(work: Iterator[None], until: float) -> bool:
    """Goes on with `work` until some time; returns whether it is done."""
    return all(time.perf_counter() < until for _ in work)


@dataclass(frozen=True)
class _Scoring:
    """What is measured on the valid rows, and which of it decides what the best epoch is."""

    names: tuple[str, ...]
    watched: str
    maximized: bool

    @classmethod
    def of(cls, config: TrainingConfig, objective: Objective) -> _Scoring:
        watched = config.early_stopping.metric or objective.metric
        is_objective = watched == objective.metric
        return cls(
            names=tuple(
                dict.fromkeys((*config.metrics, *(m.removeprefix("valid.") for m in (objective.metric, watched))))
            ),
            watched=watched,
            maximized=objective.direction == "maximize" if is_objective else greater_is_better(watched),
        )

    def metrics(self, epoch: int, predictions: Predictions) -> dict[str, float]:
        if not np.isfinite(predictions.probabilities_NK).all():
            raise DivergedError(f"epoch {epoch}: the model gives probabilities that are not finite")
        values = evaluate(predictions.labels_N, predictions.probabilities_NK, self.names)
        return {f"valid.{name}": value for name, value in values.items()}

    def gain(self, metrics: Mapping[str, float]) -> float:
        return metrics[self.watched] if self.maximized else -metrics[self.watched]
