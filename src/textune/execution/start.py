"""How processes are started: nothing that lies in the current folder runs in them, and no signal reaches them early."""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import multiprocessing.util
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from types import ModuleType

from textune.errors import FatalError
from textune.execution.base import Evaluate
from textune.temporary import scratch_folder

__all__ = ["Context", "context", "forget_safe_path", "starting"]

Context = ForkServerContext | SpawnContext

SAFE_PATH, OURS = "PYTHONSAFEPATH", "textune"
"""With it Python does not look for modules in the current folder; the value says who set it."""

ENVIRONMENT = {
    SAFE_PATH: OURS,
    # An import that asks for GPUs must not start CUDA in the fork server: what is forked from it could not use it.
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}

MAX_ADDRESS_BYTES = 103
"""How long the path of a socket may be, on the system that allows least."""
SOCKET = "/textune-1234567-abcdefgh/pymp-abcdefgh/listener-abcdefgh"
"""What is added to the folder for temporary files."""

AFTER_ITS_OWN = -101
"""When the folder is removed: after multiprocessing has removed its own, in it."""


def context(evaluate: Evaluate) -> Context:
    """Returns where workers come from: a fork server that begins at once to import what trials need.

    Raises:
        FatalError: there is no folder for its socket.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from_server = multiprocessing.get_context("forkserver")
    ours = sorted(name for name in sys.modules if name.startswith("textune."))
    from_server.set_forkserver_preload([*getattr(evaluate, "preload", ()), *ours])
    _make_socket_folder()
    with _environment():
        multiprocessing.resource_tracker.ensure_running()  # here, because its start unblocks signals
    with starting():
        multiprocessing.forkserver.ensure_running()
    return from_server


@contextmanager
def starting() -> Iterator[None]:
    """Is held while a worker starts, and with it, where they died, the servers it comes from."""
    with _environment(), _signals_blocked(), _no_main_module():
        yield


def forget_safe_path() -> None:
    """Lets programs that a trial starts find modules as ever; those of Python's multiprocessing keep the safe path."""
    if os.environ.get(SAFE_PATH) == OURS:
        os.environ.pop(SAFE_PATH)


@contextmanager
def _environment() -> Iterator[None]:
    """Sets, for processes that start meanwhile, what the environment does not say."""
    missing = [name for name in ENVIRONMENT if os.environ.get(name) is None]
    for name in missing:
        os.environ[name] = ENVIRONMENT[name]
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Keeps Ctrl-C and termination from a fork server that starts meanwhile; for the coordinator they come afterwards.

    Asked first and blocked then: a Ctrl-C of a moment before is raised by whichever call comes next, and must not leave
    the signals blocked.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Hides the program that started the study: a worker needs nothing of it, and would run it again to import it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@cache
def _make_socket_folder() -> None:
    """Makes the folder in which multiprocessing puts its sockets: short enough for them, and removed after a kill."""
    place = next((place for place in _places() if len(os.fsencode(place) + SOCKET.encode()) <= MAX_ADDRESS_BYTES), None)
    if place is None:
        raise FatalError(
            f"the path of the folder for temporary files, {tempfile.gettempdir()}, is too long for a socket in it; "
            f"set TMPDIR to a folder with at most {MAX_ADDRESS_BYTES - len(SOCKET)} bytes"
        )
    held = ExitStack()
    multiprocessing.util.Finalize(None, held.close, exitpriority=AFTER_ITS_OWN)
    before = tempfile.tempdir
    tempfile.tempdir = str(held.enter_context(scratch_folder(place)))
    try:
        multiprocessing.util.get_temp_dir()
    finally:
        tempfile.tempdir = before


def _places() -> list[Path]:
    default = Path("/tmp")  # noqa: S108 - the folder made there is closed to other users
    return [Path(tempfile.gettempdir()), *([default] if os.access(default, os.W_OK | os.X_OK) else [])]
