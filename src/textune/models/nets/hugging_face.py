"""Trained classifiers as the transformers library keeps them, so that its pipelines predict with a saved folder."""

# D width, K classes

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

import torch
from torch import Tensor

from textune.models.nets.base import TextClassifier
from textune.models.nets.head import ClassHead
from textune.models.nets.pooling import AttentionPooling, ClsPooling, LastPooling, MaxPooling, MeanPooling
from textune.models.nets.transformer import Transformer

if TYPE_CHECKING:
    import tokenizers

__all__ = ["Layout", "layout_of"]

OWN_ENCODER = "encoder.module."
POOLINGS = {
    ClsPooling: "cls",
    LastPooling: "last",
    MeanPooling: "mean",
    MaxPooling: "max",
    AttentionPooling: "attention",
}


def layout_of(model: TextClassifier) -> Layout | None:
    """Returns how the library keeps a model; None if it cannot: another encoder, or a plug-in's pooling or head."""
    if not isinstance(model.encoder, Transformer) or type(model.head) is not ClassHead:
        return None
    if type(model.pooling) is ClsPooling and model.head.hidden_size is None:
        stock = STOCK.get(model.encoder.module.config.model_type)
        if stock is not None and len(stock.signs) * model.head.num_classes <= model.encoder.output_size:
            return _StockLayout(model, stock)
    return _CodeLayout(model) if type(model.pooling) in POOLINGS else None


class Layout(ABC):
    """A classifier's weights and settings as the library calls them.

    Attributes:
        code: file name → source of the modeling file that must stand beside the weights; empty for classes of its own.
    """

    code: Mapping[str, str] = {}

    def __init__(self, model: TextClassifier) -> None:
        self._model = model
        self._encoder, self._head = cast("tuple[Transformer, ClassHead]", (model.encoder, model.head))

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Returns the model's weights by the library's names."""

    @abstractmethod
    def own(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns such weights by the model's own names, exactly as they were."""

    def config(self, classes: Sequence[str]) -> dict[str, Any]:
        """Returns what `config.json` holds."""
        return {
            **self._settings(),
            "id2label": {str(index): name for index, name in enumerate(classes)},
            "label2id": {name: index for index, name in enumerate(classes)},
            "problem_type": "single_label_classification",
            "dtype": "float32",
        }

    def tokenizer_config(self, tokenizer: tokenizers.Tokenizer, max_length: int | None) -> dict[str, Any]:
        """Returns what `tokenizer_config.json` holds."""
        frame = tokenizer.encode("").tokens
        tokens = {
            "pad_token": tokenizer.id_to_token(self._encoder.padding),
            "unk_token": getattr(tokenizer.model, "unk_token", None),
            "cls_token": frame[0] if len(frame) == 2 else None,
            "sep_token": frame[1] if len(frame) == 2 else None,
        }
        lengths = [length for length in (max_length, self._encoder.most_tokens) if length is not None]
        return {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_input_names": ["input_ids", "attention_mask"],
            **({"model_max_length": min(lengths)} if lengths else {}),
            **{name: token for name, token in tokens.items() if token is not None},
        }

    @abstractmethod
    def _settings(self) -> dict[str, Any]: ...

    def _renamed(self, prefix: str) -> dict[str, Tensor]:
        return {
            prefix + name.removeprefix(OWN_ENCODER) if name.startswith(OWN_ENCODER) else name: tensor
            for name, tensor in self._model.state_dict().items()
        }


class _Stock(NamedTuple):
    """A class of the library: its name, what it calls the encoder and the layers behind it, and what is in between."""

    architecture: str
    encoder: str
    hidden: str
    output: str
    scale: float
    signs: tuple[int, ...]


TANH = (2.0**-14, (1,))
RELU = (1.0, (1, -1))
"""How numbers pass unchanged. tanh(x) = x(1 - x²/3 …): for logits up to 30, 2⁻¹⁴ leaves a relative error of 1e-6 at
most, and a power of two costs no digits; relu(x) - relu(-x) = x."""
ROBERTA = ("roberta.", "classifier.dense.", "classifier.out_proj.", *TANH)
STOCK = {
    "bert": _Stock("BertForSequenceClassification", "bert.", "bert.pooler.dense.", "classifier.", *TANH),
    "distilbert": _Stock("DistilBertForSequenceClassification", "distilbert.", "pre_classifier.", "classifier.", *RELU),
    "roberta": _Stock("RobertaForSequenceClassification", *ROBERTA),
    "xlm-roberta": _Stock("XLMRobertaForSequenceClassification", *ROBERTA),
    "camembert": _Stock("CamembertForSequenceClassification", *ROBERTA),
}


class _StockLayout(Layout):
    """A class of the library, which has a layer D → D and an activation before the last layer.

    The logits are computed in that layer, and pass the activation and the last layer as they are.
    """

    def __init__(self, model: TextClassifier, stock: _Stock) -> None:
        super().__init__(model)
        self._stock = stock

    def tensors(self) -> dict[str, Tensor]:
        stock, tensors = self._stock, self._renamed(self._stock.encoder)
        weight_KD, bias_K = (tensors.pop(f"{self._last}.{name}") for name in ("weight", "bias"))
        num_classes, width = weight_KD.shape
        hidden_DD, hidden_D = weight_KD.new_zeros(width, width), weight_KD.new_zeros(width)
        output_KD = weight_KD.new_zeros(num_classes, width)
        for part, sign in enumerate(stock.signs):
            rows = slice(part * num_classes, (part + 1) * num_classes)
            hidden_DD[rows], hidden_D[rows] = sign * stock.scale * weight_KD, sign * stock.scale * bias_K
            output_KD[:, rows] = torch.eye(num_classes) * sign / stock.scale
        tensors[stock.hidden + "weight"], tensors[stock.hidden + "bias"] = hidden_DD, hidden_D
        tensors[stock.output + "weight"], tensors[stock.output + "bias"] = output_KD, weight_KD.new_zeros(num_classes)
        return tensors

    def own(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        stock, num_classes = self._stock, self._head.num_classes
        left = dict(tensors)
        own = {
            f"{self._last}.{name}": left.pop(stock.hidden + name)[:num_classes] / stock.scale
            for name in ("weight", "bias")
        }
        del left[stock.output + "weight"], left[stock.output + "bias"]
        return {**{OWN_ENCODER + name.removeprefix(stock.encoder): tensor for name, tensor in left.items()}, **own}

    def _settings(self) -> dict[str, Any]:
        return {**self._encoder.module.config.to_diff_dict(), "architectures": [self._stock.architecture]}

    @property
    def _last(self) -> str:
        return f"head.layers.{len(self._head.layers) - 1}"


class _CodeLayout(Layout):
    """A modeling file of ours. Another model type than the encoder's keeps the library from loading half of it."""

    PREFIX: ClassVar = "encoder."

    def __init__(self, model: TextClassifier) -> None:
        from textune.models.nets import textune_classifier as code

        super().__init__(model)
        self._module = code.__name__.rpartition(".")[2]
        self.code = {f"{self._module}.py": inspect.getsource(code)}
        self._config, self._class = code.TextuneConfig, code.TextuneForSequenceClassification

    def tensors(self) -> dict[str, Tensor]:
        return self._renamed(self.PREFIX)

    def own(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {
            OWN_ENCODER + name.removeprefix(self.PREFIX) if name.startswith(self.PREFIX) else name: tensor
            for name, tensor in tensors.items()
        }

    def _settings(self) -> dict[str, Any]:
        pooling, head = self._model.pooling, self._head
        settings: dict[str, Any] = {"pooling": POOLINGS[type(pooling)], "head_size": head.hidden_size}
        if isinstance(pooling, AttentionPooling):
            settings |= {"attention_size": pooling.hidden.out_features, "num_heads": pooling.scores.out_features}
        return {
            "model_type": self._config.model_type,
            "architectures": [self._class.__name__],
            "auto_map": {
                "AutoConfig": f"{self._module}.{self._config.__name__}",
                "AutoModelForSequenceClassification": f"{self._module}.{self._class.__name__}",
            },
            "encoder": self._encoder.module.config.to_diff_dict(),
            **settings,
        }
