import subprocess
import sys
from pathlib import Path

import pytest
import torch

from textune import devices
from textune.devices import VISIBLE, compute_on, device, gpus, see_only


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in (devices.NAME, VISIBLE, "CUBLAS_WORKSPACE_CONFIG"):
        monkeypatch.setenv(name, "")  # so that what a test sets is taken back
        monkeypatch.delenv(name)
    return monkeypatch


def test_a_machine_without_a_driver_is_known_without_pytorch():
    program = (
        "import sys; from textune import devices; devices.DRIVERS = (); print(devices.gpus(), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    expected = "() False" if sys.platform == "linux" else "False"
    assert done.stdout.strip().endswith(expected)


def test_with_a_driver_pytorch_says_how_many_gpus_it_can_use(monkeypatch):
    monkeypatch.setattr(devices, "DRIVERS", (Path("/"),))
    assert len(gpus()) == (torch.cuda.device_count() if torch.cuda.is_available() else 0)


@pytest.mark.parametrize(
    ("visible", "names"), [(None, ("0", "1")), ("3,5", ("3", "5")), ("GPU-4f,GPU-2a,-1,GPU-77", ("GPU-4f", "GPU-2a"))]
)
def test_gpus_keep_the_names_they_are_visible_by(environment, visible, names):
    environment.setattr(devices, "DRIVERS", (Path("/"),))
    environment.setattr(torch.cuda, "is_available", lambda: True)
    environment.setattr(torch.cuda, "device_count", lambda: 2)
    if visible is not None:
        environment.setenv(VISIBLE, visible)
    assert gpus() == names


def test_a_process_computes_on_what_it_was_told(environment):
    compute_on("cuda:0")
    assert device() == torch.device("cuda", 0)
    compute_on("cpu")
    assert device() == torch.device("cpu")


def test_and_else_on_a_gpu_if_there_is_one():
    assert device().type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(("gpu", "visible", "expected"), [("GPU-2a", "GPU-2a", "cuda:0"), (None, "", "cpu")])
def test_a_process_can_be_kept_from_seeing_others(environment, gpu, visible, expected):
    environment.setenv(VISIBLE, "0,1,GPU-2a")
    see_only(gpu)
    assert devices.os.environ[VISIBLE] == visible
    assert device() == torch.device(expected)


BROKEN = """
import torch
from textune.devices import gpu_answers
print(gpu_answers())
table = torch.zeros(3, device="cuda:0")
print(gpu_answers())
try:
    table[torch.tensor([5], device="cuda:0")].cpu()
except RuntimeError:
    pass
print(gpu_answers())
"""


@pytest.mark.gpu
def test_a_gpu_that_failed_for_good_answers_no_more():
    done = subprocess.run([sys.executable, "-c", BROKEN], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == ["True", "True", "False"]


@pytest.mark.gpu
def test_which_then_finds_one_or_none():
    program = (
        "import sys, torch; from textune.devices import gpus, see_only; see_only(sys.argv[1] or None);"
        "print(torch.cuda.device_count())"
    )
    for gpu, count in ((gpus()[-1], "1"), ("", "0")):
        command = [sys.executable, "-c", program, gpu]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        assert done.stdout.strip() == count
