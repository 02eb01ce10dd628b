"""A small task: the label of a text is told by one of its tokens. Learned in a second, and never quite."""

# N rows, B batch, T tokens, K classes

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from textune.config.study import TrainingConfig
from textune.records import Objective
from textune.training.engine.loop import Fit

NUM_ROWS, NUM_TRAIN, NUM_CLASSES, VOCABULARY = 240, 160, 3, 40


@dataclass(frozen=True)
class PlainBatch:
    ids_BT: np.ndarray
    mask_BT: np.ndarray
    labels_B: np.ndarray
    rows_B: np.ndarray


class BagOfVectors(nn.Module):
    def __init__(self, dropout=0.2):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 8, padding_idx=0)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(8, NUM_CLASSES)
        self.penalty = None

    def forward(self, ids_BT, mask_BT):
        return self.linear(self.dropout(self.embedding(ids_BT).sum(1) / mask_BT.sum(1, keepdim=True)))


class Task:
    """Rows, their batches, and a training of them."""

    def __init__(self):
        generator = np.random.default_rng(0)
        self.labels_N = generator.choice(NUM_CLASSES, NUM_ROWS, p=[0.5, 0.3, 0.2])
        self.ids_NT = generator.integers(5, VOCABULARY, (NUM_ROWS, 6))
        self.ids_NT[np.arange(NUM_ROWS), generator.integers(0, 6, NUM_ROWS)] = self.labels_N + 1
        self.class_counts_K = np.bincount(self.labels_N[:NUM_TRAIN], minlength=NUM_CLASSES)

    def batches(self, rows_N, size=16):
        chunks = [rows_N[start : start + size] for start in range(0, len(rows_N), size)]
        return [PlainBatch(self.ids_NT[rows], self.ids_NT[rows] > 0, self.labels_N[rows], rows) for rows in chunks]

    def train(self, epoch):
        return self.batches(np.random.default_rng(epoch).permutation(NUM_TRAIN))

    @property
    def valid(self):
        return self.batches(np.arange(NUM_TRAIN, NUM_ROWS))

    def model(self, seed=0, **settings):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return BagOfVectors(**settings)

    def start(self, model, settings, train=None, valid=None, objective=None, seed=1, micro_batch=None):
        return Fit(
            model,
            train or self.train,
            valid or self.valid,
            TrainingConfig.model_validate({"optimizer": {"learning_rate": 0.03}, **settings}),
            class_counts_K=self.class_counts_K,
            steps_per_epoch=NUM_TRAIN // 16,
            objective=objective or Objective(),
            seed=seed,
            micro_batch=micro_batch,
        )

    def fit(self, model, settings, **arguments):
        """Returns the measurements of all epochs, and the result."""
        training = self.start(model, settings, **arguments)
        return list(self.measurements(training)), training.result()

    def measurements(self, training):
        """Yields those of a training, without the moments in between."""
        return (moment for moment in training.moments() if moment is not None)


@pytest.fixture(scope="session")
def task():
    return Task()
