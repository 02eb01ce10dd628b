"""What the frozen layers of a model make of the texts: computed once, kept in the cache and shared by all trials."""

# B texts, T tokens of the longest, M rows chosen of the data set's N, L tokens of all of them together, D width

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textune.data import Cache, Examples, Keep, content_key, cut_examples, eval_batches

if TYPE_CHECKING:
    from textune.models.nets.base import Encoder

__all__ = ["go_on_from_states"]

log = logging.getLogger("textune")

FORMAT = 2
"""Counts changes of what cache entries hold."""

MOST_SHARE = 0.25
"""Of the cache that one table may take, so that a few of them (other rows, other models) still stand side by side."""

LEAST_FREE = 2
"""How many times its size must be free on the disk: to train without a table is better than to fill the disk."""


def go_on_from_states(
    encoder: Encoder,
    examples: Examples,
    rows_M: NDArray[np.int64],
    max_length: int | None,
    keep: Keep,
    precision: str,
    cache: Cache,
) -> Generator[None, None, Examples | None]:
    """Lets an encoder go on from what its frozen layers make of some rows, from the cache if it was computed before.

    That may take minutes, and yields between batches.

    Args:
        encoder: where it will train.
        examples: all rows of the data set.
        rows_M: those that will be read, ascending.
        max_length: tokens kept of a text; None keeps all.
        keep: which.
        precision: `fp32`, `tf32`, `bf16` or `fp16`.
        cache: where the table lies.

    Returns:
        The examples that it reads from now on, cut already, until its `states_ND` is None again. None, and nothing
        changes, if it has no frozen layers or the table would be too large.
    """
    from textune.training.engine.predict import device_of

    key = encoder.frozen_key()
    if key is None:
        return None
    ids_L, offsets_M1 = cut_examples(examples, rows_M, max_length, keep)
    # Norms end every layer, so their values are small: fp16 keeps three bits more of them than bf16.
    dtype = "float32" if precision in ("fp32", "tf32") else "float16"
    num_bytes = len(ids_L) * encoder.output_size * np.dtype(dtype).itemsize
    text_hash = hashlib.sha256(ids_L.tobytes() + offsets_M1.tobytes()).hexdigest()
    # Without the device, results would depend on which of them filled the cache.
    entry = content_key("states", FORMAT, key, text_hash, precision, device_of(encoder).type)
    if cache.find(entry) is None and not _has_room(cache, num_bytes):
        log.warning(
            "the frozen layers are computed in each step: what they make of the texts takes %.1f GB, and may take a "
            "quarter of the cache (TEXTUNE_CACHE_BYTES) and half of what is free on its disk",
            num_bytes / 1e9,
        )
        return None
    cut = Examples(ids_L, offsets_M1)
    folder = yield from cache.folder_in_steps(entry, lambda folder: _compute(encoder, cut, dtype, precision, folder))
    encoder.states_ND = np.asarray(np.load(folder / "states.npy", mmap_mode="r", allow_pickle=False))
    length_N = np.zeros(len(examples), dtype=np.int64)
    length_N[rows_M] = np.diff(offsets_M1)
    return Examples(np.arange(len(ids_L), dtype=np.int32), np.concatenate([[0], length_N.cumsum()]))


def _has_room(cache: Cache, num_bytes: int) -> bool:
    free = shutil.disk_usage(cache.root).free
    return num_bytes <= cache.max_bytes * MOST_SHARE and num_bytes * LEAST_FREE <= free


def _compute(encoder: Encoder, cut: Examples, dtype: str, precision: str, folder: Path) -> Iterator[None]:
    """Writes states_LD of all tokens of texts that are cut already."""
    import torch

    from textune.training.engine.precision import autocast
    from textune.training.engine.predict import device_of, tensors

    device = device_of(encoder)
    states_LD = np.lib.format.open_memmap(
        folder / "states.npy", mode="w+", dtype=dtype, shape=(len(cut.ids_L), encoder.output_size)
    )
    rows, labels = np.arange(len(cut)), np.zeros(len(cut), dtype=np.int64)
    for batch in eval_batches(cut, labels, rows, None, "start", tokens_per_batch=encoder.tokens_per_batch):
        ids_BT, mask_BT, _ = tensors(batch, device)
        with torch.no_grad(), autocast(precision, device):
            states = encoder.frozen_states(ids_BT, mask_BT).float().cpu().numpy()
        places_BT = cut.offsets_N1[batch.rows_B][:, None] + np.arange(batch.mask_BT.shape[1])
        states_LD[places_BT[batch.mask_BT]] = states
        yield
    states_LD.flush()
