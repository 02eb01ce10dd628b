"""Probabilities of rows from a model."""

# B batch, T tokens, N rows, K classes

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from textune.training.engine.precision import autocast
from textune.training.measurement import Batch, Predictions

__all__ = ["device_of", "predict", "tensors"]


def device_of(model: nn.Module) -> torch.device:
    """Returns where the parameters of `model` stand (the CPU if it has none)."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def tensors(batch: Batch, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Returns ids_BT (int64), mask_BT (bool) and labels_B (int64) on `device`."""
    arrays = (batch.ids_BT, batch.mask_BT, batch.labels_B)
    ids_BT, mask_BT, labels_B = (torch.from_numpy(array).to(device, non_blocking=True) for array in arrays)
    return ids_BT.long(), mask_BT, labels_B.long()


@torch.no_grad()
def predict(model: nn.Module, batches: Iterable[Batch], precision: str = "fp32") -> Predictions:
    """Returns the probabilities of every row in `batches`, in ascending order of row ids, whatever order they come in.

    Args:
        model: (ids_BT, mask_BT) → logits_BK; its training mode is left as it was.
        batches: each row once.
        precision: `fp32` or `bf16`.
    """
    device, was_training = device_of(model), model.training
    model.eval()
    probabilities, labels, rows = [], [], []
    for batch in batches:
        ids_BT, mask_BT, _ = tensors(batch, device)
        with autocast(precision, device):
            logits_BK = model(ids_BT, mask_BT)
        probabilities.append(logits_BK.float().softmax(-1).cpu().numpy())
        labels.append(batch.labels_B)
        rows.append(batch.rows_B)
    model.train(was_training)
    rows_N = np.concatenate(rows).astype(np.int64)
    order_N = np.argsort(rows_N, kind="stable")
    return Predictions(
        rows_N=rows_N[order_N],
        labels_N=np.concatenate(labels).astype(np.int64)[order_N],
        probabilities_NK=np.concatenate(probabilities)[order_N],
    )
