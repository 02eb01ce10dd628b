import pytest
import torch
from pydantic import ValidationError
from torch import nn

from textune.config.study import ModelConfig
from textune.models.nets.assemble import build_classifier
from textune.registry import kinds
from textune.training.optimizer import AdagradConfig, AdamConfig, AdamWConfig, RmspropConfig, SgdConfig

KINDS = kinds("optimizer")


def model():
    return nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2))


def test_the_promised_kinds_are_there():
    assert set(KINDS) >= {"adam", "adamw", "sgd", "rmsprop", "adagrad"}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_settings_arrive(kind):
    optimizer = KINDS[kind](learning_rate=0.05, weight_decay=0.2).build(model())
    assert {group["lr"] for group in optimizer.param_groups} == {0.05}
    decay = {parameter.ndim: group["weight_decay"] for group in optimizer.param_groups for parameter in group["params"]}
    assert decay == {2: 0.2, 1: 0.0}  # biases are not decayed


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_trainable_parameter_is_in_once_and_no_frozen_one(kind):
    net = model()
    net[0].weight.requires_grad_(False)
    optimizer = KINDS[kind]().build(net)
    held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert {id(parameter) for parameter in held} == {id(parameter) for parameter in net[1].parameters()}
    assert len(held) == 2


@pytest.mark.parametrize(
    ("config", "reference"),
    [
        (AdamConfig(embedding_updates="dense", weight_decay=0.1), torch.optim.Adam),
        (AdamWConfig(embedding_updates="dense", weight_decay=0.1), torch.optim.AdamW),
        (SgdConfig(momentum=0.9, nesterov=True, weight_decay=0.1), torch.optim.SGD),
        (RmspropConfig(momentum=0.5, weight_decay=0.1), torch.optim.RMSprop),
        (AdagradConfig(weight_decay=0.1), torch.optim.Adagrad),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_dense_gradients_take_the_step_of_pytorch(config, reference):
    ours, theirs = nn.Linear(4, 3, bias=False), nn.Linear(4, 3, bias=False)
    theirs.load_state_dict(ours.state_dict())
    extra = {"momentum": config.momentum} if hasattr(config, "momentum") else {}
    extra |= {"nesterov": True} if config.kind == "sgd" else {}
    optimizers = (
        config.build(ours),
        reference(theirs.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, **extra),
    )
    inputs = torch.arange(8.0).view(2, 4) / 8
    for _ in range(4):
        for net, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            net(inputs).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-5, atol=1e-6)


class TestLearningRatesByLayer:
    @pytest.fixture
    def classifier(self):
        config = ModelConfig.model_validate(
            {"embedding": {"size": 4}, "encoder": {"kind": "rnn", "hidden_size": 4, "num_layers": 3}}
        )
        return build_classifier(config, [str(token) for token in range(9)], None, 2, seed=0)

    def rates(self, config, classifier):
        """Returns the learning rates of embedding, three layers and head; each in one or two groups."""
        optimizer = config.build(classifier)
        rate_of = {weight: group["lr"] for group in optimizer.param_groups for weight in group["params"]}
        assert rate_of.keys() == set(classifier.parameters())
        assert all(group["lr"] == config.learning_rate * group["scale"] for group in optimizer.param_groups)
        parts = [classifier.encoder.embedding, *classifier.encoder.forward_readers, classifier.head]
        rates = [{rate_of[weight] for weight in part.parameters()} for part in parts]
        assert all(len(rate) == 1 for rate in rates)
        return [rate.pop() for rate in rates]

    @pytest.mark.parametrize("kind", sorted(KINDS))
    def test_fall_from_layer_to_layer(self, kind, classifier):
        config = KINDS[kind](learning_rate=0.8, layer_decay=0.5, weight_decay=0.1)
        assert self.rates(config, classifier) == [0.1, 0.2, 0.4, 0.8, 0.8]

    def test_of_the_head_stand_apart(self, classifier):
        config = AdamConfig(learning_rate=0.8, head_learning_rate=4.0)
        assert self.rates(config, classifier) == [0.8, 0.8, 0.8, 0.8, 4.0]
        assert len(config.build(classifier).param_groups) == 2

    def test_are_one_group_where_they_are_equal(self, classifier):
        assert len(AdamConfig().build(classifier).param_groups) == 1
        assert len(AdamWConfig().build(classifier).param_groups) == 2  # with and without weight decay

    def test_of_an_encoder_without_layers_are_one(self):
        model = ModelConfig.model_validate({"embedding": {"size": 4}, "encoder": "bag-of-words"})
        classifier = build_classifier(model, [str(token) for token in range(9)], None, 2, seed=0)
        config = AdamConfig(learning_rate=0.8, layer_decay=0.5, head_learning_rate=0.4)
        groups = config.build(classifier).param_groups
        assert [(group["lr"], set(group["params"])) for group in groups] == [
            (0.8, set(classifier.encoder.parameters())),
            (0.4, set(classifier.head.parameters())),
        ]

    @pytest.mark.parametrize("layer_decay", [0.0, 1.5, -0.1])
    def test_do_not_rise_downwards(self, layer_decay):
        with pytest.raises(ValidationError, match="layer_decay"):
            AdamConfig(layer_decay=layer_decay)


def test_row_gradients_are_asked_for_where_they_are_chosen_or_exact():
    assert AdamConfig().row_gradients
    assert not AdamConfig(embedding_updates="dense").row_gradients
    assert SgdConfig().row_gradients
    assert not SgdConfig(momentum=0.9).row_gradients
    assert not SgdConfig(weight_decay=0.1).row_gradients
    assert AdagradConfig().row_gradients
    assert not AdagradConfig(weight_decay=0.1).row_gradients
    assert not RmspropConfig().row_gradients


def test_nesterov_without_momentum_is_refused():
    with pytest.raises(ValidationError, match="momentum"):
        SgdConfig(nesterov=True)
