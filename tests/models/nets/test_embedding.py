# N tokens with a vector, D width

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from textune.errors import StudyError
from textune.models import VectorsConfig


@pytest.fixture
def vectors():
    matrix_ND = np.arange(6, dtype=np.float32).reshape(2, 3) + 1
    matrix_ND.flags.writeable = False  # as a memory map is
    return SimpleNamespace(matrix_ND=matrix_ND, index_N=np.array([4, 2]), coverage=0.5)


def test_given_vectors_are_taken_and_the_others_drawn(vectors):
    embedding = VectorsConfig(size=3, vectors="glove.txt").build(["x"] * 6, vectors)
    rows = embedding(torch.tensor([[4, 2, 5, 0]]))[0]
    assert rows[0].tolist() == [1, 2, 3]
    assert rows[1].tolist() == [4, 5, 6]
    assert rows[2].any()
    assert not rows[3].any()


def test_vectors_of_another_size_are_refused_with_both_sizes(vectors):
    with pytest.raises(StudyError, match=r"model\.embedding\.size: is 100, but glove.txt holds vectors of 3 values"):
        VectorsConfig(vectors="glove.txt").build(["x"] * 6, vectors)


def test_the_file_is_named_and_not_needed_to_load_a_saved_model():
    config = VectorsConfig(size=3, vectors="glove.txt")
    assert config.vector_file == "glove.txt"
    assert config.build(["x"] * 6, None).table.weight.shape == (6, 3)


def test_frozen_vectors_take_no_gradient():
    assert not any(
        weight.requires_grad for weight in VectorsConfig(trainable=False).build(["x"] * 6, None).parameters()
    )


@pytest.mark.parametrize("training", [True, False])
def test_a_weighted_sum_is_that_of_the_vectors(training):
    embedding = VectorsConfig(size=3, dropout=0.5).build(["x"] * 6, None).train(training)
    ids_BT, weights_BT = torch.tensor([[4, 2, 5, 0]]), torch.tensor([[1.0, -2.0, 0.5, 3.0]])
    torch.manual_seed(0)
    expected = (embedding(ids_BT) * weights_BT[..., None]).sum(1)
    torch.manual_seed(0)
    torch.testing.assert_close(embedding.weighted_sum(ids_BT, weights_BT), expected)
