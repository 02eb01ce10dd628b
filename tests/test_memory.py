import errno
import gc
import os
import subprocess
import sys

import psutil
import pytest
import torch

from textune.memory import is_exhausted, release_memory, status_bytes


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you …"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("CUDA error: CUSPARSE_STATUS_ALLOC_FAILED when calling `cusparseCreate(handle)`"), True),
        (RuntimeError("CUDA driver error: out of memory"), True),
        (RuntimeError("Triton Error [CUDA]: out of memory"), True),
        (RuntimeError("HIP error: out of memory"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), False),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
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


def test_a_system_that_does_not_tell_is_no_error(tmp_path):
    assert status_bytes("VmRSS", tmp_path / "missing") is None


KERNELS = """
import sys
import torch
from textune.memory import bound_primitives

def convolve(size):
    torch.mkldnn_convolution(torch.ones(1, 16, 4, size), torch.ones(16, 16, 3, 3), None, (1, 1), (1, 1), (1, 1), 1)

if sys.argv[1] == "bounded":
    bound_primitives()
for size in range(4, 304):
    convolve(size)
print("again", flush=True)
convolve(4)
"""


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch has no oneDNN here")
@pytest.mark.parametrize(("setting", "found"), [("bounded", False), ("free", True)])
def test_onednn_keeps_fewer_kernels(setting, found):
    environment = {**os.environ, "ONEDNN_VERBOSE": "profile_create"}
    environment.pop("ONEDNN_PRIMITIVE_CACHE_CAPACITY", None)  # of other tests in this process
    command = [sys.executable, "-c", KERNELS, setting]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    convolutions = [line for line in said.partition("again")[2].splitlines() if ",convolution," in line]
    assert any("cache_hit" in line for line in convolutions) is found
    assert convolutions
