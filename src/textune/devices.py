"""What models are computed on: which GPUs there are, and which of them, if any, this process takes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

__all__ = ["compute_on", "device", "gpu_answers", "gpus", "see_only"]

NAME, VISIBLE = "TEXTUNE_DEVICE", "CUDA_VISIBLE_DEVICES"
"""Environment variables: what this process computes on, and which GPUs CUDA shows it."""

DRIVERS = tuple(Path("/dev") / name for name in ("nvidiactl", "nvmap", "dxg", "kfd"))
"""What Linux has where there is a GPU that PyTorch could use: of NVIDIA, also small ones and on WSL, or of AMD."""


def gpus() -> tuple[str, ...]:
    """Returns the GPUs that PyTorch can use, as CUDA_VISIBLE_DEVICES names them.

    Where there is no driver it is not imported to be asked, which would take a second.
    """
    if sys.platform == "linux" and not any(driver.exists() for driver in DRIVERS):
        return ()
    import torch

    if not torch.cuda.is_available():
        return ()
    numbers = range(torch.cuda.device_count())
    visible = os.environ.get(VISIBLE)
    names = [str(number) for number in numbers] if visible is None else visible.split(",")
    return tuple(names[number] for number in numbers)


def compute_on(name: Literal["cpu", "cuda:0"]) -> None:
    """Says what `device` returns in this process from now on."""
    os.environ[NAME] = name
    # For `training.deterministic`; cuBLAS reads it when it is first used, which may be for an earlier trial.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def see_only(gpu: str | None) -> None:
    """Lets this process compute on one of `gpus()`, or on the processor (None), and hides the others from it.

    CUDA looks once, so it must not have been used yet.
    """
    os.environ[VISIBLE] = gpu or ""
    compute_on("cuda:0" if gpu else "cpu")


def gpu_answers() -> bool:
    """Whether CUDA still works in this process: after some errors it fails whatever is asked of it."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return True
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return False
    return True


def device() -> torch.device:
    """Returns what models of this process are to stand on: what was said, else the first GPU, else the processor."""
    import torch

    return torch.device(os.environ.get(NAME) or ("cuda:0" if torch.cuda.is_available() else "cpu"))
