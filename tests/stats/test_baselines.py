from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from textune.stats.baselines import TFIDF, fit_tfidf, majority

GOOD, BAD = "a warm and funny film", "a dull and tired film"


def test_majority_gives_the_class_shares_of_the_train_rows():
    probabilities_NK = majority(np.array([0, 2, 2, 2]), 2, 4)
    np.testing.assert_allclose(probabilities_NK, [[0.25, 0, 0.75, 0]] * 2)


def test_tfidf_learns_words():
    predict = fit_tfidf([GOOD, BAD] * 20, np.array([1, 0] * 20), 2)
    probabilities_NK = predict(["warm, funny", "so dull"])["tfidf"]
    assert probabilities_NK.argmax(1).tolist() == [1, 0]
    np.testing.assert_allclose(probabilities_NK.sum(1), 1)


def test_tfidf_gives_a_class_without_train_rows_no_probability():
    predictions = fit_tfidf([GOOD, BAD, BAD] * 5, np.array([3, 1, 1] * 5), 5)([GOOD])
    for name in TFIDF:
        assert predictions[name].shape == (1, 5)
        assert predictions[name][0, [0, 2, 4]].tolist() == [0, 0, 0]


def test_one_variant_of_tfidf_counts_rows_equally_and_the_other_classes():
    predict = fit_tfidf([GOOD] + [BAD] * 9, np.array([1] + [0] * 9), 2)
    predictions = predict(["film"])  # a word of both classes
    assert predictions["tfidf"][0, 1] < 0.3
    assert predictions["tfidf-balanced"][0, 1] == pytest.approx(0.5, abs=0.15)


def test_classes_of_equal_size_are_fitted_once():
    predictions = fit_tfidf([GOOD, BAD] * 5, np.array([1, 0] * 5), 2)(["a warm film"])
    np.testing.assert_array_equal(predictions["tfidf"], predictions["tfidf-balanced"])


def test_tfidf_reads_languages_without_spaces():
    predict = fit_tfidf(["这部电影非常好看", "这部电影非常难看"] * 10, np.array([1, 0] * 10), 2)
    assert predict(["好看的故事", "难看的故事"])["tfidf"].argmax(1).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("texts", "labels"),
    [([". . .", "! ! !"] * 4, [0, 1] * 4), ([GOOD, BAD] * 4, [1] * 8)],
    ids=["no words", "one class"],
)
def test_tfidf_falls_back_to_class_shares(texts, labels):
    labels_N = np.array(labels)
    predictions = fit_tfidf(texts, labels_N, 2)(["x"])
    for name in TFIDF:
        np.testing.assert_allclose(predictions[name], majority(labels_N, 1, 2))


def test_tfidf_predicts_no_rows():
    assert fit_tfidf([GOOD, BAD] * 4, np.array([1, 0] * 4), 2)([])["tfidf-balanced"].shape == (0, 2)


def test_tfidf_is_repeatable_and_bounded(monkeypatch):
    monkeypatch.setattr("textune.stats.baselines.MAX_ROWS", 40)
    texts, labels_N = [f"{GOOD} {i}" if i % 2 else f"{BAD} {i}" for i in range(2_000)], np.arange(2_000) % 2
    first, second = (fit_tfidf(texts, labels_N, 2, seed=3)([GOOD, BAD])["tfidf"] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.argmax(1).tolist() == [1, 0]


@pytest.mark.skipif("TEXTUNE_DATA" not in os.environ, reason="TEXTUNE_DATA is not set")
def test_tfidf_on_sst5_gives_what_is_known():
    import pandas as pd

    rows = pd.read_csv(Path(os.environ["TEXTUNE_DATA"]) / "sst" / "sst5.csv")
    train, test = rows[rows.split == "train"], rows[rows.split == "test"]
    start = time.perf_counter()
    predict = fit_tfidf(train.text.tolist(), train.label.to_numpy(np.int64), 5)
    accuracy = float((predict(test.text.tolist())["tfidf"].argmax(1) == test.label.to_numpy()).mean())
    assert accuracy == pytest.approx(0.415, abs=0.015)
    assert time.perf_counter() - start < 30
