"""The numbers a model is computed in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

__all__ = ["autocast", "resolve"]


def resolve(precision: str, device: torch.device) -> str:
    """Returns `fp32` or `bf16`; `auto` is bf16 where the processor multiplies in it, and fp32 elsewhere."""
    if precision != "auto":
        return precision
    return "bf16" if _computes_in_bf16(device) else "fp32"


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Returns the context of a forward pass: matrix products in `precision`, weights and sums in fp32."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def _computes_in_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
