"""Memory of this process: how much it holds, how it looks when there is no more, and how it is given back."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import os
import sys
from pathlib import Path

__all__ = ["ONEDNN_SAYS", "bound_primitives", "is_exhausted", "release_memory", "status_bytes"]

NUM_PRIMITIVES = 128
"""Half of it costs an LSTM, of which each length needs several, twice the time; a transformer never."""

STATUS = Path("/proc/self/status")

ALLOCATORS_SAY = ("can't allocate memory", "Cannot allocate memory", "not enough memory", "std::bad_alloc")
CUDA_SAYS = (
    "CUDA error: out of memory",
    "CUDA driver error: out of memory",
    "Triton Error [CUDA]: out of memory",
    "HIP error: out of memory",
    "_STATUS_ALLOC_FAILED",  # of cuBLAS, cuDNN, cuSPARSE and cuSOLVER
    "DEVICE_ALLOCATION_FAILED",  # of cuDNN 9
    "CUBLAS_STATUS_NOT_INITIALIZED",  # what creating a handle says where no memory is left for its workspace
)
ONEDNN_SAYS = ("could not create a memory", "could not create a primitive", "could not execute a primitive")


def is_exhausted(error: BaseException) -> bool:
    """Whether an error means that memory ran out. PyTorch has a class for most of it on GPUs, else sentences."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    sentences = (*ALLOCATORS_SAY, *CUDA_SAYS, *ONEDNN_SAYS)
    return isinstance(error, RuntimeError) and any(words in str(error) for words in sentences)


def release_memory() -> None:
    """Gives what is no longer used back to the system: the C library else keeps it, gigabytes after large models."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        with contextlib.suppress(RuntimeError):  # of an earlier error: then CUDA gives nothing back in this process
            torch.cuda.empty_cache()
    with contextlib.suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def bound_primitives() -> None:
    """Lets oneDNN keep fewer of the kernels it made, for models whose batches hardly ever have the same shape twice.

    It keeps 1,024 with what they work in, which came to gigabytes in a search over a transformer. A step of one needs
    some 50 of them. Without effect once oneDNN has computed something, and where the environment says otherwise.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(NUM_PRIMITIVES))


def status_bytes(name: str, source: Path = STATUS) -> int | None:
    """Returns a number of /proc/self/status or a file like it, see proc(5); None where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in source.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return None
