"""Phase `probes`: what PyTorch really does on this device, where reading its source left a doubt."""

# B batch, T tokens, D width

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from findings import DEVICE, GPU, TINY, found, seconds_of
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from models import batches, build, new_steps
from textune.training.engine.precision import resolve

PHASE = "probes"


def recurrent_dtype() -> None:
    """What an LSTM computes in under bf16 autocast, called as PyTorch's module and as Textune's reader."""
    with torch.autocast(DEVICE.type, torch.bfloat16):
        states, _ = nn.LSTM(64, 64, batch_first=True).to(DEVICE)(torch.randn(8, 16, 64, device=DEVICE))
    found(PHASE, "nn.LSTM under bf16 autocast computes in", str(states.dtype))
    model = build("bilstm").to(DEVICE)
    found(PHASE, "Textune's LSTM, precision auto", resolve("auto", model, DEVICE))
    found(PHASE, "Textune's LSTM, precision bf16", resolve("bf16", model, DEVICE))


def attention_kernels() -> None:
    """Which fused kernels take a padding mask, forward and backward, and how long each takes."""
    size = (4, 4, 32, 16) if TINY else (32, 12, 192, 64)
    q, k, v = (torch.randn(size, device=DEVICE, dtype=torch.bfloat16, requires_grad=True) for _ in range(3))
    mask = torch.ones(size[0], 1, 1, size[2], dtype=torch.bool, device=DEVICE)
    mask[::2, ..., size[2] // 2 :] = False
    kernels = {"math": SDPBackend.MATH}
    if GPU:
        kernels |= {
            "flash": SDPBackend.FLASH_ATTENTION,
            "efficient": SDPBackend.EFFICIENT_ATTENTION,
            "cudnn": SDPBackend.CUDNN_ATTENTION,
        }

    def attend(mask_B11T: Tensor | None) -> None:
        torch.autograd.backward(scaled_dot_product_attention(q, k, v, attn_mask=mask_B11T).sum())

    for name, kernel in kernels.items():
        for masked in (False, True):
            title = f"attention, {name}{', masked' if masked else ''}"
            try:
                with sdpa_kernel(kernel):
                    seconds = seconds_of(partial(attend, mask if masked else None), 5)
            except RuntimeError as error:
                found(PHASE, title, str(error).splitlines()[0][:80])
            else:
                found(PHASE, title, round(1000 * seconds, 2), "ms")


def new_lengths() -> None:
    """What a length costs the first time, as kernels are planned for it."""
    steps, data = new_steps("minilm"), batches(16, 40)
    known = seconds_of(lambda: steps.step(data[0], [], "known"), 5)
    lengths = {batch.mask_BT.shape[1]: batch for batch in data[1:]}
    few = list(lengths.values())[:20]
    total = seconds_of(lambda: [steps.step(batch, [], "new") for batch in few], 1)
    found(PHASE, "a step of a known length", round(1000 * known, 2), "ms")
    found(PHASE, f"a step, mean over {len(few)} lengths", round(1000 * total / len(few), 2), "ms")


def synchronizations() -> None:
    """How often the host waits for the device in a step."""
    if not GPU:
        return
    for name in ("minilm", "bilstm", "bag-of-words"):
        steps, data = new_steps(name), batches(16, 4)
        steps.step(data[0], [], "first")
        waits = _count_waits(lambda steps=steps, data=data: [steps.step(each, [], "") for each in data[1:]])  # type: ignore[misc]
        found(PHASE, f"synchronizations a step, {name}", round(waits / 3, 1))


def _count_waits(work: Callable[[], object]) -> int:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        work()
    waits = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
    return sum(event.count for event in profiler.key_averages() if event.key in waits)


def rounding_flags() -> None:
    found(PHASE, "TF32 by default: linear", torch.backends.cuda.matmul.allow_tf32)
    found(PHASE, "TF32 by default: cuDNN", torch.backends.cudnn.allow_tf32)


def main() -> None:
    for probe in (rounding_flags, recurrent_dtype, attention_kernels, synchronizations, new_lengths):
        try:
            probe()
        except Exception as error:  # one probe must not cost the others
            found(PHASE, probe.__name__, f"{type(error).__name__}: {error}"[:200])


if __name__ == "__main__":
    main()
