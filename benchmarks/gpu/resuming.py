"""Phase `resuming`: equal numbers from equal trainings, after an interruption, and from the model on a processor."""

from __future__ import annotations

import numpy as np
import torch
from findings import DEVICE, found, synchronize

from models import batches, build, new_steps
from textune.devices import compute_on
from textune.training.engine.predict import predict
from textune.training.engine.turns import Turns

PHASE = "resuming"
STEPS = 6


def weights_after(name: str, *, pause_at: int | None, deterministic: bool) -> torch.Tensor:
    """Trains some steps, with other steps from a state in between if asked, and returns all weights."""
    steps, data = new_steps(name, deterministic=deterministic), batches(8, STEPS)
    turns = Turns(DEVICE, steps.precision, deterministic=deterministic)
    turns.seed(3)
    for number, batch in enumerate(data):
        if number == pause_at:
            model, state, random_state = steps.model.state_dict(), steps.state(), turns.random_state
            steps = new_steps(name, deterministic=deterministic)
            steps.model.load_state_dict(model)
            steps.load_state(state)
            turns = Turns(DEVICE, steps.precision, deterministic=deterministic)
            turns.random_state = random_state
        with turns.turn():
            steps.step(batch, [], "")
    synchronize()
    return torch.cat([weight.detach().flatten().float().cpu() for weight in steps.model.parameters()])


def equal_numbers() -> None:
    for name in ("minilm", "bilstm", "cnn", "bag-of-words"):
        for deterministic in (True, False):
            once = weights_after(name, pause_at=None, deterministic=deterministic)
            again = weights_after(name, pause_at=None, deterministic=deterministic)
            resumed = weights_after(name, pause_at=STEPS // 2, deterministic=deterministic)
            title = f"{name}, {'' if deterministic else 'not '}deterministic"
            found(PHASE, f"{title}: repeated is equal", torch.equal(once, again))
            found(PHASE, f"{title}: resumed is equal", torch.equal(once, resumed))


def on_a_processor() -> None:
    """How far probabilities of one model are apart on the device and on the processor."""
    for name in ("minilm", "bilstm"):
        data, model = batches(8, 4), build(name).eval()
        found_NK = [predict(model.to(place), data, "fp32").probabilities_NK for place in (DEVICE, "cpu")]
        found(PHASE, f"{name}: processor against device", float(np.abs(found_NK[0] - found_NK[1]).max()))


def main() -> None:
    compute_on("cuda:0" if DEVICE.type == "cuda" else "cpu")
    equal_numbers()
    on_a_processor()


if __name__ == "__main__":
    main()
