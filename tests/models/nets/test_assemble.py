import torch

from textune.config.study import ModelConfig
from textune.models.nets.assemble import build_classifier


def weights(tokens, seed):
    return build_classifier(ModelConfig(encoder={"kind": "rnn"}), tokens, None, 2, seed).state_dict()


def test_the_seed_alone_decides_the_first_weights(tokens):
    one, same, other = weights(tokens, 1), weights(tokens, 1), weights(tokens, 2)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one)


def test_building_leaves_the_global_generator_alone(tokens):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    weights(tokens, 1)
    assert torch.equal(torch.rand(3), expected)
