"""Data kind `synthetic`: generated reviews whose class follows from their text, in which word order matters.

Each review has one verdict. A reader must see through negation ("not good"), contrast (what follows "but" counts, what
follows "although" does not), intensity ("almost", "really"), hearsay and other visits, and words that come into fashion
and go. A share of the labels is then made wrong, so the best reachable accuracy is known.
"""

# N rows, K classes

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from textune.data.base import TEST, TRAIN, DataConfig, Rows
from textune.data.sampling import deal, fingerprinted
from textune.registry import register
from textune.seeds import generator

__all__ = ["SyntheticConfig"]

T = TypeVar("T")

CLASSES = {
    2: ("negative", "positive"),
    3: ("negative", "neutral", "positive"),
    5: ("very negative", "negative", "neutral", "positive", "very positive"),
}
SCORES: dict[int, tuple[tuple[int, ...], ...]] = {
    2: ((-2, -1), (1, 2)),
    3: ((-2, -1), (0,), (1, 2)),
    5: ((-2,), (-1,), (0,), (1,), (2,)),
}
"""Of each class, the scores its verdict may have."""

# Each list runs from the oldest to the newest word; at any time about 40% of it are in use.
WORDS = {
    score: words.split()
    for score, words in {
        -2: "dreadful ghastly wretched awful terrible horrible atrocious abysmal rubbish trash",
        -1: "shabby dreary poor bad dull bland weak mediocre lame meh",
        0: "passable tolerable ordinary average standard typical unremarkable neutral so-so mid",
        1: "agreeable pleasant fine good nice lovely decent solid neat cool",
        2: "splendid marvellous superb excellent wonderful fantastic brilliant amazing stellar epic",
    }.items()
}
ASPECTS = ("porter", "parlour", "room", "food", "service", "staff", "price", "view", "pool", "location", "wifi", "app")
IN_USE = 0.4
FIRST_MONTH = 12 * (2022 - 1970)

OPENINGS = (
    "We stayed for two nights",
    "This was our second visit",
    "I came here for work",
    "My sister made the booking",
    "We arrived late on a Friday",
    "Our group was large",
    "It rained most of the week",
    "I read many reviews before",
)
OTHERS = ("Last year", "On our first visit", "My brother said", "The guide book said", "Some people told us")
SHARE_NEGATED, SHARE_CONTRASTED, SHARE_DISTRACTED, SHARE_SUPPORTED = 0.08, 0.3, 0.05, 0.7
MOST_DRAWS = 48  # random numbers one review may use


@register("data", "synthetic")
class SyntheticConfig(DataConfig):
    """Generated, dated reviews in which word order matters; a fifth are test rows. The best accuracy is 1 - noise."""

    rows: int = Field(2000, ge=50, description="number of reviews")
    classes: Literal[2, 3, 5] = Field(2, description="number of classes, from negative to positive")
    noise: float = Field(0.05, ge=0, lt=0.5, description="share of the labels that are wrong")
    months: int = Field(24, ge=1, le=1200, description="months over which the words drift")

    @property
    def best_accuracy(self) -> float:
        """The accuracy of a reader who understands every review; nobody can do better but by luck."""
        return 1 - self.noise

    def load(self, folders: Sequence[Path], seed: int) -> Rows:  # noqa: ARG002 - nothing is read
        random = generator(seed, "data", "synthetic")
        times_N = np.sort(random.random(self.rows))
        labels_N = random.integers(self.classes, size=self.rows)
        draws = random.random((self.rows, MOST_DRAWS)).tolist()
        texts = [
            _review(SCORES[self.classes][label], time, iter(row))
            for label, time, row in zip(labels_N.tolist(), times_N.tolist(), draws, strict=True)
        ]
        split_N = np.where(deal(labels_N, None, (0.2, 0.8), random) == 0, TEST, TRAIN).astype(np.int8)
        rows = Rows(
            texts=texts,
            labels_N=self._with_noise(labels_N, split_N, random),
            classes=CLASSES[self.classes],
            split_N=split_N,
            dates_N=self._dates(times_N, random),
            sources=(f"{self.rows:,} generated reviews",),
            fingerprint="",
        )
        return fingerprinted(rows)

    def _with_noise(
        self, labels_N: NDArray[np.int64], split_N: NDArray[np.int8], random: np.random.Generator
    ) -> NDArray[np.int64]:
        """Moves the share `noise` of each split's labels to another class."""
        if self.noise == 0:
            return labels_N
        wrong_N = deal(split_N.astype(np.int64), None, (self.noise, 1 - self.noise), random) == 0
        steps_N = np.where(wrong_N, random.integers(1, self.classes, size=self.rows), 0)
        return (labels_N + steps_N) % np.int64(self.classes)

    def _dates(self, times_N: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.datetime64]:
        months_N = (FIRST_MONTH + (times_N * self.months).astype(np.int64)).astype("datetime64[M]")
        days_N = months_N.astype("datetime64[D]").astype(np.int64) + random.integers(28, size=self.rows)
        return days_N.astype("datetime64[D]")


def _review(scores: Sequence[int], time: float, draws: Iterator[float]) -> str:
    score = _pick(scores, draws)
    sentences = []
    if next(draws) < 0.5:
        sentences.append(_pick(OPENINGS, draws))
    if next(draws) < SHARE_DISTRACTED:
        sentences.append(f"{_pick(OTHERS, draws)} {_clause(_other_score(score, draws), time, draws)}")
    sentences.append(_verdict(score, time, draws))
    if next(draws) < SHARE_SUPPORTED:
        sentences.append(_clause(score, time, draws))
    return " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)


def _verdict(score: int, time: float, draws: Iterator[float]) -> str:
    """What decides the class: a clause, or a contrast of which one half decides."""
    clause = _clause(score, time, draws)
    if next(draws) >= SHARE_CONTRASTED:
        return clause
    other = _other_score(score, draws)
    return _pick(
        (
            f"{_clause(other, time, draws)} but {_noun(score, time, draws)}",
            f"despite the {_noun(other, time, draws)}, {clause}",
            f"{clause} despite the {_noun(other, time, draws)}",
            f"although {_clause(other, time, draws)}, {clause}",
            f"{clause} although {_clause(other, time, draws)}",
        ),
        draws,
    )


def _clause(score: int, time: float, draws: Iterator[float]) -> str:
    """A statement about one aspect that amounts to the score."""
    subject = f"the {_aspect(time, draws)} was"
    if score == 0:
        return f"{subject} {_word(0, time, draws)}"
    sign = 1 if score > 0 else -1
    strong = abs(score) == 2
    if next(draws) < SHARE_NEGATED:
        return f"{subject} {'not at all' if strong else 'not'} {_word(-sign, time, draws)}"
    modifier = next(draws)
    if strong:
        return (
            f"{subject} really {_word(sign, time, draws)}"
            if modifier < 0.3
            else f"{subject} {_word(score, time, draws)}"
        )
    return (
        f"{subject} almost {_word(2 * sign, time, draws)}"
        if modifier < 0.3
        else f"{subject} {_word(sign, time, draws)}"
    )


def _noun(score: int, time: float, draws: Iterator[float]) -> str:
    return f"{_word(score, time, draws)} {_aspect(time, draws)}"


def _other_score(score: int, draws: Iterator[float]) -> int:
    """A score on the other side of zero; of a neutral verdict, any other."""
    return _pick((-2, -1, 1, 2) if score == 0 else (-1, -2) if score > 0 else (1, 2), draws)


def _word(score: int, time: float, draws: Iterator[float]) -> str:
    return _in_fashion(WORDS[score], time, draws)


def _aspect(time: float, draws: Iterator[float]) -> str:
    return _in_fashion(ASPECTS, time, draws)


def _in_fashion(words: Sequence[str], time: float, draws: Iterator[float]) -> str:
    return words[int((time * (1 - IN_USE) + next(draws) * IN_USE) * len(words))]


def _pick(choices: Sequence[T], draws: Iterator[float]) -> T:
    return choices[int(next(draws) * len(choices))]
