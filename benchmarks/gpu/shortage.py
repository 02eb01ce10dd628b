"""Phase `shortage`: a card that is nearly full, two workers that compete for it, an error that ends CUDA."""

from __future__ import annotations

import subprocess
import sys

import torch
from findings import GPU, OUT, TINY, found, small_study

from models import MODELS
from textune import api

PHASE = "shortage"
ILLEGAL = """
import torch
from textune.devices import gpu_answers
table = torch.zeros(3, device="cuda:0")
try:
    table[torch.tensor([5], device="cuda:0")].cpu()
except RuntimeError:
    pass
print(gpu_answers())
"""


def study(name: str, **execution: object) -> None:
    """Runs two trials of a transformer and says how they ended, and in how large parts they trained."""
    settings = small_study(rows=600, execution={"kind": "processes", "max_retries": 1, **execution})
    settings["model"] = MODELS["minilm"]
    settings["tokenizer"] = {"kind": "wordpiece", "max_length": 128}
    settings["training"] = {"epochs": 1, "batch_size": 16 if TINY else 256}
    settings["search"] = {**settings["search"], "trials": 2}
    done = api.run(settings, out=OUT / "shortage" / name.replace(" ", "-"), quiet=True)
    results = [trial.result for trial in done.record.trials if trial.result is not None]
    found(PHASE, f"{name}: ends", ", ".join(str(result.end) for result in results))
    found(PHASE, f"{name}: rows at once", ", ".join(str(result.details.get("micro_batch_size")) for result in results))
    found(PHASE, f"{name}: peak", ", ".join(str(result.details.get("peak_memory_bytes")) for result in results), "B")


def nearly_full() -> None:
    """Leaves trials 3 GiB of the card."""
    if not GPU:
        study("nothing short")
        return
    free, _ = torch.cuda.mem_get_info()
    ballast = torch.empty(max(free - 3 * 2**30, 0), dtype=torch.uint8, device="cuda")
    study("3 GiB left, one trial", devices="cuda")
    study("3 GiB left, two trials", devices="cuda", trials_per_device=2)
    del ballast
    torch.cuda.empty_cache()
    study("all free", devices="cuda")
    used = torch.cuda.mem_get_info()[1] - torch.cuda.mem_get_info()[0]
    found(PHASE, "held on the card after all studies", round(used / 2**20), "MiB")


def illegal_access() -> None:
    if GPU:
        done = subprocess.run([sys.executable, "-c", ILLEGAL], capture_output=True, text=True, timeout=30, check=False)
        found(PHASE, "CUDA answers after an illegal access", done.stdout.strip() or done.stderr[-200:])


if __name__ == "__main__":
    illegal_access()
    nearly_full()
