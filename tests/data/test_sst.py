from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from textune.data import TEST, TRAIN, VALID, GivenConfig, SstConfig, read_table
from textune.errors import DataError

TREES = {
    "train.txt": (
        "(4 (2 It) (4 (2 is) (3 (2 -LRB-) (3 (3 good) (2 -RRB-)))))\n"
        "(2 (2 a\u00a0b) (2 and\\/or))\n"
        "(0 (2 not) (3 (3 good) (2 -RRB-)))\n"
    ),
    "dev.txt": "(1 Bad)\n(2 (2 So) (2 so))\n",
    "test.txt": "(3 (2 \\*) (3 Fine))\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sst").mkdir()
    for name, text in TREES.items():
        (tmp_path / "sst" / name).write_text(text)
    return tmp_path


def test_sentences_are_the_leaves_with_brackets_and_slashes_as_written(folder):
    rows = SstConfig().load([folder], 0)
    assert rows.texts == ["It is ( good )", "a\u00a0b and/or", "not good )", "Bad", "So so", "* Fine"]
    assert [rows.classes[label] for label in rows.labels_N] == [
        "very positive",
        "neutral",
        "very negative",
        "negative",
        "neutral",
        "positive",
    ]
    assert rows.split_N.tolist() == [TRAIN] * 3 + [VALID] * 2 + [TEST]
    assert rows.sources == tuple(str(folder / "sst" / name) for name in TREES)


def test_two_labels_leave_neutral_sentences_out_of_every_split(folder):
    rows = SstConfig(labels=2).load([folder], 0)
    assert rows.texts == ["It is ( good )", "not good )", "Bad", "* Fine"]
    assert [rows.classes[label] for label in rows.labels_N] == ["positive", "negative", "negative", "positive"]


def test_phrases_are_distinct_train_with_their_sentence_and_are_not_scored(folder):
    rows = SstConfig(phrases=True).load([folder], 0)
    phrases = [row for row in range(len(rows)) if not rows.scored_N[row]]
    assert [rows.texts[row] for row in phrases] == ["good )", "( good )", "is ( good )"]
    assert rows.groups_N[phrases].tolist() == [0, 0, 0]
    assert rows.groups_N[rows.scored_N].tolist() == list(range(6))
    assert (rows.split_N[phrases] == TRAIN).all()
    words = SstConfig(phrases=True, min_phrase_tokens=1).load([folder], 0)
    assert {"good", "It", "("} <= set(words.texts)
    assert "Bad" not in {words.texts[row] for row in range(len(words)) if not words.scored_N[row]}, (
        "dev trees give none"
    )


def test_two_labels_leave_neutral_phrases_out_too(folder):
    rows = SstConfig(phrases=True, labels=2, min_phrase_tokens=1).load([folder], 0)
    assert rows.classes == ("negative", "positive")
    assert [text for text, scored in zip(rows.texts, rows.scored_N, strict=True) if not scored] == [
        "good",
        "good )",
        "( good )",
        "is ( good )",
    ]


@pytest.mark.parametrize(
    ("tree", "settings"),
    [
        ("(3 good", {}),
        ("good", {}),
        ("(7 (2 a) (2 b))", {}),
        ("(3 (2 a) (2 b)))", {}),
        ("", {}),
        (")3 (2 a( (2 b)", {"phrases": True}),
    ],
)
def test_a_broken_tree_is_named_by_its_line(folder, tree, settings):
    (folder / "sst" / "train.txt").write_text(f"(2 ok)\n{tree}\n(2 ok)\n")
    with pytest.raises(DataError, match=r"train\.txt, line 2 is no tree such as"):
        SstConfig(**settings).load([folder], 0)


def test_an_empty_file_and_a_wrong_encoding_are_told(folder):
    (folder / "sst" / "dev.txt").write_bytes(b"")
    with pytest.raises(DataError, match=r"dev\.txt is empty"):
        SstConfig().load([folder], 0)
    (folder / "sst" / "dev.txt").write_bytes(b"(2 caf\xe9)\n")
    with pytest.raises(DataError, match=r"dev\.txt is not utf-8 at byte 6"):
        SstConfig().load([folder], 0)


def test_a_missing_set_says_the_ways_to_get_it(tmp_path):
    (tmp_path / "sst").mkdir()
    (tmp_path / "sst" / "train.txt").write_text(TREES["train.txt"])
    with pytest.raises(DataError) as caught:
        SstConfig().find([tmp_path])
    for part in (str(tmp_path), "trainDevTestTrees_PTB.zip", "nlp.stanford.edu/sentiment", "data.path", "TEXTUNE_DATA"):
        assert part in str(caught.value)


@pytest.fixture
def real() -> list[Path]:
    folder = Path(os.environ.get("TEXTUNE_DATA", ""))
    if not os.environ.get("TEXTUNE_DATA") or not (folder / "sst" / "train.txt").exists():
        pytest.skip("TEXTUNE_DATA holds no sst/train.txt")
    return [folder]


def test_the_published_counts(real):
    rows = SstConfig().load(real, 0)
    assert [np.bincount(rows.labels_N[rows.split_N == split]).tolist() for split in (TRAIN, VALID, TEST)] == [
        [1092, 2218, 1624, 2322, 1288],
        [139, 289, 229, 279, 165],
        [279, 633, 389, 510, 399],
    ]
    binary = SstConfig(labels=2).load(real, 0)
    assert [int(np.sum(binary.split_N == split)) for split in (TRAIN, VALID, TEST)] == [6920, 872, 1821]


def test_the_texts_are_those_of_the_published_table(real):
    table = read_table(str(real[0] / "sst" / "sst5.csv"))
    rows = SstConfig().load(real, 0)
    assert rows.texts == table.columns["text"]
    assert rows.labels_N.tolist() == [int(label) for label in table.columns["label"]]


def test_the_train_phrases_of_two_tokens_or_more(real):
    rows = SstConfig(phrases=True).load(real, 0)
    train = GivenConfig().assign(rows, 0).folds[0].train
    assert len({rows.texts[row] for row in train if " " in rows.texts[row]}) == 140_994
    assert rows.scored_N.sum() == 11_855
