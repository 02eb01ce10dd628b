"""What several benchmarks need: the name of the machine, what a process takes, the difference of two trainings."""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from scipy import stats

__all__ = ["Ran", "paired_difference", "peak_memory_bytes", "processor", "run_program", "saved_rows"]

LOOK_EVERY_SECONDS = 0.25


class Ran(NamedTuple):
    """What a program printed, how long it ran, and the processor time of it and all processes it started."""

    output: str
    seconds: float
    processor_seconds: float


def run_program(command: Sequence[str], environment: Mapping[str, str]) -> Ran:
    """Runs a program to its end.

    Its processor time is looked up as it runs, so up to `LOOK_EVERY_SECONDS` of each process are missing. Unlike the
    clock it does not count what other programs, or other machines on the same host, take away.
    """
    spent: dict[int, float] = {}
    started = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as program:
        while program.poll() is None:
            spent |= _processor_seconds(program.pid)
            time.sleep(LOOK_EVERY_SECONDS)
        seconds = time.perf_counter() - started
        assert program.stdout is not None
        output = program.stdout.read()
    if program.returncode:
        raise subprocess.CalledProcessError(program.returncode, command)
    return Ran(output, seconds, sum(spent.values()))


def _processor_seconds(pid: int) -> dict[int, float]:
    found = {}
    try:
        program = psutil.Process(pid)
        for process in (program, *program.children(recursive=True)):
            times = process.cpu_times()
            found[process.pid] = times.user + times.system
    except psutil.NoSuchProcess:  # it ended in between
        pass
    return found


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
