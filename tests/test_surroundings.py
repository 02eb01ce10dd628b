"""A Python program finds everything as it was after it has run a study."""

import csv
import logging
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import datasets
import numpy as np
import optuna
import pytest
import torch
import transformers

import textune
from textune.errors import StudyError
from textune.surroundings import as_before, hushed, limited_threads


def everything():
    """Returns what a study could change of the process that runs it."""
    return {
        "environment": {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "folder": Path.cwd(),
        "path": list(sys.path),
        "threads": torch.get_num_threads(),
        "kernels": (torch.are_deterministic_algorithms_enabled(), torch._C._get_mkldnn_enabled()),
        "type": torch.get_default_dtype(),
        "random": (random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()),  # noqa: NPY002
        "errors": np.geterr(),
        "warnings": list(map(str, warnings.filters)),
        "signals": {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)},
        "blocked": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "logging": [(logger.level, list(logger.handlers)) for logger in map(logging.getLogger, ("", "textune"))],
        "remarks": (
            optuna.logging.get_verbosity(),
            transformers.logging.get_verbosity(),
            datasets.logging.get_verbosity(),
        ),
        "progress": (transformers.utils.logging.is_progress_bar_enabled(), datasets.is_progress_bar_enabled()),
        "fields": csv.field_size_limit(),
        "temporary": tempfile.tempdir,
        "processes": multiprocessing.get_start_method(allow_none=True),
        "hooks": (sys.excepthook, sys.stdout, sys.stderr, sys.modules["__main__"]),
        "denormals": sys.float_info.min / 2,
    }


@pytest.fixture
def unusual(monkeypatch):
    """A program that has its own ways."""
    threads, limit = torch.get_num_threads(), csv.field_size_limit(12_345)
    method = multiprocessing.get_start_method(allow_none=True)
    for name in ("OMP_NUM_THREADS", "CUBLAS_WORKSPACE_CONFIG", "ONEDNN_PRIMITIVE_CACHE_CAPACITY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    monkeypatch.setattr(tempfile, "tempdir", None)
    torch.set_num_threads(2)
    multiprocessing.set_start_method(None, force=True)
    yield
    torch.set_num_threads(threads)
    csv.field_size_limit(limit)
    multiprocessing.set_start_method(method, force=True)


@pytest.mark.parametrize("execution", ["serial", {"kind": "processes", "workers": 1}])
def test_of_a_study(tiny_study, tmp_path, unusual, execution):
    (tmp_path / "data.csv").write_text("text,label\n" + "a good film,1\na bad film,0\n" * 60, encoding="utf-8")
    data = {"kind": "files", "path": str(tmp_path / "data.csv")}
    search = {**tiny_study["search"], "sampler": "tpe", "pruner": "median", "trials": 2}
    study = {**tiny_study, "data": data, "split": "holdout", "search": search, "execution": execution}
    before = everything()
    ran = textune.run(study, out=tmp_path / "run", quiet=True)
    assert everything() == before
    ran.predict(["a good film"])
    ran.report()
    assert len(ran.trials) == 2
    textune.load(tmp_path / "run").predict(["a bad film"])
    assert everything() == before


def test_of_a_study_that_is_refused(unusual):
    before = everything()
    with pytest.raises(StudyError, match="data"):
        textune.run({}, quiet=True)
    assert everything() == before


def test_pytorch_has_its_own_number_of_threads_where_the_study_imports_it(tiny_study, tmp_path):
    code = f"""
import os, sys, warnings
import textune
before = dict(os.environ), list(map(str, warnings.filters))
textune.run({tiny_study!r}, out={str(tmp_path / "run")!r}, quiet=True)
assert (dict(os.environ), list(map(str, warnings.filters))) == before
print(sys.modules["torch"].get_num_threads())
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) == min(2, os.cpu_count())


class TestEachIsRestored:
    def test_after_an_error_too(self, unusual, monkeypatch):
        @as_before()
        def disturb():
            os.environ["TEXTUNE_TEST"] = "changed"
            os.environ["TEXTUNE_OTHER"] = "new"
            del os.environ["MKL_NUM_THREADS"]
            csv.field_size_limit(1)
            warnings.simplefilter("ignore")
            random.random()
            np.random.normal()  # noqa: NPY002
            torch.rand(1)
            multiprocessing.set_start_method("spawn", force=True)
            raise ZeroDivisionError

        monkeypatch.setenv("TEXTUNE_TEST", "given")
        before = everything()
        with pytest.raises(ZeroDivisionError):
            disturb()
        assert everything() == before

    def test_threads(self, unusual):
        before = everything()
        with limited_threads(1):
            assert torch.get_num_threads() == 1
            assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "1"
        assert everything() == before

    @pytest.mark.parametrize(
        ("logging", "progress"), [(transformers.utils.logging,) * 2, (datasets.logging, datasets)], ids=["t", "d"]
    )
    def test_what_a_library_says(self, logging, progress):
        before = everything()
        with hushed(logging, progress):
            assert logging.get_verbosity() == 40
            assert not progress.is_progress_bar_enabled()
        assert everything() == before
