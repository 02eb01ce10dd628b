"""Optimizers: how a step changes the weights. PyTorch's own, fused into one kernel where it has one."""

from __future__ import annotations

from abc import abstractmethod
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from textune.config.base import Config
from textune.registry import register

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

__all__ = ["AdagradConfig", "AdamConfig", "AdamWConfig", "OptimizerConfig", "RmspropConfig", "SgdConfig"]


class OptimizerConfig(Config):
    learning_rate: float = Field(1e-3, gt=0, description="step size at the top of the schedule")
    weight_decay: float = Field(
        0.0, ge=0, description="pull of the weights towards zero (biases and norms are left alone)"
    )
    head_learning_rate: float | None = Field(
        None, gt=0, description="learning_rate of what stands above the encoder, pooling and head; null: the same"
    )
    layer_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="each layer of the encoder learns at this share of the rate of the one above it, the highest at"
        " learning_rate, embeddings as the lowest",
    )

    @property
    def row_gradients(self) -> bool:
        """Whether embedding tables give gradients of the rows in the batch alone, instead of full tables of zeros.

        A matter of speed alone where untouched rows would stay as they are anyway.
        """
        return False

    @abstractmethod
    def build(self, model: nn.Module) -> Optimizer:
        """Returns the optimizer of the trainable parameters of `model`."""

    def _groups(self, model: nn.Module) -> list[dict[str, Any]]:
        """Returns the trainable parameters by `scale`, the share of the learning rate that is theirs, and weight decay.

        They are as few as can be, since each costs kernels of its own.
        """
        scales = self._scales(model)
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for parameter in model.parameters():
            if parameter.requires_grad:
                weight_decay = self.weight_decay if parameter.ndim > 1 else 0.0
                groups.setdefault((scales.get(parameter, 1.0), weight_decay), []).append(parameter)
        return [
            {"params": parameters, "weight_decay": weight_decay, "lr": self.learning_rate * scale, "scale": scale}
            for (scale, weight_decay), parameters in sorted(groups.items(), key=itemgetter(0), reverse=True)
        ]

    def _scales(self, model: nn.Module) -> dict[nn.Parameter, float]:
        """Returns the scale of each parameter; of those that are not in it, it is 1.

        Source: Howard & Ruder 2018, section 3.1 (discriminative fine-tuning); Clark et al. 2020, appendix B (layer-wise
        decay in transformers).
        """
        if self.head_learning_rate is None and self.layer_decay == 1:
            return {}
        encoder: Any = model.encoder
        scales = dict.fromkeys(model.parameters(), (self.head_learning_rate or self.learning_rate) / self.learning_rate)
        scales |= dict.fromkeys(encoder.parameters(), 1.0)
        for depth, layer in enumerate(reversed(encoder.layers_upwards())):
            scales |= dict.fromkeys(layer.parameters(), self.layer_decay**depth)
        return scales


EmbeddingUpdates = Literal["rows", "dense"]
EMBEDDING_UPDATES: Any = Field(
    "rows",
    description="'rows': a step changes the embeddings of the batch's tokens alone, at once and without momentum:"
    " another optimizer, as good where measured and much faster; 'dense': plain Adam on the whole table",
)


class _AdamFamily(OptimizerConfig):
    beta1: float = Field(0.9, ge=0, lt=1, description="decay of the mean of the gradients")
    beta2: float = Field(0.999, ge=0, lt=1, description="decay of the mean of their squares")
    eps: float = Field(1e-8, gt=0, description="added to the denominator")
    embedding_updates: EmbeddingUpdates = EMBEDDING_UPDATES

    @property
    def row_gradients(self) -> bool:
        return self.embedding_updates == "rows"

    def _build(self, model: nn.Module, *, decoupled: bool) -> Optimizer:
        from textune.training.engine.row_updates import RowAdam

        return RowAdam(
            self._groups(model),
            lr=self.learning_rate,
            betas=(self.beta1, self.beta2),
            eps=self.eps,
            decoupled_weight_decay=decoupled,
            fused=True,
        )


@register("optimizer", "adam")
class AdamConfig(_AdamFamily):
    """Adam; weight decay is part of the gradient. Source: Kingma & Ba 2015."""

    def build(self, model: nn.Module) -> Optimizer:
        return self._build(model, decoupled=False)


@register("optimizer", "adamw")
class AdamWConfig(_AdamFamily):
    """Adam with weight decay apart from the gradient. Source: Loshchilov & Hutter 2019."""

    weight_decay: float = Field(
        0.01, ge=0, description="pull of the weights towards zero (biases and norms are left alone)"
    )

    def build(self, model: nn.Module) -> Optimizer:
        return self._build(model, decoupled=True)


@register("optimizer", "sgd")
class SgdConfig(OptimizerConfig):
    """Stochastic gradient descent, with momentum if asked for."""

    learning_rate: float = Field(0.1, gt=0, description="step size at the top of the schedule")
    momentum: float = Field(0.0, ge=0, lt=1, description="share of the last step that is kept")
    nesterov: bool = Field(False, description="look ahead along the momentum")

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> SgdConfig:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self

    @property
    def row_gradients(self) -> bool:
        return self.momentum == 0 and self.weight_decay == 0

    def build(self, model: nn.Module) -> Optimizer:
        from textune.training.engine.row_updates import RowSgd

        return RowSgd(
            self._groups(model), lr=self.learning_rate, momentum=self.momentum, nesterov=self.nesterov, fused=True
        )


@register("optimizer", "rmsprop")
class RmspropConfig(OptimizerConfig):
    """RMSprop: each gradient divided by a running mean of its size. Source: Hinton 2012, lecture 6e."""

    alpha: float = Field(0.99, ge=0, lt=1, description="decay of the mean of the squared gradients")
    momentum: float = Field(0.0, ge=0, lt=1, description="share of the last step that is kept")
    eps: float = Field(1e-8, gt=0, description="added to the denominator")

    def build(self, model: nn.Module) -> Optimizer:
        from torch.optim import RMSprop

        return RMSprop(
            self._groups(model), lr=self.learning_rate, alpha=self.alpha, momentum=self.momentum, eps=self.eps
        )


@register("optimizer", "adagrad")
class AdagradConfig(OptimizerConfig):
    """Adagrad: step sizes shrink with the sum of all squared gradients. Source: Duchi et al. 2011."""

    learning_rate: float = Field(0.01, gt=0, description="step size at the top of the schedule")
    eps: float = Field(1e-10, gt=0, description="added to the denominator")

    @property
    def row_gradients(self) -> bool:
        return self.weight_decay == 0

    def build(self, model: nn.Module) -> Optimizer:
        from textune.training.engine.row_updates import RowAdagrad

        on_cpu = all(weight.device.type == "cpu" for weight in model.parameters())  # only there old releases fuse it
        return RowAdagrad(self._groups(model), lr=self.learning_rate, eps=self.eps, fused=on_cpu or None)
