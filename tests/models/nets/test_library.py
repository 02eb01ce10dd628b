"""The forward pass of the library in parts: what can be gone on from, and what cannot."""

# B batch, T tokens

import logging

import pytest
import torch
import transformers

from textune.models import TransformerConfig
from textune.models.nets import transformer

SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
SMALL = {"vocab_size": 90, "max_position_embeddings": 64, "pad_token_id": 1, **SIZES}
SPECIAL = {"bos_token_id": 2, "cls_token_id": 2, "eos_token_id": 3, "sep_token_id": 3}
RELATIVE = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8, "share_att_key": True}
GO_ON = {"electra": {"embedding_size": 16}, "camembert": {}, "modernbert": SPECIAL, "deberta-v2": {}}
DO_NOT = {"mpnet": {}, "deberta-v2": RELATIVE, "deberta": {"conv_kernel_size": 3, **RELATIVE}}
"""Their layers share trained weights, of positions, with those above."""


@pytest.fixture
def build(tmp_path):
    def build(family, settings, **config):
        torch.manual_seed(1)
        library = transformers.AutoConfig.for_model(family, **SMALL, **settings)
        transformers.AutoModel.from_config(library).save_pretrained(tmp_path)
        return TransformerConfig(model=str(tmp_path), **config).build(None)

    return build


@pytest.mark.parametrize("family", GO_ON)
@pytest.mark.parametrize("num_layers", [1, 2])
def test_layers_go_on_from_what_those_below_gave(build, family, num_layers, texts):
    encoder = build(family, GO_ON[family], num_frozen_layers=num_layers, dropout=0.0).train()
    ids_BT, mask_BT = texts
    ids_BT = ids_BT + 4
    whole_BTD, _ = encoder(ids_BT, mask_BT)
    assert encoder.frozen_key() is not None
    assert encoder.training
    assert not any(part.training for part in encoder.frozen)
    with torch.no_grad():
        encoder.states_ND = encoder.frozen_states(ids_BT, mask_BT).numpy()
    places_BT = (mask_BT.flatten().cumsum(0) - 1).view(mask_BT.shape).masked_fill(~mask_BT, 0)
    from_states_BTD, _ = encoder(places_BT, mask_BT)
    torch.testing.assert_close(from_states_BTD[mask_BT], whole_BTD[mask_BT], rtol=1e-4, atol=1e-5)
    gradients = []
    for output_BTD in (whole_BTD, from_states_BTD):
        encoder.zero_grad()
        output_BTD[mask_BT].pow(3).sum().backward()
        gradients.append({name: weight.grad for name, weight in encoder.named_parameters() if weight.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("family", DO_NOT)
def test_layers_that_depend_on_what_is_trained_are_computed_each_time_which_is_told(build, family, caplog, texts):
    encoder = build(family, DO_NOT[family], num_frozen_layers=1)
    transformer._say.cache_clear()
    with caplog.at_level(logging.WARNING, "textune"):
        assert encoder.frozen_key() is None
    assert caplog.records[-1].getMessage() == (
        "the pretrained model computes its frozen layers in each step, because what they give depends on more than them"
    )
    hidden_BTD, _ = encoder(texts[0] + 4, texts[1])
    assert hidden_BTD.requires_grad


def test_frozen_layers_take_no_gradient_where_activations_are_computed_twice(build, texts):
    encoder = build("electra", {"embedding_size": 16}, num_frozen_layers=2, gradient_checkpointing=True).train()
    reached = []
    encoder.frozen[-1].register_forward_hook(lambda _layer, _inputs, output: reached.append(output.requires_grad))
    encoder(texts[0] + 4, texts[1])[0].sum().backward()
    assert reached == [False]


@pytest.mark.parametrize("setting", ["embedding_dropout", "mlp_dropout", "attention_dropout"])
def test_dropout_is_set_wherever_an_architecture_has_it(build, setting):
    assert getattr(build("modernbert", SPECIAL, dropout=0.3).module.config, setting) == 0.3
