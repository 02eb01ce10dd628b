"""The loop: ask, submit, wait, report, tell; and the same again from its log."""

from textune.study.listed import Listed
from textune.study.loop import ASKED_TO_STOP, close, run_plan, search
from textune.study.parts import KnownResults, Phase, Resolve, Search
from textune.study.rounds import Candidate, Repeats, Rounds, Rules, Standing
from textune.study.signals import StopSignals

__all__ = [
    "ASKED_TO_STOP",
    "Candidate",
    "KnownResults",
    "Listed",
    "Phase",
    "Repeats",
    "Resolve",
    "Rounds",
    "Rules",
    "Search",
    "Standing",
    "StopSignals",
    "close",
    "run_plan",
    "search",
]
