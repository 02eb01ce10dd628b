"""With `search.deterministic` a real study comes out the same for any number of workers."""

import pytest
from tests.faults.driver import STUDY, Place, outcome

SEARCH = {
    **STUDY["search"],
    "space": {**STUDY["search"]["space"], "model.encoder.num_filters": {"low": 4, "high": 32}},
    "sampler": {"kind": "tpe", "startup_trials": 4},
    "pruner": {"kind": "successive-halving"},
    "trials": 14,
    "deterministic": True,
    "lag": 4,
}


@pytest.mark.parametrize("counts", [(1, 2), pytest.param((1, 2, 4), marks=pytest.mark.slow)])
def test_one_two_and_four_workers_give_the_same_study(tmp_path, counts):
    places = [
        Place(
            tmp_path / str(workers), {**STUDY, "search": SEARCH, "execution": {"kind": "processes", "workers": workers}}
        )
        for workers in counts
    ]
    for place in places:
        assert place.run() == 0, place.screen
    first, *others = map(outcome, places)
    assert {row["state"] for row in first["rows"]} == {"complete", "pruned"}
    assert all(other == first for other in others)
