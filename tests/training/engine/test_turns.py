import random
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from textune.random_state import RandomState
from textune.training.engine.checkpoint import read_state, write_state
from textune.training.engine.turns import Turns, deterministic_kernels

CPU = torch.device("cpu")


def draw():
    """Draws as layers of plug-ins may: from what is global in PyTorch, NumPy and Python."""
    return [*torch.rand(3).tolist(), *np.random.normal(size=3).tolist(), random.random()]  # noqa: NPY002


def seed(number):
    torch.manual_seed(number)
    np.random.seed(number)  # noqa: NPY002
    random.seed(number)


def test_each_side_goes_on_with_its_own_random_numbers():
    seed(1)
    callers = [draw(), draw()]
    seed(2)
    ours = [draw(), draw()]
    turns = Turns(CPU)
    turns.seed(2)
    seed(1)
    with turns.turn():
        assert draw() == ours[0]
    assert draw() == callers[0]
    with turns.turn():
        assert draw() == ours[1]
    assert draw() == callers[1]


def test_trainings_in_several_threads_have_the_numbers_that_each_has_alone():
    def train(number):
        turns = Turns(CPU)
        turns.seed(number)
        for _ in range(50):
            with turns.turn():
                yield [draw() for _ in range(5)]

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda number: list(train(number)), range(4)))
    assert together == [list(train(number)) for number in range(4)]


def test_random_numbers_go_on_from_a_checkpoint(tmp_path):
    before, after = Turns(CPU), Turns(CPU)
    before.seed(1)
    with before.turn():
        draw()
    write_state(tmp_path / "state", before.random_state.saved())
    after.random_state = RandomState.loaded(read_state(tmp_path / "state"), CPU)
    with before.turn():
        expected = draw()
    with after.turn():
        assert draw() == expected


def test_checkpoints_of_earlier_versions_have_the_state_of_pytorch_alone():
    turns = Turns(CPU)
    turns.random_state = RandomState.loaded(torch.Generator().manual_seed(3).get_state(), CPU)
    with turns.turn():
        drawn = torch.rand(3)
    assert torch.equal(drawn, torch.rand(3, generator=torch.Generator().manual_seed(3)))


def test_an_error_in_a_turn_leaves_the_caller_as_it_was():
    turns = Turns(CPU)
    seed(1)
    expected = draw()
    seed(1)
    with pytest.raises(ZeroDivisionError), turns.turn():
        _ = draw()[0] / 0
    assert draw() == expected
    assert sys.float_info.min / 2 > 0


def test_denormals_are_zero_in_a_turn_alone():
    turns = Turns(CPU)
    with turns.turn():
        assert sys.float_info.min / 2 == 0.0
    assert sys.float_info.min / 2 > 0


def test_deterministic_kernels_are_chosen_inside_alone():
    assert not torch.are_deterministic_algorithms_enabled()
    with deterministic_kernels():
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        assert not torch.backends.cuda.flash_sdp_enabled()
        assert not torch.backends.cuda.mem_efficient_sdp_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cuda.flash_sdp_enabled()
