"""A full disk ends a study with a sentence, and a folder that goes on once there is room."""

import contextlib
import subprocess

import numpy as np
import pytest
from tests.faults.driver import STUDY, Place, Tally, outcome

KIBIBYTES_AT_LEAST = 64


@contextlib.contextmanager
def small_disk(path, kibibytes):
    """A file system of its own, of so many KiB; yields a function that makes it large."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(path)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield lambda: subprocess.run(["mount", "-o", "remount,size=1g", str(path)], check=True)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("undisturbed"), STUDY)
    assert place.run() == 0, place.screen
    return place


@pytest.mark.parametrize("points", [2, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_a_full_disk_loses_nothing(tmp_path, undisturbed, points, executor):
    expected = outcome(undisturbed)
    needed = sum(path.stat().st_size for path in undisturbed.folder.rglob("*")) // 1024
    tally = Tally()
    for number, share in enumerate(np.linspace(0.02, 0.98, points)):
        place = Place(tmp_path / str(number), {**STUDY, "execution": {"kind": executor}})
        with small_disk(place.folder, max(KIBIBYTES_AT_LEAST, int(share * needed))) as enlarge:
            code = place.run()
            assert "Traceback" not in place.screen
            assert code in (0, 1)
            if code == 1:
                assert "No space left on device" in place.screen or "the disk is full" in place.screen
            log = place.whole_lines()
            enlarge()
            assert place.run() == 0, place.screen
            tally.check(f"{share:.0%} of the room it needs", place, expected, [log])
    assert tally.losses == []
