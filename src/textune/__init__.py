"""Textune tunes text classifiers: one study file, one command, an honest report, a model people can use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from textune.version import __version__

__all__ = ["Study", "__version__", "load", "run"]

_OF_THE_API = ("Study", "load", "run")

if TYPE_CHECKING:
    from textune.api import Study, load, run


def __getattr__(name: str) -> Any:
    """Loads the Python interface when it is first used, so that `import textune` stays quick."""
    if name in _OF_THE_API:
        return getattr(import_module("textune.api"), name)
    raise AttributeError(f"module 'textune' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *_OF_THE_API})
