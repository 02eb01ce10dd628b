"""The loop: ask, submit, wait, report, tell; and the same again from its log."""

from textune.study.loop import search
from textune.study.parts import Resolve, Search

__all__ = ["Resolve", "Search", "search"]
