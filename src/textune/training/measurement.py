"""What training takes and gives: batches in; one measurement per epoch, and the result, out."""

# B rows of a batch, T tokens, N rows, K classes

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Batch", "EpochMeasurement", "FitResult", "Predictions"]


class Batch(Protocol):
    """Rows of one step: ids padded to the longest text, mask True on tokens, labels, and which rows they are."""

    @property
    def ids_BT(self) -> NDArray[np.integer]: ...

    @property
    def mask_BT(self) -> NDArray[np.bool_]: ...

    @property
    def labels_B(self) -> NDArray[np.integer]: ...

    @property
    def rows_B(self) -> NDArray[np.integer]: ...


@dataclass(frozen=True)
class Predictions:
    """Probabilities of N rows in ascending order of their row ids."""

    rows_N: NDArray[np.int64]
    labels_N: NDArray[np.int64]
    probabilities_NK: NDArray[np.float32]


@dataclass(frozen=True)
class EpochMeasurement:
    """The end of an epoch, counted from 1.

    Attributes:
        value: the study's objective.
        metrics: `valid.…` as asked for, and `train.loss`, the mean of what was minimized.
        learning_rate: of the epoch's last step, in the highest layer of the encoder.
        seconds: training and evaluation together.
        train_seconds: the training steps alone.
        improved: whether its weights are the ones kept.
    """

    epoch: int
    epochs: int
    value: float
    metrics: Mapping[str, float]
    learning_rate: float
    seconds: float
    train_seconds: float
    improved: bool


@dataclass(frozen=True)
class FitResult:
    """A finished training; the model holds the weights of `best_epoch`.

    Attributes:
        metrics: of the best epoch.
        valid: predictions of the best epoch.
        examples_per_second: train rows over the time of the training steps alone.
        peak_memory_bytes: of the process (of the GPU, if it trained there) during training; None where it is not known.
        precision: what was computed in: fp32, tf32, bf16 or fp16.
        num_skipped_steps: left out, as their loss or gradients were not finite.
        micro_batch_size: rows of a batch that fitted into memory at once.
    """

    best_epoch: int
    epochs: int
    value: float
    metrics: Mapping[str, float]
    valid: Predictions
    stopped_early: bool
    seconds: float
    examples_per_second: float
    peak_memory_bytes: int | None
    precision: str
    num_skipped_steps: int
    micro_batch_size: int
