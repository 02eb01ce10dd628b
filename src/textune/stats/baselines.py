"""What a score must beat to mean something: the most frequent class, and TF-IDF with logistic regression."""

# N rows, K classes

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["TFIDF", "fit_tfidf", "majority"]

Probabilities = NDArray[np.float64]
Predictor = Callable[[Sequence[str]], Mapping[str, Probabilities]]

TFIDF = {"tfidf": None, "tfidf-balanced": "balanced"}
"""Both variants of the TF-IDF baseline, and how each weighs classes in the loss (as scikit-learn's `class_weight`)."""

MAX_ROWS = 50_000
MAX_CHARACTERS = 40_000_000
MAX_BIGRAM_CHARACTERS = 4_000_000  # bigrams pay on short texts; on long ones they cost four times the time for a point
MIN_SPACES = 0.05  # with fewer per character, words are not separated, as in Chinese, Japanese or Thai
MAX_ITERATIONS = 100


def majority(labels_train_N: NDArray[np.int64], num_rows: int, num_classes: int) -> Probabilities:
    """Returns the class shares of the train rows as probabilities_NK for `num_rows` rows.

    Their argmax is the most frequent class; their log loss is the entropy a useful model must be below.
    """
    shares_K = np.bincount(labels_train_N, minlength=num_classes) / max(1, len(labels_train_N))
    return np.tile(shares_K, (num_rows, 1))


def fit_tfidf(texts: Sequence[str], labels_N: NDArray[np.int64], num_classes: int, seed: int = 0) -> Predictor:
    """Fits logistic regression on TF-IDF weighted words and returns texts → probabilities_NK by variant (`TFIDF`).

    One variant counts rows equally, the other classes; which is better depends on the metric, so the caller chooses by
    the valid rows. Nothing else is tuned and the cost is bounded: at most 50,000 train rows and 40 million characters
    (drawn with `seed`), word pairs only where texts are short, characters and pairs of them where words are not
    separated by spaces. Classes without a train row get probability 0.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    rows = _affordable_rows(texts, seed)
    texts, labels_N = [texts[row] for row in rows], labels_N[rows]
    counts_K = np.unique(labels_N, return_counts=True)[1]
    if len(counts_K) < 2:
        return lambda others: dict.fromkeys(TFIDF, majority(labels_N, len(others), num_classes))
    vectorizer = _vectorizer(texts)
    try:
        features = vectorizer.fit_transform(texts)
    except ValueError:  # no text holds a word
        return lambda others: dict.fromkeys(TFIDF, majority(labels_N, len(others), num_classes))
    models: dict[str, LogisticRegression] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the bound on time is wanted
        for name, weights in TFIDF.items():
            if weights is not None and len(set(counts_K.tolist())) == 1:
                models[name] = models["tfidf"]  # classes of equal size have equal weights
                continue
            model = LogisticRegression(
                C=4.0, class_weight=weights, max_iter=MAX_ITERATIONS, tol=1e-3, random_state=seed
            )
            models[name] = model.fit(features, labels_N)

    def probabilities(others: Sequence[str]) -> dict[str, Probabilities]:
        predictions = {name: np.zeros((len(others), num_classes)) for name in models}
        if len(others):
            features = vectorizer.transform(others)
            for name, model in models.items():
                predictions[name][:, model.classes_] = model.predict_proba(features)
        return predictions

    return probabilities


def _affordable_rows(texts: Sequence[str], seed: int) -> NDArray[np.int64]:
    """The rows, in random order cut to the limits and sorted again; all of them where they fit."""
    order = np.random.default_rng(seed).permutation(len(texts))[:MAX_ROWS]
    characters = np.cumsum([len(texts[row]) for row in order])
    affordable = max(1, int(np.searchsorted(characters, MAX_CHARACTERS, side="right")))
    return np.sort(order[:affordable]).astype(np.int64)


def _vectorizer(texts: Sequence[str]):  # type: ignore[no-untyped-def]  # noqa: ANN202  # a class of scikit-learn, untyped
    from sklearn.feature_extraction.text import TfidfVectorizer

    characters = sum(map(len, texts))
    settings = {
        "ngram_range": (1, 2) if characters <= MAX_BIGRAM_CHARACTERS else (1, 1),
        "min_df": 2 if len(texts) >= 1_000 else 1,
        "sublinear_tf": True,
        "dtype": np.float32,
    }
    if sum(text.count(" ") for text in texts) < MIN_SPACES * characters:
        return TfidfVectorizer(analyzer="char", **settings)
    return TfidfVectorizer(token_pattern=r"(?u)\b\w+\b", **settings)  # noqa: S106  # a pattern of words
