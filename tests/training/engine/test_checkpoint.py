import resource
import signal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textune.training.engine import checkpoint
from textune.training.engine.checkpoint import CheckpointError, Checkpoints, read_state, write_state

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.sampled_from([(), (3,), (0,), (2, 3)]).map(torch.randn),
    st.sampled_from([torch.bool, torch.uint8, torch.int64, torch.bfloat16]).map(lambda kind: torch.ones(2, dtype=kind)),
    st.integers(1, 3).map(lambda size: torch.randn(size, 2).T),
    st.sampled_from([np.int64, np.float32, np.bool_]).map(lambda kind: np.ones(3, kind)),
)
trees = st.recursive(leaves, lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)), max_leaves=8)


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other) and one.dtype is other.dtype
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and np.array_equal(one, other) and one.dtype == other.dtype
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other and type(one) is type(other)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.safetensors"


@settings(max_examples=50)
@given(tree=st.dictionaries(st.text(), trees, max_size=5))
def test_what_was_written_is_read(tmp_path_factory, tree):
    path = tmp_path_factory.mktemp("state") / "state"
    write_state(path, tree)
    assert same(read_state(path), tree)
    assert list(path.parent.iterdir()) == [path]


def test_what_was_read_stays_when_the_file_is_written_again(path):
    write_state(path, {"a": torch.zeros(1000)})
    state = read_state(path)
    write_state(path, {"a": torch.ones(1000)})
    assert not state["a"].any()


def test_every_damage_is_noticed(path):
    write_state(path, {"weights": torch.randn(50), "step": 7})
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x01]) + content[place + 1 :])
        with pytest.raises(CheckpointError):
            read_state(path)
        path.write_bytes(content[:place])
        with pytest.raises(CheckpointError):
            read_state(path)


def test_another_format_is_refused_by_its_number(path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT", 999)
    write_state(path, {})
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="format 999"):
        read_state(path)


class TestCheckpoints:
    def test_are_written_as_often_as_their_share_allows(self, path):
        Checkpoints(path, share=1e9).offer(lambda: {"a": 1})
        assert read_state(path) == {"a": 1}
        frugal = Checkpoints(path, share=1e-9)
        frugal.offer(lambda: {"a": 2})
        assert read_state(path) == {"a": 1}
        frugal.write({"a": 3})
        assert read_state(path) == {"a": 3}

    def test_large_ones_are_expected_to_cost_more(self, path):
        Checkpoints(path, share=1.0).offer(lambda: {"a": [torch.zeros(1).expand(10**12)]})
        assert not path.exists()

    def test_go_nowhere_where_there_is_no_folder(self, tmp_path):
        Checkpoints(None, share=1e9).offer(dict)
        Checkpoints(None, share=1e9).write({})
        assert list(tmp_path.iterdir()) == []

    def test_that_cannot_be_written_leave_the_last_one_and_say_so(self, path, capsys):
        checkpoints = Checkpoints(path, share=1e9)
        checkpoints.write({"a": 1})
        with files_of_at_most(1000):
            checkpoints.write({"a": torch.zeros(1000)})
        assert "no checkpoint was written" in capsys.readouterr().err
        assert read_state(path) == {"a": 1}
        assert list(path.parent.iterdir()) == [path]


class files_of_at_most:
    def __init__(self, num_bytes):
        self.num_bytes = num_bytes

    def __enter__(self):
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.action = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.num_bytes, self.before[1]))

    def __exit__(self, *_):
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)
        signal.signal(signal.SIGXFSZ, self.action)
