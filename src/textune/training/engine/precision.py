"""The numbers a model is computed in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache

import torch
from torch import nn

from textune.training.engine import memory

__all__ = ["autocast", "flushed_denormals", "hardware", "resolve", "rounding"]


def resolve(precision: str, model: nn.Module, device: torch.device) -> str:
    """Returns `fp32`, `tf32`, `bf16` or `fp16`: what the model is computed in, whatever was asked for.

    `auto` is bf16 if the device multiplies in it, fp16 on other GPUs, and fp32 if the model gains from neither. Only
    GPUs have tf32. If a GPU's recurrent kernels do not take bf16, models with one are computed in fp16 (`auto`) or fp32
    (`bf16`).
    """
    is_gpu = device.type == "cuda"
    asked = precision
    if asked == "auto":
        asked = _fastest(device) if _gains(model, device) else "fp32"
    if asked == "bf16" and is_gpu and _is_recurrent(model) and not _recurs_in_bf16(device):
        return "fp16" if precision == "auto" else "fp32"
    return "fp32" if asked == "tf32" and not is_gpu else asked


def hardware(precision: str, device: torch.device) -> str:
    """Returns what a setting depends on beside the model, such as `cuda, bf16`: equal ones give equal numbers."""
    return f"{device.type}, {_fastest(device) if precision == 'auto' else precision}"


def _fastest(device: torch.device) -> str:
    return "bf16" if _computes_in_bf16(device) else "fp16" if device.type == "cuda" else "fp32"


@contextmanager
def autocast(precision: str, device: torch.device) -> Iterator[None]:
    """Holds a forward pass: matrix products in `precision`, weights and sums in fp32."""
    half = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(precision)
    with rounding(precision, device), nullcontext() if half is None else torch.autocast(device.type, dtype=half):
        yield


@contextmanager
def rounding(precision: str, device: torch.device) -> Iterator[None]:
    """Lets a GPU round the factors of fp32 products to tf32 (10 bits) if `precision` says so, and never else.

    By default PyTorch rounds them in cuDNN's kernels (recurrent layers, convolutions), and not in linear layers.
    """
    if device.type != "cuda":
        yield
        return
    linear, kernels = torch.backends.cuda.matmul, torch.backends.cudnn
    before = linear.allow_tf32, kernels.allow_tf32
    linear.allow_tf32 = kernels.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        linear.allow_tf32, kernels.allow_tf32 = before


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Takes numbers below 1e-38 for zero in this thread, as they make kernels several times slower."""
    were_flushed = sys.float_info.min / 2 == 0.0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(were_flushed)


def _computes_in_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    capabilities = torch.cpu.get_capabilities()
    return memory.onednn_works() and bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


def _is_recurrent(model: nn.Module) -> bool:
    return any(isinstance(module, nn.RNNBase) for module in model.modules())


@cache
def _recurs_in_bf16(device: torch.device) -> bool:
    """Whether cuDNN takes bf16 in recurrent layers, which depends on its version and on the GPU: it is tried once."""
    layer = nn.LSTM(8, 8, batch_first=True).to(device, torch.bfloat16)
    try:
        layer(torch.zeros(2, 3, 8, device=device, dtype=torch.bfloat16))[0].sum().backward()
    except RuntimeError:
        return False
    return True


def _gains(model: nn.Module, device: torch.device) -> bool:
    """Whether products in bf16 save more than the casts around them cost.

    On a GPU they do for all but a bag of words. On a CPU it depends. Measured on one core with AMX, batches of 32
    to 128 texts of 20 to 50 words (2026-11): bf16 is 1.0–2.9 times as fast for LSTM, which is one fused kernel, and
    1.1–2.6 times for convolutions. GRU and simple RNN run op by op, at 0.5–1.0 of the speed below a state of 256
    and 1.0–1.9 from there. A bag of words runs at 0.8.
    """
    modules = list(model.modules())
    if device.type == "cpu" and any(
        isinstance(module, nn.GRU | nn.RNN) and module.hidden_size < 256 for module in modules
    ):
        return False
    return any(
        isinstance(module, nn.RNNBase | nn.Conv1d) or (isinstance(module, nn.Linear) and module.weight.numel() >= 2**14)
        for module in modules
    )
