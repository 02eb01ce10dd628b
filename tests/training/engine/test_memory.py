import sys

import pytest
import torch

from textune.training.engine.memory import peak_bytes, reset_peak

CPU = torch.device("cpu")


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_each_measurement_starts_anew():
    reset_peak(CPU)
    before = peak_bytes(CPU)
    torch.ones(50_000_000).sum()
    with_tensor = peak_bytes(CPU)
    reset_peak(CPU)
    after = peak_bytes(CPU)
    assert with_tensor - before > 150e6
    assert with_tensor - after > 150e6
