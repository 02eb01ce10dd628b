"""The training loop: batches in, one measurement per epoch out, the best weights kept."""

# B batch, T tokens, K classes

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from textune.config.study import TrainingConfig
from textune.errors import DivergedError
from textune.records import Objective
from textune.seeds import derive
from textune.training.early_stopping import EarlyStopping
from textune.training.engine import memory, precision
from textune.training.engine.predict import device_of, predict, tensors
from textune.training.engine.row_updates import clip_gradients, use_row_gradients
from textune.training.measurement import Batch, EpochMeasurement, FitResult, Predictions
from textune.training.metrics import evaluate, greater_is_better
from textune.training.optimizer import OptimizerConfig
from textune.training.schedule import ScheduleConfig

__all__ = ["fit", "fit_blindly"]


def fit(
    model: nn.Module,
    train: Callable[[int], Iterable[Batch]],
    valid: Iterable[Batch],
    config: TrainingConfig,
    *,
    class_counts_K: NDArray[np.int64],
    steps_per_epoch: int,
    objective: Objective,
    seed: int,
) -> Generator[EpochMeasurement, None, FitResult]:
    """Trains `model` where it stands; yields after each epoch; leaves the weights of the best one in it.

    `result = yield from fit(…)` gives the result. The best epoch is that of `early_stopping.metric`, or of the
    objective where none is set. Dropout is a function of seed and epoch and does not disturb the caller's
    random state; on a CPU, equal arguments give equal numbers, bit for bit.

    Args:
        model: (ids_BT, mask_BT) → logits_BK; a submodule's `penalty` (a scalar tensor, or None) is added to the loss.
        train: epoch, from 1 → its batches in their order.
        valid: the valid batches; kept for all epochs if they come from an iterator.
        class_counts_K: train rows of each class.
        steps_per_epoch: how many batches `train` gives; the schedule needs it.

    Raises:
        DivergedError: a loss, or the probability of a valid row, was not finite.
    """
    training = _Training.start(model, config, class_counts_K, config.epochs * steps_per_epoch)
    scoring = _Scoring.of(config, objective)
    stopping = EarlyStopping(config.early_stopping.patience, config.early_stopping.min_delta)
    epochs: list[EpochMeasurement] = []
    if isinstance(valid, Iterator):
        valid = list(valid)
    memory.reset_peak(training.device)
    for epoch in range(1, config.epochs + 1):
        started = time.perf_counter()
        with precision.flushed_denormals():
            with _own_random_state(derive(seed, "dropout", epoch), training.device):
                train_loss = training.epoch(epoch, train(epoch), stopping.history)
            train_seconds = time.perf_counter() - started
            predictions = predict(model, valid, training.precision)
        metrics = {**scoring.metrics(epoch, predictions), "train.loss": train_loss}
        improved = stopping.update(scoring.gain(metrics))
        if improved:
            best_weights, best_predictions = copy.deepcopy(model.state_dict()), predictions
        seconds, value = time.perf_counter() - started, metrics[objective.metric]
        epochs.append(
            EpochMeasurement(
                epoch, config.epochs, value, metrics, training.learning_rate, seconds, train_seconds, improved
            )
        )
        yield epochs[-1]
        if stopping.exhausted:
            break
    model.load_state_dict(best_weights)
    return training.result(epochs, stopping.best_epoch, best_predictions)


def fit_blindly(
    model: nn.Module,
    train: Callable[[int], Iterable[Batch]],
    config: TrainingConfig,
    *,
    num_epochs: int,
    class_counts_K: NDArray[np.int64],
    steps_per_epoch: int,
    seed: int,
) -> str:
    """Trains for `num_epochs` without valid rows, at the learning rates these have in `fit`; returns the precision.

    A `plateau` schedule, which reacts to valid rows, stays at its first learning rate. Arguments are those of `fit`.

    Raises:
        DivergedError: a loss was not finite.
    """
    training = _Training.start(model, config, class_counts_K, config.epochs * steps_per_epoch)
    with precision.flushed_denormals():
        for epoch in range(1, num_epochs + 1):
            with _own_random_state(derive(seed, "dropout", epoch), training.device):
                training.epoch(epoch, train(epoch), [])
    return training.precision


@dataclass
class _Training:
    """All that changes from step to step: the weights, the optimizer's state, and how many steps were done."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: ScheduleConfig
    loss: nn.CrossEntropyLoss
    penalized: list[Any]  # submodules that may have a `penalty`
    max_grad_norm: float | None
    precision: str
    device: torch.device
    total_steps: int
    top_learning_rate: float
    learning_rate: float = 0.0
    num_steps: int = 0
    num_rows: int = 0

    @classmethod
    def start(
        cls, model: nn.Module, config: TrainingConfig, class_counts_K: NDArray[np.int64], total_steps: int
    ) -> _Training:
        device, optimizer, schedule = device_of(model), config.optimizer, config.schedule
        assert isinstance(optimizer, OptimizerConfig)
        assert isinstance(schedule, ScheduleConfig)
        use_row_gradients(model, enabled=optimizer.row_gradients)
        weight_K = _balanced(class_counts_K).to(device) if config.class_weights == "balanced" else None
        return cls(
            model=model,
            optimizer=optimizer.build(model),
            schedule=schedule,
            loss=nn.CrossEntropyLoss(weight_K, label_smoothing=config.label_smoothing),
            penalized=[module for module in model.modules() if hasattr(module, "penalty")],
            max_grad_norm=config.max_grad_norm,
            precision=precision.resolve(config.precision, model, device),
            device=device,
            total_steps=total_steps,
            top_learning_rate=optimizer.learning_rate,
        )

    def epoch(self, epoch: int, batches: Iterable[Batch], history: list[float]) -> float:
        """Trains on all batches once; returns the mean loss of their rows."""
        self.model.train()
        losses, top = _Losses(epoch), self.top_learning_rate * self.schedule.reduction(history)
        for batch in batches:
            self._set_learning_rate(top * self.schedule.factor(self.num_steps, self.total_steps))
            losses.add(self.step(batch), len(batch.labels_B))
            self.num_steps += 1
        self.num_rows += losses.num_rows
        return losses.mean()

    def step(self, batch: Batch) -> Tensor:
        """Forward, backward, clip, update. Returns the loss."""
        ids_BT, mask_BT, labels_B = tensors(batch, self.device)
        with precision.autocast(self.precision, self.device):
            logits_BK = self.model(ids_BT, mask_BT)
        loss: Tensor = self.loss(logits_BK.float(), labels_B)
        for module in self.penalized:
            if module.penalty is not None:
                loss = loss + module.penalty
        loss.backward()  # type: ignore[no-untyped-call]
        if self.max_grad_norm is not None:
            clip_gradients(self.model.parameters(), self.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    def _set_learning_rate(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate

    def result(self, epochs: list[EpochMeasurement], best_epoch: int, valid: Predictions) -> FitResult:
        best = epochs[best_epoch - 1]
        return FitResult(
            best_epoch=best_epoch,
            epochs=len(epochs),
            value=best.value,
            metrics=best.metrics,
            valid=valid,
            stopped_early=len(epochs) < best.epochs,
            seconds=sum(epoch.seconds for epoch in epochs),
            examples_per_second=self.num_rows / sum(epoch.train_seconds for epoch in epochs),
            peak_memory_bytes=memory.peak_bytes(self.device),
            precision=self.precision,
        )


@dataclass
class _Losses:
    """The losses of an epoch. They are looked at in blocks, so that a GPU need not wait for each of them."""

    epoch: int
    num_rows: int = 0
    num_steps: int = 0
    total: float = 0.0
    unread: list[tuple[Tensor, int]] = field(default_factory=list)

    BLOCK = 32

    def add(self, loss: Tensor, num_rows: int) -> None:
        self.num_rows += num_rows
        self.unread.append((loss, num_rows))
        if len(self.unread) == self.BLOCK:
            self._read()

    def mean(self) -> float:
        if self.unread:
            self._read()
        return self.total / self.num_rows

    def _read(self) -> None:
        values = torch.stack([loss for loss, _ in self.unread]).tolist()
        for value, (_, num_rows) in zip(values, self.unread, strict=True):
            self.num_steps += 1
            if not math.isfinite(value):
                raise DivergedError(f"epoch {self.epoch}, step {self.num_steps}: the loss is {value}")
            self.total += value * num_rows
        self.unread.clear()


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

    def gain(self, metrics: dict[str, float]) -> float:
        return metrics[self.watched] if self.maximized else -metrics[self.watched]


@contextmanager
def _own_random_state(seed: int, device: torch.device) -> Iterator[None]:
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _balanced(class_counts_K: NDArray[np.int64]) -> Tensor:
    """Weights that let every class among the rows count equally, 1 on average over the rows."""
    num_present = int((class_counts_K > 0).sum())
    return torch.from_numpy(class_counts_K.sum() / (num_present * np.maximum(class_counts_K, 1))).float()
