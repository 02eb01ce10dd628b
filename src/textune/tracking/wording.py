"""How numbers, times and params read on a terminal and in a report."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from textune.errors import plain
from textune.records import Fidelity

__all__ = [
    "count",
    "duration",
    "number",
    "params_text",
    "percent",
    "plain",
    "setting",
    "short_form",
    "short_names",
    "signed",
    "size",
]

NONE = "–"


def number(value: float | None) -> str:
    """Returns a score: four decimals, `–` where there is none."""
    if value is None or math.isnan(value):
        return NONE if value is None else "NaN"
    return f"{value:.4f}" if abs(value) < 1_000 else f"{value:.4g}"


def signed(difference: float) -> str:
    """Returns a difference of scores with its sign: `+0.0131`, `−0.0131`."""
    return f"{difference:+.4f}".replace("-", "−")


def percent(share: float | None) -> str:
    """Returns a share as a percentage with one decimal."""
    return NONE if share is None else f"{100 * share:.1f}%"


def count(number_of: float | None) -> str:
    """Returns a count with thousands separated."""
    return NONE if number_of is None else f"{number_of:,.0f}"


def duration(seconds: float | None) -> str:
    """Returns `0.4 s`, `12 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60:02d} min"


def size(num_bytes: float) -> str:
    """Returns `340 kB`, `1.2 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1_000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1_000
    return f"{num_bytes:.3g} TB"


def short_form(fidelity: Fidelity) -> str:
    """Returns `epochs 2, share 25%`; `in full` where nothing is left out."""
    share = None if fidelity.share is None else f"{100 * fidelity.share:g}%"
    parts = (
        ("epochs", fidelity.epochs),
        ("share", share),
        ("newest months", fidelity.window),
        ("newest folds", fidelity.folds),
    )
    return ", ".join(f"{name} {value}" for name, value in parts if value is not None) or "in full"


def setting(value: Any) -> str:
    """Returns one value of a param as a study file would hold it, numbers with three digits."""
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping) and value:  # a component, or changes of one
        settings = ", ".join(f"{plain(name)}={setting(each)}" for name, each in value.items() if name != "kind")
        return plain(value.get("kind", "")) + (f"({settings})" if settings else "")
    return plain(json.dumps(value, ensure_ascii=False, default=str))


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Returns each dotted path's last parts, as few as tell the paths apart."""
    paths = list(dict.fromkeys(paths))
    names: dict[str, str] = {}
    for path in paths:
        parts = path.split(".")
        for taken in range(1, len(parts) + 1):
            tail = parts[-taken:]
            if taken == len(parts) or sum(other.split(".")[-taken:] == tail for other in paths) == 1:
                names[path] = plain(".".join(tail))
                break
    return names


def params_text(params: Mapping[str, Any]) -> str:
    """Returns params on one line: `learning_rate=0.00031 cell=lstm`."""
    names = short_names(params)
    return " ".join(f"{names[path]}={setting(value)}" for path, value in params.items())
