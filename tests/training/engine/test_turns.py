import sys

import pytest
import torch

from textune.training.engine.turns import Turns, deterministic_kernels

CPU = torch.device("cpu")


def draw():
    return torch.rand(3).tolist()


def test_each_side_goes_on_with_its_own_random_numbers():
    torch.manual_seed(1)
    callers = [draw(), draw()]
    torch.manual_seed(2)
    ours = [draw(), draw()]
    turns = Turns(CPU)
    turns.seed(2)
    torch.manual_seed(1)
    with turns.turn():
        assert draw() == ours[0]
    assert draw() == callers[0]
    with turns.turn():
        assert draw() == ours[1]
    assert draw() == callers[1]


def test_an_error_in_a_turn_leaves_the_caller_as_it_was():
    turns = Turns(CPU)
    torch.manual_seed(1)
    expected = draw()
    torch.manual_seed(1)
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
