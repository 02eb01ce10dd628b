"""Training as it is usually written: plain PyTorch models, a DataLoader over single texts, default Adam, fp32."""

# B batch, T tokens, D width, H state, K classes

from __future__ import annotations

import copy
import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

__all__ = ["PlainBagOfWords", "PlainCnn", "PlainLstm", "TypicalTraining"]

Text = tuple[Tensor, int]
INITIAL_STD = 0.1  # of embeddings, as Textune draws them, so that quality differs by training alone


def _embedding(num_tokens: int, size: int) -> nn.Embedding:
    embedding = nn.Embedding(num_tokens, size, padding_idx=0)
    with torch.no_grad():
        embedding.weight.normal_(std=INITIAL_STD)
        embedding.weight[0] = 0
    return embedding


class PlainBagOfWords(nn.Module):
    """The sum of the vectors over the square root of their number, as Textune's is (which counts a word once)."""

    def __init__(self, num_tokens: int, num_classes: int, size: int) -> None:
        super().__init__()
        self.embedding = _embedding(num_tokens, size)
        self.linear = nn.Linear(size, num_classes)

    def forward(self, ids_BT: Tensor) -> Tensor:
        mask_BT1 = (ids_BT != 0).unsqueeze(-1)
        sum_BD = (self.embedding(ids_BT) * mask_BT1).sum(1) / mask_BT1.sum(1).sqrt()
        logits_BK: Tensor = self.linear(sum_BD)
        return logits_BK


class PlainCnn(nn.Module):
    def __init__(self, num_tokens: int, num_classes: int, size: int, widths: Sequence[int], num_filters: int) -> None:
        super().__init__()
        self.embedding = _embedding(num_tokens, size)
        self.convolutions = nn.ModuleList(nn.Conv1d(size, num_filters, width, padding="same") for width in widths)
        self.linear = nn.Linear(len(widths) * num_filters, num_classes)

    def forward(self, ids_BT: Tensor) -> Tensor:
        vectors_BDT = self.embedding(ids_BT).transpose(1, 2)
        pooled = [torch.relu(convolution(vectors_BDT)).amax(-1) for convolution in self.convolutions]
        logits_BK: Tensor = self.linear(torch.cat(pooled, 1))
        return logits_BK


class PlainLstm(nn.Module):
    def __init__(
        self, num_tokens: int, num_classes: int, size: int, hidden_size: int, num_layers: int, bidirectional: bool
    ) -> None:
        super().__init__()
        self.embedding = _embedding(num_tokens, size)
        self.lstm = nn.LSTM(size, hidden_size, num_layers, batch_first=True, bidirectional=bidirectional)
        self.linear = nn.Linear(hidden_size * (2 if bidirectional else 1), num_classes)

    def forward(self, ids_BT: Tensor) -> Tensor:
        mask_BT1 = (ids_BT != 0).unsqueeze(-1)
        states_BTH = self.lstm(self.embedding(ids_BT))[0]
        logits_BK: Tensor = self.linear((states_BTH * mask_BT1).sum(1) / mask_BT1.sum(1))
        return logits_BK


class _Texts(Dataset[Text]):
    def __init__(self, texts: Sequence[NDArray[np.int32]], labels_N: NDArray[np.int64]) -> None:
        self.texts, self.labels_N = texts, labels_N

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> Text:
        return torch.tensor(self.texts[index], dtype=torch.int64), int(self.labels_N[index])


class TypicalTraining:
    """One training, epoch by epoch; the best weights on the valid rows are kept.

    Args:
        parts: texts and labels of the train, valid and test rows.
        pad_to: the length every text is padded to; None pads to the longest text of each batch.
    """

    def __init__(
        self,
        model: nn.Module,
        parts: Sequence[tuple[Sequence[NDArray[np.int32]], NDArray[np.int64]]],
        batch_size: int,
        learning_rate: float,
        pad_to: int | None,
        seed: int,
    ) -> None:
        self.model, self.pad_to = model, pad_to
        self.optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
        self.train, self.valid, self.test = (
            DataLoader(
                _Texts(*part),
                batch_size,
                shuffle=number == 0,
                collate_fn=self._collate,
                generator=torch.Generator().manual_seed(seed),
            )
            for number, part in enumerate(parts)
        )
        self.best_accuracy, self.best_weights = -1.0, copy.deepcopy(model.state_dict())

    def epoch(self) -> float:
        """Trains one epoch and measures it on the valid rows; returns the seconds of the training alone."""
        started = time.perf_counter()
        self.model.train()
        running_loss = 0.0
        for ids_BT, labels_B in self.train:
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.model(ids_BT), labels_B)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            running_loss += loss.item()
        seconds = time.perf_counter() - started
        accuracy = self._accuracy(self.valid)
        if accuracy > self.best_accuracy:
            self.best_accuracy, self.best_weights = accuracy, copy.deepcopy(self.model.state_dict())
        return seconds

    def test_accuracy(self) -> float:
        """Returns the accuracy of the best weights on the test rows."""
        self.model.load_state_dict(self.best_weights)
        return self._accuracy(self.test)

    @torch.no_grad()
    def _accuracy(self, loader: DataLoader[Text]) -> float:
        self.model.eval()
        hits = [self.model(ids_BT).argmax(1) == labels_B for ids_BT, labels_B in loader]
        return float(torch.cat(hits).float().mean())

    def _collate(self, texts: Sequence[Text]) -> tuple[Tensor, Tensor]:
        ids_BT = pad_sequence([ids_T for ids_T, _ in texts], batch_first=True)
        if self.pad_to is not None:
            ids_BT = nn.functional.pad(ids_BT, (0, self.pad_to - ids_BT.shape[1]))
        return ids_BT, torch.tensor([label for _, label in texts])
