"""How much memory a training needed at most, and how it looks when there is no more."""

from __future__ import annotations

import gc
from pathlib import Path

import torch

__all__ = ["is_exhausted", "peak_bytes", "release", "reset_peak"]

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")

_EXHAUSTED = (
    "can't allocate memory",  # PyTorch's allocator
    "not enough memory",
    "std::bad_alloc",
    "could not create a memory",  # oneDNN
    "could not create a primitive",
    "could not execute a primitive",
)


def is_exhausted(error: Exception) -> bool:
    """Whether an error means that memory ran out; for main memory PyTorch has no class, only sentences."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sentence in str(error) for sentence in _EXHAUSTED)


def release(device: torch.device) -> None:
    """Gives back what is no longer used, so that the next attempt finds it."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def reset_peak(device: torch.device) -> None:
    """Starts a new measurement; a process that trains many models would otherwise report the largest of them."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        _CLEAR.write_text("5")  # resets VmHWM, see proc(5)
    except OSError:
        return


def peak_bytes(device: torch.device) -> int | None:
    """Returns the peak since `reset_peak`: of the GPU, or of the whole process; None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        status = _STATUS.read_text()
    except OSError:
        return None
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) * 1024 if lines else None
