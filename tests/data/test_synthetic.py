from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from textune.data import TEST, TRAIN, SyntheticConfig


def test_rows_follow_from_settings_and_seed_alone():
    one, same, other = (SyntheticConfig(rows=200).load([], seed) for seed in (1, 1, 2))
    assert one.texts == same.texts
    assert one.fingerprint == same.fingerprint != other.fingerprint


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_a_fifth_of_each_class_is_for_test(classes):
    rows = SyntheticConfig(rows=1000, classes=classes, noise=0).load([], 0)
    assert len(rows.classes) == classes
    assert set(rows.split_N.tolist()) == {TRAIN, TEST}
    for label in range(classes):
        share = np.mean(rows.split_N[rows.labels_N == label] == TEST)
        assert share == pytest.approx(0.2, abs=0.01)
        assert np.sum(rows.labels_N == label) > 0.7 * 1000 / classes


@pytest.mark.parametrize("classes", [2, 5])
def test_the_share_of_wrong_labels_is_exactly_the_noise(classes):
    clean = SyntheticConfig(rows=1000, classes=classes, noise=0).load([], 3)
    noisy = SyntheticConfig(rows=1000, classes=classes, noise=0.05).load([], 3)
    assert clean.texts == noisy.texts
    for split, wrong in ((TRAIN, 40), (TEST, 10)):
        ids = clean.split_N == split
        assert abs(np.sum(clean.labels_N[ids] != noisy.labels_N[ids]) - wrong) <= 1
    assert SyntheticConfig(noise=0.05).best_accuracy == pytest.approx(0.95)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_equal_texts_have_equal_labels_but_for_noise(classes):
    rows = SyntheticConfig(rows=20_000, classes=classes, noise=0).load([], 0)
    labels = dict(zip(rows.texts, rows.labels_N.tolist(), strict=True))
    assert len(labels) < len(rows)
    assert [labels[text] for text in rows.texts] == rows.labels_N.tolist()


def test_word_order_matters():
    rows = SyntheticConfig(rows=5000).load([], 0)
    scores = []
    for longest in (1, 2):
        vectorizer = CountVectorizer(ngram_range=(1, longest), binary=True)
        train = vectorizer.fit_transform([rows.texts[row] for row in np.flatnonzero(rows.split_N == TRAIN)])
        test = vectorizer.transform([rows.texts[row] for row in np.flatnonzero(rows.split_N == TEST)])
        model = LogisticRegression(max_iter=500).fit(train, rows.labels_N[rows.split_N == TRAIN])
        scores.append(model.score(test, rows.labels_N[rows.split_N == TEST]))
    assert 0.78 < scores[0] < 0.87
    assert scores[1] > scores[0] + 0.05
    assert scores[1] < SyntheticConfig().best_accuracy


def test_words_come_into_fashion_and_go():
    rows = SyntheticConfig(rows=2000, months=12).load([], 0)
    months = rows.dates_N.astype("datetime64[M]")
    assert len(np.unique(months)) == 12
    first = " ".join(rows.texts[row] for row in np.flatnonzero(months == months.min()))
    last = " ".join(rows.texts[row] for row in np.flatnonzero(months == months.max()))
    assert "splendid" in first
    assert "splendid" not in last
    assert "epic" in last
    assert "epic" not in first
