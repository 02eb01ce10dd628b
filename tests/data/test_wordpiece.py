import subprocess
import sys

import numpy as np
import pytest

from textune.data import Cache, SyntheticConfig, WordpieceConfig, encode, prepare
from textune.registry import lookup

COUNTS = {"play": 9, "playing": 6, "played": 5, "sing": 4, "singing": 4, "日": 1, "x" * 101: 50}


def learned(counts, **settings):
    inventory = sorted(counts)
    counts_U = np.array([counts[word] for word in inventory])
    tokenizer = WordpieceConfig(**settings).build()
    return tokenizer, tokenizer.learn(inventory, counts_U, ())


def pieces(counts, word, **settings):
    tokenizer, vocabulary = learned(counts, **settings)
    return [vocabulary.tokens[index] for index in tokenizer.ids([word], vocabulary)[0]]


def test_a_word_nobody_trained_on_is_read_by_its_parts():
    assert pieces(COUNTS, "playing") == ["playing"]
    assert pieces(COUNTS, "singed")[0] == "sing"
    assert "".join(pieces(COUNTS, "gnilpas")).replace("##", "") == "gnilpas"
    assert pieces(COUNTS, "query") == ["[UNK]"]
    assert pieces(COUNTS, "x" * 101) == ["[UNK]"]


def test_characters_of_valid_rows_alone_are_unknown():
    counts = {**COUNTS, "zeta": 0}
    assert learned(counts)[1] == learned(COUNTS)[1]
    assert pieces(counts, "zeta") == ["[UNK]"]


def test_settings_bound_the_pieces():
    counts = dict.fromkeys(("abcd", "dcba", "abab", "cdcd", "bdac"), 9)
    assert [len(learned(counts, vocabulary_size=size)[1]) for size in (16, 18, 20)] == [18, 20, 22]
    rare = learned(COUNTS, min_frequency=1)[1].tokens
    frequent = learned(COUNTS, min_frequency=6)[1].tokens
    assert set(frequent) < set(rare)
    assert "play" in frequent
    assert "played" not in frequent


def test_rarer_characters_than_there_is_room_for_are_unknown():
    counts = {"abcd": 9, "dcba": 9, "cabed": 2}
    assert pieces(counts, "cabed", vocabulary_size=16) == ["[UNK]"]
    assert pieces(counts, "cabed", vocabulary_size=20) != ["[UNK]"]


def test_nothing_to_learn_from_is_no_error():
    tokenizer, vocabulary = learned({"a": 0})
    assert vocabulary.tokens == ("[PAD]", "[UNK]")
    assert tokenizer.ids(["a"], vocabulary)[0].tolist() == [1]


@pytest.mark.parametrize("keep_case", [False, True])
def test_words_are_those_of_bert(keep_case):
    tokens = WordpieceConfig(lowercase=not keep_case).build().split(["Caf\u00e9-BAR 日本, isn't"])
    words = [tokens.inventory[index] for index in tokens.index_L]
    first = ["Caf\u00e9", "-", "BAR"] if keep_case else ["cafe", "-", "bar"]
    assert words == [*first, "日", "本", ",", "isn", "'", "t"]


def test_prepared_ids_are_those_that_predicting_sees(tmp_path):
    config = WordpieceConfig(vocabulary_size=200)
    prepared = prepare(SyntheticConfig(rows=60), lookup("split", "given")(), config, 1, (), Cache(tmp_path))
    vocabulary, examples = prepared.fold(0)
    again = encode(config.build().with_vocabulary(vocabulary), list(prepared.rows.texts))
    np.testing.assert_array_equal(examples.ids_L, again.ids_L)
    np.testing.assert_array_equal(examples.offsets_N1, again.offsets_N1)
    assert len(vocabulary) == 202
    assert "good" in vocabulary.tokens


def test_every_process_learns_the_same():
    script = (
        "from textune.data import WordpieceConfig as W; import numpy as np; t = W(vocabulary_size=60).build();"
        "words = sorted({a + b for a in 'abcdefgh' for b in 'ijklmnop'});"
        "print(t.learn(words, np.arange(64) % 7, ()).tokens)"
    )
    assert len({subprocess.check_output([sys.executable, "-c", script]) for _ in range(3)}) == 1
