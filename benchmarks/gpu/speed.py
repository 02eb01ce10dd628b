"""Phase `speed`: steps of Textune, of the Trainer of transformers and of a bare loop, on the same rows, in bf16."""

# B batch, T tokens

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import torch
import transformers
from findings import DEVICE, GPU, TINY, found, peak_megabytes, seconds_of, synchronize
from torch import nn

from models import MODELS, batches, new_steps
from textune.data import Batch
from textune.models.nets.transformer import Transformer
from usual import Stopwatch

PHASE = "speed"
PEAK_FLOPS = 989e12
"""Dense bf16 of an H100 or H200, as its data sheet has it."""

STEPS = 4 if TINY else 40
SIZES = (4,) if TINY else (16, 32)


def transformers_by_batch() -> None:
    for name in ("minilm", "distilbert"):
        for batch_size in SIZES:
            for buckets in (True, False):
                data = batches(batch_size, STEPS, buckets=buckets)
                title = f"{name}, batch {batch_size}{'' if buckets else ', no buckets'}"
                _textune(name, title, data)
                if buckets:
                    _bare(name, title, data)
                    _trainer(name, title, data, batch_size)


def small_models() -> None:
    data = batches(SIZES[-1], STEPS)
    for name in ("bilstm", "cnn", "bag-of-words"):
        _textune(name, f"{name}, batch {SIZES[-1]}", data)


def _textune(name: str, title: str, data: list[Batch]) -> None:
    steps = new_steps(name, precision="bf16")

    def epoch() -> None:
        for batch in data:
            steps.step(batch, [], "")

    _told(f"{title}: Textune", epoch, data, steps.model)
    if GPU:
        found(PHASE, f"{title}: Textune, kernels a step", _kernels(lambda: steps.step(data[0], [], "")))


def _bare(name: str, title: str, data: list[Batch]) -> None:
    """A loop as an expert would write it: fused AdamW, autocast, nothing read back until the end."""
    model = _library_model(name).to(DEVICE).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)

    def epoch() -> None:
        for batch in data:
            ids_BT, mask_BT, labels_B = (
                torch.from_numpy(array).to(DEVICE, non_blocking=True)
                for array in (batch.ids_BT.astype(np.int64), batch.mask_BT, batch.labels_B)
            )
            with torch.autocast(DEVICE.type, torch.bfloat16):
                loss = model(input_ids=ids_BT, attention_mask=mask_BT, labels=labels_B).loss
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        synchronize()

    _told(f"{title}: bare loop", epoch, data, model)


def _trainer(name: str, title: str, data: list[Batch], batch_size: int) -> None:
    rows = [
        {"input_ids": ids[mask].tolist(), "attention_mask": [1] * int(mask.sum()), "labels": int(label)}
        for batch in data
        for ids, mask, label in zip(batch.ids_BT, batch.mask_BT, batch.labels_B, strict=True)
    ]
    with tempfile.TemporaryDirectory() as output:
        trainer = transformers.Trainer(
            model=_library_model(name),
            args=transformers.TrainingArguments(
                output_dir=output,
                use_cpu=not GPU,
                bf16=True,
                num_train_epochs=2,  # the first warms up
                per_device_train_batch_size=batch_size,
                logging_strategy="no",
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
            ),
            train_dataset=rows,
            data_collator=_padded,
        )
        stopwatch = Stopwatch()
        trainer.add_callback(stopwatch)
        trainer.train()
    found(PHASE, f"{title}: Trainer", round(1000 * stopwatch.last_epoch_seconds / len(data), 2), "ms a step")


def _padded(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    longest = max(len(row["input_ids"]) for row in rows)
    padded = {
        key: torch.tensor([row[key] + [0] * (longest - len(row[key])) for row in rows])
        for key in ("input_ids", "attention_mask")
    }
    return padded | {"labels": torch.tensor([row["labels"] for row in rows])}


def _library_model(name: str) -> Any:
    steps = new_steps(name)
    encoder: Any = steps.model.encoder
    assert isinstance(encoder, Transformer)
    library: Any = transformers.AutoModelForSequenceClassification
    return library.from_config(encoder.module.config)


def _told(title: str, epoch: Any, data: list[Batch], model: nn.Module) -> None:
    repeats = 1 if TINY else 3
    megabytes = peak_megabytes(epoch)
    seconds = seconds_of(epoch, repeats) / len(data)
    num_tokens = float(np.mean([batch.mask_BT.sum() for batch in data]))
    found(PHASE, title, round(1000 * seconds, 2), "ms a step")
    found(PHASE, f"{title}, tokens", round(num_tokens / seconds), "a second")
    if GPU:
        found(PHASE, f"{title}, peak memory", round(megabytes), "MB")
    if any(title.startswith(name) for name in list(MODELS)[:2]):
        weights = sum(each.numel() for each in model.parameters() if each.ndim == 2 and each.shape[0] < 20_000)
        found(PHASE, f"{title}, share of peak", round(6 * weights * num_tokens / seconds / PEAK_FLOPS, 3))


def _kernels(work: Any) -> int:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        work()
    return sum(event.count for event in profiler.key_averages() if event.key == "cudaLaunchKernel")


if __name__ == "__main__":
    small_models()
    transformers_by_batch()
