from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from textune.data import (
    TEST,
    TRAIN,
    VALID,
    Examples,
    GivenConfig,
    ImdbConfig,
    KfoldConfig,
    Rows,
    SyntheticConfig,
    Vocabulary,
    describe,
)


def encode(texts) -> tuple[Examples, Vocabulary]:
    """Numbers words from 2 in the order they come; the word 'strange' is unknown."""
    known = {"": 0, "strange": 1}
    ids = [[known.setdefault(word, len(known)) for word in text.split()] for text in texts]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in ids])]).astype(np.int64)
    return Examples(np.array([word for row in ids for word in row], dtype=np.int32), offsets), Vocabulary(tuple(known))


def test_numbers_of_a_small_set_by_hand():
    texts = ["a b", "a b", "c c c strange", "a b", "strange", ""]
    rows = Rows(
        texts=texts,
        labels_N=np.array([0, 0, 1, 1, 0, 1]),
        classes=("no", "yes"),
        split_N=np.array([TRAIN, TRAIN, TRAIN, VALID, TEST, TEST], dtype=np.int8),
        dates_N=np.array(
            ["2024-01-03", "2024-01-01", "2024-01-02", "2024-02-01", "2024-03-01", "2024-03-02"], "datetime64[D]"
        ),
        fingerprint="f",
        skipped={"no label": 3},
        changed={"what is no text": 2},
        sources=("x.csv",),
    )
    examples, vocabulary = encode(texts)
    found = describe(rows, GivenConfig().assign(rows, 0), examples, vocabulary, max_length=2)
    assert found["rows"] == 6
    assert found["rows_in_no_split"] == 0
    assert found["vocabulary_size"] == 5
    assert found["splits"]["train"] == {
        "rows": 3,
        "repeated_texts": 1,
        "tokens_mean": pytest.approx(8 / 3),
        "tokens_median": 2,
        "tokens_min": 2,
        "tokens_max": 4,
        "unknown_share": pytest.approx(1 / 8),
        "cut_share": pytest.approx(1 / 3),
    }
    assert found["splits"]["test"]["tokens_min"] == 0
    assert found["splits"]["test"]["unknown_share"] == 1
    assert found["splits"]["all"]["rows"] == 6
    assert found["labels"]["train"] == {"no": 2, "yes": 1}
    assert found["texts_in_two_splits"] == {"train and valid": 1, "train and test": 0, "valid and test": 0}
    assert found["skipped"] == {"no label": 3}
    assert found["changed"] == {"what is no text": 2}
    assert found["dates"]["train"] == {"first": "2024-01-01", "last": "2024-01-03"}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_folds_are_counted_and_a_missing_test_part_is_left_out():
    rows = SyntheticConfig(rows=100).load([], 0)
    rows = Rows(
        rows.texts, rows.labels_N, rows.classes, np.zeros(100, dtype=np.int8), "f", groups_N=np.arange(100) // 2
    )
    examples, vocabulary = encode(rows.texts)
    found = describe(rows, KfoldConfig(folds=4).assign(rows, 0), examples, vocabulary)
    assert found["folds"] == 4
    assert found["groups"] == 50
    assert list(found["splits"]) == ["train", "valid", "all"]
    assert found["splits"]["all"]["cut_share"] == 0


def test_without_an_unknown_token_nothing_is_unknown():
    rows = SyntheticConfig(rows=100).load([], 0)
    examples, vocabulary = encode(rows.texts)
    shares = []
    for unknown in (2, None):
        known = replace(vocabulary, unknown=unknown)
        found = describe(rows, GivenConfig().assign(rows, 0), examples, known)
        shares.append(found["splits"]["all"]["unknown_share"])
    assert shares[0] > 0
    assert shares[1] == 0


def test_the_published_lengths_of_imdb():
    folder = Path(os.environ.get("TEXTUNE_DATA", ""))
    if not os.environ.get("TEXTUNE_DATA") or not (folder / "imdb" / "train.parquet").exists():
        pytest.skip("TEXTUNE_DATA holds no imdb/train.parquet")
    rows = ImdbConfig().load([folder], 0)
    examples, vocabulary = encode([re.sub(r"<br />|[^\w\s]", "", text.lower()) for text in rows.texts])
    found = describe(rows, GivenConfig().assign(rows, 0), examples, vocabulary)
    whole = found["splits"]["all"]
    assert (int(whole["tokens_mean"]), whole["tokens_median"]) == (226, 170)
    assert (whole["tokens_min"], whole["tokens_max"]) == (4, 2450)
    assert found["texts_in_two_splits"]["train and test"] + found["texts_in_two_splits"]["valid and test"] == 123
