import sys

import pytest
import torch

from textune.training.engine.memory import broke_onednn, onednn_works, peak_bytes, reset_peak

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


def test_onednn_is_left_alone_after_it_found_no_memory(task):
    class Model(type(task.model())):
        def forward(self, ids_BT, mask_BT):
            if onednn_works():
                raise RuntimeError("could not create a primitive")
            return super().forward(ids_BT, mask_BT)

    try:
        _, result = task.fit(Model(), {"epochs": 1, "precision": "bf16", "batch_size": 16})
        assert not onednn_works()
        assert not broke_onednn(RuntimeError("could not create a primitive"))
    finally:
        torch.backends.mkldnn.set_flags(_enabled=True)
    assert (result.precision, result.micro_batch_size) == ("fp32", 16)
