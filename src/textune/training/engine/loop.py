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

__all__ = ["fit"]


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
    """Trains `model` where it stands, yields after each epoch, and leaves the weights of the best epoch in it.

    `result = yield from fit(...)` gives the result; closing the generator ends the training after the current epoch.

    The best epoch is that of the best `early_stopping.metric`, or of the best objective where none is set. Randomness
    (dropout) is a function of the seed and the epoch and does not disturb the caller's; on a CPU the same arguments
    give the same numbers, bit for bit.

    Args:
        model: (ids_BT, mask_BT) → logits_BK; a submodule's `penalty` (a scalar tensor or None) is added to the loss.
        train: epoch (from 1) → the batches of that epoch in their order.
        valid: the valid batches; iterated once per epoch, so not a generator.
        config: how to train.
        class_counts_K: train rows of each class.
        steps_per_epoch: how many batches `train` gives; the schedule needs it.
        objective: the metric of the study.
        seed: of this training.

    Raises:
        DivergedError: a loss, or a probability of a valid row, was not finite.
    """
    training = _Training.start(model, config, class_counts_K, total_steps=config.epochs * steps_per_epoch)
    watched = config.early_stopping.metric or objective.metric
    names = dict.fromkeys(name.removeprefix("valid.") for name in (*config.metrics, objective.metric, watched))
    sign = 1.0 if _maximized(watched, objective) else -1.0
    stopping = EarlyStopping(config.early_stopping.patience, config.early_stopping.min_delta)
    best: _Best | None = None
    train_seconds, num_rows, started = 0.0, 0, time.perf_counter()
    memory.reset_peak(training.device)

    for epoch in range(1, config.epochs + 1):
        epoch_started = time.perf_counter()
        with precision.flushed_denormals():
            with _own_random_state(derive(seed, "dropout", epoch), training.device):
                losses = training.epoch(epoch, train(epoch), stopping.history)
            train_seconds += time.perf_counter() - epoch_started
            predictions = predict(model, valid, training.precision)
        num_rows += losses.num_rows

        if not np.isfinite(predictions.probabilities_NK).all():
            raise DivergedError(f"epoch {epoch}: the model gives probabilities that are not finite")
        measured = evaluate(predictions.labels_N, predictions.probabilities_NK, names)
        metrics = {f"valid.{name}": value for name, value in measured.items()} | {"train.loss": losses.mean()}
        improved = stopping.update(sign * metrics[watched])
        if improved:
            best = _Best(copy.deepcopy(model.state_dict()), metrics, predictions)
        yield EpochMeasurement(
            epoch=epoch,
            epochs=config.epochs,
            value=metrics[objective.metric],
            metrics=metrics,
            learning_rate=training.learning_rate,
            seconds=time.perf_counter() - epoch_started,
            improved=improved,
        )
        if stopping.exhausted:
            break

    assert best is not None  # finite metrics beat minus infinity
    model.load_state_dict(best.weights)
    return FitResult(
        best_epoch=stopping.best_epoch,
        epochs=epoch,
        value=best.metrics[objective.metric],
        metrics=best.metrics,
        valid=best.valid,
        stopped_early=epoch < config.epochs,
        seconds=time.perf_counter() - started,
        examples_per_second=num_rows / train_seconds,
        peak_memory_bytes=memory.peak_bytes(training.device),
        precision=training.precision,
    )


@dataclass
class _Training:
    """All that changes from step to step: the weights, the optimizer's state and the number of steps done."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: ScheduleConfig
    loss: nn.CrossEntropyLoss
    penalized: list[Any]  # modules that may have a `penalty` to add to the loss
    max_grad_norm: float | None
    precision: str
    device: torch.device
    total_steps: int
    base_learning_rate: float
    learning_rate: float = 0.0
    steps: int = 0

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
            base_learning_rate=optimizer.learning_rate,
        )

    def epoch(self, epoch: int, batches: Iterable[Batch], history: list[float]) -> _Losses:
        """One pass over the train rows."""
        self.model.train()
        top = self.base_learning_rate * self.schedule.reduction(history)
        losses = _Losses(epoch)
        for batch in batches:
            self._set_learning_rate(top * self.schedule.factor(self.steps, self.total_steps))
            losses.add(self.step(batch), len(batch.labels_B))
            self.steps += 1
        losses.check()
        return losses

    def step(self, batch: Batch) -> Tensor:
        """One step: forward, backward, clip, update. Returns the loss."""
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
        self.unread.append((loss, num_rows))
        if len(self.unread) == self.BLOCK:
            self.check()

    def check(self) -> None:
        if not self.unread:
            return
        values = torch.stack([loss for loss, _ in self.unread]).tolist()
        for value, (_, num_rows) in zip(values, self.unread, strict=True):
            self.num_steps += 1
            if not math.isfinite(value):
                raise DivergedError(f"epoch {self.epoch}, step {self.num_steps}: the loss is {value}")
            self.num_rows += num_rows
            self.total += value * num_rows
        self.unread.clear()

    def mean(self) -> float:
        return self.total / self.num_rows


@dataclass(frozen=True)
class _Best:
    weights: dict[str, Tensor]
    metrics: dict[str, float]
    valid: Predictions


@contextmanager
def _own_random_state(seed: int, device: torch.device) -> Iterator[None]:
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _maximized(metric: str, objective: Objective) -> bool:
    if metric == objective.metric:
        return objective.direction == "maximize"
    return greater_is_better(metric)


def _balanced(class_counts_K: NDArray[np.int64]) -> Tensor:
    """Weights that let every class among the rows count equally, 1 on average over the rows."""
    num_present = int((class_counts_K > 0).sum())
    return torch.from_numpy(class_counts_K.sum() / (num_present * np.maximum(class_counts_K, 1))).float()
