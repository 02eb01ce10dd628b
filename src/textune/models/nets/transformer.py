"""A pretrained transformer: the weights of the transformers library, and its forward pass or a faster one."""

# B batch, T tokens, D width

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn

from textune.devices import device
from textune.errors import Problem, StudyError, TextuneError, plain, suggestion
from textune.memory import bound_primitives
from textune.models.base import PADDING
from textune.models.nets.base import Encoder
from textune.models.nets.bert import PackedBert, Unsupported
from textune.models.nets.library import LibraryForward
from textune.surroundings import hushed

if TYPE_CHECKING:
    from textune.models.transformer import TransformerConfig

__all__ = ["Transformer"]

log = logging.getLogger("textune")

DROPOUTS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "dropout",
    "attention_dropout",
    "embedding_dropout",
    "mlp_dropout",
)
"""What model families call them."""


class Transformer(Encoder):
    """Starts from the weights in the folder `config.model`; with an `architecture`, from random ones.

    Args:
        config: which model.
        num_tokens: of the vocabulary, for a model from scratch; None where the model has its own.
    """

    def __init__(self, config: TransformerConfig, num_tokens: int | None = None) -> None:
        super().__init__()
        bound_primitives()
        self.name = _name(config)
        if device().type == "cpu":
            self.tokens_per_batch = 2**12  # 2**14 take 1.2 to 1.4 times as long: they leave the cache (MiniLM, 2026-11)
        self.module: Any = _module(config, num_tokens)
        self.module.pooler = None  # of another objective; poolings take its place
        self.output_size = self.module.config.hidden_size
        self.padding: int = self.module.config.pad_token_id or 0
        self.most_tokens = _most_tokens(self.module)
        self.num_frozen_layers = config.num_frozen_layers
        self.frozen = self._lowest(config.num_frozen_layers)
        for part in self.frozen:
            part.requires_grad_(requires_grad=False)
        self._forward = self._fastest(checkpointing=config.gradient_checkpointing)

    def forward(self, ids_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        self._check_length(ids_BT.shape[1])
        if self.states_ND is None:
            hidden_BTD = self._forward(ids_BT, mask_BT, first_only=self.first_only)
        else:
            hidden_BTD = self._forward.upper(self.states_ND, ids_BT, mask_BT, first_only=self.first_only)
        return hidden_BTD, mask_BT[:, : hidden_BTD.shape[1]]

    def adapt(self, ids_L: NDArray[np.integer], offsets_N1: NDArray[np.int64]) -> None:  # noqa: ARG002
        """Finds out what the model cannot read, before the first step instead of in the middle of an epoch."""
        known = self.module.get_input_embeddings().num_embeddings
        if (highest := int(ids_L.max(initial=0))) >= known:
            raise TextuneError(
                f"{plain(self.name)} knows {known} tokens, and its tokenizer gives the id {highest}: tokens were added "
                "to the one and not to the other; save both anew, with the embeddings resized (resize_token_embeddings)"
            )

    def _check_length(self, num_tokens: int) -> None:
        if self.most_tokens is not None and num_tokens > self.most_tokens:
            raise TextuneError(
                f"a text has {num_tokens} tokens, and {plain(self.name)} reads {self.most_tokens} at most; set "
                "tokenizer.max_length to that or less"
            )

    def _fastest(self, *, checkpointing: bool) -> PackedBert | LibraryForward:
        """Returns the forward pass that is written here for the architecture, or else, which it says, the library's."""
        try:
            return PackedBert(self.module, self.num_frozen_layers, checkpointing=checkpointing)
        except Unsupported as reason:
            _say(f"runs as the transformers library has it, which is slower, because {reason}")
        if checkpointing:
            self.module.activation_checkpointing_enable({"use_reentrant": False})
            self.module.disable_input_require_grads()  # else gradients go through frozen layers too
        return LibraryForward(self.module, self.layers_upwards()[1:], self.num_frozen_layers, self.padding)

    def frozen_key(self) -> str | None:
        if not self.frozen:
            return None
        was_training = self.training
        self.eval()
        goes_on = self._forward.goes_on_from_frozen()
        self.train(was_training)
        if not goes_on:
            _say("computes its frozen layers in each step, because what they give depends on more than them")
            return None
        told = {name: value for name, value in self.module.config.to_dict().items() if name not in DROPOUTS}
        digest = hashlib.sha256(json.dumps([self.num_frozen_layers, told], sort_keys=True).encode())
        for part in self.frozen:
            for weight in part.parameters():
                digest.update(weight.detach().cpu().contiguous().numpy().data)
        return digest.hexdigest()

    def frozen_states(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        self._check_length(ids_BT.shape[1])
        return self._forward.lower(ids_BT, mask_BT)

    def train(self, mode: bool = True) -> Transformer:
        super().train(mode)
        for part in self.frozen:
            part.eval()
        return self

    def _lowest(self, num_layers: int) -> list[nn.Module]:
        """Returns the embeddings and the lowest layers; nothing for 0."""
        if num_layers == 0:
            return []
        embeddings_and_layers = self.layers_upwards()
        most = max(0, len(embeddings_and_layers) - 1)
        if num_layers > most:
            message = f"is {num_layers}, but {plain(self.name)} has {most} layers that can be frozen"
            raise StudyError([Problem("", "model.encoder.num_frozen_layers", message)])
        projection = getattr(self.module, "embeddings_project", None)  # of ELECTRA, from its embeddings' width
        return [*([] if projection is None else [projection]), *embeddings_and_layers[: 1 + num_layers]]

    def layers_upwards(self) -> Sequence[nn.Module]:
        expected = self.module.config.num_hidden_layers
        lists = (part for part in self.module.modules() if isinstance(part, nn.ModuleList) and len(part) == expected)
        layers = next(lists, None)
        return () if layers is None else (self.module.embeddings, *layers)


@cache
def _say(what: str) -> None:
    """Says it once in a process."""
    log.warning("the pretrained model %s", what)


def _name(config: TransformerConfig) -> str:
    return "the model of model.encoder.architecture" if config.model is None else f"the pretrained model {config.model}"


def _module(config: TransformerConfig, num_tokens: int | None) -> Any:
    logging: Any = transformers.utils.logging
    with hushed(logging, logging):  # that the checkpoint has a head of its own is no news
        return _loaded(config, num_tokens)


def _loaded(config: TransformerConfig, num_tokens: int | None) -> Any:
    library: Any = transformers.AutoModel
    settings: dict[str, Any] = {"dtype": torch.float32}
    if device().type == "cpu":
        # Fused attention takes 1.06 to 1.10 times as long in bf16 (MiniLM, 24 to 192 tokens, a core with AMX, 2026-11).
        settings["attn_implementation"] = "eager"
    try:
        if num_tokens is not None:
            return library.from_config(_own_architecture(config, num_tokens), **settings)
        if config.architecture:
            return library.from_config(_architecture(config, config.architecture), **settings)
        assert config.model is not None
        told, _ = transformers.PreTrainedConfig.get_config_dict(config.model, local_files_only=True)
        module, told = library.from_pretrained(
            config.model,
            config=_architecture(config, told),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            **settings,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        if isinstance(error, RuntimeError) and "memory" in str(error):
            raise
        reason = " ".join(str(error).split())[:300]
        raise TextuneError(plain(f"{_name(config)} cannot be used: {reason}")) from error
    missing = sorted(name for name in told["missing_keys"] if not name.startswith("pooler."))
    if missing:  # they would be random
        raise TextuneError(plain(f"{_name(config)} cannot be used: it holds no {missing[0]}"))
    return module


def _architecture(config: TransformerConfig, told: dict[str, Any]) -> Any:
    """Returns the library's config of a `config.json`; only the library's own classes, never code beside the model."""
    told = {name: value for name, value in told.items() if name != "auto_map"}
    architecture = transformers.AutoConfig.for_model(told.pop("model_type", ""), **told)
    for name in DROPOUTS:
        if config.dropout is not None and hasattr(architecture, name):
            setattr(architecture, name, config.dropout)
    return architecture


def _own_architecture(config: TransformerConfig, num_tokens: int) -> Any:
    """Returns the library's config of a model from scratch, for ids as tokenizers here give them."""
    told = config.architecture
    architecture = _architecture(config, {"pad_token_id": PADDING, **told, "vocab_size": num_tokens})
    known = type(architecture)()
    for name in told:
        if not hasattr(known, name):
            message = f"{known.model_type} has no setting '{name}'{suggestion(name, list(known.to_dict()))}"
            raise StudyError([Problem("", "model.encoder.architecture", message)])
    return architecture


def _most_tokens(module: Any) -> int | None:
    """Returns how many positions the model knows; in RoBERTa's, the ids up to that of padding are none."""
    table = getattr(module.embeddings, "position_embeddings", None)
    if not isinstance(table, nn.Embedding):
        return None
    return table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)
