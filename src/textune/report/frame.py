"""What every figure of a report has: axes, and labels that no text from data can turn into markup."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from textune.tracking.wording import plain

__all__ = ["Figure", "framed", "label", "whole_numbers"]

Figure = dict[str, Any]

MAX_LABEL = 28


def framed(data: Sequence[dict[str, Any]], *, x: str, y: str, legend: bool = False) -> Figure:
    """Returns a figure of these traces with named axes."""
    axis = {"zeroline": False, "automargin": True}
    return {
        "data": data,
        "layout": {
            "height": 340,
            "showlegend": legend,
            "xaxis": {**axis, "title": {"text": label(x, 60)}, "showgrid": False},
            "yaxis": {**axis, "title": {"text": label(y, 60), "standoff": 10}, "showgrid": True},
        },
    }


def label(text: str, most: int = MAX_LABEL) -> str:
    """Returns text as plotly may show it: no control characters, no tags, cut where it is long."""
    text = plain(text)
    return html.escape(text if len(text) <= most else text[: most - 1] + "…", quote=False)


def whole_numbers(figure: Figure, most: int) -> Figure:
    """Keeps ticks off fractions of a trial or an epoch."""
    if most <= 12:
        figure["layout"]["xaxis"]["dtick"] = 1
    return figure
