import numpy as np
import torch

from textune.config.study import ModelConfig
from textune.models.embedding import VectorsConfig
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


def test_first_weights_that_a_plug_in_draws_with_numpy_come_from_the_seed_as_well(tokens):
    class Drawn(VectorsConfig):
        def build(self, tokens, vectors):
            embedding = super().build(tokens, vectors)
            drawn = np.random.normal(size=embedding.table.weight.shape)  # noqa: NPY002
            embedding.table.weight.data = torch.tensor(drawn, dtype=torch.float32)
            return embedding

    def table(seed):
        model = ModelConfig().model_copy(update={"embedding": Drawn(size=4)})
        return build_classifier(model, tokens, None, 2, seed).state_dict()["encoder.embedding.table.weight"]

    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    assert torch.equal(table(1), table(1))
    assert not torch.equal(table(1), table(2))
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
