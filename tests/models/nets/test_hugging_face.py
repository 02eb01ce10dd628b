# K classes

import json
import re

import pytest
import torch
import transformers

from textune.config.study import ModelConfig
from textune.models import AttentionConfig, ClassHeadConfig, ClsConfig, MaxConfig, TransformerConfig
from textune.models.nets.assemble import build_classifier
from textune.models.nets.hugging_face import STOCK, layout_of
from textune.models.nets.pooling import MaxPooling

CLS = ClsConfig()


@pytest.fixture
def build(checkpoints):
    def build(family, pooling=CLS, hidden_size=None, num_classes=3):
        like = family if family in checkpoints else "roberta"
        config = {**json.loads((checkpoints[like] / "config.json").read_text()), "model_type": family}
        encoder = TransformerConfig(model=str(checkpoints[like]), architecture=config)
        model = ModelConfig(encoder=encoder, pooling=pooling, head=ClassHeadConfig(hidden_size=hidden_size))
        return build_classifier(model, ["x"] * 9, None, num_classes, 1)

    return build


@pytest.mark.parametrize("family", STOCK)
def test_a_stock_class_takes_every_weight_and_gives_the_logits(build, family, texts):
    ids_BT, mask_BT = texts
    model = build(family).eval()
    layout = layout_of(model)
    told = layout.config(("a", "b", "c"))
    library = transformers.AutoModelForSequenceClassification.from_config(transformers.AutoConfig.for_model(**told))
    assert told["architectures"] == [type(library).__name__]
    library.load_state_dict(layout.tensors())
    logits_BK = library.eval()(input_ids=ids_BT, attention_mask=mask_BT.long()).logits
    torch.testing.assert_close(logits_BK, model(ids_BT, mask_BT), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"pooling": AttentionConfig(num_heads=2), "hidden_size": 5}])
@pytest.mark.parametrize("family", STOCK)
def test_what_is_kept_comes_back_to_the_last_digit(build, family, settings):
    model = build(family, **settings)
    layout = layout_of(model)
    back = layout.own(layout.tensors())
    assert back.keys() == model.state_dict().keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(("family", "most"), [("bert", 32), ("distilbert", 16)])
def test_more_classes_than_the_stock_layer_holds_need_the_modeling_file(build, family, most):
    assert not layout_of(build(family, num_classes=most)).code
    assert layout_of(build(family, num_classes=most + 1)).code


def test_a_pooling_that_the_modeling_file_does_not_know_is_not_kept_so(build):
    model = build("bert", MaxConfig())
    assert layout_of(model).code

    class Unknown(MaxPooling):
        pass

    model.pooling = Unknown(32)
    assert layout_of(model) is None


def test_the_modeling_file_needs_no_textune(build):
    ((name, source),) = layout_of(build("bert", MaxConfig())).code.items()
    assert name == "textune_classifier.py"
    imported = {name.split(".")[0] for name in re.findall(r"^\s*(?:from|import) (\S+)", source, re.MULTILINE)}
    assert imported == {"__future__", "torch", "transformers", "typing"}
