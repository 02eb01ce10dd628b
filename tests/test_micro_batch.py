"""What trials remember of a memory that was too small for whole batches."""

import pytest

from textune.data import Cache
from textune.micro_batch import MicroBatch


@pytest.fixture
def make(tmp_path):
    def micro_batch(size=(1,), halvings=0, memory_bytes=None):
        return MicroBatch(Cache(tmp_path), size, batch_size=32, halvings=halvings, memory_bytes=memory_bytes)

    return micro_batch


def test_a_first_trial_begins_with_whole_batches_and_one_that_was_killed_with_a_part(make):
    assert make().first() is None
    assert make(halvings=2).first() == 8
    assert make(halvings=9).first() == 1


def test_later_trials_of_the_same_size_begin_with_what_fitted(make):
    make().note(4)
    assert make().first() == 4
    assert make(halvings=1).first() == 4, "the smaller of both"
    assert make(size=(2,)).first() is None
    assert make(memory_bytes=10**9).first() is None


def test_without_a_cache_each_trial_finds_out_by_itself():
    first, second = (MicroBatch(None, (1,), batch_size=32, halvings=0, memory_bytes=None) for _ in range(2))
    first.note(4)
    assert first.first() == 4
    assert second.first() is None


def test_whole_batches_that_fit_leave_no_note(make):
    make().note(4)
    make().note(None)
    assert make().first() == 4


def test_a_cache_that_cannot_be_written_is_no_failure(make, tmp_path):
    micro_batch = make()
    for path in tmp_path.iterdir():
        path.rmdir()
    tmp_path.rmdir()
    tmp_path.touch()
    micro_batch.note(4)
    assert micro_batch.first() == 4
