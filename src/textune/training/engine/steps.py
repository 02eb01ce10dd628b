"""One step: forward, backward, update; left out where its numbers are not finite, in parts where memory is short."""

# B rows of a batch, P rows of a part of it, T tokens, K classes

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from textune.config.study import TrainingConfig
from textune.memory import is_exhausted, release_memory
from textune.random_state import generators
from textune.training.engine import memory, precision
from textune.training.engine.guards import DivergenceGuard
from textune.training.engine.loss_scale import LossScale
from textune.training.engine.predict import device_of, tensors
from textune.training.engine.row_updates import clip_gradients, use_row_gradients
from textune.training.measurement import Batch
from textune.training.optimizer import OptimizerConfig
from textune.training.schedule import ScheduleConfig

__all__ = ["Steps"]


class Steps:
    """The steps of a training. Each changes the weights by one batch.

    Attributes:
        num_steps: how many were done or left out; the schedule follows it.
        num_rows: of their batches.
        learning_rate: of the last one, in the highest layer of the encoder.
        micro_batch: rows that go through the model at once at most; None: those of a batch.
    """

    def __init__(
        self,
        model: nn.Module,
        config: TrainingConfig,
        class_counts_K: NDArray[np.int64],
        total_steps: int,
        micro_batch: int | None,
    ) -> None:
        optimizer, schedule = config.optimizer, config.schedule
        assert isinstance(optimizer, OptimizerConfig)
        assert isinstance(schedule, ScheduleConfig)
        use_row_gradients(model, enabled=optimizer.row_gradients)
        self.model, self.device = model, device_of(model)
        self.precision = precision.resolve(config.precision, model, self.device)
        self.guard = DivergenceGuard(config.max_skipped_steps)
        self._loss_scale = LossScale()
        self.num_steps = self.num_rows = 0
        self.learning_rate = 0.0
        self.micro_batch = micro_batch
        self._optimizer, self._schedule = optimizer.build(model), schedule
        self._top_learning_rate, self._total_steps = optimizer.learning_rate, total_steps
        self._max_grad_norm = config.max_grad_norm
        weight_K = _balanced(class_counts_K).to(self.device) if config.class_weights == "balanced" else None
        self._loss = nn.CrossEntropyLoss(weight_K, label_smoothing=config.label_smoothing)
        self._weights = [weight for weight in model.parameters() if weight.requires_grad]
        self._penalized: list[Any] = [module for module in model.modules() if hasattr(module, "penalty")]

    def step(self, batch: Batch, history: list[float], name: str) -> float | None:
        """Changes the weights by one batch and returns its loss, or leaves them as they are and returns None.

        Args:
            batch: its rows.
            history: the watched metric of each epoch so far, for the schedule.
            name: of the step, for errors.

        Raises:
            DivergedError: one step too many had to be left out.
            MemoryError: the model does not fit into memory.
        """
        self._set_learning_rate(history)
        loss, gradient_norm = self._gradients_in_memory(batch)
        overflowed = self.precision == "fp16" and math.isfinite(loss) and self._loss_scale.overflowed(gradient_norm)
        if overflowed:
            self.guard.num_skipped += 1
        allowed = not overflowed and self.guard.allows(loss, gradient_norm, self.learning_rate, name)
        if allowed:
            self._update()
        self._optimizer.zero_grad(set_to_none=True)
        self.num_steps += 1
        self.num_rows += len(batch.labels_B)
        return loss if allowed else None

    def state(self) -> dict[str, Any]:
        """Returns all that the next step depends on, but for the weights and the random state."""
        return {
            "optimizer": self._optimizer.state_dict()["state"],
            "num_steps": self.num_steps,
            "num_rows": self.num_rows,
            "learning_rate": self.learning_rate,
            "micro_batch": self.micro_batch,
            "loss_scale": asdict(self._loss_scale),
            "num_skipped": self.guard.num_skipped,
            "skipped_in_a_row": self.guard.skipped_in_a_row,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Goes on from a state, in the smaller parts of those that it names and those that were asked for."""
        groups = self._optimizer.state_dict()["param_groups"]
        weights = {int(number): entries for number, entries in state["optimizer"].items()}  # JSON keys are text
        self._optimizer.load_state_dict({"state": weights, "param_groups": groups})
        self.num_steps, self.num_rows = state["num_steps"], state["num_rows"]
        self.learning_rate = state["learning_rate"]
        self.micro_batch = min((size for size in (state["micro_batch"], self.micro_batch) if size), default=None)
        self._loss_scale = LossScale(**state["loss_scale"])
        self.guard.num_skipped, self.guard.skipped_in_a_row = state["num_skipped"], state["skipped_in_a_row"]

    def _set_learning_rate(self, history: list[float]) -> None:
        top = self._top_learning_rate * self._schedule.reduction(history)
        self.learning_rate = top * self._schedule.factor(self.num_steps, self._total_steps)
        for group in self._optimizer.param_groups:
            group["lr"] = self.learning_rate * group.get("scale", 1.0)

    def _gradients_in_memory(self, batch: Batch) -> tuple[float, float]:
        """As `_gradients`, in parts half as large until they fit."""
        states = [(generator, generator.get_state()) for generator in generators(self.device)]
        while True:
            try:
                return self._gradients(batch)
            except (MemoryError, RuntimeError) as error:
                if not is_exhausted(error):
                    raise
                broke_onednn = memory.broke_onednn(error)
            # The error is gone here, and with it the tensors of the frames it came through.
            if broke_onednn:
                memory.leave_onednn()
                self.precision = "fp32"
            else:
                self._halve(len(batch.labels_B))
            self._optimizer.zero_grad(set_to_none=True)
            release_memory()
            for generator, state in states:
                generator.set_state(state)

    def _halve(self, batch_size: int) -> None:
        num_rows = min(self.micro_batch or batch_size, batch_size)
        if num_rows == 1:
            raise MemoryError(
                "the model does not fit into memory, not even with one text at a time; take a smaller model or shorter "
                f"texts (tokenizer.max_length), or {self._how_to_have_more()}"
            )
        self.micro_batch = (num_rows + 1) // 2

    def _gradients(self, batch: Batch) -> tuple[float, float]:
        """Returns the loss of the batch and the norm of its gradients, which are none if the loss is not finite."""
        ids_BT, mask_BT, labels_B = tensors(batch, self.device)
        scale = self._loss_scale.value if self.precision == "fp16" else 1.0
        losses = []
        for ids_PT, mask_PT, labels_P in self._parts(ids_BT, mask_BT, labels_B):
            loss = self._share_of_loss(ids_PT, mask_PT, labels_P, labels_B)
            losses.append(loss.detach())
            # To look at a number of a GPU is to wait until it is there, so all of them are looked at in the end.
            if not loss.is_cuda and not math.isfinite(loss.item()):
                return loss.item(), 0.0
            (loss if scale == 1.0 else loss * scale).backward()  # type: ignore[no-untyped-call]
        norm = clip_gradients(self._weights, self._max_grad_norm, scale)
        return sum(loss.item() for loss in losses), norm

    def _parts(self, *batch: Tensor) -> Iterable[tuple[Tensor, ...]]:
        size = self.micro_batch
        if size is None or size >= len(batch[0]):
            return [batch]
        return zip(*(torch.split(tensor, size) for tensor in batch), strict=True)

    def _share_of_loss(self, ids_PT: Tensor, mask_PT: Tensor, labels_P: Tensor, labels_B: Tensor) -> Tensor:
        """Returns what some rows of a batch add to its loss, which is a mean over the weights of all of them."""
        with precision.autocast(self.precision, self.device):
            logits_PK = self.model(ids_PT, mask_PT)
        loss: Tensor = self._loss(logits_PK.float(), labels_P)
        is_part = len(labels_P) < len(labels_B)
        if is_part:
            loss = loss * (self._weight(labels_P) / self._weight(labels_B))
        for module in self._penalized:
            if module.penalty is not None:
                loss = loss + (module.penalty * len(labels_P) / len(labels_B) if is_part else module.penalty)
        return loss

    def _weight(self, labels: Tensor) -> Tensor | int:
        weight_K = self._loss.weight
        return len(labels) if weight_K is None else weight_K[labels].sum()

    def _update(self) -> None:
        """Changes the weights. Out of memory here, some are changed and some are not, so it cannot be tried again."""
        try:
            self._optimizer.step()
        except (MemoryError, RuntimeError) as error:
            if not is_exhausted(error):
                raise
            raise MemoryError(
                "the state of the optimizer does not fit into memory; take a smaller model, or "
                f"{self._how_to_have_more()}"
            ) from error

    def _how_to_have_more(self) -> str:
        if self.device.type == "cpu":
            return "allow it more (execution.memory_bytes_per_worker)"
        return "let fewer trials share a GPU (execution.trials_per_device)"


def _balanced(class_counts_K: NDArray[np.int64]) -> Tensor:
    """Weights that let every class among the rows count equally, 1 on average over the rows."""
    num_present = int((class_counts_K > 0).sum())
    return torch.from_numpy(class_counts_K.sum() / (num_present * np.maximum(class_counts_K, 1))).float()
