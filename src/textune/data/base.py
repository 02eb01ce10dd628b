"""What data is: rows as read, examples as token ids, and who trains, chooses and tests."""

# N rows, L tokens of all rows together, U distinct tokens

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from textune.config.base import Config
from textune.errors import DataError

if TYPE_CHECKING:
    import tokenizers

__all__ = [
    "PADDING",
    "SPECIAL_TOKENS",
    "SPLIT_WORDS",
    "TEST",
    "TRAIN",
    "UNASSIGNED",
    "UNKNOWN",
    "VALID",
    "DataConfig",
    "Examples",
    "Fold",
    "Keep",
    "Label",
    "LabelType",
    "Rows",
    "SplitConfig",
    "Splits",
    "Tokenizer",
    "TokenizerConfig",
    "Tokens",
    "Vocabulary",
]

UNASSIGNED, TRAIN, VALID, TEST = -1, 0, 1, 2
"""What `Rows.split` says of a row as the data came; a split decides what it becomes."""

SPLIT_WORDS = {
    "train": TRAIN,
    "training": TRAIN,
    "valid": VALID,
    "validation": VALID,
    "val": VALID,
    "dev": VALID,
    "test": TEST,
    "testing": TEST,
}
"""What data calls its parts, in lower case."""

PADDING, UNKNOWN = 0, 1
SPECIAL_TOKENS = ("[PAD]", "[UNK]")
"""The tokens of ids 0 and 1: padding, and every token that is not in the vocabulary."""

Keep = Literal["start", "end", "both"]
"""What stays of a text that is too long; `both` keeps its first and last halves."""

Label = str | int | float | bool
LabelType = Literal["text", "integer", "float", "boolean"]


@dataclass(frozen=True)
class Rows:
    """A labelled data set in memory, in the order of its source. Row ids are positions 0 … N-1.

    Rows of the source that were left out have no id, so `source_rows_N` says which row of the source each row is.

    Attributes:
        texts: N texts.
        labels_N: class index of each row, int64.
        classes: class names, in the order of the indices.
        label_type: the type that the labels have in the source, of which `classes` are the names.
        split_N: UNASSIGNED, TRAIN, VALID or TEST as the source gives it, int8.
        groups_N: rows with the same number must stay in the same part; int64, None if every row stands alone.
        dates_N: datetime64[D], None if the data is not dated.
        source_rows_N: position of each row among the data rows of the source, counted from 0 through its files in the
            order train, valid, test; int64, None if every row of the source is here, in its order.
        scored_N: False for rows that may train but are never scored (the phrases of a sentence); None if all may be.
        fingerprint: SHA-256 of the content and of the settings that change it, hex.
        skipped: reason → how many source rows were left out.
        changed: what was changed → in how many rows.
        sources: the files or URLs read, credentials redacted.
    """

    texts: Sequence[str]
    labels_N: NDArray[np.int64]
    classes: tuple[str, ...]
    split_N: NDArray[np.int8]
    fingerprint: str
    groups_N: NDArray[np.int64] | None = None
    dates_N: NDArray[np.datetime64] | None = None
    scored_N: NDArray[np.bool_] | None = None
    source_rows_N: NDArray[np.int64] | None = None
    label_type: LabelType = "text"
    skipped: Mapping[str, int] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    def in_source(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns the positions in the source of the rows with these ids."""
        return ids if self.source_rows_N is None else self.source_rows_N[ids]

    def dated(self, asker: str, otherwise: str) -> NDArray[np.datetime64]:
        """Returns `dates_N` to something that goes by them.

        Args:
            asker: what does, for the message.
            otherwise: what a user may do without dates.

        Raises:
            DataError: a row has no date.
        """
        if self.dates_N is not None and not np.isnat(self.dates_N).any():
            return self.dates_N
        lacking = "no dates" if self.dates_N is None else f"{int(np.isnat(self.dates_N).sum()):,} rows without a date"
        raise DataError(
            f"{asker} goes by the dates of the rows, and the data has {lacking}; name the column of the dates with "
            f"data.date, or {otherwise}"
        )


@dataclass(frozen=True)
class Tokens:
    """N texts split into tokens, which are known by their position in the sorted inventory; a text may have none.

    Token j of text i is `inventory[index_L[offsets_N1[i] + j]]`.
    """

    inventory: Sequence[str]
    index_L: NDArray[np.int32]
    offsets_N1: NDArray[np.int64]


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id; the first two are `SPECIAL_TOKENS`, unless they are those of a pretrained model.

    Attributes:
        tokens: by id.
        frame: of a pretrained model, how many of its special tokens stand before and after each text; None else.
        unknown: the id of every token without one of its own; None where there is no such token.
    """

    tokens: tuple[str, ...]
    frame: tuple[int, int] | None = None
    unknown: int | None = UNKNOWN

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Examples:
    """Token ids of N texts, uncut, one after the other; usually memory-mapped, never changed.

    Every text has one at least. Text i is `ids_L[offsets_N1[i]:offsets_N1[i + 1]]`. `frame` is how many of its first
    and last tokens stay whatever is cut.
    """

    ids_L: NDArray[np.int32]
    offsets_N1: NDArray[np.int64]
    frame: tuple[int, int] = (0, 0)

    def __len__(self) -> int:
        return len(self.offsets_N1) - 1

    @property
    def lengths_N(self) -> NDArray[np.int64]:
        return np.diff(self.offsets_N1)


@dataclass(frozen=True)
class Fold:
    """Row ids of one train and valid part, each sorted; they share no row and no group."""

    train: NDArray[np.int64]
    valid: NDArray[np.int64]


@dataclass(frozen=True)
class Splits:
    """One or more folds, and the locked test rows (possibly none), which are part of no fold.

    Attributes:
        folds: a trial trains once for each.
        test: row ids, sorted.
        names: of the folds, where they have some (the months by which a range of dates chooses).
        notes: what a person must know of the division, such as what was left out.
        newest_train: what the chosen config is trained on in the end; None: the rows of all folds.
    """

    folds: tuple[Fold, ...]
    test: NDArray[np.int64]
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    newest_train: NDArray[np.int64] | None = None

    def name(self, fold: int) -> str:
        return self.names[fold] if self.names else f"fold {fold + 1}"

    @property
    def final_train(self) -> NDArray[np.int64]:
        """The rows on which the chosen config of several folds is trained once more."""
        if self.newest_train is not None:
            return self.newest_train
        return np.unique(np.concatenate([part for fold in self.folds for part in (fold.train, fold.valid)]))


class DataConfig(Config):
    """Base of the data kinds: `load` reads the whole data set."""

    def find(self, folders: Sequence[Path]) -> tuple[str, ...]:  # noqa: ARG002 - generated data has no files
        """Returns the files, folders or URLs that `load` reads, without reading them.

        Raises:
            DataError: one is missing; says where it was looked for and the ways to get it.
        """
        return ()

    @property
    def keeping_equal_texts_together(self) -> str:
        """What to set so that equal texts are in one part, as advice; empty if there is no such setting."""
        return ""

    @abstractmethod
    def load(self, folders: Sequence[Path], seed: int) -> Rows:
        """Reads the rows.

        Args:
            folders: where relative paths are tried, in order (the study's folder, then `$TEXTUNE_DATA`).
            seed: of the study; sampling (`max_rows`) and generated data derive their streams from it.

        Raises:
            DataError: with file, row or column, and what to do.
        """


class SplitConfig(Config):
    """Base of the split kinds: `assign` decides who trains, chooses and tests."""

    def plan(self) -> tuple[str, ...]:
        """Returns what can be said of the parts before any row is read, a line each."""
        return ()

    @property
    def num_train_months(self) -> int | None:
        """How many calendar months each fold trains on; None if that is not for the split to say."""
        return None

    @abstractmethod
    def assign(self, rows: Rows, seed: int) -> Splits:
        """Returns the folds. Only rows with `scored_N` stand in valid and test parts; groups stay whole.

        Raises:
            DataError: a part would be empty.
        """


class Tokenizer(ABC):
    """Splits texts into tokens, and learns which of them get an id of their own, or of which pieces they consist."""

    @abstractmethod
    def split(self, texts: Sequence[str]) -> Tokens:
        """Splits all texts of a data set: the slow step, done once."""

    @abstractmethod
    def learn(self, inventory: Sequence[str], counts_U: NDArray[np.int64], outside: Sequence[str]) -> Vocabulary:
        """Returns the vocabulary.

        Args:
            inventory: the distinct tokens of all rows, sorted; of those with a count of 0 nothing may be learned.
            counts_U: how often each stands in the train rows.
            outside: the words of a word-vector file, most frequent first; empty unless `reads_vectors`.
        """

    def ids(self, inventory: Sequence[str], vocabulary: Vocabulary) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Returns the ids of the distinct tokens, one token after the other, and how many ids each has: here one."""
        own = {token: index for index, token in enumerate(vocabulary.tokens) if index >= len(SPECIAL_TOKENS)}
        ids_U = np.array([own.get(token, UNKNOWN) for token in inventory], dtype=np.int32)
        return ids_U, np.ones(len(ids_U), dtype=np.int32)

    @abstractmethod
    def with_vocabulary(self, vocabulary: Vocabulary) -> tokenizers.Tokenizer:
        """Returns what `tokenizer.json` holds: it gives the ids that `split` and the vocabulary give."""


class TokenizerConfig(Config):
    """Base of the tokenizer kinds.

    Settings named in `VOCABULARY_SETTINGS` change which tokens get an id, those named in `CUT_SETTINGS` how much of a
    text a batch shows, all others how texts are split; only the last cost tokenizing anew.
    """

    VOCABULARY_SETTINGS: ClassVar[frozenset[str]] = frozenset()
    CUT_SETTINGS: ClassVar[frozenset[str]] = frozenset({"max_length", "keep"})

    max_length: int | None = Field(256, ge=1, description="longer texts are cut to this many tokens; null: never")
    keep: Keep = Field("start", description="what stays of a longer text; 'both': its first and last halves")

    @property
    def reads_vectors(self) -> bool:
        """Whether the vocabulary depends on the word-vector file of the embedding."""
        return False

    def fits(self, pretrained: str | None) -> bool:
        """Whether an encoder can read its ids that goes on from a pretrained model, or from none."""
        return pretrained is None

    def located(self, folders: Sequence[Path], pretrained: str | None) -> TokenizerConfig:  # noqa: ARG002 - most read no file
        """Returns the settings with the files they name found; paths are absolute.

        Args:
            folders: where relative paths are tried, in order.
            pretrained: the model that the encoder goes on from, None if there is none.
        """
        return self

    def content(self) -> str:
        """Returns a hash of the files, if any, that decide how texts are split."""
        return ""

    @abstractmethod
    def build(self) -> Tokenizer: ...
