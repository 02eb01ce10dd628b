"""What several benchmarks need: the name of the machine, the peak of a process, the difference of two trainings."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import stats

__all__ = ["paired_difference", "peak_memory_bytes", "processor", "saved_rows"]


def processor() -> str:
    """Returns the number of processors and their name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "")
    return f"{len(names)} × {names[0]}{' with AMX' if 'amx_bf16' in flags else ''}" if names else platform.processor()


def peak_memory_bytes() -> int:
    """Returns the most main memory that this process has held (Linux); what an earlier program held is not counted."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def paired_difference(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """Returns the mean of the paired differences, and its lower one-sided 97.5% bound (Student's t)."""
    differences = np.subtract(ours, theirs)
    mean, count = float(differences.mean()), len(differences)
    if count < 2:
        return mean, float("-inf")
    return mean, mean - float(stats.t.ppf(0.975, count - 1) * differences.std(ddof=1) / count**0.5)


def saved_rows(page: Path, titles: dict[str, str]) -> dict[str, str]:
    """Returns the table rows of a results page, by name; a row begins with its title."""
    lines = page.read_text(encoding="utf-8").splitlines() if page.is_file() else []
    return {name: line for name, title in titles.items() for line in lines if line.startswith(f"| {title} |")}
