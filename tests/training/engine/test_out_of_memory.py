"""Real limits, in a process of their own: there is only so much memory beyond what an idle process takes."""

import json
import subprocess
import sys

import pytest

from textune.data import Cache

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA bounds what is allocated on Linux alone")

PROGRAM = """
import importlib, json, re, resource, sys
from pathlib import Path
import torch
from textune.config.load import load_study
from textune.data import Cache
from textune.records import TrialSpec
from textune.trial import TrialRunner

torch.set_num_threads(1)
root, megabytes, encoder = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
for name in TrialRunner.preload:
    importlib.import_module(name)
study = {
    "data": {"kind": "synthetic", "rows": 2400},
    "tokenizer": {"max_length": 48},
    "model": {"embedding": {"size": 200}, "encoder": encoder, "pooling": "max"},
    "training": {"epochs": 1, "batch_size": 1024, "precision": "fp32"},
}
loaded = load_study(study)
runner = TrialRunner(loaded.folders, root, memory_bytes=megabytes * 2**20)

def run():
    trial = runner(TrialSpec(number=0, config=loaded.resolver.resolve({}).config, objective=loaded.config.objective))
    try:
        while True:
            next(trial)
    except StopIteration as end:
        return end.value.details["micro_batch_size"]
    except MemoryError as error:
        return str(error)

allocated = int(re.search(r"VmData:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (allocated + megabytes * 2**20, resource.RLIM_INFINITY))
print(json.dumps([run(), run()]))
"""

ATTEMPTS = 3
LSTM, CNN = {"kind": "rnn", "hidden_size": 128}, {"kind": "cnn", "num_filters": 128}


@pytest.fixture
def run_twice(tmp_path):
    """Returns what two trials of a process came to: the micro-batch, or the sentence of their end.

    Libraries that find no memory now and then crash instead of saying so; as in a study, another process tries again.
    """

    def go(megabytes, encoder):
        command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(megabytes), json.dumps(encoder)]
        attempts = (
            subprocess.run(command, capture_output=True, text=True, timeout=120, check=False) for _ in range(ATTEMPTS)
        )
        done = next((each for each in attempts if each.returncode >= 0), None)
        assert done is not None, f"{ATTEMPTS} processes crashed"
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return go


@pytest.mark.parametrize("encoder", [LSTM, CNN], ids=["lstm", "cnn"])
def test_batches_are_divided_where_memory_is_short(run_twice, tmp_path, encoder):
    first, second = run_twice(180, encoder)
    assert 1 <= second <= first < 1024
    (note,) = tmp_path.glob("micro-batch-*.json")
    assert Cache(tmp_path).note(note.stem) == second


def test_and_left_whole_where_it_is_not(run_twice, tmp_path):
    assert run_twice(4000, LSTM) == [1024, 1024]
    assert not list(tmp_path.glob("micro-batch-*.json"))


def test_a_model_that_does_not_fit_ends_in_a_sentence(run_twice):
    for reason in run_twice(150, {"kind": "rnn", "hidden_size": 2500}):
        assert "memory" in reason
