"""The worker's side of the `processes` executor: takes specs, runs them, says what happens.

A worker prints into the log of the trial it runs, leaves Ctrl-C to the coordinator, and does not outlive it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import gc
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from multiprocessing.connection import Connection
from pathlib import Path

from textune.devices import gpu_answers, see_only
from textune.errors import FatalError
from textune.execution.attempt import LOG_NAME, Attempt
from textune.execution.base import Evaluate
from textune.execution.process_memory import Growth
from textune.execution.start import forget_safe_path
from textune.memory import release_memory
from textune.records import EndReason, TrialResult, TrialSpec
from textune.storage import redact, write_atomically
from textune.surroundings import limit_threads

__all__ = ["Message", "receive", "send", "work"]

BEAT_SECONDS = 0.5
"""How often a worker that runs a trial shows that it lives."""

_SENDING = threading.Lock()


class Message(StrEnum):
    """The first letter of what is said."""

    RUN = "r"  # then a TrialSpec
    PROCEED = "g"
    STOP = "s"  # then the end reason, a colon, and words
    PROGRESS = "p"  # then a Progress
    RESULT = "e"  # then a TrialResult
    LAST_RESULT = "l"  # the same; the worker ends
    FATAL = "f"  # then a sentence; the worker ends
    BEAT = "b"  # the worker lives


def send(connection: Connection, message: Message, content: str = "") -> None:
    """Raises EOFError if the other side is gone."""
    try:
        with _SENDING:
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


def work(connection: Connection, objective: bytes, threads: int, memory_bytes: int | None, gpu: str | None) -> None:
    """Runs trials until the coordinator closes the connection or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # sent to a whole group, it is for the coordinator to act
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})  # for what a trial may start
    _end_with_the_coordinator()
    faulthandler.enable()
    forget_safe_path()
    limit_threads(threads)
    see_only(gpu)
    gc.freeze()  # what was imported stays, and need not be looked at after each trial
    growth, busy = None if gpu else Growth(), threading.Event()
    threading.Thread(target=_beat, args=(connection, busy), daemon=True).start()
    try:
        evaluate: Evaluate = pickle.loads(objective)  # noqa: S301 - from the coordinator, which started this process
        while True:
            message, content = receive(connection)
            if message is Message.RUN:  # else it came too late for the trial before
                spec = TrialSpec.model_validate_json(content)
                busy.set()
                result = _run(connection, Attempt(evaluate, spec, memory_bytes, on_gpu=gpu is not None))
                busy.clear()
                release_memory()
                growth = growth or Growth()  # CUDA takes main memory of its own in the first trial
                # Libraries that found no memory once may fail for good: oneDNN does. What CUDA holds is used again.
                has_failed = not gpu_answers() if gpu else result.was_short_of_memory
                is_last = has_failed or growth.is_large()
                send(connection, Message.LAST_RESULT if is_last else Message.RESULT, result.model_dump_json())
                if is_last:
                    return
    except EOFError:
        return
    except FatalError as error:
        send(connection, Message.FATAL, str(error))
    except Exception as error:
        send(connection, Message.FATAL, f"a worker process cannot run trials: {type(error).__name__}: {error}")


def _beat(connection: Connection, busy: threading.Event) -> None:
    """Shows life beside what a trial computes; not while this process is stopped, or C code keeps Python's lock."""
    with contextlib.suppress(EOFError):
        while busy.wait():
            send(connection, Message.BEAT)
            time.sleep(BEAT_SECONDS)


def _run(connection: Connection, attempt: Attempt) -> TrialResult:
    with _output_to_log(attempt.spec):
        event = attempt.step()
        while not isinstance(event, TrialResult):
            if event is not None:
                send(connection, Message.PROGRESS, event.model_dump_json())
            if event is not None or connection.poll():
                message, content = receive(connection)
                if message is Message.STOP:
                    end, reason = content.split(":", 1)
                    event = attempt.stop(EndReason(end), reason)
                    break
            event = attempt.step()
    return event


def _end_with_the_coordinator() -> None:
    """Ends this process in the middle of a step, whatever it does, when the coordinator dies or gives it up."""
    coordinator = multiprocessing.parent_process()
    assert coordinator is not None

    def watch() -> None:
        coordinator.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    if sys.platform == "linux":  # there the kernel does it, also while C code holds the interpreter's lock
        fcntl.fcntl(coordinator.sentinel, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(coordinator.sentinel, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(coordinator.sentinel, fcntl.F_SETFL, os.O_ASYNC)


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
        _tidy(log)


def _tidy(log: Path) -> None:
    """Takes credentials out of what was printed, and a log away in which there is nothing."""
    printed = log.read_bytes()
    if not printed:
        log.unlink()
        return
    text = printed.decode(errors="surrogateescape")
    if (redacted := redact(text)) != text:
        write_atomically(log, redacted.encode(errors="surrogateescape"))


def _point_output_to(stdout: int, stderr: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
