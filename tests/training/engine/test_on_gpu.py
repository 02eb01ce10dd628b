"""What a training on a GPU comes to: the numbers of the processor, and with `deterministic` always the same."""

import numpy as np
import pytest
import torch
from torch import nn

from textune.devices import compute_on
from textune.training.engine.checkpoint import read_state, write_state
from textune.training.engine.precision import resolve

pytestmark = pytest.mark.gpu
DEVICE = torch.device("cuda", 0)
SETTINGS = {"epochs": 3, "precision": "fp32", "deterministic": True}


@pytest.fixture(autouse=True)
def gpu(monkeypatch):
    monkeypatch.setenv("TEXTUNE_DEVICE", "")
    compute_on(str(DEVICE))


def test_numbers_are_those_of_the_processor(task):
    (_, ours), (_, reference) = (task.fit(task.model(dropout=0.0).to(place), SETTINGS) for place in (DEVICE, "cpu"))
    np.testing.assert_allclose(ours.valid.probabilities_NK, reference.valid.probabilities_NK, atol=1e-3)
    assert ours.best_epoch == reference.best_epoch
    assert ours.peak_memory_bytes > 0


def test_equal_trainings_give_equal_numbers(task):
    results = [task.fit(task.model(dropout=0.3).to(DEVICE), SETTINGS)[1] for _ in range(2)]
    np.testing.assert_array_equal(*(result.valid.probabilities_NK for result in results))


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_training_goes_on_from_its_checkpoint(task, tmp_path, precision):
    settings = {**SETTINGS, "precision": precision}
    _, expected = task.fit(task.model(dropout=0.3).to(DEVICE), settings)
    first = task.start(task.model(dropout=0.3).to(DEVICE), settings)
    next(task.measurements(first))
    write_state(tmp_path / "state", first.state())
    second = task.start(task.model(dropout=0.3).to(DEVICE), settings)
    second.load_state(read_state(tmp_path / "state"))
    list(task.measurements(second))
    np.testing.assert_array_equal(second.result().valid.probabilities_NK, expected.valid.probabilities_NK)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop", "adagrad"])
def test_it_learns_in_half_precision(task, precision, optimizer):
    settings = {"epochs": 3, "precision": precision, "max_grad_norm": 1.0, "optimizer": {"kind": optimizer}}
    measurements, _ = task.fit(task.model().to(DEVICE), settings)
    losses = [measurement.metrics["train.loss"] for measurement in measurements]
    assert losses[-1] < losses[0]


def test_auto_is_half_precision_where_the_model_gains():
    assert resolve("auto", nn.LSTM(8, 8), DEVICE) in {"bf16", "fp16"}


def test_batches_are_divided_where_its_memory_is_short(task):
    class Wide(type(task.model())):
        """Takes a fifth of the GPU's memory for each row."""

        def forward(self, ids_BT, mask_BT):
            fifth = torch.cuda.get_device_properties(DEVICE).total_memory // 5
            torch.empty(len(ids_BT), fifth, dtype=torch.uint8, device=ids_BT.device)
            return super().forward(ids_BT, mask_BT)

    _, result = task.fit(Wide().to(DEVICE), {"epochs": 1, "batch_size": 16, "metrics": []})
    assert 1 <= result.micro_batch_size <= 4
    assert np.isfinite(result.valid.probabilities_NK).all()
