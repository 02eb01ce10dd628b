"""What is known of a study's data before any model: statistics, and how far the simplest methods get."""

# N rows, K classes

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textune.config.load import LoadedStudy
from textune.config.study import METRICS
from textune.data import Cache, Prepared, content_key, describe
from textune.data.vectors import file_identity
from textune.named_files import located, vector_file
from textune.records import Objective
from textune.stats.baselines import TFIDF, fit_tfidf, majority
from textune.storage import dump_json
from textune.training.metrics import evaluate

__all__ = ["Facts", "describe_data", "gather_facts"]

FORMAT = 5
"""Counts changes of what is cached."""

MOST_WARNINGS = 5
"""Warnings that the first screen of a run shows; the report and `describe` show all."""


@dataclass(frozen=True)
class Facts:
    """What a study's data says before any model: statistics, and how far the simplest methods get.

    The baselines predict test rows too, but those are scored only when the study reads its test split.

    Attributes:
        statistics: of the data, as JSON values.
        tfidf: the variant of the TF-IDF baseline that is better on the valid rows by the study's objective.
        tfidf_seconds: what both variants cost.
        valid: probabilities_NK by baseline of the valid rows, fold after fold.
        test: probabilities_NK by baseline of the test rows.
    """

    statistics: Mapping[str, Any]
    tfidf: str
    tfidf_seconds: float
    valid: Mapping[str, NDArray[np.float64]]
    test: Mapping[str, NDArray[np.float64]]

    def fold_scores(self, prepared: Prepared) -> list[dict[str, dict[str, float]]]:
        """Returns `valid.…` metrics by baseline, for each fold."""
        folds = prepared.splits.folds
        ends = np.cumsum([len(fold.valid) for fold in folds])[:-1]
        parts = {name: np.split(probabilities_NK, ends) for name, probabilities_NK in self.valid.items()}
        return [
            _scores("valid", prepared.labels_N[fold.valid], {name: part[number] for name, part in parts.items()})
            for number, fold in enumerate(folds)
        ]

    def valid_scores(self, prepared: Prepared) -> dict[str, dict[str, float]]:
        """Returns `valid.…` metrics by baseline, means over the folds as those of trials are."""
        folds = self.fold_scores(prepared)
        scores = {
            name: {metric: statistics.fmean(fold[name][metric] for fold in folds) for metric in metrics}
            for name, metrics in folds[0].items()
        }
        scores[self.tfidf]["seconds"] = self.tfidf_seconds
        return scores

    def test_scores(self, prepared: Prepared) -> dict[str, dict[str, float]]:
        """Returns `test.…` metrics by baseline."""
        return _scores("test", prepared.labels_N[prepared.splits.test], self.test)


def gather_facts(loaded: LoadedStudy, prepared: Prepared, cache: Cache, say: Callable[[str], None]) -> Facts:
    """Describes the data and fits the baselines, once per data, split and tokenizer."""
    config = loaded.config

    def build(folder: Path) -> None:
        say(f"describing {len(prepared.rows):,} rows and fitting the baselines (once for this data and split)")
        statistics = describe_data(loaded, prepared)
        import_module("sklearn.linear_model")  # not part of what a baseline costs
        started = time.perf_counter()
        valid, test = _baselines(prepared)
        facts = {"statistics": statistics, "seconds": time.perf_counter() - started}
        (folder / "facts.json").write_text(dump_json(facts), encoding="utf-8")
        for split, predictions in (("valid", valid), ("test", test)):
            for name, probabilities_NK in predictions.items():
                np.save(folder / f"{split}-{name}.npy", probabilities_NK, allow_pickle=False)

    tokenizer: Any = located(config, loaded.folders).tokenizer
    vectors = vector_file(config, loaded.folders) if tokenizer.reads_vectors else None
    words_of = None if vectors is None else file_identity(vectors)
    data: Any = config.data
    settings = [config.split.dump(), tokenizer.dump(), config.seed, words_of, data.keeping_equal_texts_together]
    folder = cache.folder(content_key("facts", FORMAT, prepared.fingerprint, *settings), build)
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    rows = prepared.rows  # equal ones may have come from other files
    told = {"skipped": dict(rows.skipped), "changed": dict(rows.changed), "sources": list(rows.sources)}
    for verb, reasons in (("left out", rows.skipped), ("changed", rows.changed)):
        for reason, num_rows in reasons.items():
            say(f"{verb} {num_rows:,} row{'' if num_rows == 1 else 's'}: {reason}")
    _warn(facts["statistics"]["warnings"], say)
    valid, test = (
        {name: np.load(folder / f"{split}-{name}.npy", allow_pickle=False) for name in ("majority", *TFIDF)}
        for split in ("valid", "test")
    )
    tfidf = _better_tfidf(prepared, valid, config.objective)
    shown = ("majority", tfidf)
    return Facts(
        {**facts["statistics"], **told},
        tfidf,
        facts["seconds"],
        {name: valid[name] for name in shown},
        {name: test[name] for name in shown},
    )


def _warn(warnings: Sequence[str], say: Callable[[str], None]) -> None:
    for warning in warnings[:MOST_WARNINGS]:
        say(f"warning: {warning}")
    if len(warnings) > MOST_WARNINGS:
        say(f"{len(warnings) - MOST_WARNINGS} more warnings: see the report, or run textune describe")


def _better_tfidf(prepared: Prepared, valid: Mapping[str, NDArray[np.float64]], objective: Objective) -> str:
    """Returns the variant that is better on the valid rows of all folds together; of equal ones the unweighted."""
    labels_N = np.concatenate([prepared.labels_N[fold.valid] for fold in prepared.splits.folds])
    metric = objective.metric.removeprefix("valid.")
    scores = {name: evaluate(labels_N, valid[name], [metric])[metric] for name in TFIDF}
    best, *others = scores
    for name in others:
        if objective.better(scores[name], scores[best]):
            best = name
    return best


def describe_data(loaded: LoadedStudy, prepared: Prepared) -> dict[str, Any]:
    """Returns the statistics of a study's data as JSON values."""
    vocabulary, examples = prepared.fold(0)
    max_length: int | None = loaded.config.tokenizer.max_length  # type: ignore[attr-defined]
    data: Any = loaded.config.data
    remedy = data.keeping_equal_texts_together
    statistics = describe(prepared.rows, prepared.splits, examples, vocabulary, max_length=max_length, remedy=remedy)
    return {**statistics, "classes": list(prepared.classes)}


def _baselines(prepared: Prepared) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns probabilities_NK by baseline of the valid rows, fold after fold, and of the test rows.

    Test rows are predicted as the chosen config does: after several folds from the rows it is trained on in the end.
    """
    splits = prepared.splits
    fitted = [_fitted(prepared, fold.train) for fold in splits.folds]
    valid = [predict(fold.valid) for predict, fold in zip(fitted, splits.folds, strict=True)]
    final = fitted[0] if len(fitted) == 1 else _fitted(prepared, splits.final_train)
    return {name: np.concatenate([each[name] for each in valid]) for name in valid[0]}, final(splits.test)


def _fitted(prepared: Prepared, train: NDArray[np.int64]) -> Callable[[NDArray[np.int64]], dict[str, Any]]:
    texts, labels_N, num_classes = prepared.rows.texts, prepared.labels_N[train], len(prepared.classes)
    tfidf = fit_tfidf([texts[row] for row in train], labels_N, num_classes)
    return lambda rows: {
        "majority": majority(labels_N, len(rows), num_classes),
        **tfidf([texts[row] for row in rows]),
    }


def _scores(
    split: str, labels_N: NDArray[np.int64], predictions: Mapping[str, NDArray[np.float64]]
) -> dict[str, dict[str, float]]:
    if not len(labels_N):
        return {name: {} for name in predictions}
    return {
        name: {f"{split}.{metric}": value for metric, value in evaluate(labels_N, probabilities_NK, METRICS).items()}
        for name, probabilities_NK in predictions.items()
    }
