"""Data kind `sst`: the Stanford Sentiment Treebank in its original trees.

Source: Socher et al., "Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank", EMNLP 2013.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from textune.data.base import TEST, TRAIN, VALID, DataConfig, Rows
from textune.data.content import read_bytes
from textune.data.locate import locate_set, missing_set
from textune.data.reading import MAX_BYTES, Reading
from textune.data.sampling import fingerprinted, sample, take
from textune.errors import DataError
from textune.registry import register
from textune.storage import redact

__all__ = ["SstConfig"]

FILES = {"train.txt": TRAIN, "dev.txt": VALID, "test.txt": TEST}
NEUTRAL = 2
CLASSES = {
    5: ("very negative", "negative", "neutral", "positive", "very positive"),
    2: ("negative", "positive"),
}
WAYS = (
    "download trainDevTestTrees_PTB.zip from https://nlp.stanford.edu/sentiment/ and unpack it, "
    "so that train.txt, dev.txt and test.txt stand in one folder"
)
# A space is the ASCII one: three train sentences have U+00A0 inside a token.
_NODE = re.compile(r"\(([0-4]) |(\))|([^() ]+)")
_OPEN = re.compile(r"\([0-4] ")
_LEAF = re.compile(r"\([0-4] ([^() ]+)\)")
_ESCAPES = {"-LRB-": "(", "-RRB-": ")", r"\/": "/", r"\*": "*"}
_ESCAPE = re.compile("|".join(map(re.escape, _ESCAPES)))


@register("data", "sst")
class SstConfig(DataConfig):
    """Stanford Sentiment Treebank: 11,855 sentences of film reviews, from very negative to very positive."""

    path: str = Field("sst", description="folder of train.txt, dev.txt and test.txt")
    labels: Literal[5, 2] = Field(5, description="5 classes; or 2, without the neutral sentences")
    phrases: bool = Field(False, description="the labelled phrases of the train sentences train too")
    min_phrase_tokens: int = Field(2, ge=1, description="tokens of the shortest phrase; 1 adds single words")
    max_rows: int | None = Field(None, ge=2, description="rows to take at most, drawn per split and label; null: all")
    max_bytes: int = Field(MAX_BYTES, ge=1, description="what a file may hold; guards the memory")

    def find(self, folders: Sequence[Path]) -> tuple[str, ...]:
        places = locate_set(self.path, tuple(FILES), folders)
        if places is None:
            raise missing_set("The Stanford Sentiment Treebank", self.path, WAYS, folders)
        return places

    def load(self, folders: Sequence[Path], seed: int) -> Rows:
        places = self.find(folders)
        reading = Reading(max_bytes=self.max_bytes)
        trees = {place: _read_trees(place, reading) for place in places}
        texts: list[str] = []
        labels: list[int] = []
        splits: list[int] = []
        for (place, lines), split in zip(trees.items(), FILES.values(), strict=True):
            for number, line in enumerate(lines, start=1):
                texts.append(_sentence(place, number, line))
                labels.append(int(line[1]))
                splits.append(split)
        groups = list(range(len(texts)))
        if self.phrases:
            for text, label, sentence in self._phrases(places[0], trees[places[0]], texts):
                texts.append(text)
                labels.append(label)
                splits.append(TRAIN)
                groups.append(sentence)
        groups_N = np.array(groups, dtype=np.int64)
        rows = Rows(
            texts=texts,
            labels_N=np.array(labels, dtype=np.int64),
            classes=CLASSES[5],
            split_N=np.array(splits, dtype=np.int8),
            groups_N=groups_N if self.phrases else None,
            scored_N=np.arange(len(texts)) == groups_N if self.phrases else None,
            source_rows_N=groups_N,  # a phrase is where its sentence is
            sources=tuple(redact(place) for place in places),
            fingerprint="",
        )
        if self.labels == 2:
            rows = _without_neutral(rows)
        return fingerprinted(sample(rows, self.max_rows, seed))

    def _phrases(self, place: str, trees: Sequence[str], sentences: Sequence[str]) -> Iterator[tuple[str, int, int]]:
        """Yields the distinct phrases of the train trees that are no train sentence: text, label, first sentence."""
        seen = {(sentences[index], int(tree[1])) for index, tree in enumerate(trees)}
        for index, tree in enumerate(trees):
            for text, label in _nodes(place, index + 1, tree, self.min_phrase_tokens):
                if (text, label) not in seen:
                    seen.add((text, label))
                    yield text, label, index


def _read_trees(place: str, reading: Reading) -> list[str]:
    try:
        text = read_bytes(place, reading).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{redact(place)} is not utf-8 at byte {error.start}; {WAYS}") from error
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if lines[-1] == "":
        lines.pop()
    if not lines:
        raise DataError(f"{redact(place)} is empty; {WAYS}")
    return lines


def _sentence(place: str, number: int, tree: str) -> str:
    leaves = _LEAF.findall(tree)
    num_nodes = 2 * len(leaves) - 1  # of a binary tree
    if not leaves or not num_nodes == len(_OPEN.findall(tree)) == tree.count("(") == tree.count(")"):
        raise _broken(place, number)
    return _unescape(" ".join(leaves))


def _nodes(place: str, number: int, tree: str, min_tokens: int) -> Iterator[tuple[str, int]]:
    """Yields text and label of each node with at least `min_tokens` tokens, children before parents."""
    leaves: list[str] = []
    open_nodes: list[tuple[int, int]] = []
    for label, close, leaf in _NODE.findall(tree):
        if leaf:
            leaves.append(_unescape(leaf))
        elif label:
            open_nodes.append((int(label), len(leaves)))
        elif close and open_nodes:
            node_label, start = open_nodes.pop()
            if len(leaves) - start >= min_tokens:
                yield " ".join(leaves[start:]), node_label
        else:
            raise _broken(place, number)


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPES[match[0]], text) if "-" in text or "\\" in text else text


def _broken(place: str, number: int) -> DataError:
    return DataError(f"{redact(place)}, line {number} is no tree such as (3 (2 Good) (2 fun)); {WAYS}")


def _without_neutral(rows: Rows) -> Rows:
    kept = take(rows, np.flatnonzero(rows.labels_N != NEUTRAL))
    return replace(kept, labels_N=(kept.labels_N > NEUTRAL).astype(np.int64), classes=CLASSES[2])
