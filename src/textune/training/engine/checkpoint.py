"""The state of a trial on disk: one safetensors file, with all that is no tensor as JSON in its metadata."""

from __future__ import annotations

import json
import os
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from textune.temporary import temporary_folder

__all__ = ["NAME", "CheckpointError", "Checkpoints", "read_state", "write_state"]

NAME = "checkpoint.safetensors"

FORMAT = 1
"""Counts changes of what a checkpoint holds."""

LEAST_SECONDS, BYTES_PER_SECOND = 0.02, 5e8
"""What writing a checkpoint is expected to cost before one was written."""

TENSOR, ARRAY = "$tensor", "$array"
"""The one key of what stands in the JSON in place of a tensor, or of a NumPy array; its value names the tensor."""

State = Mapping[str, Any]


class CheckpointError(Exception):
    """A checkpoint cannot be used; the text says why."""


class Checkpoints:
    """Writes the state of a trial into a file, over and over: one that is worth it when it is due, or at once.

    A state that cannot be written costs the trial nothing but the way back to it; standard error says so.

    Args:
        path: of the file; None: nothing is written.
        share: of the time of the trial that writing may take.
    """

    def __init__(self, path: Path | None, share: float) -> None:
        self._path, self._share = path, share
        self._last = time.perf_counter()
        self._cost_seconds: float | None = None

    def offer(self, state: Callable[[], State]) -> None:
        """Writes the state if that, measured by the time since the last one was written, is worth its cost."""
        if self._path is None:
            return
        if self._cost_seconds is None:
            self._cost_seconds = LEAST_SECONDS + _size(state()) / BYTES_PER_SECOND
        if (time.perf_counter() - self._last) * self._share >= self._cost_seconds:
            self.write(state())

    def write(self, state: State) -> None:
        if self._path is None:
            return
        started = time.perf_counter()
        try:
            write_state(self._path, state)
        except (OSError, MemoryError, SafetensorError) as error:
            print(f"no checkpoint was written to {self._path}: {error}", file=sys.stderr)
        self._last = time.perf_counter()
        self._cost_seconds = self._last - started


def write_state(path: Path, state: State) -> None:
    """Writes a tree of mappings, lists, JSON values, tensors and arrays; a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    text = json.dumps(_put_aside(state, "", tensors))
    metadata = {"format": str(FORMAT), "state": text, "crc": _checksum(text, tensors)}
    with temporary_folder(path) as folder:  # the library puts a temporary file of its own beside what it writes
        temporary = folder / path.name
        save_file(tensors, temporary, metadata)  # straight from the tensors: there may be no memory for a copy
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)


def read_state(path: Path) -> dict[str, Any]:
    """Returns what `write_state` was given, sequences as lists, keys as text.

    Raises:
        CheckpointError: the file is missing, damaged, or of another format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"it cannot be read: {error}") from error
    if metadata.get("format") != str(FORMAT):
        raise CheckpointError(f"it is of format {metadata.get('format')}, and this version of Textune reads {FORMAT}")
    text = metadata.get("state", "")
    if metadata.get("crc") != _checksum(text, tensors):
        raise CheckpointError("it is damaged: it does not match its checksum")
    state: dict[str, Any] = json.loads(text, object_hook=lambda entry: _put_back(entry, tensors))
    return state


def _put_aside(value: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    """Returns `value` as JSON; its tensors and arrays go into `tensors`, named after their places."""
    if isinstance(value, Tensor):
        tensors[place] = value.detach().cpu().contiguous()
        return {TENSOR: place}
    if isinstance(value, np.ndarray):
        tensors[place] = torch.from_numpy(value).contiguous()
        return {ARRAY: place}
    if isinstance(value, Mapping):
        return {key: _put_aside(item, f"{place}/{key}", tensors) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_put_aside(item, f"{place}/{number}", tensors) for number, item in enumerate(value)]
    return value


def _put_back(entry: dict[str, Any], tensors: Mapping[str, Tensor]) -> Any:
    if entry.keys() == {TENSOR}:
        return tensors[entry[TENSOR]]
    if entry.keys() == {ARRAY}:
        return tensors[entry[ARRAY]].numpy()
    return entry


def _checksum(text: str, tensors: Mapping[str, Tensor]) -> str:
    crc = zlib.crc32(text.encode())
    for name, tensor in sorted(tensors.items()):
        crc = zlib.crc32(f"{name} {tensor.dtype} {tensor.shape}".encode(), crc)
        crc = zlib.crc32(tensor.flatten().view(torch.uint8).numpy().data, crc)
    return f"{crc:08x}"


def _size(state: Any) -> int:
    """Returns the bytes of all tensors."""
    if isinstance(state, Tensor):
        return state.nbytes
    if isinstance(state, Mapping):
        return sum(map(_size, state.values()))
    return sum(map(_size, state)) if isinstance(state, list | tuple) else 0
