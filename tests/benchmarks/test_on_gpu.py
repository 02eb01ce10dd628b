"""The script that measures on a GPU runs in all its phases here, in small, so that it works where there is one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "on_gpu.sh"


@pytest.mark.slow
def test_all_phases_run_on_a_processor(tmp_path):
    environment = {**os.environ, "DEVICE": "cpu", "TINY": "1", "PATIENCE": "10", "OUT": str(tmp_path)}
    done = subprocess.run(
        ["bash", str(SCRIPT)],
        env={**environment, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    logs = "\n".join(path.read_text(encoding="utf-8")[-2000:] for path in sorted(tmp_path.glob("*.log")))
    assert done.returncode == 0, f"{done.stdout}\n{logs}"
    found = [json.loads(line) for line in (tmp_path / "findings.jsonl").read_text(encoding="utf-8").splitlines()]
    phases = {finding["phase"] for finding in found if finding["name"] not in {"exit code", "seconds"}}
    assert phases == {"start", "probes", "speed", "sharing", "shortage", "resuming"}
    assert (tmp_path / "gpu.md").is_file()
