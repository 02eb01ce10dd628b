# B texts, T tokens, D width

import logging

import pytest
import torch
import transformers

from textune.models import TransformerConfig
from textune.models.nets import transformer
from textune.models.nets.bert import PackedBert, Unsupported
from textune.training.engine.row_updates import use_row_gradients

FAMILIES = ["bert", "distilbert", "roberta"]


@pytest.fixture
def encoder(checkpoints):
    def build(family, **settings):
        return TransformerConfig(model=str(checkpoints[family]), **settings).build(None)

    return build


@pytest.fixture
def texts():
    lengths = torch.tensor([3, 64 - 2, 17, 17, 2, 9, 30])
    mask_BT = torch.arange(62) < lengths[:, None]
    generator = torch.Generator().manual_seed(0)
    return torch.randint(2, 90, mask_BT.shape, generator=generator) * mask_BT, mask_BT


def by_the_library(encoder, ids_BT, mask_BT):
    ids_BT = ids_BT.masked_fill(~mask_BT, encoder.padding)
    return encoder.module(input_ids=ids_BT, attention_mask=mask_BT).last_hidden_state


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("num_slots", [1, 2, 20, 62])
def test_vectors_are_those_of_the_library(encoder, family, texts, num_slots):
    model, (ids_BT, mask_BT) = encoder(family).eval(), (each[:, :num_slots] for each in texts)
    hidden_BTD, _ = model(ids_BT, mask_BT)
    expected_BTD = by_the_library(model, ids_BT, mask_BT)
    torch.testing.assert_close(hidden_BTD, expected_BTD * mask_BT[..., None], rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_those_of_the_library(encoder, family, texts):
    model, (_, mask_BT) = encoder(family, dropout=0.0).train(), texts
    use_row_gradients(model, enabled=False)
    direction = torch.randn(*mask_BT.shape, model.output_size) * mask_BT[..., None]
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    ours = torch.autograd.grad((model(*texts)[0] * direction).sum(), weights)
    library = torch.autograd.grad((by_the_library(model, *texts) * direction).sum(), weights)
    torch.testing.assert_close(ours, library, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_first_vectors_alone_are_those_among_all(encoder, family, texts):
    model = encoder(family).eval()
    hidden_BTD, _ = model(*texts)
    model.first_only = True
    first_B1D, mask_B1 = model(*texts)
    assert mask_B1.shape == (len(texts[0]), 1)
    torch.testing.assert_close(first_B1D, hidden_BTD[:, :1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("first_only", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_lower_precision_changes_as_much_as_in_the_library(encoder, family, texts, first_only):
    model, (_, mask_BT) = encoder(family).eval(), texts
    model.first_only = first_only
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        hidden_BTD, kept_BT = model(*texts)
        library_BTD = by_the_library(model, *texts)
    num_slots = kept_BT.shape[1]
    mask_BT = mask_BT[:, :num_slots]
    exact_BTD = by_the_library(model, *texts)[:, :num_slots]
    ours, theirs = (
        (each[:, :num_slots].float() - exact_BTD)[mask_BT].square().mean().sqrt() for each in (hidden_BTD, library_BTD)
    )
    assert hidden_BTD.dtype == torch.float32
    assert ours < 1.3 * theirs


@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_is_random_and_right_on_average(encoder, family, texts):
    model = encoder(family, dropout=0.02).train()
    with torch.no_grad():
        passes = torch.stack([model(*texts)[0] for _ in range(30)])
        exact_BTD, _ = model.eval()(*texts)
    assert not torch.equal(passes[0], passes[1])
    single, mean = ((each - exact_BTD).square().mean().sqrt() for each in (passes[0], passes.mean(0)))
    assert mean < 0.5 * single


def test_an_architecture_that_is_not_written_here_runs_as_the_library_has_it(tmp_path, texts, caplog):
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    config = transformers.ElectraConfig(vocab_size=90, embedding_size=32, max_position_embeddings=64, **sizes)
    transformers.AutoModel.from_config(config).save_pretrained(tmp_path)
    transformer._say.cache_clear()
    with caplog.at_level(logging.WARNING, "textune"):
        _, model = (TransformerConfig(model=str(tmp_path)).build(None).eval() for _ in range(2))
    (record,) = caplog.records
    assert record.message.endswith("which is slower, because its architecture is electra")
    hidden_BTD, _ = model(*texts)
    torch.testing.assert_close(hidden_BTD, by_the_library(model, *texts))


@pytest.mark.parametrize("change", [{"is_decoder": True}, {"position_embedding_type": "relative_key"}])
def test_a_variant_that_is_not_written_here_is_refused(encoder, change):
    module = encoder("bert").module
    for name, value in change.items():
        setattr(module.config, name, value)
    with pytest.raises(Unsupported, match=r"decoder|relative_key"):
        PackedBert(module, 0, checkpointing=False)
