import sys

import pytest
import torch
from torch import nn

from textune.training.engine import precision as of
from textune.training.engine.precision import autocast, flushed_denormals, hardware, resolve, rounding

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


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


@pytest.fixture
def gpu(monkeypatch):
    """Says what a GPU can do, where there may be none."""

    def answers(*, bf16, recurs):
        monkeypatch.setattr(of, "_computes_in_bf16", lambda device: bf16)
        monkeypatch.setattr(of, "_recurs_in_bf16", lambda device: recurs)

    return answers


@pytest.mark.parametrize("model", [nn.GRU(8, 64), nn.RNN(8, 64), nn.LSTM(8, 8)])
def test_small_recurrent_layers_gain_on_a_gpu(gpu, model):
    gpu(bf16=True, recurs=True)
    assert resolve("auto", model, GPU) == "bf16"
    gpu(bf16=False, recurs=False)
    assert resolve("auto", model, GPU) == "fp16"


def test_recurrent_layers_are_never_computed_in_fp16_by_the_name_of_bf16(gpu):
    gpu(bf16=True, recurs=False)
    assert resolve("bf16", nn.LSTM(8, 8), GPU) == "fp32"
    assert resolve("auto", nn.LSTM(8, 8), GPU) == "fp16", "which scales its loss"
    assert resolve("bf16", nn.Conv1d(8, 8, 3), GPU) == "bf16"


def test_tf32_is_fp32_on_a_processor():
    assert resolve("tf32", nn.Linear(2, 2), CPU) == "fp32"
    assert resolve("tf32", nn.Linear(2, 2), GPU) == "tf32"


def test_hardware_names_the_precision_only_as_far_as_the_device_decides_it(gpu):
    gpu(bf16=True, recurs=True)
    assert [hardware(each, GPU) for each in ("auto", "fp32", "tf32")] == ["cuda, bf16", "cuda, fp32", "cuda, tf32"]
    assert hardware("fp32", CPU) == "cpu, fp32"


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_one_setting_decides_of_all_products_on_a_gpu_and_the_callers_stays(precision):
    def allowed():
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

    before = allowed()
    assert before[0] != before[1], "PyTorch's default means two things"
    with rounding(precision, GPU):
        assert allowed() == (precision == "tf32",) * 2
    assert allowed() == before
    with rounding(precision, CPU):
        assert allowed() == before


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
