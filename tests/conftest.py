"""What all tests share: a cache of their own, and tiny studies that were run once."""

import io
import os
import sys
from dataclasses import dataclass

import pytest
from hypothesis import settings

settings.register_profile("textune", deadline=None)  # how long an example takes says more about the machine
settings.load_profile("textune")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # as trials have it: many threads on busy cores wait for each other


def pytest_configure(config):
    """Keeps all tests but those of GPUs on the processor, as `devices: auto` would take a GPU wherever there is one."""
    if config.option.markexpr != "gpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA GPU")


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory):
    """Prepared data, readings of test rows and costs stay apart from those of whoever runs the tests."""
    before = os.environ.get("TEXTUNE_CACHE")
    folder = tmp_path_factory.mktemp("cache")
    os.environ["TEXTUNE_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["TEXTUNE_CACHE"]
    else:
        os.environ["TEXTUNE_CACHE"] = before


@pytest.fixture(scope="session")
def tiny_study():
    """Settings of a study that takes a second: 3 trials of a small model, one of them the base point.

    No confirmation: whether there is time for one would depend on how fast these trials went.
    """
    return {
        "name": "tiny",
        "data": {"kind": "synthetic", "rows": 240},
        "tokenizer": {"kind": "words", "max_length": 32},
        "model": {
            "embedding": {"size": 8},
            "encoder": {"kind": "cnn", "widths": [2], "num_filters": 8},
            "pooling": "max",
        },
        "training": {"epochs": 3, "precision": "fp32", "optimizer": {"kind": "adam", "learning_rate": 0.01}},
        "search": {
            "space": {"training.optimizer.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}},
            "sampler": {"kind": "random"},
            "trials": 3,
        },
        "confirm": "off",
        "execution": {"kind": "serial"},
    }


@pytest.fixture(scope="session")
def finished(tiny_study, tmp_path_factory):
    """The tiny study, run to its end in this process."""
    from textune import commands

    return commands.run(tiny_study, out=tmp_path_factory.mktemp("runs") / "tiny", quiet=True)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Folders of tiny pretrained models by family, each with a tokenizer of its own."""
    from tests.checkpoints import FAMILIES, make

    return {family: make(tmp_path_factory.mktemp(family), family) for family in FAMILIES}


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def textune(monkeypatch, capsys):
    """Calls the command line in this process: `textune("show", folder)`; `stdin` is what `-` reads."""
    from textune.cli import main

    def call(*arguments, stdin=b""):
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["textune", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return Said(0 if end.value.code is None else end.value.code, out, err)

    return call
