from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tokenizers import Tokenizer

from textune.data.base import SPECIAL_TOKENS, Examples, TokenizerConfig, Tokens, Vocabulary
from textune.data.tokenizer import CharactersConfig, WordsConfig, encode, expanded, joined
from textune.data.wordpiece import WordpieceConfig

WHITESPACE_WORDS = {"pattern": r"\S+", "remove": ["<br />", r"[^\w\s]"]}
CONFIGS = [
    WordsConfig(min_count=1),
    WordsConfig(min_count=1, lowercase=False, pattern=r"\S+"),
    WordsConfig(min_count=1, **WHITESPACE_WORDS),
    CharactersConfig(min_count=1),
    CharactersConfig(min_count=1, lowercase=False, remove=["<[^>]*>"]),
    WordpieceConfig(min_frequency=1),
    WordpieceConfig(min_frequency=1, lowercase=False, remove=["<[^>]*>"], vocabulary_size=64),
]
texts = st.lists(st.text() | st.text(alphabet=" aA'’nt.<>\x1c\x85\xa0\u0301İΣé1\n") | st.sampled_from(SPECIAL_TOKENS))


def words_of(config: TokenizerConfig, text: str) -> list[str]:
    tokens = config.build().split([text])
    return [tokens.inventory[index] for index in tokens.index_L]


def ids_of(config: TokenizerConfig, texts: list[str]) -> tuple[tuple[str, ...], Examples]:
    """Ids as prepared data has them, with a vocabulary of half of the texts."""
    tokenizer = config.build()
    tokens = tokenizer.split(texts)
    lengths = np.diff(tokens.offsets_N1)
    half = tokens.index_L[: tokens.offsets_N1[len(texts) // 2]]
    counts = np.bincount(half, minlength=len(tokens.inventory))
    vocabulary = tokenizer.learn(tokens.inventory, counts, ())
    return vocabulary.tokens, joined(*expanded(tokens.index_L, lengths, *tokenizer.ids(tokens.inventory, vocabulary)))


@pytest.mark.parametrize("config", CONFIGS, ids=repr)
@given(texts)
@example(["Is it? <br />it ISN’T\x1c\x85 it\u0301", "", "[PAD] [UNK]", "ΣΑΣ ΣΑ\u0301Σ"] * 2)
@settings(max_examples=60, deadline=None)
def test_the_saved_tokenizer_gives_the_ids_the_model_was_trained_on(config, texts):
    tokens, prepared = ids_of(config, texts)
    library = config.build().with_vocabulary(Vocabulary(tokens))
    saved = encode(Tokenizer.from_str(library.to_str()), texts)
    np.testing.assert_array_equal(saved.offsets_N1, prepared.offsets_N1)
    np.testing.assert_array_equal(saved.ids_L, prepared.ids_L)
    assert (prepared.lengths_N >= 1).all()
    assert (prepared.ids_L >= 1).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It isn't great!!! 10/10?", ["it", "is", "n't", "great", "!!!", "10/10", "?"]),
        ("don’t -- it's I've", ["do", "n't", "--", "it", "'s", "i", "'ve"]),
        ("does n't 's ... ``", ["does", "n't", "'s", "...", "``"]),
        ("naïve_x 3.5, 日本", ["naïve_x", "3.5", ",", "日本"]),
        ("cafe\u0301", ["caf\u00e9"]),
        (" \t\n", []),
    ],
)
def test_words_by_default(text, words):
    assert words_of(WordsConfig(), text) == words


def test_words_as_set():
    assert words_of(WordsConfig(**WHITESPACE_WORDS), "Good.<br /><br />It's GOOD -") == ["goodits", "good"]
    assert words_of(WordsConfig(lowercase=False), "Good") == ["Good"]


def test_characters():
    assert words_of(CharactersConfig(), " 好看。\n A\u0301b ") == ["好", "看", "。", " ", "á", "b"]
    tokens = CharactersConfig().build().split(["", "ab", " ", "c d"])
    assert np.diff(tokens.offsets_N1).tolist() == [0, 2, 0, 3]


@given(texts)
@settings(deadline=None)
def test_the_inventory_is_sorted_and_used(texts):
    tokens: Tokens = WordsConfig().build().split(texts)
    assert list(tokens.inventory) == sorted(set(tokens.inventory))
    assert set(tokens.index_L.tolist()) == set(range(len(tokens.inventory)))
    assert len(tokens.offsets_N1) == len(texts) + 1


def learned(counts: dict[str, int], outside: tuple[str, ...] = (), **settings: object) -> tuple[str, ...]:
    inventory = sorted(counts)
    counts_U = np.array([counts[token] for token in inventory])
    return WordsConfig(**settings).build().learn(inventory, counts_U, outside).tokens[2:]


def test_a_vocabulary_is_the_most_frequent_train_tokens():
    counts = {"a": 2, "b": 5, "c": 2, "d": 1, "valid-only": 0}
    assert learned(counts) == ("b", "a", "c")
    assert learned(counts, min_count=1) == ("b", "a", "c", "d")
    assert learned(counts, vocabulary_size=2) == ("b", "a")
    assert learned({"a": 1}) == ()


def test_a_vocabulary_takes_words_of_vectors_that_a_text_can_have():
    counts, outside = {"a": 2, "b": 5}, ("the", "b", "The", "two words", "u.s.", "[UNK]", "the", "n't")
    assert learned(counts, outside, vocabulary="vectors") == ("the", "b", "n't")
    assert learned(counts, outside, vocabulary="train+vectors") == ("b", "a", "the", "n't")
    assert learned(counts, outside, vocabulary="train+vectors", vocabulary_size=3) == ("b", "a", "the")


def test_a_wrong_pattern_is_refused_when_it_is_read():
    with pytest.raises(ValidationError, match=r"is no regular expression: .*unmatched parenthesis"):
        WordsConfig(pattern="(")
    with pytest.raises(ValidationError, match="is no regular expression"):
        CharactersConfig(remove=["[a", "b"])
