"""What a run writes down of itself: the study as resolved, where it ran, and what it cost."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from textune.config.load import LoadedStudy
from textune.data import Cache, Prepared, content_key
from textune.facts import Facts
from textune.named_files import file_digests
from textune.records import StudyRecord
from textune.run_folder import RunFolder
from textune.storage import redact, write_atomically
from textune.version import __version__

__all__ = ["estimate", "note_cost", "study_header", "write_study"]


def study_header(loaded: LoadedStudy, facts: Facts, prepared: Prepared, cache: Cache) -> dict[str, Any]:
    """Returns what `study.json` holds and the report shows: the study resolved, where it ran, what its data is."""
    libraries = ("torch", "numpy", "optuna", "tokenizers", *cast("Any", loaded.config.model.encoder).LIBRARIES)
    return {
        "config": loaded.config.dump(),
        "textune": __version__,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in libraries},
        "platform": platform.platform(),
        "commit": _commit(loaded.folders[0]),
        "plugins": dict(loaded.plugins),
        "files": file_digests(loaded, cache),
        "data": dict(facts.statistics),
        "baselines": facts.valid_scores(prepared),
        "baselines_by_fold": facts.fold_scores(prepared),
    }


def estimate(loaded: LoadedStudy, prepared: Prepared, trials: int | None, slots: int, cache: Cache) -> dict[str, float]:
    """Returns `seconds` and `disk_bytes` of a study as far as an earlier one of the same base point and space tells."""
    cost = cache.note(_cost_key(loaded, prepared))
    if cost is None or trials is None:
        return {}
    return {"seconds": cost["seconds_per_trial"] * trials / min(slots, trials), "disk_bytes": cost["disk_bytes"]}


def note_cost(record: StudyRecord, loaded: LoadedStudy, prepared: Prepared, folder: RunFolder, cache: Cache) -> None:
    """Remembers what the trials of a finished study cost, for `estimate`."""
    seconds = [trial.result.seconds for trial in record.trials if trial.result is not None]
    if record.state == "done" and seconds:
        disk_bytes = sum(path.stat().st_size for path in folder.path.rglob("*") if path.is_file())
        cost = {"seconds_per_trial": statistics.fmean(seconds), "disk_bytes": disk_bytes}
        cache.write_note(_cost_key(loaded, prepared), cost)


def _cost_key(loaded: LoadedStudy, prepared: Prepared) -> str:
    parts = [(stage.sampler.kind, stage.pruner.dump()) for stage in loaded.config.stages]
    settings = [*(part for each in parts for part in each), *loaded.paths]
    return content_key("cost", prepared.fingerprint, loaded.resolver.resolve({}).key, *settings)


def write_study(loaded: LoadedStudy, folder: RunFolder, header: Mapping[str, Any]) -> None:
    """Writes the study as given (credentials redacted) and as resolved."""
    write_atomically(folder.study_file, redact(loaded.text))
    write_atomically(folder.resolved_study, redact(json.dumps(header, indent=2, ensure_ascii=False)) + "\n")


def _commit(folder: Path) -> str | None:
    """Returns the git commit of the study's folder, if it is under version control."""
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
