"""What earlier studies measured, for `search.reuse_results: shared`.

A result stands for a trial only where everything that decides its numbers is equal: config, rows, seed, the code of
textune and of plug-ins, the files a config names (word vectors, a pretrained model), the versions of torch and
transformers, the processor or GPU, and the threads.
"""

# M rows of a split

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np

from textune.config.load import LoadedStudy
from textune.config.study import TrialConfig
from textune.data import Cache, Prepared, content_key, locate
from textune.data.vectors import file_identity
from textune.errors import TextuneError
from textune.named_files import located
from textune.records import TrialRecord, TrialSpec, TrialState
from textune.storage import dump_json

__all__ = ["EarlierStages", "SharedResults"]

RESULT, OUTCOMES = "trial.json", "outcomes.npz"


class SharedResults:
    """Complete trials in the cache, by all that decides their numbers."""

    def __init__(self, loaded: LoadedStudy, prepared: Prepared, store: Cache) -> None:
        self._store, self._folders = store, loaded.folders
        execution = cast("Any", loaded.config.execution)  # typed by role at run time
        self._conditions = {
            "rows": _rows(prepared),
            "textune": source_digest(),
            "plugins": sorted(loaded.plugins.values()),
            "torch": version("torch"),
            "device": [_device(), execution.devices],
            "threads": execution.threads_per_trial,
            "memory": execution.memory_bytes_per_worker,
        }

    def find(self, spec: TrialSpec) -> TrialRecord | None:
        """Returns the trial that stands for `spec`, told with its number; its predictions are put into its folder."""
        try:
            entry = self._store.find(self._key(spec))
        except TextuneError:  # a file that its config names is missing: the trial will say so
            return None
        if entry is None or spec.folder is None:
            return None
        known = TrialRecord.model_validate_json((entry / RESULT).read_bytes())
        assert known.result is not None
        Path(spec.folder).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(entry / OUTCOMES, Path(spec.folder) / OUTCOMES)
        own = {"trial": spec.number, "attempt": spec.attempt}
        return TrialRecord(
            spec=spec,
            progress=tuple(progress.model_copy(update=own) for progress in known.progress),
            result=known.result.model_copy(update={**own, "folder": spec.folder}),
        )

    def keep(self, trial: TrialRecord) -> None:
        """Remembers a trial trained in whole batches; parts of batches, where memory was short, round otherwise."""
        result, outcomes = trial.result, Path(trial.spec.folder or ".") / OUTCOMES
        assert result is not None
        if result.state is not TrialState.COMPLETE or result.was_short_of_memory or not outcomes.is_file():
            return

        def build(folder: Path) -> None:
            (folder / RESULT).write_text(trial.model_dump_json(), encoding="utf-8")
            shutil.copyfile(outcomes, folder / OUTCOMES)

        self._store.folder(self._key(trial.spec), build)

    def _key(self, spec: TrialSpec) -> str:
        config = {name: value for name, value in spec.config.items() if name != "name"}
        point = [config, spec.seed, spec.folds, spec.aside, spec.fidelity.model_dump(), spec.objective.model_dump()]
        return content_key("result", point, self._named(spec), self._conditions)

    def _named(self, spec: TrialSpec) -> list[Any]:
        """Returns what a config only names: which files those are, and which versions of libraries."""
        config = located(TrialConfig.model_validate(spec.config), self._folders)
        encoder, tokenizer, embedding = cast("Any", (config.model.encoder, config.tokenizer, config.model.embedding))
        places = [] if embedding.vector_file is None else [locate(embedding.vector_file, self._folders)]
        if encoder.pretrained is not None:
            places.append(encoder.pretrained)
        files = [file_identity(Path(place)) for place in places]
        return [files, tokenizer.content(), {name: version(name) for name in encoder.LIBRARIES}]


@cache
def source_digest() -> str:
    """Returns a hash of textune's own code."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _rows(prepared: Prepared) -> str:
    digest = hashlib.sha256(prepared.fingerprint.encode())
    digest.update(prepared.rows.in_source(np.arange(len(prepared.rows))).tobytes())  # outcomes name rows of the source
    for fold in prepared.splits.folds:
        for rows_M in (fold.train, fold.valid):
            digest.update(len(rows_M).to_bytes(8, "big") + rows_M.tobytes())
    return digest.hexdigest()


def _device() -> str:
    """Returns the processor and the GPUs, without loading torch in the coordinator."""
    models = [line for line in _text(Path("/proc/cpuinfo")).splitlines() if line.startswith("model name")]
    gpus = sorted(_text(path) for path in Path("/proc/driver/nvidia/gpus").glob("*/information"))
    names = [line for text in gpus for line in text.splitlines() if line.startswith("Model")]
    return json.dumps([platform.machine(), models[0] if models else platform.processor(), names])


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


class EarlierStages:
    """What earlier stages of a study measured, and then what other studies did.

    Args:
        others: results of other studies; None: they are not asked.
        trials: of the earlier stages.
    """

    def __init__(self, others: SharedResults | None, trials: Sequence[TrialRecord]) -> None:
        self._others = others
        self._known = {_point(each.spec): each for each in reversed(trials) if _is_complete(each)}

    def find(self, spec: TrialSpec) -> TrialRecord | None:
        known = self._known.get(_point(spec))
        return known if known is not None or self._others is None else self._others.find(spec)

    def keep(self, trial: TrialRecord) -> None:
        if self._others is not None:
            self._others.keep(trial)


def _is_complete(trial: TrialRecord) -> bool:
    return trial.result is not None and trial.result.state is TrialState.COMPLETE


def _point(spec: TrialSpec) -> str:
    """Returns what is equal for trials that measure the same."""
    return dump_json([spec.config, spec.seed, spec.fidelity.model_dump(), spec.aside])
