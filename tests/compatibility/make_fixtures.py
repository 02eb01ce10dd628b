"""Makes the run folders of `fixtures/` with the Textune that is installed (see README.md).

python tests/compatibility/make_fixtures.py FOLDER
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textune import commands
from textune.pipeline import Pipeline
from textune.records import Progress
from textune.tracking.log import EventLog

MODEL = {
    "embedding": {"size": 4},
    "encoder": {"kind": "cnn", "widths": [2], "num_filters": 4},
    "pooling": "max",
}
STUDY: dict[str, Any] = {
    "name": "tiny",
    "data": {"kind": "synthetic", "rows": 120},
    "tokenizer": {"kind": "words", "max_length": 16},
    "model": MODEL,
    "training": {"epochs": 2, "precision": "fp32", "optimizer": {"kind": "adam", "learning_rate": 0.01}},
    "search": {
        "space": {"training.optimizer.learning_rate": {"low": 1e-3, "high": 1e-1, "log": True}},
        "sampler": {"kind": "random"},
        "trials": 3,
        "deterministic": True,  # so that no time decides what a confirmation does
    },
    "confirm": {"top": 2, "max_repeats": 3},
    "execution": {"kind": "serial"},
}
BAG_OF_WORDS = {
    **STUDY,
    "name": "bag",
    "model": {**MODEL, "encoder": {"kind": "bag-of-words", "ngram_buckets": 64}, "pooling": "mean"},
}
TEXTS = ["a fine film", "a dull and tedious mess", ""]


def interrupt_at(reached: Callable[[str, Any], bool]) -> Callable[[], None]:
    """Sends this process the signal of a Ctrl-C at the first event that is `reached`; returns what puts that back."""
    record, sent = EventLog.record, []

    def recording(self: EventLog, event: Any, phase: str = "search") -> None:
        record(self, event, phase)
        if not sent and reached(phase, event):
            sent.append(event)
            os.kill(os.getpid(), signal.SIGINT)

    EventLog.record = recording  # type: ignore[method-assign]

    def restore() -> None:
        EventLog.record = record  # type: ignore[method-assign]

    return restore


def in_search(phase: str, event: Any) -> bool:
    return phase == "search" and isinstance(event, Progress) and (event.trial, event.epoch) == (1, 1)


def in_confirmation(phase: str, event: Any) -> bool:
    return phase.startswith("confirmation/") and isinstance(event, Progress) and event.trial == 3


def main(folder: Path) -> None:
    os.environ["TEXTUNE_CACHE"] = tempfile.mkdtemp()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    for study in (STUDY, BAG_OF_WORDS):
        path = Path(f"{study['name']}.json")
        path.write_text(json.dumps(study, indent=2) + "\n", encoding="utf-8")
    commands.run(Path("tiny.json"), out=Path("finished"), quiet=True)
    for name, reached in (("in-search", in_search), ("in-confirmation", in_confirmation)):
        restore = interrupt_at(reached)
        commands.run(Path("tiny.json"), out=Path(name), quiet=True)
        restore()
    commands.fidelity(Path("bag.json"), out=Path("fidelity"), configurations=3, quiet=True)
    commands.run(Path("bag.json"), out=Path("bag"), quiet=True, overrides=["confirm=off", "search.trials=1"])
    shutil.move("bag/best", "bag-of-words")
    shutil.rmtree("bag")
    for left_out in (*Path().glob("*/*.html"), *Path().glob("*/.lock")):
        left_out.unlink()
    told = {
        "show": {name: commands.show(Path(name), as_json=True) for name in ("finished", "in-search", "fidelity")},
        "probabilities": {
            str(model): Pipeline.load(model).predict(TEXTS).tolist()
            for model in (Path("finished/best"), Path("bag-of-words"))
        },
    }
    Path("expected.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
