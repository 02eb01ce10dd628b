"""Tokenizer kinds `words` and `characters`: what a token is, and which tokens get an id of their own."""

# N texts, C distinct chunks, L tokens, U distinct tokens

from __future__ import annotations

from abc import abstractmethod
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from textune.data.base import (
    PADDING,
    SPECIAL_TOKENS,
    UNKNOWN,
    Examples,
    Tokenizer,
    TokenizerConfig,
    Tokens,
    Vocabulary,
)
from textune.registry import register

if TYPE_CHECKING:
    import tokenizers

__all__ = [
    "WHITESPACE",
    "CharactersConfig",
    "TextTokenizer",
    "TextTokenizerConfig",
    "WordsConfig",
    "encode",
    "expanded",
    "frame_of",
    "joined",
    "offsets",
]

WHITESPACE = r"[\s\x1c-\x1f]+"
"""What `str.split` splits at, in the regular expressions of the tokenizers library."""

WORDS = r"\d+(?:[.,:/]\d+)+|\w+?(?=(?i:n't)\b)|(?i:n't)\b|'(?i:s|re|ve|ll|d|m)\b|\w+|([^\w\s])\1*"
"""Numbers (10/10), words, contractions as in the Penn Treebank (is n't, it 's), runs of one mark (... !!!)."""

TEXTS_AT_ONCE = 4096  # bounds the memory that encoding takes

Patterns = Annotated[tuple[str, ...], Field(strict=False)]


class TextTokenizerConfig(TokenizerConfig):
    """Base of the kinds that know nothing but the data."""

    lowercase: bool = Field(True, description="A and a are one")
    remove: Patterns = Field((), description="regular expressions (Oniguruma) of what is deleted before anything else")

    @field_validator("remove")
    @classmethod
    def _are_regular_expressions(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_checked(pattern) for pattern in patterns)


class _WholeTokenConfig(TextTokenizerConfig):
    VOCABULARY_SETTINGS: ClassVar[frozenset[str]] = frozenset({"min_count", "vocabulary_size"})

    min_count: int = Field(2, ge=1, description="rarer tokens of the train rows are unknown")
    vocabulary_size: int | None = Field(None, ge=1, description="most tokens with an id of their own; null: no limit")


@register("tokenizer", "words")
class WordsConfig(_WholeTokenConfig):
    """Words, numbers and punctuation marks. Unicode is composed (NFC); a typographic apostrophe is a plain one."""

    VOCABULARY_SETTINGS: ClassVar[frozenset[str]] = _WholeTokenConfig.VOCABULARY_SETTINGS | {"vocabulary"}

    pattern: str = Field(
        WORDS, description="regular expression (Oniguruma) of a token; none reaches across white space"
    )
    vocabulary: Literal["train", "vectors", "train+vectors"] = Field(
        "train", description="tokens with an id: of the train rows, of the embedding's word-vector file, or of both"
    )

    @field_validator("pattern")
    @classmethod
    def _is_a_regular_expression(cls, pattern: str) -> str:
        return pattern if pattern == WORDS else _checked(pattern)

    @property
    def reads_vectors(self) -> bool:
        return self.vocabulary != "train"

    def build(self) -> Tokenizer:
        return _Words(self)


@register("tokenizer", "characters")
class CharactersConfig(_WholeTokenConfig):
    """Characters, for languages without spaces; white space between others is one token. Unicode is composed (NFC)."""

    max_length: int | None = Field(512, ge=1, description="longer texts are cut to this many characters; null: never")

    def build(self) -> Tokenizer:
        return _Characters(self)


class TextTokenizer(Tokenizer):
    """Splits at white space, and each distinct chunk in between only once: 50,000 reviews repeat 25 chunks of 26."""

    def __init__(self, config: TextTokenizerConfig) -> None:
        from tokenizers import Regex, normalizers

        self.removals = [normalizers.Replace(Regex(pattern), "") for pattern in config.remove]

    def split(self, texts: Sequence[str]) -> Tokens:
        chunks, chunk_L, num_chunks_N = _chunks(self._cleaned(texts))
        pieces: defaultdict[str, int] = defaultdict()
        pieces.default_factory = pieces.__len__
        piece_L, num_pieces_C = array("i"), array("i")
        for chunk in chunks:
            found = self.pieces(chunk)
            num_pieces_C.append(len(found))
            piece_L.extend([pieces[piece] for piece in found])
        index_L, length_N = expanded(chunk_L, num_chunks_N, _numbers(piece_L), _numbers(num_pieces_C))
        inventory = sorted(pieces)
        rank_U = np.empty(len(pieces), dtype=np.int32)
        rank_U[[pieces[piece] for piece in inventory]] = np.arange(len(pieces), dtype=np.int32)
        return self.finish(Tokens(inventory, rank_U[index_L], offsets(length_N)))

    @abstractmethod
    def pieces(self, chunk: str) -> list[str]:
        """Returns the tokens of a text without white space."""

    def finish(self, tokens: Tokens) -> Tokens:
        return tokens

    def _cleaned(self, texts: Iterable[str]) -> Iterable[str]:
        for removal in self.removals:
            texts = map(removal.normalize_str, texts)
        return texts


class _WholeTokens(TextTokenizer):
    """A token of the vocabulary has an id, any other is unknown. Unicode is composed."""

    def __init__(self, config: _WholeTokenConfig) -> None:
        from tokenizers import normalizers

        super().__init__(config)
        self._config = config
        self._normalizers: list[Any] = [normalizers.NFC()]
        if config.lowercase:
            self._normalizers.append(normalizers.Lowercase())

    def learn(self, inventory: Sequence[str], counts_U: NDArray[np.int64], outside: Sequence[str]) -> Vocabulary:
        words = (word for word in outside if self.pieces(word) == [word])
        distinct = dict.fromkeys((*self.frequent(inventory, counts_U), *words))
        own = [token for token in distinct if token not in SPECIAL_TOKENS]
        return Vocabulary((*SPECIAL_TOKENS, *own[: self._config.vocabulary_size]))

    def frequent(self, inventory: Sequence[str], counts_U: NDArray[np.int64]) -> list[str]:
        """Returns the tokens that stand in the train rows often enough, the most frequent first."""
        by_count = np.argsort(-counts_U, kind="stable")
        num_frequent = np.count_nonzero(counts_U >= self._config.min_count)
        return [inventory[index] for index in by_count[:num_frequent].tolist()]

    def _library(self, vocabulary: Vocabulary, normalizer: list[Any], pre_tokenizer: Any) -> tokenizers.Tokenizer:
        from tokenizers import Tokenizer as Library
        from tokenizers import models, normalizers

        ids = {token: index for index, token in enumerate(vocabulary.tokens)}
        library = Library(models.WordLevel(ids, unk_token=SPECIAL_TOKENS[UNKNOWN]))
        library.normalizer = normalizers.Sequence([*self.removals, *normalizer])
        library.pre_tokenizer = pre_tokenizer
        return library


class _Words(_WholeTokens):
    def __init__(self, config: WordsConfig) -> None:
        from tokenizers import Regex, normalizers, pre_tokenizers

        super().__init__(config)
        self._vocabulary = config.vocabulary
        self._normalizers.append(normalizers.Replace("’", "'"))
        self._normalizer = normalizers.Sequence(self._normalizers)
        self._pattern = pre_tokenizers.Split(Regex(config.pattern), "removed", invert=True)

    def pieces(self, chunk: str) -> list[str]:
        return [piece for piece, _ in self._pattern.pre_tokenize_str(self._normalizer.normalize_str(chunk))]

    def frequent(self, inventory: Sequence[str], counts_U: NDArray[np.int64]) -> list[str]:
        return [] if self._vocabulary == "vectors" else super().frequent(inventory, counts_U)

    def with_vocabulary(self, vocabulary: Vocabulary) -> tokenizers.Tokenizer:
        from tokenizers import Regex, pre_tokenizers

        at_whitespace = pre_tokenizers.Split(Regex(WHITESPACE), "removed")
        return self._library(vocabulary, self._normalizers, pre_tokenizers.Sequence([at_whitespace, self._pattern]))


class _Characters(_WholeTokens):
    def __init__(self, config: CharactersConfig) -> None:
        from tokenizers import normalizers

        super().__init__(config)
        self._normalizer = normalizers.Sequence(self._normalizers)

    def pieces(self, chunk: str) -> list[str]:
        return [*self._normalizer.normalize_str(chunk), " "]

    def finish(self, tokens: Tokens) -> Tokens:
        """Takes away the space after the last chunk of each text."""
        length_N = np.diff(tokens.offsets_N1)
        last_N = tokens.offsets_N1[1:][length_N > 0] - 1
        index_L = np.delete(tokens.index_L, last_N)
        return Tokens(tokens.inventory, index_L, offsets(np.maximum(length_N - 1, 0)))

    def with_vocabulary(self, vocabulary: Vocabulary) -> tokenizers.Tokenizer:
        from tokenizers import Regex, normalizers, pre_tokenizers

        one_space = [normalizers.Replace(Regex(WHITESPACE), " "), normalizers.Strip()]
        return self._library(vocabulary, [*one_space, *self._normalizers], pre_tokenizers.Split(Regex("."), "isolated"))


def encode(library: tokenizers.Tokenizer, texts: Sequence[str]) -> Examples:
    """Returns the ids of texts as a saved tokenizer gives them; equal to those the model was trained on."""
    ids: list[NDArray[np.int32]] = []
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        encodings = library.encode_batch_fast(list(texts[start : start + TEXTS_AT_ONCE]))
        ids += [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]
    ids_L = np.concatenate(ids) if ids else np.empty(0, dtype=np.int32)
    length_N = np.array([len(text) for text in ids], dtype=np.int64)
    frame = frame_of(library)
    return joined(ids_L, length_N) if frame is None else Examples(ids_L, offsets(length_N), frame)


def frame_of(library: tokenizers.Tokenizer) -> tuple[int, int] | None:
    """Returns how many special tokens a pretrained model has before and after each text; None if it adds none."""
    is_special = library.encode("a").special_tokens_mask
    before, after = (list(takewhile(bool, each)) for each in (is_special, reversed(is_special)))
    return (len(before), len(after)) if before or after else None


def joined(ids_L: NDArray[np.int32], length_N: NDArray[np.int64]) -> Examples:
    """Returns examples in which a text without tokens, and a text that spells a special token, is unknown."""
    offsets_N1 = offsets(length_N)
    empty_N = length_N == 0
    if empty_N.any():
        ids_L = np.insert(ids_L, offsets_N1[:-1][empty_N], UNKNOWN)
        offsets_N1 = offsets(np.maximum(length_N, 1))
    return Examples(np.where(ids_L == PADDING, np.int32(UNKNOWN), ids_L), offsets_N1)


def _chunks(texts: Iterable[str]) -> tuple[Sequence[str], NDArray[np.int32], NDArray[np.int32]]:
    """Returns the distinct chunks, the chunks of all texts by their position among them, and how many each text has."""
    positions: defaultdict[str, int] = defaultdict()
    positions.default_factory = positions.__len__
    chunk_L, num_chunks_N = array("i"), array("i")
    for text in texts:
        chunks = text.split()
        num_chunks_N.append(len(chunks))
        chunk_L.extend(map(positions.__getitem__, chunks))
    return list(positions), _numbers(chunk_L), _numbers(num_chunks_N)


def expanded(
    chunk_L: NDArray[np.int32],
    num_chunks_N: NDArray[np.integer],
    piece_P: NDArray[np.int32],
    num_pieces_C: NDArray[np.int32],
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Replaces each chunk by its pieces; returns the pieces of all texts, and how many each text has."""
    first_C = np.cumsum(num_pieces_C, dtype=np.int64) - num_pieces_C
    num_L = num_pieces_C[chunk_L]
    end_L1 = offsets(num_L)
    shift_L = first_C[chunk_L] - end_L1[:-1]
    position = np.repeat(shift_L, num_L)
    position += np.arange(len(position))
    length_N = np.diff(end_L1[offsets(num_chunks_N)])
    return piece_P[position], length_N


def offsets(length_N: NDArray[np.integer]) -> NDArray[np.int64]:
    """Returns where each of N texts begins in all of them together, and where the last one ends."""
    offsets_N1 = np.zeros(len(length_N) + 1, dtype=np.int64)
    np.cumsum(length_N, out=offsets_N1[1:])
    return offsets_N1


def _numbers(numbers: array[int]) -> NDArray[np.int32]:
    return np.frombuffer(numbers, dtype=np.int32)


def _checked(pattern: str) -> str:
    from tokenizers import Regex

    try:
        Regex(pattern)
    except Exception as error:
        raise ValueError(f"is no regular expression: {error}") from error
    return pattern
