# D width

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from textune.models import BagOfWordsConfig, VectorsConfig

TEXTS = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=8), min_size=1, max_size=6)


def padded(texts):
    longest = max(map(len, texts))
    ids_BT = torch.tensor([text + [0] * (longest - len(text)) for text in texts])
    return ids_BT, ids_BT != 0


def flat(texts):
    return np.array([token for text in texts for token in text], np.int32), np.cumsum([0, *map(len, texts)])


def build(num_tokens=10, size=10, **settings):
    return BagOfWordsConfig(**settings).build(VectorsConfig(size=size).build(["x"] * num_tokens, None))


def show_weights(bag):
    """Makes the vector of a token the unit vector of its id, so that the sum shows the weights."""
    with torch.no_grad():
        bag.embedding.table.weight.copy_(torch.eye(bag.output_size))
    return bag


@settings(max_examples=30, deadline=None)
@given(TEXTS)
def test_word_weights_are_those_of_scikit_learn(texts):
    bag = show_weights(build(ngrams=1))
    bag.adapt(*flat(texts))
    vectorizer = TfidfVectorizer(
        analyzer=lambda text: map(str, text), vocabulary=list(map(str, range(10))), binary=True
    )
    expected = vectorizer.fit_transform(texts).toarray()
    hidden, mask = bag(*padded(texts))
    np.testing.assert_allclose(hidden[:, 0].detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    assert mask.shape == (len(texts), 1)
    assert mask.all()


@settings(max_examples=15, deadline=None)
@given(TEXTS, st.integers(2, 3))
def test_document_frequencies_count_each_ngram_once_per_text(texts, ngrams):
    bag = build(size=1, ngrams=ngrams, ngram_buckets=2**22)  # wide enough that the few n-grams here do not collide
    bag.adapt(*flat(texts))
    counts = {}
    for text in texts:
        grams = {tuple(text[i : i + n]) for n in range(2, ngrams + 1) for i in range(len(text) - n + 1)}
        for gram in grams:
            counts[gram] = counts.get(gram, 0) + 1
    expected = sorted(math.log((1 + len(texts)) / (1 + count)) + 1 for count in counts.values())
    unseen = math.log(1 + len(texts)) + 1
    counted = bag.idf_G[bag.idf_G < unseen - 1e-5]
    np.testing.assert_allclose(sorted(counted.tolist()), expected, rtol=1e-5)


def test_texts_are_counted_alike_whether_at_once_or_in_parts(monkeypatch):
    texts = [[1, 2], [2], [1, 2, 3], [3, 1], [2, 1, 2]]
    whole = build(ngram_buckets=50)
    whole.adapt(*flat(texts))
    monkeypatch.setattr("textune.models.nets.bag_of_words.TEXTS_AT_ONCE", 2)
    parts = build(ngram_buckets=50)
    parts.adapt(*flat(texts))
    assert torch.equal(whole.idf_V, parts.idf_V)
    assert torch.equal(whole.idf_G, parts.idf_G)


def test_without_tfidf_all_words_weigh_alike():
    bag = show_weights(build(ngrams=1, tfidf=False))
    bag.adapt(*flat([[1], [1, 2]]))
    hidden, _ = bag(*padded([[1, 2, 2, 3, 4]]))
    np.testing.assert_allclose(hidden[0, 0, 1:5].detach(), [0.5] * 4)


def test_order_counts_from_two_words_on():
    texts = padded([[1, 2, 3], [3, 2, 1]])
    for ngrams, same in ((1, True), (2, False)):
        bag = build(ngrams=ngrams)
        with torch.no_grad():
            if ngrams > 1:
                bag.table.weight.normal_()
        first, second = bag(*texts)[0]
        assert torch.allclose(first, second) == same


def test_an_ngram_never_trained_says_nothing():
    assert not build().table.weight.any()


@pytest.mark.parametrize("text", [[5], [5, 6]])
def test_texts_shorter_than_the_longest_ngram(text):
    assert build(ngrams=3)(*padded([text]))[0].isfinite().all()
