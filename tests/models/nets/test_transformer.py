# B batch, T tokens, D width

import shutil

import numpy as np
import pytest
import torch
import transformers
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from textune.data.pretrained import PretrainedConfig
from textune.errors import StudyError, TextuneError
from textune.models import ClsConfig, TransformerConfig, VectorsConfig
from textune.testing.models import EncoderContract
from textune.training.engine.row_updates import use_row_gradients

FAMILIES = ["bert", "distilbert", "roberta"]


@pytest.fixture
def build(checkpoints):
    def build(family="bert", **settings):
        embedding = VectorsConfig(size=2).build(["x"] * 50, None)
        return TransformerConfig(model=str(checkpoints[family]), **settings).build(embedding)

    return build


class TestTransformer(EncoderContract):
    @pytest.fixture(params=FAMILIES)
    def config(self, request, checkpoints):
        return TransformerConfig(model=str(checkpoints[request.param]), dropout=0.1)

    @pytest.fixture
    def others(self):
        return {"pooling": ClsConfig(), "tokenizer": PretrainedConfig(max_length=None)}

    test_padding_is_nothing_and_stays_so = None  # tables are those of the checkpoint, whatever their first row holds


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_get_the_vectors_of_the_library(build, checkpoints, family, texts):
    ids_BT, mask_BT = texts
    library = transformers.AutoModel.from_pretrained(checkpoints[family]).eval()
    encoder = build(family).eval()
    hidden_BTD, _ = encoder(ids_BT, mask_BT)
    for row, length in enumerate(mask_BT.sum(1).tolist()):
        expected = library(input_ids=ids_BT[row : row + 1, :length]).last_hidden_state[0]
        torch.testing.assert_close(hidden_BTD[row, :length], expected, rtol=1e-5, atol=1e-5)


def test_a_saved_model_is_built_without_the_checkpoint(build, checkpoints, texts, tmp_path):
    folder = tmp_path / "moved"
    folder.symlink_to(checkpoints["roberta"])
    config = TransformerConfig(model=str(folder)).located(()).saved()
    folder.unlink()
    again = TransformerConfig.model_validate(config.model_dump()).build(None)
    trained = build("roberta")
    again.load_state_dict(trained.state_dict())
    assert torch.equal(again.eval()(*texts)[0], trained.eval()(*texts)[0])


def test_code_beside_a_model_is_never_run(build, checkpoints):
    config = TransformerConfig(model=str(checkpoints["bert"])).located(()).saved()
    hostile = {**config.architecture, "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}}
    assert config.model_copy(update={"architecture": hostile}).build(None).output_size == 32


@pytest.mark.parametrize("architecture", [{"model_type": "of-tomorrow"}, {"hidden_size": 3}])
def test_an_architecture_that_nobody_knows_is_a_sentence(architecture):
    with pytest.raises(TextuneError, match=r"the pretrained model \S+ cannot be used"):
        TransformerConfig(model="m", architecture=architecture).build(None)


def test_a_damaged_model_and_one_that_lacks_weights_are_sentences(checkpoints, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(checkpoints["bert"], folder)
    weights = load_file(folder / "model.safetensors")
    lacking = {name: weight for name, weight in weights.items() if "layer.1.attention.self.key" not in name}
    save_file(lacking, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TextuneError, match=r"cannot be used: it holds no encoder\.layer\.1\.attention\.self\.key"):
        TransformerConfig(model=str(folder)).build(None)
    (folder / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(TextuneError, match="cannot be used"):
        TransformerConfig(model=str(folder)).build(None)
    (folder / "model.safetensors").unlink()
    with pytest.raises(TextuneError, match="cannot be used"):
        TransformerConfig(model=str(folder)).build(None)


@pytest.mark.parametrize("family", FAMILIES)
def test_frozen_layers_take_no_gradient_and_no_dropout(build, family, texts):
    encoder = build(family, num_frozen_layers=2, dropout=0.5).train()
    assert torch.equal(encoder(*texts)[0], encoder(*texts)[0])
    assert not encoder(*texts)[0].requires_grad
    one = build(family, num_frozen_layers=1, dropout=0.5).train()
    assert not torch.equal(one(*texts)[0], one(*texts)[0])
    frozen = {name for name, weight in one.named_parameters() if not weight.requires_grad}
    assert any("embeddings" in name for name in frozen)
    assert any("layer.0" in name for name in frozen)
    assert not any("layer.1" in name for name in frozen)


def test_more_frozen_layers_than_there_are_is_a_sentence(build):
    with pytest.raises(StudyError, match=r"model\.encoder\.num_frozen_layers: is 3, but .* has 2 layers"):
        build(num_frozen_layers=3)


@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_is_that_of_the_setting(build, family, texts):
    assert torch.equal(*(build(family, dropout=0.0).train()(*texts)[0] for _ in range(2)))
    encoder = build(family, dropout=0.5).train()
    assert not torch.equal(encoder(*texts)[0], encoder(*texts)[0])


@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_checkpointing_changes_no_gradient(build, family, texts):
    gradients = []
    for checkpointing in (False, True):
        encoder = build(family, gradient_checkpointing=checkpointing, dropout=0.2).train()
        use_row_gradients(encoder, enabled=False)
        torch.manual_seed(0)
        encoder(*texts)[0].square().sum().backward()
        gradients.append([weight.grad for weight in encoder.parameters()])
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize(("family", "most"), [("bert", 64), ("distilbert", 64), ("roberta", 62)])
def test_a_text_longer_than_the_model_reads_is_a_sentence(build, family, most):
    encoder = build(family).eval()
    ids_BT = torch.full((1, most), 9)
    assert encoder(ids_BT, ids_BT > 0)[0].isfinite().all()
    longer_BT = torch.full((1, most + 1), 9)
    with pytest.raises(TextuneError, match=rf"has {most + 1} tokens.*reads {most} at most; set tokenizer.max_length"):
        encoder(longer_BT, longer_BT > 0)


def test_tokens_that_the_model_does_not_know_are_told_before_the_first_step(build):
    encoder = build("bert", num_frozen_layers=1)
    encoder.adapt(np.array([89, 1]), np.array([0, 2]))
    with pytest.raises(TextuneError, match=r"knows 90 tokens, and its tokenizer gives the id 90.*embeddings resized"):
        encoder.adapt(np.array([1, 90]), np.array([0, 2]))
    longer_BT = torch.full((1, 65), 9)
    with pytest.raises(TextuneError, match="has 65 tokens"):
        encoder.frozen_states(longer_BT, longer_BT > 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_come_from_below(build, family):
    encoder = build(family)
    embeddings, *layers = encoder.layers_upwards()
    assert len(layers) == 2
    names = {id(weight): name for name, weight in encoder.named_parameters()}
    assert all("embeddings" in names[id(weight)] for weight in embeddings.parameters())
    for number, layer in enumerate(layers):
        assert all(f"layer.{number}." in names[id(weight)] for weight in layer.parameters())


SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}


class TestFromScratch(EncoderContract):
    @pytest.fixture(params=["bert", "roberta", "electra"])
    def config(self, request):
        return TransformerConfig(architecture={"model_type": request.param, **SMALL})

    test_padding_is_nothing_and_stays_so = None  # the table is the library's, whatever its first row holds


def test_a_model_from_scratch_has_the_vocabulary_of_its_tokenizer_and_weights_of_its_seed():
    config = TransformerConfig(architecture={"model_type": "roberta", **SMALL})
    assert config.pretrained is None
    assert config.located(()) is config.saved() is config
    weights = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        encoder = config.build(VectorsConfig(size=2).build(["x"] * 50, None))
        weights.append(encoder.module.embeddings.word_embeddings.weight)
    assert encoder.padding == 0
    assert weights[0].shape == (50, 32)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("architecture", "error", "words"),
    [
        (
            {"model_type": "bert", "hiden_size": 32},
            StudyError,
            "bert has no setting 'hiden_size'; did you mean 'hidden_size'",
        ),
        ({"model_type": "of-tomorrow"}, TextuneError, "model of model.encoder.architecture cannot be used"),
        ({"model_type": "bert", "hidden_size": 33}, TextuneError, "model of model.encoder.architecture cannot be used"),
    ],
)
def test_an_architecture_that_cannot_be_is_a_sentence(architecture, error, words):
    with pytest.raises(error, match=words):
        TransformerConfig(architecture=architecture).build(VectorsConfig(size=2).build(["x"] * 50, None))


def test_a_model_to_go_on_from_and_an_architecture_exclude_each_other(checkpoints):
    with pytest.raises(ValidationError, match="needs 'model', or an 'architecture' with its 'model_type'"):
        TransformerConfig(model=None)
    both = TransformerConfig(model=str(checkpoints["bert"]), architecture={"model_type": "bert"})
    with pytest.raises(StudyError, match=r"model\.encoder\.architecture: describes a model from scratch, but"):
        both.located(())
