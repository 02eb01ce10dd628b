"""The files that studies name, told before a trial looks for them."""

import pytest

from textune import commands
from textune.config.load import load_study
from textune.errors import TextuneError
from textune.named_files import find_named_files


@pytest.fixture
def study(tiny_study, checkpoints):
    def study(*models):
        return {
            **tiny_study,
            "tokenizer": {"kind": "pretrained", "max_length": 12},
            "model": {"encoder": {"kind": "transformer", "model": str(checkpoints["bert"])}},
            "search": {"space": {"model.encoder.model": [str(model) for model in models]}},
        }

    return study


def test_models_of_all_choices_are_found_each_once(study, checkpoints):
    loaded = load_study(study(checkpoints["distilbert"], checkpoints["bert"]))
    assert find_named_files(loaded) == [str(checkpoints["bert"]), str(checkpoints["distilbert"])]


def test_word_vectors_of_a_choice_are_found(tiny_study, tmp_path):
    (tmp_path / "own.txt").write_text("good 1 2\n")
    space = {"model.embedding.vectors": [None, str(tmp_path / "own.txt")]}
    assert find_named_files(load_study({**tiny_study, "search": {"space": space}})) == [str(tmp_path / "own.txt")]


def test_a_model_that_a_choice_names_and_nobody_has_is_a_sentence_before_any_trial(study, checkpoints, tmp_path):
    wrong = study(checkpoints["bert"], "nobody/has-it")
    with pytest.raises(TextuneError, match=r"^a choice of model\.encoder\.model: there is no pretrained model 'nobody"):
        commands.run(wrong, out=tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()
