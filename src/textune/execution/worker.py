"""The worker's side of the `processes` executor: takes specs, runs them, says what happens.

A worker prints into the log of the trial it runs, leaves Ctrl-C to the coordinator, and does not outlive it.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from multiprocessing.connection import Connection
from pathlib import Path

from textune.errors import FatalError
from textune.execution.attempt import LOG_NAME, Attempt, limit_threads
from textune.execution.base import Evaluate
from textune.records import EndReason, TrialResult, TrialSpec

__all__ = ["Message", "receive", "send", "work"]


class Message(StrEnum):
    """The first letter of what is said."""

    RUN = "r"  # then a TrialSpec
    PROCEED = "g"
    STOP = "s"  # then the end reason, a colon, and words
    PROGRESS = "p"  # then a Progress
    RESULT = "e"  # then a TrialResult
    FATAL = "f"  # then a sentence; the worker ends


def send(connection: Connection, message: Message, content: str = "") -> None:
    """Raises EOFError if the other side is gone."""
    try:
        connection.send_bytes(f"{message}{content}".encode())
    except OSError as error:
        raise EOFError from error


def receive(connection: Connection) -> tuple[Message, str]:
    """Raises EOFError if the other side is gone."""
    try:
        text = connection.recv_bytes().decode()
    except OSError as error:
        raise EOFError from error
    return Message(text[0]), text[1:]


def work(connection: Connection, objective: bytes, threads: int) -> None:
    """Runs trials until the coordinator closes the connection or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # sent to a whole group, it is for the coordinator to act
    faulthandler.enable()
    threading.Thread(target=_die_with_the_coordinator, daemon=True).start()
    limit_threads(threads)
    gc.freeze()  # what was imported stays, and need not be looked at after each trial
    try:
        evaluate: Evaluate = pickle.loads(objective)  # noqa: S301 - from the coordinator, which started this process
        while True:
            _, content = receive(connection)
            _run(connection, evaluate, TrialSpec.model_validate_json(content))
            _release_memory()
    except EOFError:
        return
    except FatalError as error:
        send(connection, Message.FATAL, str(error))
    except Exception as error:
        send(connection, Message.FATAL, f"a worker process cannot run trials: {type(error).__name__}: {error}")


def _run(connection: Connection, evaluate: Evaluate, spec: TrialSpec) -> None:
    with _output_to_log(spec):
        attempt = Attempt(evaluate, spec)
        event = attempt.step()
        while not isinstance(event, TrialResult):
            send(connection, Message.PROGRESS, event.model_dump_json())
            message, content = receive(connection)
            if message is Message.STOP:
                end, reason = content.split(":", 1)
                event = attempt.stop(EndReason(end), reason)
            else:
                event = attempt.step()
    send(connection, Message.RESULT, event.model_dump_json())


def _release_memory() -> None:
    """Gives what a trial leaves back to the system: the C library keeps freed memory, gigabytes after large models."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def _die_with_the_coordinator() -> None:
    coordinator = multiprocessing.parent_process()
    assert coordinator is not None
    coordinator.join()
    os._exit(1)  # in the middle of a step, whatever the main thread does


@contextmanager
def _output_to_log(spec: TrialSpec) -> Iterator[None]:
    """Sends what the trial prints, also from below Python, to its log: the screen is the coordinator's."""
    if spec.folder is None:
        yield
        return
    log = Path(spec.folder) / LOG_NAME
    log.parent.mkdir(parents=True, exist_ok=True)
    saved = [os.dup(stream) for stream in (1, 2)]
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        _point_output_to(target, target)
        yield
    finally:
        _point_output_to(*saved)
        for descriptor in (target, *saved):
            os.close(descriptor)
        if log.stat().st_size == 0:
            log.unlink()


def _point_output_to(stdout: int, stderr: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
