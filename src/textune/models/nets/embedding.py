"""Token ids to vectors, from a table with one row per token."""

# B batch, T tokens, D width, V vocabulary, N tokens with a given vector

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from textune.errors import Problem, StudyError
from textune.models.base import PADDING, WordVectors
from textune.models.nets.base import Embedding

if TYPE_CHECKING:
    from textune.models.embedding import VectorsConfig

__all__ = ["VectorsEmbedding", "bag_of_rows", "row_table"]

INITIAL_STD = 0.1  # SST-5, LSTM and CNN, two seeds each: 0.01 and 0.3 lose half a point, 1.0 (PyTorch's) two to four


def row_table(weight_VD: Tensor) -> nn.Embedding:
    """Returns a table of these rows, to be trained, whose padding row is zero and stays zero."""
    weight_VD[PADDING] = 0
    table: nn.Embedding = nn.Embedding.from_pretrained(  # type: ignore[no-untyped-call]
        weight_VD, freeze=False, padding_idx=PADDING
    )
    return table


def bag_of_rows(table: nn.Embedding, ids_BT: Tensor, weights_BT: Tensor) -> Tensor:
    """Returns Σ_T weight · row, sums_BD, without building rows_BTD. Padding must weigh 0."""
    return F.embedding_bag(ids_BT, table.weight, mode="sum", sparse=table.sparse, per_sample_weights=weights_BT)


class VectorsEmbedding(Embedding):
    def __init__(self, config: VectorsConfig, num_tokens: int, vectors: WordVectors | None) -> None:
        super().__init__()
        self.num_tokens, self.output_size = num_tokens, config.size
        self.table = row_table(torch.randn(num_tokens, config.size) * INITIAL_STD)
        self.dropout = nn.Dropout(config.dropout)
        if vectors is not None:
            self._take(vectors, config)
        self.table.weight.requires_grad_(config.trainable)

    def _take(self, vectors: WordVectors, config: VectorsConfig) -> None:
        matrix_ND = torch.tensor(vectors.matrix_ND)  # a copy: the array may be a read-only memory map
        size = matrix_ND.shape[1]
        if size != config.size:
            message = f"is {config.size}, but {config.vectors} holds vectors of {size} values; set it to {size}"
            raise StudyError([Problem("", "model.embedding.size", message)])
        with torch.no_grad():
            self.table.weight[torch.tensor(vectors.index_N)] = matrix_ND
            self.table.weight[PADDING] = 0

    def forward(self, ids_BT: Tensor) -> Tensor:
        vectors_BTD: Tensor = self.dropout(self.table(ids_BT))
        return vectors_BTD

    def weighted_sum(self, ids_BT: Tensor, weights_BT: Tensor) -> Tensor:
        if self.training and self.dropout.p > 0:  # drops values of single tokens, so their vectors are needed
            return super().weighted_sum(ids_BT, weights_BT)
        return bag_of_rows(self.table, ids_BT, weights_BT)
