import json

import numpy as np
import pytest
import tokenizers
import transformers
from hypothesis import given
from hypothesis import strategies as st

from textune.data import Cache, Examples, PretrainedConfig, SyntheticConfig, cut_examples, encode, eval_batches, prepare
from textune.errors import TextuneError
from textune.registry import lookup
from textune.testing.data import TEXTS

CLS, SEP = 2, 3


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_ids_are_those_of_the_library_uncut(checkpoints, family):
    library = transformers.PreTrainedTokenizerFast(tokenizer_file=str(checkpoints[family] / "tokenizer.json"))
    config = PretrainedConfig(model=str(checkpoints[family]))
    tokenizer = config.build()
    saved = tokenizer.with_vocabulary(tokenizer.learn((), np.zeros(0, np.int64), ()))
    examples = encode(saved, TEXTS)
    assert examples.frame == (1, 1)
    for row, text in enumerate(TEXTS):
        expected = library(text, truncation=False, padding=False)["input_ids"]
        assert examples.ids_L[examples.offsets_N1[row] : examples.offsets_N1[row + 1]].tolist() == expected


def test_prepared_ids_are_those_that_predicting_sees(checkpoints, tmp_path):
    config = PretrainedConfig(model=str(checkpoints["roberta"]))
    data, split = SyntheticConfig(rows=60), lookup("split", "given")()
    prepared = prepare(data, split, config, 1, (), Cache(tmp_path))
    vocabulary, examples = prepared.fold(0)
    again = encode(config.build().with_vocabulary(vocabulary), list(prepared.rows.texts))
    np.testing.assert_array_equal(examples.ids_L, again.ids_L)
    assert examples.frame == again.frame == (1, 1)
    assert vocabulary.tokens[:4] == ("<s>", "<pad>", "</s>", "<unk>")
    assert vocabulary.unknown == 3


def test_a_tokenizer_that_knows_every_text_has_no_unknown_token(tmp_path):
    library = tokenizers.Tokenizer(tokenizers.models.BPE({"[CLS]": 0, "[SEP]": 1, "a": 2}, []))
    library.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 1), ("[CLS]", 0))
    library.save(str(tmp_path / "tokenizer.json"))
    vocabulary = PretrainedConfig(model=str(tmp_path)).build().learn((), np.zeros(0, np.int64), ())
    assert vocabulary.unknown is None


@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=8),
    keep=st.sampled_from(["start", "end", "both"]),
    max_length=st.one_of(st.none(), st.integers(3, 9)),
)
def test_cutting_keeps_the_first_and_the_last_special_token(lengths, keep, max_length):
    texts = [[CLS, *range(10, 10 + length), SEP] for length in lengths]
    offsets = np.cumsum([0, *map(len, texts)])
    examples = Examples(np.concatenate(texts).astype(np.int32), offsets, (1, 1))
    rows = np.arange(len(texts))
    flat, cut_at = cut_examples(examples, rows, max_length, keep)
    for batch in eval_batches(examples, rows, rows, max_length, keep):
        for ids_T, mask_T, row in zip(batch.ids_BT, batch.mask_BT, batch.rows_B, strict=True):
            kept, whole = ids_T[mask_T].tolist(), texts[row]
            assert kept == flat[cut_at[row] : cut_at[row + 1]].tolist()
            assert len(kept) == min(len(whole), max_length or len(whole))
            assert (kept[0], kept[-1]) == (CLS, SEP)
            inner, words = kept[1:-1], whole[1:-1]
            if keep == "start":
                assert inner == words[: len(inner)]
            elif keep == "end":
                assert inner == words[len(words) - len(inner) :]


def test_a_model_without_a_tokenizer_is_a_sentence(tmp_path):
    with pytest.raises(TextuneError, match=r"has no tokenizer\.json; make one with"):
        PretrainedConfig(model=str(tmp_path)).build()


def test_a_damaged_tokenizer_is_a_sentence(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(TextuneError, match=r"tokenizer\.json is damaged"):
        PretrainedConfig(model=str(tmp_path)).build()


def test_a_tokenizer_without_special_tokens_is_a_sentence(checkpoints, tmp_path):
    told = json.loads((checkpoints["bert"] / "tokenizer.json").read_bytes())
    (tmp_path / "tokenizer.json").write_text(json.dumps({**told, "post_processor": None}))
    with pytest.raises(TextuneError, match="puts no special token around a text"):
        PretrainedConfig(model=str(tmp_path)).build()


def test_another_tokenizer_in_the_same_folder_is_noticed(checkpoints, tmp_path):
    file = tmp_path / "tokenizer.json"
    contents = []
    for family in ("bert", "roberta"):
        file.write_bytes((checkpoints[family] / "tokenizer.json").read_bytes())
        contents.append(PretrainedConfig(model=str(tmp_path)).content())
    assert contents[0] != contents[1]
