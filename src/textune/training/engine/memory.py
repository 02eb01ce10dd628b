"""How much memory a training needed at most, and what becomes of oneDNN when there is no more."""

from __future__ import annotations

from pathlib import Path

import torch

from textune.memory import ONEDNN_SAYS, status_bytes

__all__ = ["broke_onednn", "leave_onednn", "onednn_works", "peak_bytes", "reset_peak"]

CLEAR = Path("/proc/self/clear_refs")


def broke_onednn(error: Exception) -> bool:
    """Whether it was oneDNN that found no memory. From then on it fails in this process, however much there is."""
    says_so = isinstance(error, RuntimeError) and any(words in str(error) for words in ONEDNN_SAYS)
    return says_so and onednn_works()


def leave_onednn() -> None:
    """Lets this process compute without oneDNN; in fp32, as products in bf16 take forty times as long without it."""
    torch.backends.mkldnn.set_flags(_enabled=False)  # type: ignore[no-untyped-call]


def onednn_works() -> bool:
    """Whether this process computes with oneDNN."""
    return torch._C._get_mkldnn_enabled()


def reset_peak(device: torch.device) -> None:
    """Starts a new measurement; a process that trains many models would otherwise report the largest of them."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        CLEAR.write_text("5")  # resets VmHWM, see proc(5)
    except OSError:
        return


def peak_bytes(device: torch.device) -> int | None:
    """Returns the peak since `reset_peak`: of the GPU, or of the whole process; None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return status_bytes("VmHWM")
