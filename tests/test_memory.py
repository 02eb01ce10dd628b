import errno
import gc
import sys

import psutil
import pytest
import torch

from textune import memory
from textune.memory import is_exhausted, release_memory, status_bytes


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you …"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("could not execute a primitive"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (RuntimeError("size mismatch"), False),
        (RuntimeError("could not create a process"), False),
        (ValueError("not enough memory of the past"), False),
    ],
)
def test_errors_that_mean_that_memory_ran_out_are_known(error, expected):
    assert is_exhausted(error) is expected


def test_what_nobody_uses_is_given_back():
    waste = [bytearray(b"\1") * 2**27]
    waste.append(waste)  # only the collector finds it
    gc.disable()
    try:
        before = psutil.Process().memory_info().rss
        del waste
        release_memory()
        assert before - psutil.Process().memory_info().rss > 2**26
    finally:
        gc.enable()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc/self/status")
def test_the_system_tells_what_this_process_holds():
    assert status_bytes("VmRSS") == pytest.approx(psutil.Process().memory_info().rss, rel=0.1)
    assert status_bytes("VmNothing") is None


def test_a_system_that_does_not_tell_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "STATUS", tmp_path / "missing")
    assert status_bytes("VmRSS") is None
