"""Reading more than the memory holds ends in a sentence, soon; the memory is limited as `ulimit -v` does it."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from textune.memory import status_bytes
from textune.spare_memory import available_bytes

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell its memory")

MB = 10**6
UNDER_A_LIMIT = """
import resource, sys
from pathlib import Path
import openpyxl, pyarrow.parquet, torch
import textune.commands, textune.starter, textune.trial
from textune.cli import main
from textune.memory import status_bytes
from textune.serve.predict import find_pipeline
if sys.argv[2] == "predict":
    find_pipeline(Path(sys.argv[3])).predict(["a text"])
limit = status_bytes("VmSize") + int(sys.argv[1]) * 10**6
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.argv = ["textune", *sys.argv[2:]]
main()
"""
ROWS = "".join(f"text {number} of a few words that takes more memory than this,label\n" for number in range(15_000))


def called(folder, megabytes, *arguments):
    """Calls the command line in a process that may take so much more memory than what it imports."""
    command = [sys.executable, "-c", UNDER_A_LIMIT, str(megabytes), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of some 120 MB of rows; those that are compressed are small."""
    path, content = tmp_path_factory.mktemp("large"), ROWS.encode()
    head = b"text,label\n"
    with gzip.open(path / "large.csv.gz", "wb", compresslevel=1) as file:
        file.write(head)
        for _ in range(120):
            file.write(content)
    with (path / "large.csv").open("wb") as file:
        file.write(head + content * 120)
    records = "".join(json.dumps({"text": row, "label": "label"}) + "\n" for row in ROWS.splitlines()).encode()
    with (path / "large.jsonl").open("wb") as file:
        file.write(records * 90)
    return path


@pytest.mark.parametrize("name", ["large.csv", "large.csv.gz", "large.jsonl"])
def test_a_study_of_more_rows_than_fit_is_refused(folder, name):
    (folder / "study.yaml").write_text(f"data: {{path: {name}}}\n")
    done = called(folder, 130, "describe", "study.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{name} needs more memory than there is: about " in done.stderr
    assert done.stderr.count("\n") == 1
    assert "divide it into smaller files" in done.stderr


def test_predict_and_init_refuse_more_rows_than_fit(folder, finished):
    for arguments in (
        ("predict", finished.folder.path, "large.csv.gz", "--output", "predicted.csv"),
        ("init", "large.csv.gz", "--label", "label"),
    ):
        done = called(folder, 130, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "large.csv.gz needs more memory than there is: about " in done.stderr
    assert not (folder / "predicted.csv").exists()


def test_memory_that_runs_out_anywhere_is_a_sentence(folder, finished):
    (folder / "small.csv").write_bytes(b"text,label\n" + ROWS.encode() * 30)
    done = called(folder, 20, "predict", finished.folder.path, "small.csv", "--output", "predicted.csv")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("memory ran out; use less data")
    assert "Traceback" not in done.stderr
    assert not (folder / "predicted.csv").exists()


def test_what_is_available_keeps_to_the_limits_of_the_process():
    code = (
        "import resource\nfrom textune.memory import status_bytes\nfrom textune.spare_memory import available_bytes\n"
        "limit = status_bytes('VmSize') + 50_000_000\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\nprint(available_bytes())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 40 * MB < int(done.stdout) <= 50 * MB
    assert available_bytes() <= status_bytes("MemTotal", Path("/proc/meminfo"))


def test_control_groups_limit_what_is_available(tmp_path, monkeypatch):
    from textune import spare_memory

    group = tmp_path / "fs" / "a" / "b"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    (group.parent / "memory.max").write_text(f"{100 * MB}\n")
    (group.parent / "memory.current").write_text(f"{70 * MB}\n")
    (group.parent / "memory.stat").write_text(f"anon {60 * MB}\ninactive_file {10 * MB}\n")
    (tmp_path / "cgroup").write_text("0::/a/b\n")
    monkeypatch.setattr(spare_memory, "CONTROL_GROUPS", tmp_path / "fs")
    monkeypatch.setattr(spare_memory, "OWN_GROUP", tmp_path / "cgroup")
    assert available_bytes() == 40 * MB
