"""Metrics of a classifier from labels and probabilities; NumPy alone, checked against scikit-learn."""

# N rows, K classes

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from textune.config.study import LessIsBetter
from textune.stats.compare import pseudo_values

__all__ = ["PerClass", "confusion_matrix", "evaluate", "greater_is_better", "log_loss", "per_class", "row_scores"]

Labels = NDArray[np.int64]
Probabilities = NDArray[np.floating]


@dataclass(frozen=True)
class PerClass:
    """Scores of each class on its own; 0 where nothing was predicted, or nothing was there to find."""

    precision_K: NDArray[np.float64]
    recall_K: NDArray[np.float64]
    f1_K: NDArray[np.float64]
    support_K: NDArray[np.int64]


def greater_is_better(metric: str) -> bool:
    """True unless the metric (with or without `valid.` or another split's name) is a loss."""
    return f"valid.{metric.rpartition('.')[2]}" not in get_args(LessIsBetter)


def confusion_matrix(labels_N: Labels, predicted_N: Labels, num_classes: int) -> NDArray[np.int64]:
    """Returns counts_KK: rows are true classes, columns predicted ones."""
    cells = np.bincount(labels_N * num_classes + predicted_N, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


def per_class(confusion_KK: NDArray[np.int64]) -> PerClass:
    hits_K = np.diag(confusion_KK)
    support_K, predicted_K = confusion_KK.sum(axis=1), confusion_KK.sum(axis=0)
    return PerClass(
        precision_K=_ratio(hits_K, predicted_K),
        recall_K=_ratio(hits_K, support_K),
        f1_K=_ratio(2 * hits_K, support_K + predicted_K),
        support_K=support_K,
    )


def log_loss(labels_N: Labels, probabilities_NK: Probabilities) -> float:
    """Mean cross-entropy in nats; NaN stays NaN.

    Probabilities are kept 1.2e-7 (the resolution of float32) away from 0 and 1, so that no single error is infinite.
    """
    return float(_cross_entropies(labels_N, probabilities_NK).mean())


def _cross_entropies(labels_N: Labels, probabilities_NK: Probabilities) -> NDArray[np.float64]:
    chosen_N = probabilities_NK[np.arange(len(labels_N)), labels_N].astype(np.float64)
    eps = float(np.finfo(np.float32).eps)
    return np.asarray(-np.log(np.clip(chosen_N, eps, 1 - eps)))


def evaluate(labels_N: Labels, probabilities_NK: Probabilities, names: Iterable[str]) -> dict[str, float]:
    """Returns the named metrics (without a `valid.` in front).

    `loss` is plain cross-entropy, the same number as `log_loss`: label smoothing, class weights and penalties belong to
    training alone, so that trials which differ in them stay comparable. Averages over classes (`…_macro`) are taken
    over the classes that are among the labels or the predictions, `balanced_accuracy` over those among the labels.
    """
    num_classes = probabilities_NK.shape[1]
    confusion_KK = confusion_matrix(labels_N, probabilities_NK.argmax(axis=1), num_classes)
    scores = per_class(confusion_KK)
    seen_K = (confusion_KK.sum(axis=0) + confusion_KK.sum(axis=1)) > 0
    accuracy = float(np.trace(confusion_KK) / len(labels_N))
    cross_entropy = log_loss(labels_N, probabilities_NK)
    values = {
        "loss": cross_entropy,
        "log_loss": cross_entropy,
        "accuracy": accuracy,
        "balanced_accuracy": float(scores.recall_K[scores.support_K > 0].mean()),
        "f1_macro": float(scores.f1_K[seen_K].mean()),
        "f1_micro": accuracy,  # with one label a row, each error is one false positive and one false negative
        "f1_weighted": float(np.average(scores.f1_K, weights=scores.support_K)),
        "precision_macro": float(scores.precision_K[seen_K].mean()),
        "recall_macro": float(scores.recall_K[seen_K].mean()),
    }
    return {name: values[name] for name in names}


def row_scores(metric: str, labels_N: Labels, probabilities_NK: Probabilities) -> NDArray[np.float64]:
    """Returns one number per row whose mean is the metric, or stands for it (pseudo-values of the jackknife)."""
    predicted_N, num_classes = probabilities_NK.argmax(axis=1), probabilities_NK.shape[1]
    if metric == "accuracy":
        return np.asarray(predicted_N == labels_N, np.float64)
    if metric in ("loss", "log_loss"):
        return _cross_entropies(labels_N, probabilities_NK)

    def of_rows(labels: Labels, predicted: Labels) -> float:
        return evaluate(labels, np.eye(num_classes)[predicted], [metric])[metric]

    return pseudo_values(of_rows, labels_N, predicted_N)


def _ratio(part_K: NDArray[np.int64], whole_K: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part_K, whole_K, out=np.zeros(len(part_K)), where=whole_K > 0)
