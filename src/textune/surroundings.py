"""What is the whole program's, and a study changes only while it runs: for a Python program that goes on after it."""

from __future__ import annotations

import csv
import multiprocessing
import os
import random
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

__all__ = ["as_before", "hushed", "limit_threads", "limited_threads"]

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


@contextmanager
def as_before() -> Iterator[None]:
    """Restores what was changed meanwhile, also by libraries that were imported.

    That is the environment, warning filters, random states, the limit of csv fields, the folder for temporary files and
    the way in which multiprocessing starts processes. What else a study changes is restored where it is changed.
    """
    environment, temporary = dict(os.environ), tempfile.tempdir
    field_limit, drawn = csv.field_size_limit(), random.getstate()
    start_method = multiprocessing.get_start_method(allow_none=True)
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    drawn_by_numpy = None if numpy is None else numpy.random.get_state()
    drawn_by_torch = None if torch is None else torch.get_rng_state()
    try:
        with warnings.catch_warnings():
            yield
    finally:
        _restore_environment(environment)
        tempfile.tempdir = temporary
        csv.field_size_limit(field_limit)
        multiprocessing.set_start_method(start_method, force=True)  # to start a process decides on one
        random.setstate(drawn)
        if numpy is not None:
            numpy.random.set_state(drawn_by_numpy)
        if torch is not None:
            torch.set_rng_state(drawn_by_torch)


def limit_threads(threads: int) -> None:
    """Limits the processor threads of this process, as far as libraries can be told."""
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Limits them meanwhile. How many PyTorch takes without a limit is known only if it was imported before."""
    environment = dict(os.environ)
    torch = sys.modules.get("torch")
    num_threads = None if torch is None else torch.get_num_threads()
    limit_threads(threads)
    try:
        yield
    finally:
        _restore_environment(environment, THREADS)
        if torch is not None:
            torch.set_num_threads(num_threads)


@contextmanager
def hushed(logging: Any, progress: Any) -> Iterator[None]:
    """Keeps back the remarks and the progress bars of a Hugging Face library, by the modules that switch them."""
    verbosity, shows_progress = logging.get_verbosity(), progress.is_progress_bar_enabled()
    logging.set_verbosity_error()
    progress.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shows_progress:
            progress.enable_progress_bar()


def _restore_environment(before: Mapping[str, str], names: Iterable[str] | None = None) -> None:
    for name in {*before, *os.environ} if names is None else names:
        if name not in before:
            os.environ.pop(name, None)
        elif os.environ.get(name) != before[name]:
            os.environ[name] = before[name]
