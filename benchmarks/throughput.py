"""How much faster Textune trains than a typical loop, and whether it learns as much.

The same models on the same rows, on one core, in turns epoch by epoch: a typical loop (`typical.py`) that pads every
text to the longest of all, one that pads to the longest of each batch, and Textune's. Each takes the weights that are
best on the valid rows to the test rows, once per seed. Each model has a process of its own, as a user's has: what
another one left to the allocator changes speeds.

    TEXTUNE_DATA=../shared/data python benchmarks/throughput.py --seeds 8 --save
"""

# N rows, K classes

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from measuring import paired_difference, processor, saved_rows
from textune.config.study import TrialConfig
from textune.data import Cache, Prepared, eval_batches, num_batches, prepare, train_batches
from textune.data.base import DataConfig, SplitConfig, TokenizerConfig
from textune.models.nets.assemble import build_classifier
from textune.records import Objective
from textune.seeds import derive, generator
from textune.training.engine.loop import Fit
from textune.training.engine.predict import predict
from typical import PlainBagOfWords, PlainCnn, PlainLstm, TypicalTraining

RESULTS = Path(__file__).parent / "results" / "throughput.md"
BATCH_SIZE, LEARNING_RATE = 32, 1e-3
NON_INFERIORITY = -0.01
MOST_TEST_ROWS = 5000
SST = {"data": "sst", "tokenizer": {"max_length": None, "min_count": 1}}  # every word of the train rows


@dataclass(frozen=True)
class Case:
    """A model on a data set; `target` is the least ratio to the loop that pads to the maximum."""

    title: str
    target: float
    epochs: int
    study: dict[str, Any]
    plain: Callable[[int, int], nn.Module]


CASES = {
    "lstm": Case(
        "LSTM 2×64, embedding 100, IMDb first 50 tokens",
        target=2.5,
        epochs=3,
        study={
            "data": "imdb",
            "tokenizer": {"max_length": 50},
            "model": {"embedding": {"size": 100}, "encoder": {"kind": "rnn", "hidden_size": 64, "num_layers": 2}},
        },
        plain=lambda num_tokens, num_classes: PlainLstm(num_tokens, num_classes, 100, 64, 2, bidirectional=False),
    ),
    "bilstm": Case(
        "BiLSTM 2×256, embedding 300, SST",
        target=6.0,
        epochs=4,
        study=SST
        | {
            "model": {
                "embedding": {"size": 300},
                "encoder": {"kind": "rnn", "hidden_size": 256, "num_layers": 2, "bidirectional": True},
            }
        },
        plain=lambda num_tokens, num_classes: PlainLstm(num_tokens, num_classes, 300, 256, 2, bidirectional=True),
    ),
    "cnn": Case(
        "CNN 3, 4, 5 × 100, embedding 300, SST",
        target=4.0,
        epochs=4,
        study=SST | {"model": {"embedding": {"size": 300}, "encoder": "cnn", "pooling": "max"}},
        plain=lambda num_tokens, num_classes: PlainCnn(num_tokens, num_classes, 300, (3, 4, 5), 100),
    ),
    "bag-of-words": Case(
        "bag of words, embedding 100, SST",
        target=5.0,
        epochs=8,
        study=SST
        | {
            "model": {
                "embedding": {"size": 100},
                "encoder": {"kind": "bag-of-words", "ngrams": 1, "tfidf": False},
            }
        },
        plain=lambda num_tokens, num_classes: PlainBagOfWords(num_tokens, num_classes, 100),
    ),
}


@dataclass
class Task:
    """The rows of a case, cut as in training: at most `max_rows` train rows."""

    config: TrialConfig
    prepared: Prepared
    max_rows: int | None

    def __post_init__(self) -> None:
        fold = self.prepared.splits.folds[0]
        train = np.random.default_rng(0).permutation(fold.train)[: self.max_rows]
        test = np.random.default_rng(1).permutation(self.prepared.splits.test)[:MOST_TEST_ROWS]
        self.rows = (np.sort(train), fold.valid, np.sort(test))
        self.vocabulary, self.examples = self.prepared.fold(0)
        self.cut = (self.config.tokenizer.max_length, self.config.tokenizer.keep)  # type: ignore[attr-defined]

    def texts(self, rows_N: NDArray[np.int64]) -> tuple[list[NDArray[np.int32]], NDArray[np.int64]]:
        """Returns the ids of each text and its label, as lists of a typical loop."""
        ids_L, offsets_N1 = self.examples.ids_L, self.examples.offsets_N1
        texts = [ids_L[offsets_N1[row] : offsets_N1[row + 1]][: self.cut[0]] for row in rows_N]
        return texts, self.prepared.labels_N[rows_N]

    @property
    def num_classes(self) -> int:
        return len(self.prepared.classes)


class TextuneTraining:
    """Textune's training with the interface of the typical one."""

    def __init__(self, task: Task, epochs: int, seed: int) -> None:
        self.task, tokens = task, task.vocabulary.tokens
        self.model = build_classifier(task.config.model, tokens, None, task.num_classes, derive(seed, "init"))
        training = task.config.training.model_copy(update={"epochs": epochs})
        train, valid, _ = task.rows
        labels_N = task.prepared.labels_N
        self.training = Fit(
            self.model,
            lambda epoch: train_batches(
                task.examples,
                labels_N,
                train,
                BATCH_SIZE,
                *task.cut,
                generator(seed, "order", epoch),
                length_buckets=True,
            ),
            eval_batches(task.examples, labels_N, valid, *task.cut),
            training,
            class_counts_K=np.bincount(labels_N[train], minlength=task.num_classes),
            steps_per_epoch=num_batches(len(train), BATCH_SIZE),
            objective=Objective(),
            seed=seed,
        )
        self.moments = self.training.moments()

    def epoch(self) -> float:
        return next(moment.train_seconds for moment in self.moments if moment is not None)

    def test_accuracy(self) -> float:
        assert next(self.moments, None) is None, "there is another epoch"
        batches = eval_batches(self.task.examples, self.task.prepared.labels_N, self.task.rows[2], *self.task.cut)
        predictions = predict(self.model, batches, self.training.result().precision)
        return float((predictions.probabilities_NK.argmax(1) == predictions.labels_N).mean())


@dataclass
class Measured:
    """Seconds per epoch and test accuracies of one case."""

    case: Case
    num_rows: int
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"maximum": [], "batch": [], "textune": []})
    typical_accuracy: list[float] = field(default_factory=list)
    textune_accuracy: list[float] = field(default_factory=list)

    def ratio(self, loop: str) -> float:
        """Median over the epochs of how many times as long the loop took as Textune."""
        return statistics.median(a / b for a, b in zip(self.seconds[loop], self.seconds["textune"], strict=False))


def measure(case: Case, seeds: int, max_rows: int | None, folders: Sequence[Path], cache: Cache) -> Measured:
    settings = {"batch_size": BATCH_SIZE, "optimizer": {"learning_rate": LEARNING_RATE}}
    config = TrialConfig.model_validate(case.study | {"training": settings})
    data, split, tokenizer = config.data, config.split, config.tokenizer
    assert isinstance(data, DataConfig)
    assert isinstance(split, SplitConfig)
    assert isinstance(tokenizer, TokenizerConfig)
    prepared = prepare(data, split, tokenizer, config.seed, folders, cache)
    task = Task(config, prepared, max_rows)
    parts = [task.texts(rows) for rows in task.rows]
    longest = max(len(text) for texts, _ in parts for text in texts)
    measured = Measured(case, len(task.rows[0]))
    for seed in range(seeds):
        loops: dict[str, TypicalTraining | TextuneTraining] = {"textune": TextuneTraining(task, case.epochs, seed)}
        for name, pad_to in (("maximum", longest), ("batch", None)):
            if name == "batch" and seed > 0:
                continue  # learns what the other one learns; one seed is enough for its time
            torch.manual_seed(seed)
            model = case.plain(len(task.vocabulary), task.num_classes)
            loops[name] = TypicalTraining(model, parts, BATCH_SIZE, LEARNING_RATE, pad_to, seed)
        for _ in range(case.epochs):
            for name, loop in loops.items():
                measured.seconds[name].append(loop.epoch())
        measured.typical_accuracy.append(loops["maximum"].test_accuracy())
        measured.textune_accuracy.append(loops["textune"].test_accuracy())
        print(f"  seed {seed}: {row(measured)}", flush=True)
    return measured


COLUMNS = (
    "model",
    "train rows",
    "s/epoch: maximum",
    "batch",
    "textune",
    "× maximum (target)",
    "× batch",
    "accuracy: typical",
    "textune",
    "difference (lower bound)",
    "seeds",
)


def row(measured: Measured) -> str:
    maximum, batch, textune = (statistics.median(measured.seconds[loop]) for loop in ("maximum", "batch", "textune"))
    mean, low = paired_difference(measured.textune_accuracy, measured.typical_accuracy)
    cells = (
        measured.case.title,
        f"{measured.num_rows:,}",
        f"{maximum:.2f}",
        f"{batch:.2f}",
        f"{textune:.2f}",
        f"**{measured.ratio('maximum'):.1f}** (≥ {measured.case.target})",
        f"{measured.ratio('batch'):.1f}",
        f"{statistics.mean(measured.typical_accuracy):.4f}",
        f"{statistics.mean(measured.textune_accuracy):.4f}",
        f"{mean:+.4f} ({low:+.4f})",
        str(len(measured.typical_accuracy)),
    )
    return f"| {' | '.join(cells)} |"


def page(rows: Sequence[str]) -> str:
    return f"""\
# Throughput and quality against a typical loop

{date.today()}, {processor()}, one core, torch {torch.__version__}; `benchmarks/throughput.py`.
Batch size {BATCH_SIZE}, Adam, learning rate {LEARNING_RATE}. Seconds are medians over epochs that took turns.
Accuracy is that of the best epoch on valid, on test rows; the bound is the lower end of the 95% interval of the paired
difference over seeds, and should lie above {NON_INFERIORITY}.

| {" | ".join(COLUMNS)} |
|{"---|" * len(COLUMNS)}
""" + "".join(f"{row}\n" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Textune's training against a typical loop")
    parser.add_argument("--models", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each model by each loop")
    parser.add_argument("--rows", type=int, default=None, help="train rows at most (default: all)")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS}")
    options = parser.parse_args()
    rows = saved_rows(RESULTS, {name: case.title for name, case in CASES.items()})
    for name in options.models:
        print(CASES[name].title, flush=True)
        with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
            rows[name] = fresh.submit(run, name, options.seeds, options.rows).result()
    print(text := page([rows[name] for name in CASES if name in rows]), end="")
    if options.save:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(text, encoding="utf-8")


def run(name: str, seeds: int, max_rows: int | None) -> str:
    """Measures one model and returns its row of the page."""
    torch.set_num_threads(1)
    folders = (Path(os.environ.get("TEXTUNE_DATA", ".")),)
    with tempfile.TemporaryDirectory() as cache:
        return row(measure(CASES[name], seeds, max_rows, folders, Cache(Path(cache))))


if __name__ == "__main__":
    main()
