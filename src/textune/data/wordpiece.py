"""Tokenizer kind `wordpiece`: pieces of words, so that a word nobody trained on is read by its parts."""

# U distinct words, P pieces of all of them

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from textune.data.base import SPECIAL_TOKENS, UNKNOWN, Tokenizer, Vocabulary
from textune.data.tokenizer import WHITESPACE, TextTokenizer, TextTokenizerConfig
from textune.registry import register

if TYPE_CHECKING:
    import tokenizers

__all__ = ["WordpieceConfig"]

LONGEST_WORD = 100
"""Characters. A longer one is unknown, as in BERT."""

PIECES_PER_CHARACTER = 4
"""A character takes two pieces (x and ##x); the rest is for longer ones. Rarer characters make a word unknown."""

REPEATS_AT_ONCE = 50_000


@register("tokenizer", "wordpiece")
class WordpieceConfig(TextTokenizerConfig):
    """Words and pieces of words (play, ##ing), learned from the train rows; words are those of BERT.

    Source: Devlin et al. 2019, with the merges by count of Sennrich et al. 2016.
    """

    VOCABULARY_SETTINGS: ClassVar[frozenset[str]] = frozenset({"vocabulary_size", "min_frequency"})

    lowercase: bool = Field(True, description="A and a are one, and accents are left out")
    vocabulary_size: int = Field(20_000, ge=16, description="most pieces")
    min_frequency: int = Field(
        2, ge=1, description="how often two pieces stand side by side in the train rows before they become one"
    )

    def build(self) -> Tokenizer:
        return _Wordpiece(self)


class _Wordpiece(TextTokenizer):
    """Its tokens are words; each distinct one is cut into pieces once."""

    def __init__(self, config: WordpieceConfig) -> None:
        from tokenizers import normalizers, pre_tokenizers

        super().__init__(config)
        self._config = config
        self._normalizer = normalizers.BertNormalizer(lowercase=config.lowercase)
        self._words = pre_tokenizers.BertPreTokenizer()

    def pieces(self, chunk: str) -> list[str]:
        return [word for word, _ in self._words.pre_tokenize_str(self._normalizer.normalize_str(chunk))]

    def learn(self, inventory: Sequence[str], counts_U: NDArray[np.int64], outside: Sequence[str]) -> Vocabulary:  # noqa: ARG002 - vectors are of whole words
        from tokenizers import Tokenizer as Library
        from tokenizers import pre_tokenizers, trainers

        counts = zip(inventory, counts_U.tolist(), strict=True)
        words = {word: count for word, count in counts if count and len(word) <= LONGEST_WORD}
        characters = _frequent_characters(words, self._config.vocabulary_size // PIECES_PER_CHARACTER)
        words = {word: count for word, count in words.items() if characters.issuperset(word)}
        alphabet = [piece for each in sorted(characters) for piece in (each, f"##{each}")]
        library = Library(_model({}))
        library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        trainer: Any = trainers.WordPieceTrainer(
            vocab_size=self._config.vocabulary_size + len(SPECIAL_TOKENS),
            min_frequency=self._config.min_frequency,
            special_tokens=[*SPECIAL_TOKENS, *alphabet],  # as found in the words, they stand in another order each time
            show_progress=False,
        )
        library.train_from_iterator(_repeated(words), trainer)
        ids = library.get_vocab()
        return Vocabulary(tuple(sorted(ids, key=ids.__getitem__)))

    def ids(self, inventory: Sequence[str], vocabulary: Vocabulary) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        model: Any = _model({token: index for index, token in enumerate(vocabulary.tokens)})
        ids_P, num_ids_U = array("i"), array("i")
        for word in inventory:
            found = [piece.id for piece in model.tokenize(word)]
            num_ids_U.append(len(found))
            ids_P.extend(found)
        return np.frombuffer(ids_P, dtype=np.int32), np.frombuffer(num_ids_U, dtype=np.int32)

    def with_vocabulary(self, vocabulary: Vocabulary) -> tokenizers.Tokenizer:
        from tokenizers import Regex, normalizers
        from tokenizers import Tokenizer as Library

        library = Library(_model({token: index for index, token in enumerate(vocabulary.tokens)}))
        one_space = normalizers.Replace(Regex(WHITESPACE), " ")
        library.normalizer = normalizers.Sequence([*self.removals, one_space, self._normalizer])
        library.pre_tokenizer = self._words
        return library


def _model(ids: Mapping[str, int]) -> tokenizers.models.WordPiece:
    from tokenizers.models import WordPiece

    return WordPiece(dict(ids), unk_token=SPECIAL_TOKENS[UNKNOWN], max_input_chars_per_word=LONGEST_WORD)


def _frequent_characters(words: Mapping[str, int], most: int) -> set[str]:
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    return set(sorted(counts, key=lambda character: (-counts[character], character))[:most])


def _repeated(words: Mapping[str, int]) -> Iterator[str]:
    """Yields each word as often as it stands in the train rows: the library counts, it takes no counts."""
    for word, count in words.items():
        for start in range(0, count, REPEATS_AT_ONCE):
            yield f"{word} " * min(REPEATS_AT_ONCE, count - start)
