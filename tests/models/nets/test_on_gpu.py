"""Pretrained models on a GPU: the numbers of the processor, and with `deterministic` always the same."""

import numpy as np
import pytest
import torch

from textune import commands
from textune.devices import compute_on
from textune.models import RnnConfig, TransformerConfig, VectorsConfig
from textune.training.engine.precision import resolve

pytestmark = pytest.mark.gpu
FAMILIES = ["bert", "distilbert", "electra", "roberta"]


@pytest.fixture(autouse=True)
def gpu(monkeypatch):
    monkeypatch.setenv("TEXTUNE_DEVICE", "")
    compute_on("cuda:0")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("first_only", [False, True])
def test_texts_get_the_vectors_that_the_processor_gives(checkpoints, family, texts, first_only):
    config = TransformerConfig(model=str(checkpoints[family]), num_frozen_layers=1)
    found = []
    for place in ("cpu", "cuda:0"):
        encoder = config.build(None).to(place).eval()
        encoder.first_only = first_only
        ids_BT, mask_BT = (each.to(place) for each in texts)
        whole_BTD, kept_BT = encoder(ids_BT, mask_BT)
        found.append(whole_BTD[kept_BT].detach().cpu())
        with torch.no_grad():
            encoder.states_ND = encoder.frozen_states(ids_BT, mask_BT).float().cpu().numpy()
        places_BT = (mask_BT.flatten().cumsum(0) - 1).view(mask_BT.shape).masked_fill(~mask_BT, 0)
        from_states_BTD, kept_BT = encoder(places_BT, mask_BT)
        found.append(from_states_BTD[kept_BT].detach().cpu())
    for each in found[1:]:
        torch.testing.assert_close(each, found[0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("num_frozen_layers", [0, 1])
def test_studies_on_gpus_learn_and_repeat(
    tiny_study, checkpoints, tmp_path, monkeypatch, family, precision, num_frozen_layers
):
    study = {
        **tiny_study,
        "tokenizer": {"kind": "pretrained", "max_length": 12},
        "model": {
            "encoder": {
                "kind": "transformer",
                "model": str(checkpoints[family]),
                "num_frozen_layers": num_frozen_layers,
            }
        },
        "training": {**tiny_study["training"], "precision": precision, "deterministic": True},
        "search": {"space": {}},
        "execution": {"kind": "processes", "devices": "cuda"},
    }
    values = []
    for number in range(2):
        monkeypatch.setenv("TEXTUNE_CACHE", str(tmp_path / f"cache{number}"))
        finished = commands.run(study, out=tmp_path / str(number), quiet=True)
        (trial,) = finished.record.trials
        values.append(trial.result.metrics)
    assert values[0] == values[1]
    assert np.isfinite(values[0]["valid.loss"])


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_recurrent_layers_compute_in_bf16_where_that_is_said(cell):
    layer = RnnConfig(cell=cell, hidden_size=8).build(VectorsConfig(size=8).build(["x"] * 50, None)).to("cuda:0")
    if resolve("bf16", layer, torch.device("cuda", 0)) == "fp32":
        pytest.skip("this GPU's kernels do not take bf16")
    ids_BT = torch.ones(2, 3, dtype=torch.long, device="cuda:0")
    with torch.autocast("cuda", torch.bfloat16):
        states_BTH, _ = layer(ids_BT, ids_BT.bool())
    assert states_BTH.dtype is torch.bfloat16
