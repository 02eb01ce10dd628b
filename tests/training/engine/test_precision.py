import sys

import pytest
import torch
from torch import nn

from textune.training.engine.precision import autocast, flushed_denormals, resolve

CPU = torch.device("cpu")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_what_is_named_is_taken(precision):
    assert resolve(precision, nn.Linear(2, 2), CPU) == precision


@pytest.mark.parametrize(
    ("model", "gains"),
    [
        (nn.LSTM(8, 8), True),
        (nn.Conv1d(8, 8, 3), True),
        (nn.Linear(768, 768), True),
        (nn.Sequential(nn.GRU(8, 64), nn.Linear(768, 768)), False),
        (nn.GRU(8, 256), True),
        (nn.GRU(8, 64), False),
        (nn.Sequential(nn.Embedding(10, 300), nn.Linear(300, 5)), False),
    ],
)
def test_auto_takes_bf16_where_processor_and_model_gain(model, gains):
    capabilities = torch.cpu.get_capabilities()
    has_bf16 = bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
    assert resolve("auto", model, CPU) == ("bf16" if gains and has_bf16 else "fp32")


def test_products_are_computed_in_what_was_resolved():
    linear = nn.Linear(4, 4)
    with autocast("bf16", CPU):
        assert linear(torch.ones(1, 4)).dtype is torch.bfloat16
    with autocast("fp16", CPU):
        assert linear(torch.ones(1, 4)).dtype is torch.float16
    with autocast("fp32", CPU):
        assert linear(torch.ones(1, 4)).dtype is torch.float32


def test_denormals_are_zero_inside_and_themselves_again_outside():
    def smallest_halved():
        return sys.float_info.min / 2

    with flushed_denormals():
        inside = smallest_halved()
        with flushed_denormals():
            pass
        assert smallest_halved() == inside
    assert inside == 0.0
    assert smallest_halved() > 0.0
