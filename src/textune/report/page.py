"""The report: one HTML file that asks nothing of any network and runs nothing but its own two scripts."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

from textune.report.ablation import ablations
from textune.report.markup import escaped
from textune.report.weeks import weekly_differences
from textune.storage import redact, write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from textune.records import StudyRecord
    from textune.report.ablation import Ablation
    from textune.report.frame import Figure
    from textune.report.weeks import WeeklyDifference

__all__ = ["document", "page", "write_report"]

JSON_IN_SCRIPT = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def write_report(run_folder: Path, record: StudyRecord) -> Path:
    """Writes `report.html` into the run folder and returns its path.

    Where the test split was not read, the confusion matrix comes from the valid outcomes of the chosen trial.
    """
    path = run_folder / "report.html"
    has_model = (run_folder / "best").is_dir()
    text = page(
        record,
        str(run_folder),
        has_model=has_model,
        valid_confusion=_valid_confusion(run_folder, record),
        against_base=weekly_differences(run_folder, record),
        ablations=ablations(record, run_folder),
    )
    write_atomically(path, text)
    return path


def page(
    record: StudyRecord,
    run: str,
    *,
    has_model: bool = True,
    valid_confusion: Sequence[Sequence[int]] | None = None,
    against_base: Sequence[WeeklyDifference] = (),
    ablations: Sequence[Ablation] = (),
) -> str:
    """Returns the page as text; `run` is how the run folder is named in commands."""
    from textune.report.sections import render  # `show` shares this package and starts quicker without
    from textune.report.summary import summarize

    summary = summarize(record, valid_confusion, against_base, ablations)
    return document(record.name, *render(summary, run, has_model=has_model))


def document(name: str, body: str, figures: Sequence[Figure]) -> str:
    """Returns a whole page; `figures` are what the `data-figure` numbers of its body point at."""
    from plotly.offline import get_plotlyjs

    here = files("textune.report")
    plotly, script = get_plotlyjs(), (here / "page.js").read_text(encoding="utf-8")
    return Template((here / "template.html").read_text(encoding="utf-8")).substitute(
        policy=_policy(plotly, script),
        title=escaped(f"{name} · Textune"),
        body=body,
        figures=_json_in_script(figures),
        plotly=plotly,
        script=script,
    )


def _policy(*scripts: str) -> str:
    """Forbids all but the scripts of these very texts; plotly sets styles and draws heat maps as data: images."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _json_in_script(value: Any) -> str:
    """JSON without credentials that no HTML parser can take for markup, no JavaScript parser for the end of a line."""
    return redact(json.dumps(value, allow_nan=False, separators=(",", ":"))).translate(JSON_IN_SCRIPT)


def _valid_confusion(run_folder: Path, record: StudyRecord) -> list[list[int]] | None:
    chosen = record.chosen
    if chosen is None or (record.test or {}).get("confusion"):
        return None
    path = run_folder / "trials" / f"{chosen.spec.number:04d}" / f"attempt-{chosen.spec.attempt}" / "outcomes.npz"
    from textune.training.metrics import confusion_matrix
    from textune.training.outcomes import read_outcomes

    outcomes = read_outcomes(path)
    if outcomes is None:
        return None
    probabilities_NK = outcomes.probabilities_NK
    counts_KK = confusion_matrix(outcomes.labels_N, probabilities_NK.argmax(axis=1), probabilities_NK.shape[1])
    counts: list[list[int]] = counts_KK.tolist()
    return counts
