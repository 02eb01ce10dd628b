"""Models of published sizes with random weights, and batches of random ids with the lengths of film reviews."""

# N rows

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from findings import DEVICE, TINY

from textune.config.study import ModelConfig, TrainingConfig
from textune.data import Batch, Examples, train_batches
from textune.models.nets.assemble import build_classifier
from textune.models.nets.base import TextClassifier
from textune.training.engine.steps import Steps

__all__ = ["ARCHITECTURES", "MODELS", "VOCABULARY", "batches", "build", "examples", "new_steps"]

VOCABULARY = 500 if TINY else 30_522
MAX_LENGTH = 24 if TINY else 192
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}

ARCHITECTURES: Mapping[str, dict[str, Any]] = {
    "minilm": {"model_type": "bert", "num_hidden_layers": 6, "num_attention_heads": 12}
    | {"hidden_size": 384, "intermediate_size": 1536},
    "distilbert": {"model_type": "distilbert", "n_layers": 6, "n_heads": 12, "dim": 768, "hidden_dim": 3072},
}
MODELS: Mapping[str, dict[str, Any]] = {
    **{
        name: {
            "encoder": {"kind": "transformer", "architecture": {"model_type": "bert", **SMALL} if TINY else settings},
            "pooling": "cls",
        }
        for name, settings in ARCHITECTURES.items()
    },
    "bilstm": {
        "embedding": {"size": 100},
        "encoder": {"kind": "rnn", "hidden_size": 256, "num_layers": 2, "bidirectional": True},
        "pooling": "mean",
    },
    "cnn": {
        "embedding": {"size": 100},
        "encoder": {"kind": "cnn", "widths": [3, 4, 5], "num_filters": 100},
        "pooling": "max",
    },
    "bag-of-words": {"embedding": {"size": 100}, "encoder": {"kind": "bag-of-words"}},
}


def build(name: str) -> TextClassifier:
    tokens = [f"token{number}" for number in range(VOCABULARY)]
    return build_classifier(ModelConfig.model_validate(MODELS[name]), tokens, None, num_classes=2, seed=0)


def new_steps(name: str, **settings: Any) -> Steps:
    """Returns what trains a model, as a trial does."""
    config = TrainingConfig.model_validate({"optimizer": "adamw", "max_grad_norm": 1.0, **settings})
    return Steps(build(name).to(DEVICE).train(), config, np.array([10, 10]), total_steps=10_000, micro_batch=None)


def examples(num_rows: int) -> tuple[Examples, np.ndarray[Any, np.dtype[np.int64]]]:
    """Returns texts of random ids, whose lengths are spread as those of IMDb's reviews, and labels."""
    random = np.random.default_rng(0)
    length_N = np.clip(random.lognormal(5.1, 0.6, num_rows) * (MAX_LENGTH / 192), 4, 4 * MAX_LENGTH).astype(np.int64)
    ids_L = random.integers(5, VOCABULARY, length_N.sum()).astype(np.int32)
    return Examples(ids_L, np.concatenate([[0], length_N.cumsum()])), random.integers(0, 2, num_rows)


def batches(batch_size: int, count: int, *, buckets: bool = True) -> list[Batch]:
    """Returns the batches that a trial would train on."""
    texts, labels_N = examples(batch_size * count)
    rows, random = np.arange(len(labels_N)), np.random.default_rng(1)
    return list(train_batches(texts, labels_N, rows, batch_size, MAX_LENGTH, "start", random, length_buckets=buckets))
