"""Textune tunes text classifiers: one study file, one command, a proven winner, a model people can use."""

from __future__ import annotations

__version__ = "0.1.0"
