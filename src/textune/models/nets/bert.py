"""The forward pass of BERT and its family on packed tokens; the weights stay those of the transformers library."""

# B texts, T tokens of the longest, L packed tokens, D width, N tokens of a data set

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import BertModel, DistilBertModel, RobertaModel, XLMRobertaModel

from textune.models.nets.packed import Packing, add_and_normalize, attend, attend_from_first, dropout

__all__ = ["PackedBert", "Unsupported"]


class Unsupported(Exception):
    """The forward pass is not the one that is written here; the text says why."""


@dataclass(frozen=True)
class _Layer:
    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    attention_dropout: nn.Dropout
    projection: nn.Linear
    projection_dropout: nn.Dropout | None
    attention_norm: nn.LayerNorm
    up: nn.Linear
    activation: Callable[[Tensor], Tensor]
    down: nn.Linear
    down_dropout: nn.Dropout
    output_norm: nn.LayerNorm


class PackedBert:
    """(ids_BT, mask_BT) → hidden_BTD, as `module` computes it. Its lowest `num_frozen_layers` may be gone on from.

    Raises:
        Unsupported: `module` is of another architecture.
    """

    def __init__(self, module: Any, num_frozen_layers: int, *, checkpointing: bool) -> None:
        self._embeddings, config = module.embeddings, module.config
        self._layers = _layers(module)
        self._num_frozen_layers = num_frozen_layers
        self._checkpointing = checkpointing
        self._num_heads: int = config.num_attention_heads
        positions: nn.Embedding = module.embeddings.position_embeddings
        self._first_position = 0 if positions.padding_idx is None else positions.padding_idx + 1

    def __call__(self, ids_BT: Tensor, mask_BT: Tensor, *, first_only: bool) -> Tensor:
        """Returns hidden_BTD, zero on padding; with `first_only` the vectors of first tokens alone, T = 1."""
        packing = Packing(mask_BT, self._num_heads)
        return self._output(self._layers, self._embed(ids_BT, packing), packing, first_only=first_only)

    def goes_on_from_frozen(self) -> bool:
        """Whether the frozen layers give the same in every step, and the others can start from it."""
        return True

    def lower(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """Returns what the frozen layers make of each token of the texts, one after the other: states_LD."""
        packing = Packing(mask_BT, self._num_heads)
        hidden_LD = self._through(self._layers[: self._num_frozen_layers], self._embed(ids_BT, packing), packing)
        return hidden_LD[: packing.num_tokens]

    def upper(self, states_ND: NDArray[np.floating], places_BT: Tensor, mask_BT: Tensor, *, first_only: bool) -> Tensor:
        """Goes on from what `lower` gave: returns what a call does, for the tokens at some places in `states_ND`."""
        packing = Packing(mask_BT, self._num_heads)
        places_L = places_BT.flatten()[packing.slots_L].cpu().numpy()
        states_LD = torch.from_numpy(states_ND[places_L]).to(mask_BT.device).float()
        return self._output(self._layers[self._num_frozen_layers :], states_LD, packing, first_only=first_only)

    def _output(self, layers: Sequence[_Layer], hidden_LD: Tensor, packing: Packing, *, first_only: bool) -> Tensor:
        hidden = self._through(layers, hidden_LD, packing, first_only=first_only)
        return hidden[:, None] if first_only else packing.unpacked(hidden)

    def _through(
        self, layers: Sequence[_Layer], hidden_LD: Tensor, packing: Packing, *, first_only: bool = False
    ) -> Tensor:
        """Returns hidden_LD behind some layers; with `first_only` hidden_BD of first tokens."""
        kind = hidden_LD.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
        with torch.autocast(kind, enabled=False):
            for layer in layers:
                transform = _transform_first if first_only and layer is layers[-1] else _transform
                arguments = (layer, hidden_LD, packing, dtype)
                if self._checkpointing and hidden_LD.requires_grad:
                    hidden_LD = checkpoint(transform, *arguments, use_reentrant=False)
                else:
                    hidden_LD = transform(*arguments)
        return hidden_LD[packing.first_B] if first_only and not layers else hidden_LD

    def _embed(self, ids_BT: Tensor, packing: Packing) -> Tensor:
        parts = self._embeddings
        ids_L = ids_BT.flatten()[packing.slots_L]
        hidden_LD = parts.word_embeddings(ids_L)
        hidden_LD = hidden_LD + parts.position_embeddings(packing.slots_L % ids_BT.shape[1] + self._first_position)
        if hasattr(parts, "token_type_embeddings"):
            hidden_LD = hidden_LD + parts.token_type_embeddings(ids_BT.new_zeros(1))
        return dropout(parts.LayerNorm(hidden_LD), _share(parts.dropout))


def _transform(layer: _Layer, hidden_LD: Tensor, packing: Packing, dtype: torch.dtype) -> Tensor:
    weights, biases = _joined(layer, packing.num_heads, dtype)
    qkv_LD = F.linear(hidden_LD.to(dtype), torch.cat(weights), torch.cat(biases))
    return _transform_on(layer, hidden_LD, attend(qkv_LD, packing, _share(layer.attention_dropout)))


def _transform_first(layer: _Layer, hidden_LD: Tensor, packing: Packing, dtype: torch.dtype) -> Tensor:
    """As `_transform`, for the first token of each text alone: the other ones are read, but not written."""
    weights, biases = _joined(layer, packing.num_heads, dtype)
    hidden_BD = hidden_LD.index_select(0, packing.first_B)
    queries_BD = F.linear(hidden_BD.to(dtype), weights[0], biases[0])
    keys_values_LD = F.linear(hidden_LD.to(dtype), torch.cat(weights[1:]), torch.cat(biases[1:]))
    attended_BD = attend_from_first(queries_BD, keys_values_LD, packing, _share(layer.attention_dropout))
    return _transform_on(layer, hidden_BD, attended_BD)


def _transform_on(layer: _Layer, hidden_LD: Tensor, attended_LD: Tensor) -> Tensor:
    change_LD = _linear(layer.projection, attended_LD)
    hidden_LD = add_and_normalize(hidden_LD, change_LD, layer.attention_norm, _share(layer.projection_dropout))
    change_LD = _linear(layer.down, layer.activation(_linear(layer.up, hidden_LD.to(attended_LD.dtype))))
    return add_and_normalize(hidden_LD, change_LD, layer.output_norm, _share(layer.down_dropout))


def _joined(layer: _Layer, num_heads: int, dtype: torch.dtype) -> tuple[list[Tensor], list[Tensor]]:
    """Returns weights and biases of queries, scaled as scores are to be, of keys and of values."""
    scale = (layer.query.out_features // num_heads) ** -0.5
    weights = (layer.query.weight * scale, layer.key.weight, layer.value.weight)
    biases = (layer.query.bias * scale, layer.key.bias, layer.value.bias)
    return [each.to(dtype) for each in weights], [each.to(dtype) for each in biases]


def _linear(linear: nn.Linear, values_LD: Tensor) -> Tensor:
    return F.linear(values_LD, linear.weight.to(values_LD.dtype), linear.bias.to(values_LD.dtype))


def _share(dropout: nn.Dropout | None) -> float:
    return dropout.p if dropout is not None and dropout.training else 0.0


def _layers(module: Any) -> list[_Layer]:
    if type(module) is DistilBertModel:
        return [_of_distilbert(layer) for layer in module.transformer.layer]
    if type(module) in {BertModel, RobertaModel, XLMRobertaModel}:
        config = module.config
        if config.is_decoder or config.add_cross_attention:
            raise Unsupported("it is a decoder")
        if getattr(config, "position_embedding_type", None) not in {None, "absolute"}:
            raise Unsupported(f"its position_embedding_type is {config.position_embedding_type}")
        return [_of_bert(layer) for layer in module.encoder.layer]
    raise Unsupported(f"its architecture is {module.config.model_type}")


def _of_bert(layer: Any) -> _Layer:
    attention = layer.attention.self
    return _Layer(
        query=attention.query,
        key=attention.key,
        value=attention.value,
        attention_dropout=attention.dropout,
        projection=layer.attention.output.dense,
        projection_dropout=layer.attention.output.dropout,
        attention_norm=layer.attention.output.LayerNorm,
        up=layer.intermediate.dense,
        activation=layer.intermediate.intermediate_act_fn,
        down=layer.output.dense,
        down_dropout=layer.output.dropout,
        output_norm=layer.output.LayerNorm,
    )


def _of_distilbert(layer: Any) -> _Layer:
    attention, inner = layer.attention, layer.ffn
    return _Layer(
        query=attention.q_lin,
        key=attention.k_lin,
        value=attention.v_lin,
        attention_dropout=attention.dropout,
        projection=attention.out_lin,
        projection_dropout=None,
        attention_norm=layer.sa_layer_norm,
        up=inner.lin1,
        activation=inner.activation,
        down=inner.lin2,
        down_dropout=inner.dropout,
        output_norm=layer.output_layer_norm,
    )
