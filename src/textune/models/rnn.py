"""Encoder `rnn`: reads a text word by word and remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from textune.models.base import EncoderConfig
from textune.registry import register

if TYPE_CHECKING:
    from textune.models.nets.base import Embedding
    from textune.models.nets.rnn import Rnn

__all__ = ["RnnConfig"]


@register("encoder", "rnn")
class RnnConfig(EncoderConfig):
    """A recurrent network: plain, GRU or LSTM, in one direction or both.

    Source: Elman 1990; Cho et al. 2014 (gru); Hochreiter & Schmidhuber 1997 with Gers et al. 2000 (lstm).
    """

    cell: Literal["rnn", "gru", "lstm"] = Field(
        "lstm", description="what remembers: no gates, two, or three and a memory"
    )
    hidden_size: int = Field(128, ge=1, description="numbers in the state of one direction")
    num_layers: int = Field(1, ge=1, description="layers, each reading the states of the one below")
    bidirectional: bool = Field(False, description="read from the end as well; each layer's states stand side by side")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of the values between layers set to zero in training")
    activation: Literal["tanh", "relu", "sigmoid"] = Field(
        "tanh", description="of new content and, in an lstm, of the memory that is shown; gates stay sigmoid"
    )

    def build(self, embedding: Embedding) -> Rnn:
        from textune.models.nets.rnn import Rnn

        return Rnn(self, embedding)
