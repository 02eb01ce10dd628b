"""Killing a study at any moment loses nothing that was measured; `driver.py` does the same a hundred times over."""

import pytest
from tests.faults.driver import kill_coordinators, kill_workers


@pytest.mark.parametrize("kills", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_coordinators_lose_nothing(tmp_path, kills):
    tally = kill_coordinators(tmp_path, kills, seed=kills)
    print(f"{tally.kills} kills, {tally.finished_before} trials had ended before one, {len(tally.losses)} losses")
    assert tally.losses == []


@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_workers_lose_nothing(tmp_path, kills):
    tally = kill_workers(tmp_path, kills, seed=kills)
    print(f"{tally.kills} kills, {tally.finished_before} trials, {len(tally.losses)} losses")
    assert tally.losses == []
