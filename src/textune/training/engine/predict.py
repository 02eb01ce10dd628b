"""Probabilities of rows from a model."""

# B batch, T tokens, N rows, K classes

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from textune.memory import is_exhausted, release_memory
from textune.training.engine import memory
from textune.training.engine.precision import autocast
from textune.training.measurement import Batch, Predictions

__all__ = ["Collector", "device_of", "predict", "tensors"]


def device_of(model: nn.Module) -> torch.device:
    """Returns where the parameters of `model` stand (the CPU if it has none)."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def tensors(batch: Batch, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Returns ids_BT (int64), mask_BT (bool) and labels_B (int64) on `device`."""
    each = [torch.from_numpy(array) for array in (batch.ids_BT, batch.mask_BT, batch.labels_B)]
    if device.type == "cuda":  # which fetches from pinned memory by itself, while the host goes on
        each = [tensor.pin_memory().to(device, non_blocking=True) for tensor in each]
    ids_BT, mask_BT, labels_B = each
    return ids_BT.long(), mask_BT, labels_B.long()


def predict(model: nn.Module, batches: Iterable[Batch], precision: str = "fp32") -> Predictions:
    """Returns the probabilities of every row in `batches`, in ascending order of row ids, whatever order they come in.

    Args:
        model: (ids_BT, mask_BT) → logits_BK; its training mode is left as it was.
        batches: each row once.
        precision: `fp32`, `tf32`, `bf16` or `fp16`.
    """
    was_training = model.training
    model.eval()
    collector = Collector(model, precision)
    for batch in batches:
        collector.add(batch)
    model.train(was_training)
    return collector.predictions()


class Collector:
    """Collects the probabilities of rows, batch by batch, from a model in evaluation mode."""

    def __init__(self, model: nn.Module, precision: str) -> None:
        self._model, self._device = model, device_of(model)
        # Trained on a GPU, it may predict on a processor, which takes up to 30 times as long in fp16 (CNN, 2026-11).
        self._precision = "fp32" if precision in ("fp16", "tf32") and self._device.type == "cpu" else precision
        self._batches: list[Batch] = []
        self._probabilities: list[Tensor] = []

    def add(self, batch: Batch) -> None:
        """Raises MemoryError, or what PyTorch raises in its place, if a single row does not fit into memory."""
        ids_BT, mask_BT, _ = tensors(batch, self._device)
        self._probabilities.append(self._in_memory(ids_BT, mask_BT))
        self._batches.append(batch)

    def predictions(self) -> Predictions:
        """Returns those of all rows so far, in ascending order of row ids."""
        rows_N = np.concatenate([batch.rows_B for batch in self._batches]).astype(np.int64)
        labels_N = np.concatenate([batch.labels_B for batch in self._batches]).astype(np.int64)
        order_N = np.argsort(rows_N, kind="stable")
        probabilities_NK = torch.cat(self._probabilities).cpu().numpy()
        return Predictions(rows_N[order_N], labels_N[order_N], probabilities_NK[order_N])

    def _in_memory(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """As `_forward`, in halves where memory is short."""
        try:
            return self._forward(ids_BT, mask_BT)
        except (MemoryError, RuntimeError) as error:
            broke_onednn = memory.broke_onednn(error)
            if not is_exhausted(error) or (len(ids_BT) == 1 and not broke_onednn):
                raise
        release_memory()  # not while the error holds on to the tensors of the frames it came through
        if broke_onednn:
            memory.leave_onednn()
            self._precision = "fp32"
        size = (len(ids_BT) + 1) // 2
        halves = zip(torch.split(ids_BT, size), torch.split(mask_BT, size), strict=True)
        return torch.cat([self._in_memory(*half) for half in halves])

    @torch.no_grad()
    def _forward(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        with autocast(self._precision, self._device):
            logits_BK = self._model(ids_BT, mask_BT)
        probabilities_BK: Tensor = logits_BK.float().softmax(-1)
        return probabilities_BK
