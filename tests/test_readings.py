import json
import subprocess
import sys

import pytest

from textune.readings import count_reading

COUNT = """
import sys
from pathlib import Path
from textune.readings import count_reading
sys.stdin.readline()
for number in range(20):
    print(count_reading("test-set", Path(sys.argv[1]), str(number)))
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_readings_of_several_processes_are_all_counted(tmp_path):
    commands = [[sys.executable, "-c", COUNT, str(tmp_path / f"run-{number}")] for number in range(4)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for command in commands]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    counts = [int(line) for process in processes for line in process.communicate()[0].split()]
    assert sorted(counts) == list(range(1, 81))
    assert count_reading("test-set", tmp_path / "another", "x") == 81


def test_the_same_predictions_of_a_run_count_once_whoever_read_in_between(tmp_path):
    assert count_reading("test-set", tmp_path / "one", "x") == 1
    assert count_reading("test-set", tmp_path / "other", "x") == 2
    assert count_reading("test-set", tmp_path / "one", "x") == 2
    assert count_reading("test-set", tmp_path / "one", "y") == 3
    assert count_reading("another-set", tmp_path / "one", "x") == 1


@pytest.mark.parametrize("content", ["", "[", "{}", "[{}]", '[{"run": 1}]', "null"])
def test_a_damaged_count_begins_anew(tmp_path, cache, content):
    count_reading("test-set", tmp_path, "x")
    (cache / "test-readings" / "test-set.json").write_text(content)
    assert count_reading("test-set", tmp_path, "y") == 1


def test_counts_of_earlier_versions_go_on(tmp_path, cache):
    (cache / "test-readings").mkdir(parents=True)
    earlier = [{"run": str(tmp_path), "digest": "x", "time": 1.5}]
    (cache / "test-readings" / "test-set.json").write_text(json.dumps(earlier))
    assert count_reading("test-set", tmp_path, "x") == 1
    assert count_reading("test-set", tmp_path, "y") == 2
