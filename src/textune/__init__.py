"""Textune tunes text classifiers: one study file, one command, a proven winner, a model people can use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Study", "__version__", "load", "run"]

if TYPE_CHECKING:
    from textune.api import Study, load, run


def __getattr__(name: str) -> Any:
    """Loads the Python interface when it is first used, so that `import textune` stays quick."""
    if name in ("Study", "load", "run"):
        from textune import api

        return getattr(api, name)
    raise AttributeError(f"module 'textune' has no attribute '{name}'")
