"""The numbers a model is computed in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn

from textune.training.engine import memory

__all__ = ["autocast", "flushed_denormals", "hardware", "resolve"]


def resolve(precision: str, model: nn.Module, device: torch.device) -> str:
    """Returns `fp32`, `bf16` or `fp16`.

    `auto` is bf16 where the device multiplies in it, fp16 on other GPUs, and fp32 where the model gains from neither.
    """
    if precision != "auto":
        return precision
    return _fastest(device) if _gains(model) else "fp32"


def hardware(precision: str, device: torch.device) -> str:
    """Returns what a setting depends on beside the model, such as `cuda, bf16`: equal ones give equal numbers."""
    return f"{device.type}, {_fastest(device) if precision == 'auto' else precision}"


def _fastest(device: torch.device) -> str:
    return "bf16" if _computes_in_bf16(device) else "fp16" if device.type == "cuda" else "fp32"


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Returns the context of a forward pass: matrix products in `precision`, weights and sums in fp32."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.float16 if precision == "fp16" else torch.bfloat16)


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


def _gains(model: nn.Module) -> bool:
    """Whether products in bf16 save more than the casts around them cost.

    Measured on one core with AMX, batches of 32 to 128 texts of 20 to 50 words (2026-11): bf16 is 1.0–2.9 times as fast
    for LSTM, which is one fused kernel, and 1.1–2.6 times for convolutions. GRU and simple RNN run op by op, at 0.5–1.0
    of the speed below a state of 256 and 1.0–1.9 from there. A bag of words runs at 0.8.
    """
    modules = list(model.modules())
    if any(isinstance(module, nn.GRU | nn.RNN) and module.hidden_size < 256 for module in modules):
        return False
    return any(
        isinstance(module, nn.RNNBase | nn.Conv1d) or (isinstance(module, nn.Linear) and module.weight.numel() >= 2**14)
        for module in modules
    )
