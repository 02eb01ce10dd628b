"""The two sides of a comparison, on the same rows: the Trainer of transformers, and a trial of Textune."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers

import architectures
from textune.config.study import TrialConfig
from textune.data import Cache
from textune.records import Objective, TrialResult, TrialSpec
from textune.seeds import derive
from textune.trial import run
from usual import Data, Recipe, Tokenized, Way, fine_tune

__all__ = ["WAYS", "Sides", "study"]

WAYS = {
    "fp32": Way(),
    "fp32-eager": Way(eager=True),
    "bf16": Way(bf16=True),
    "bf16-eager": Way(bf16=True, eager=True),
    "bf16-grouped": Way(bf16=True, eager=True, grouped=True),
}


class Sides:
    """A checkpoint on some rows made ready on both sides: the Trainer and a trial of Textune train it once at a call.

    Args:
        family: of a checkpoint made on the fly; None is the real MiniLM.
        folder: for the checkpoint, the rows and the cache.
    """

    def __init__(self, family: str | None, data: Data, recipe: Recipe, folder: Path) -> None:
        self.recipe = recipe
        (folder / "model").mkdir()
        self.checkpoint = architectures.make(family, folder / "model") if family else architectures.minilm_folder()
        self.tokenized = Tokenized(self.checkpoint, data, recipe.max_length)
        self.study = study(self.checkpoint, data.write(folder), recipe)
        self.cache = Cache(folder / "cache")

    @property
    def ways(self) -> dict[str, Way]:
        """The ways that the architecture has; some have one kind of attention only."""
        architecture = transformers.AutoConfig.from_pretrained(self.checkpoint)
        model: Any = transformers.AutoModel
        chooses = model.from_config(architecture)._supports_sdpa
        return {name: way for name, way in WAYS.items() if chooses or way.eager}

    def trainer_seconds(self, way: Way, seed: int) -> float:
        return fine_tune(self.checkpoint, self.tokenized, self.recipe, way, seed, scored=False)[0]

    def trainer_accuracy(self, way: Way, seed: int) -> float:
        return fine_tune(self.checkpoint, self.tokenized, self.recipe, way, seed, scored=True)[1]

    def textune_seconds(self, seed: int, pooling: str = "cls") -> float:
        result, _ = self._trial(seed, pooling)
        return len(self.tokenized.train) * self.recipe.epochs / (result.details["examples_per_second"] or 0.0)

    def textune_accuracy(self, seed: int) -> float:
        return self._trial(seed, "cls")[1]

    def _trial(self, seed: int, pooling: str) -> tuple[TrialResult, float]:
        """Returns the result and the accuracy after the last epoch."""
        self.study["model"]["pooling"] = pooling
        config = TrialConfig.model_validate(self.study).dump()
        spec = TrialSpec(number=0, config=config, objective=Objective(), seed=derive(seed, "trial"))
        trial, accuracy = run(spec, (), self.cache), float("nan")
        while True:
            try:
                moment = next(trial)
            except StopIteration as end:
                return end.value, accuracy
            if moment is not None:
                accuracy = moment.metrics["valid.accuracy"]


def study(checkpoint: Path, data: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Returns a study of one trial; its pooling is that of the Trainer's heads."""
    return {
        "data": data,
        "tokenizer": {"kind": "pretrained", "max_length": recipe.max_length},
        "model": {
            "encoder": {"kind": "transformer", "model": str(checkpoint)},
            "pooling": "cls",
            "head": {"dropout": 0.1},
        },
        "training": {
            "epochs": recipe.epochs,
            "batch_size": recipe.batch_size,
            "optimizer": {
                "kind": "adamw",
                "learning_rate": recipe.learning_rate,
                "weight_decay": recipe.weight_decay,
            },
            "schedule": {"kind": "linear", "warmup_fraction": recipe.warmup_fraction},
            "max_grad_norm": recipe.max_grad_norm,
        },
    }
