"""The loop: ask, submit, wait, report, tell; and the same again from its log."""

from textune.study.listed import Listed
from textune.study.loop import close, run_plan, search
from textune.study.parts import KnownResults, Phase, Resolve, Search
from textune.study.rounds import Candidate, Repeats, Rounds, Rules, Standing

__all__ = [
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
    "close",
    "run_plan",
    "search",
]
