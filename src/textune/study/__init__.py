"""The loop: ask, submit, wait, report, tell; and the same again from its log."""

from textune.study.loop import search
from textune.study.parts import KnownResults, Resolve, Search

__all__ = ["KnownResults", "Resolve", "Search", "search"]
