"""Fine-tuning as it is usually done: the Trainer of transformers, on rows tokenized beforehand; and the rows."""

# N rows

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding

from textune.data import TEST, ImdbConfig, SstConfig

__all__ = ["FOLDERS", "Data", "Recipe", "Stopwatch", "Tokenized", "Way", "draw", "fine_tune", "new_trainer"]

if find_spec("accelerate") is None:
    raise SystemExit("the Trainer needs accelerate: pip install 'textune[benchmarks]'")

FOLDERS = (Path(os.environ.get("TEXTUNE_DATA", ".")),)
SETS = {"sst": SstConfig(labels=2), "imdb": ImdbConfig()}


@dataclass(frozen=True)
class Data:
    """Texts and labels (0 or 1) of the rows to train on and of those to score by."""

    train: list[tuple[str, int]]
    valid: list[tuple[str, int]]

    def write(self, folder: Path) -> dict[str, Any]:
        """Writes files that textune reads; returns the `data` of a study."""
        for name, rows in asdict(self).items():
            lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
            (folder / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
        return {"kind": "files", "train": str(folder / "train.jsonl"), "valid": str(folder / "valid.jsonl")}

    @classmethod
    def read(cls, folder: Path) -> Data:
        """Returns what was written to a folder."""
        parts = ((folder / f"{name}.jsonl").read_text(encoding="utf-8").split("\n") for name in ("train", "valid"))
        return cls(*([(row["text"], row["label"]) for row in map(json.loads, lines)] for lines in parts))


def draw(name: str, num_train: int, num_valid: int) -> Data:
    """Returns rows of a data set, none of them test rows."""
    rows = SETS[name].load(FOLDERS, seed=0)
    drawn = np.random.default_rng(0).permutation(np.flatnonzero(rows.split_N != TEST))[: num_train + num_valid]
    if len(drawn) < num_train + num_valid:
        raise SystemExit(f"{name} has {len(drawn)} rows that are not test rows; take fewer")
    pairs = [(rows.texts[row], int(rows.labels_N[row])) for row in drawn.tolist()]
    return Data(pairs[:num_train], pairs[num_train:])


@dataclass(frozen=True)
class Recipe:
    """How both sides train: AdamW, a linear schedule with warm-up, clipping."""

    batch_size: int
    max_length: int
    learning_rate: float = 2e-4
    epochs: int = 1
    weight_decay: float = 0.01
    warmup_fraction: float = 0.1
    max_grad_norm: float = 1.0


@dataclass(frozen=True)
class Way:
    """How the Trainer is set: its defaults, or one of the settings that make it quicker."""

    bf16: bool = False
    eager: bool = False
    grouped: bool = False


class Tokenized:
    """Rows as the Trainer takes them, and how it pads them: to the longest of each batch."""

    def __init__(self, checkpoint: Path, data: Data, max_length: int) -> None:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        self.collate = DataCollatorWithPadding(tokenizer)
        self.train, self.valid = (
            [
                {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": label}
                for ids, (_, label) in zip(
                    tokenizer([text for text, _ in rows], truncation=True, max_length=max_length)["input_ids"],
                    rows,
                    strict=True,
                )
            ]
            for rows in (data.train, data.valid)
        )


class Stopwatch(transformers.TrainerCallback):
    """Seconds of the steps, of all epochs and of the last; building the model and the optimizer is not counted."""

    seconds = last_epoch_seconds = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._started = time.perf_counter()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.seconds = time.perf_counter() - self._started

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self._epoch_started = time.perf_counter()

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        self.last_epoch_seconds = time.perf_counter() - self._epoch_started


def new_trainer(
    checkpoint: Path, rows: Tokenized, recipe: Recipe, way: Way, seed: int, output: str, **more: Any
) -> transformers.Trainer:
    """Returns a Trainer that neither logs nor saves; `more` are further arguments of TrainingArguments."""
    quiet: Any = transformers.utils.logging
    quiet.disable_progress_bar()
    quiet.set_verbosity_error()
    settings = {"attn_implementation": "eager"} if way.eager else {}
    arguments = transformers.TrainingArguments(
        output_dir=output,
        use_cpu=True,
        bf16=way.bf16,
        train_sampling_strategy="group_by_length" if way.grouped else "random",
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=64,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        warmup_steps=recipe.warmup_fraction,
        max_grad_norm=recipe.max_grad_norm,
        lr_scheduler_type="linear",
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=seed,
        **more,
    )
    trainer = transformers.Trainer(
        model_init=lambda *_: AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=2, **settings),
        args=arguments,
        train_dataset=rows.train,
        eval_dataset=rows.valid,
        data_collator=rows.collate,
        compute_metrics=_accuracy,
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def fine_tune(
    checkpoint: Path, rows: Tokenized, recipe: Recipe, way: Way, seed: int, *, scored: bool
) -> tuple[float, float]:
    """Trains once; returns the seconds of the training alone and the accuracy at its end (NaN if not scored)."""
    with tempfile.TemporaryDirectory() as output:
        trainer = new_trainer(checkpoint, rows, recipe, way, seed, output)
        stopwatch = Stopwatch()
        trainer.add_callback(stopwatch)
        trainer.train()
        return stopwatch.seconds, trainer.evaluate()["eval_accuracy"] if scored else float("nan")


def _accuracy(prediction: transformers.EvalPrediction) -> dict[str, float]:
    logits_NK: Any = prediction.predictions
    labels_N: Any = prediction.label_ids
    return {"accuracy": float((logits_NK.argmax(1) == labels_N).mean())}
