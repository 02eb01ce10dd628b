"""Marks tests that need a GPU, which are skipped by this name where there is none."""

import pytest
import torch

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
