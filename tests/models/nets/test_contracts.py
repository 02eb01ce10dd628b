"""What holds for every kind of encoder, pooling, embedding and head, with default settings and some others."""

# B batch, T tokens, D width, K classes

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F

from textune.config.study import ModelConfig
from textune.models.nets.assemble import build_classifier
from textune.registry import kinds
from textune.training.engine.row_updates import use_row_gradients

NUM_CLASSES = 3
MODELS = [
    *({"encoder": kind, "pooling": pooling} for kind in kinds("encoder") for pooling in kinds("pooling")),
    *({"embedding": kind} for kind in kinds("embedding")),
    *({"head": kind} for kind in kinds("head")),
    {"encoder": {"kind": "bag-of-words", "ngrams": 1, "tfidf": False}},
    {"encoder": {"kind": "bag-of-words", "ngrams": 3, "ngram_buckets": 100}},
    {"encoder": {"kind": "cnn", "widths": [1, 2, 12], "activation": "tanh"}, "pooling": "max"},
    {"encoder": {"kind": "rnn", "bidirectional": True, "num_layers": 2}, "pooling": "last"},
    {"encoder": {"kind": "rnn", "cell": "gru", "bidirectional": True, "activation": "relu"}},
    {"encoder": {"kind": "rnn", "cell": "rnn", "activation": "sigmoid"}},
    {"encoder": "rnn", "pooling": {"kind": "attention", "num_heads": 3, "regularization": 0.1}},
    {"embedding": {"size": 12}, "encoder": "cnn", "head": {"hidden_size": 5, "dropout": 0.1}},
]


@pytest.fixture(params=MODELS, ids=str)
def config(request):
    return ModelConfig.model_validate(request.param)


@pytest.fixture
def model(config, tokens):
    return build_classifier(config, tokens, None, NUM_CLASSES, seed=1)


def step(model, ids_BT, mask_BT):
    labels_B = torch.arange(len(ids_BT)) % NUM_CLASSES
    loss = F.cross_entropy(model.train()(ids_BT, mask_BT), labels_B)
    if model.pooling.penalty is not None:
        loss = loss + model.pooling.penalty
    loss.backward()
    return loss


def test_one_row_of_finite_logits_per_text(model, texts):
    logits_BK = model(*texts)
    assert logits_BK.shape == (5, NUM_CLASSES)
    assert logits_BK.dtype == torch.float32
    assert logits_BK.isfinite().all()


def test_encoder_and_pooling_return_the_widths_they_name(model, texts):
    hidden_BTD, mask_BT = model.encoder(*texts)
    assert hidden_BTD.shape == (*mask_BT.shape, model.encoder.output_size)
    assert model.pooling(hidden_BTD, mask_BT).shape == (5, model.pooling.output_size)


@pytest.mark.parametrize("more", [1, 20])
def test_more_padding_changes_nothing(model, texts, more):
    ids_BT, mask_BT = texts
    model.eval()
    wider = model(F.pad(ids_BT, (0, more)), F.pad(mask_BT, (0, more)))
    torch.testing.assert_close(wider, model(ids_BT, mask_BT), rtol=1e-5, atol=1e-6)


def test_a_text_alone_gives_what_it_gives_in_a_batch(model, texts):
    ids_BT, mask_BT = texts
    model.eval()
    alone = [model(ids_BT[[row], :length], mask_BT[[row], :length]) for row, length in enumerate(mask_BT.sum(1))]
    torch.testing.assert_close(torch.cat(alone), model(ids_BT, mask_BT), rtol=1e-5, atol=1e-6)


def test_the_gradient_reaches_every_parameter(model, texts):
    step(model, *texts)
    hidden_BTD, _ = model.encoder(*texts)
    silent = {name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()}
    if hidden_BTD.shape[1] == 1:  # attention over one vector has no choice, so nothing to learn
        silent -= {"pooling.hidden.weight", "pooling.scores.weight"}
    assert not silent


def test_gradients_of_rows_equal_gradients_of_tables(model, texts):
    gradients = []
    for rows in (False, True):
        use_row_gradients(model, enabled=rows)
        model.zero_grad()
        torch.manual_seed(0)
        step(model, *texts)
        assert model.encoder.embedding.table.weight.grad.is_sparse == rows
        gradients.append([weight.grad.to_dense() for weight in model.parameters()])
    torch.testing.assert_close(gradients[0], gradients[1])


def test_padding_gets_no_gradient(model, texts):
    step(model, *texts)
    assert not model.encoder.embedding.table.weight.grad[0].any()
    assert not model.encoder.embedding.table.weight[0].any()


def test_autocast_changes_little(model, texts):
    model.eval()
    with torch.autocast("cpu", torch.bfloat16):
        logits_BK = model(*texts)
    assert logits_BK.dtype == torch.float32
    torch.testing.assert_close(logits_BK, model(*texts), rtol=0.05, atol=0.02)


def test_a_step_under_autocast_leaves_gradients_in_fp32(model, texts):
    with torch.autocast("cpu", torch.bfloat16):
        assert step(model, *texts).isfinite()
    assert {weight.grad.dtype for weight in model.parameters()} == {torch.float32}


def test_a_saved_model_predicts_the_same(config, model, texts, tokens, tmp_path):
    model.encoder.adapt(*_flat(*texts))
    step(model, *texts)
    safetensors.torch.save_file(model.state_dict(), tmp_path / "model.safetensors")
    other = build_classifier(config, tokens, None, NUM_CLASSES, seed=2)
    other.load_state_dict(safetensors.torch.load_file(tmp_path / "model.safetensors"))
    assert torch.equal(other.eval().probabilities(*texts), model.eval().probabilities(*texts))


def _flat(ids_BT, mask_BT):
    return ids_BT[mask_BT].numpy(), torch.cat([torch.zeros(1, dtype=torch.long), mask_BT.sum(1).cumsum(0)]).numpy()
