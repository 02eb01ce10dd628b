"""A pipeline predicts what training measured, also after it was saved and read, from nothing but the text."""

import json

import numpy as np
import pytest

from textune.config.load import load_study
from textune.data import Cache
from textune.errors import TextuneError
from textune.pipeline import Pipeline
from textune.records import TrialSpec
from textune.trial import prepare_data, run

TOLERANCE = {"fp32": 1e-6, "bf16": 4e-3}
"""Half a unit in the last of the eight digits bf16 has: sums over other batches are rounded differently."""


@pytest.fixture(scope="module")
def train(tiny_study, tmp_path_factory):
    """Trains the tiny study with some settings changed; returns its attempt folder and the prepared data."""

    def go(*overrides):
        loaded, folder = load_study(tiny_study, overrides), tmp_path_factory.mktemp("attempt")
        spec = TrialSpec(number=3, config=loaded.resolver.resolve({}).config, folder=str(folder))
        for _ in run(spec, loaded.folders, Cache()):
            pass
        return folder, prepare_data(loaded.config, loaded.folders, Cache())

    return go


class TestProbabilities:
    @pytest.mark.parametrize("precision", ["fp32", "bf16"])
    @pytest.mark.parametrize(
        "settings",
        [
            ("model.encoder={kind: rnn, bidirectional: true, hidden_size: 8}", "model.pooling=attention"),
            ("model.encoder={kind: rnn, num_layers: 2}", "model.pooling=last", "tokenizer.keep=both"),
            ("model.encoder={kind: cnn, widths: [2, 5]}", "tokenizer.kind=characters", "tokenizer.max_length=40"),
            ("model.encoder={kind: bag-of-words, ngrams: 2, tfidf: true}", "tokenizer.max_length=null"),
        ],
        ids=["rnn", "rnn-both-ends", "cnn-characters", "bag-of-words"],
    )
    def test_of_raw_texts_are_those_of_training(self, train, precision, settings):
        folder, prepared = train(f"training.precision={precision}", "training.epochs=2", *settings)
        pipeline = Pipeline.load(folder / "model")
        assert pipeline.config.precision == precision
        with np.load(folder / "outcomes.npz", allow_pickle=False) as outcomes:
            texts = [prepared.rows.texts[row] for row in outcomes["rows"].tolist()]
            measured_NK = outcomes["probabilities"]
        assert np.ptp(measured_NK) > 0.001
        np.testing.assert_allclose(pipeline.predict(texts), measured_NK, rtol=0, atol=TOLERANCE[precision])
        alone_NK = np.concatenate([pipeline.predict([text]) for text in texts])
        np.testing.assert_allclose(alone_NK, measured_NK, rtol=0, atol=TOLERANCE[precision])

    def test_come_for_every_text_in_its_order(self, train):
        folder, _ = train()
        pipeline = Pipeline.load(folder / "model")
        texts = ["a good room, really a very good room and good food", "", "\x00\ufffd", "bad", "unheard-of wörds 日本"]
        probabilities_NK = pipeline.predict(texts)
        assert probabilities_NK.shape == (5, 2)
        assert probabilities_NK.sum(1) == pytest.approx(1)
        np.testing.assert_allclose(pipeline.predict(texts[::-1]), probabilities_NK[::-1], atol=1e-6)
        assert pipeline.predict([]).shape == (0, 2)


class TestTheFolder:
    @pytest.fixture
    def folder(self, finished, tmp_path):
        Pipeline.load(finished.folder.best).save(tmp_path / "model")
        return tmp_path / "model"

    def test_holds_safetensors_and_json_and_a_card(self, folder):
        assert {path.name for path in folder.iterdir()} == {
            "README.md",
            "config.json",
            "model.safetensors",
            "tokenizer.json",
        }
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert "`negative`, `positive`" in card
        assert "valid.accuracy: 0." in card

    def test_saved_again_is_the_same(self, finished, folder):
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            assert (folder / name).read_bytes() == (finished.folder.best / name).read_bytes()

    def test_tells_where_it_comes_from(self, finished, folder):
        study = json.loads((folder / "config.json").read_text(encoding="utf-8"))["study"]
        best = finished.record.best
        assert (study["name"], study["trial"], study["params"]) == ("tiny", best.spec.number, best.spec.params)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda config: config.update(format=2), "format: Input should be 1"),
            (lambda config: config["model"].update(encoder={"kind": "mamba"}), "encoder 'mamba' is not available"),
            (lambda config: config.update(new=1), "new: Extra inputs are not permitted"),
        ],
    )
    def test_of_another_version_says_what_is_not_known(self, folder, change, words):
        path = folder / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        change(config)
        path.write_text(json.dumps(config), encoding="utf-8")
        with pytest.raises(TextuneError, match=rf"config\.json cannot be used by textune .*{words}") as error:
            Pipeline.load(folder)
        assert "\n" not in str(error.value)

    def test_that_is_damaged_or_missing_is_a_sentence(self, folder, tmp_path):
        (folder / "config.json").write_text("{", encoding="utf-8")
        with pytest.raises(TextuneError, match=r"config\.json is damaged"):
            Pipeline.load(folder)
        with pytest.raises(TextuneError, match="holds no model"):
            Pipeline.load(tmp_path)
