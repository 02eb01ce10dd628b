"""Reads a text word by word and remembers."""

# B batch, T tokens, D width, H state of one direction, G gates · H

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import _VF, Tensor, nn

from textune.models.nets.base import Embedding, Encoder

if TYPE_CHECKING:
    from textune.models.rnn import RnnConfig

__all__ = ["Reader", "Rnn"]

Activation = Callable[[Tensor], Tensor]
KERNELS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class Rnn(Encoder):
    """Layers of readers, one per direction.

    The backward reader sees each text reversed within its own length, so padding stands at the end for it too: as fast
    as the kernel for both directions, whose states would depend on padding, and two to four times as fast as packed
    sequences (one core, bf16).
    """

    def __init__(self, config: RnnConfig, embedding: Embedding) -> None:
        super().__init__()
        self.embedding = embedding
        self.dropout = nn.Dropout(config.dropout)
        directions = 2 if config.bidirectional else 1
        self.output_size = directions * config.hidden_size
        self.backward_size = config.hidden_size if config.bidirectional else 0

        def readers() -> nn.ModuleList:
            sizes = (self.output_size if layer else embedding.output_size for layer in range(config.num_layers))
            return nn.ModuleList(Reader(config, size) for size in sizes)

        self.forward_readers = readers()
        self.backward_readers = readers() if config.bidirectional else nn.ModuleList()

    def forward(self, ids_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        hidden_BTD = self.embedding(ids_BT)
        order_L = _reversed_order(mask_BT)
        for layer, forward_reader in enumerate(self.forward_readers):
            if layer > 0:
                hidden_BTD = self.dropout(hidden_BTD)
            states_BTH = forward_reader(hidden_BTD)
            if self.backward_readers:
                backward_BTH = self.backward_readers[layer](_reorder(hidden_BTD, order_L))
                states_BTH = torch.cat([states_BTH, _reorder(backward_BTH, order_L)], -1)
            hidden_BTD = states_BTH
        return hidden_BTD, mask_BT

    def layers_upwards(self) -> Sequence[nn.Module]:
        readers = [self.forward_readers, self.backward_readers] if self.backward_readers else [self.forward_readers]
        return (self.embedding, *(nn.ModuleList(layer) for layer in zip(*readers, strict=True)))


def _reversed_order(mask_BT: Tensor) -> Tensor:
    """Returns positions in the flattened batch, order_L with L = B · T: each text backwards, padding where it is."""
    batch_size, num_tokens = mask_BT.shape
    places_T = torch.arange(num_tokens, device=mask_BT.device)
    order_BT = torch.where(mask_BT, mask_BT.sum(1, keepdim=True) - 1 - places_T, places_T)
    rows_B1 = torch.arange(batch_size, device=mask_BT.device)[:, None]
    return (rows_B1 * num_tokens + order_BT).flatten()


def _reorder(vectors_BTD: Tensor, order_L: Tensor) -> Tensor:
    return vectors_BTD.flatten(0, 1).index_select(0, order_L).view_as(vectors_BTD)


class Reader(nn.Module):
    """One layer in one direction: vectors_BTD → states_BTH, starting from a state of zeros.

    PyTorch's kernel holds the weights, and computes where it knows the activation.
    """

    def __init__(self, config: RnnConfig, input_size: int) -> None:
        super().__init__()
        relu = {"nonlinearity": "relu"} if (config.cell, config.activation) == ("rnn", "relu") else {}
        self.kernel = KERNELS[config.cell](input_size, config.hidden_size, batch_first=True, **relu)
        self.fused = config.activation == "tanh" or bool(relu)
        self.step = STEPS[config.cell]
        self.activation: Activation = getattr(torch, config.activation)

    def forward(self, vectors_BTD: Tensor) -> Tensor:
        if not self.fused:
            return self.unfused(vectors_BTD)
        if vectors_BTD.is_cuda and torch.get_autocast_dtype("cuda") is torch.bfloat16 and torch.is_autocast_enabled():
            return self.in_bf16(vectors_BTD)  # autocast would take fp16, in which small gradients vanish
        states_BTH: Tensor = self.kernel(vectors_BTD)[0]
        return states_BTH

    def in_bf16(self, vectors_BTD: Tensor) -> Tensor:
        """Computes with all numbers in bf16; gradients of the weights are as wide as these."""
        kernel = self.kernel
        with torch.autocast(vectors_BTD.device.type, enabled=False):
            inputs_BTD = vectors_BTD.bfloat16()
            zeros_1BH = inputs_BTD.new_zeros(1, len(inputs_BTD), kernel.hidden_size)
            start = (zeros_1BH, zeros_1BH) if isinstance(kernel, nn.LSTM) else zeros_1BH
            function = getattr(_VF, kernel.mode.lower())  # lstm, gru, rnn_tanh, rnn_relu: what the modules call
            weights = [weight.bfloat16() for weight in kernel.all_weights[0]]
            states_BTH: Tensor = function(inputs_BTD, start, weights, True, 1, 0.0, kernel.training, False, True)[0]
        return states_BTH

    def unfused(self, vectors_BTD: Tensor) -> Tensor:
        """Computes step by step, with any activation."""
        input_weight_GD, weight_GH, input_bias_G, bias_G = self.kernel.all_weights[0]
        inputs_BTG = F.linear(vectors_BTD, input_weight_GD, input_bias_G)
        hidden_BH = memory_BH = inputs_BTG.new_zeros(len(vectors_BTD), self.kernel.hidden_size)
        states = []
        for input_BG in inputs_BTG.unbind(1):
            recurrent_BG = F.linear(hidden_BH, weight_GH, bias_G)
            hidden_BH, memory_BH = self.step(input_BG, recurrent_BG, hidden_BH, memory_BH, self.activation)
            states.append(hidden_BH)
        return torch.stack(states, 1)


def _rnn_step(
    input_BG: Tensor, recurrent_BG: Tensor, _: Tensor, memory_BH: Tensor, activation: Activation
) -> tuple[Tensor, Tensor]:
    return activation(input_BG + recurrent_BG), memory_BH


def _gru_step(
    input_BG: Tensor, recurrent_BG: Tensor, hidden_BH: Tensor, memory_BH: Tensor, activation: Activation
) -> tuple[Tensor, Tensor]:
    size = hidden_BH.shape[1]
    gates = torch.sigmoid(input_BG[:, : 2 * size] + recurrent_BG[:, : 2 * size])
    reset_BH, keep_BH = gates.chunk(2, 1)
    new_BH = activation(torch.addcmul(input_BG[:, 2 * size :], reset_BH, recurrent_BG[:, 2 * size :]))
    return torch.lerp(new_BH, hidden_BH, keep_BH), memory_BH


def _lstm_step(
    input_BG: Tensor, recurrent_BG: Tensor, _: Tensor, memory_BH: Tensor, activation: Activation
) -> tuple[Tensor, Tensor]:
    take_BH, keep_BH, new_BH, show_BH = (input_BG + recurrent_BG).chunk(4, 1)
    memory_BH = torch.addcmul(torch.sigmoid(keep_BH) * memory_BH, torch.sigmoid(take_BH), activation(new_BH))
    return torch.sigmoid(show_BH) * activation(memory_BH), memory_BH


STEPS = {"rnn": _rnn_step, "gru": _gru_step, "lstm": _lstm_step}
