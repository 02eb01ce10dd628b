"""How much memory a training needed at most, and how it looks when there is no more."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from pathlib import Path

import torch

__all__ = ["broke_onednn", "is_exhausted", "leave_onednn", "onednn_works", "peak_bytes", "release", "reset_peak"]

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")

_ALLOCATORS_SAY = ("can't allocate memory", "Cannot allocate memory", "not enough memory", "std::bad_alloc")
_ONEDNN_SAYS = ("could not create a memory", "could not create a primitive", "could not execute a primitive")


def is_exhausted(error: Exception) -> bool:
    """Whether an error means that memory ran out; for main memory PyTorch has no class, only sentences."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return _says(error, _ALLOCATORS_SAY + _ONEDNN_SAYS)


def broke_onednn(error: Exception) -> bool:
    """Whether it was oneDNN that found no memory. From then on it fails in this process, however much there is."""
    return onednn_works() and _says(error, _ONEDNN_SAYS)


def leave_onednn() -> None:
    """Lets this process compute without oneDNN; in fp32, as products in bf16 take forty times as long without it."""
    torch.backends.mkldnn.set_flags(_enabled=False)  # type: ignore[no-untyped-call]


def onednn_works() -> bool:
    """Whether this process computes with oneDNN."""
    return torch._C._get_mkldnn_enabled()


def _says(error: Exception, sentences: tuple[str, ...]) -> bool:
    return isinstance(error, RuntimeError) and any(sentence in str(error) for sentence in sentences)


def release(device: torch.device) -> None:
    """Gives back what is no longer used, so that whoever asks for memory next finds it."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    with contextlib.suppress(OSError, AttributeError):  # only glibc has it; what it keeps, oneDNN cannot have
        ctypes.CDLL(None).malloc_trim(0)


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
