"""Kills studies at seeded random moments, goes on with them, and compares what comes out with an undisturbed run.

python tests/faults/driver.py --kills 100
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from textune.tracking.line_log import read_events
from textune.tracking.log import read_study

STUDY = {
    "name": "tiny",
    "data": {"kind": "synthetic", "rows": 240},
    "tokenizer": {"kind": "words", "max_length": 24},
    "model": {
        "embedding": {"size": 8, "dropout": 0.2},
        "encoder": {"kind": "cnn", "widths": [2], "num_filters": 8},
        "pooling": "max",
    },
    "training": {"epochs": 4, "optimizer": {"kind": "adam", "learning_rate": 0.01}},
    "search": {
        "space": {"training.optimizer.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}},
        "sampler": {"kind": "random"},
        "trials": 8,
    },
    "confirm": {"top": 2, "max_share": 1000.0, "max_repeats": 3},
    "execution": {"kind": "serial"},
}
TPE = {**STUDY["search"], "sampler": {"kind": "tpe", "startup_trials": 3}, "pruner": {"kind": "successive-halving"}}
STUDIES = {"random": STUDY, "tpe with successive halving": {**STUDY, "search": TPE}}
PATIENCE_SECONDS = 120
PRELOAD = [
    "torch._dynamo",
    "sklearn.linear_model",
    "optuna",
    "plotly.graph_objects",
    "textune.hand_over",
    "textune.study",
]
LEFTOVERS = ("checkpoint.safetensors", "model")
TIMES = ("seconds", "seconds_per_epoch")
FILE_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.listdir", "os.scandir", "shutil.rmtree"}
"""What Python's audit hooks hear of what is done with files."""


# What is done to a study, in its own process


@dataclass(frozen=True)
class AfterSeconds:
    """The parent kills it."""

    seconds: float

    def install(self) -> None:
        pass


@dataclass(frozen=True)
class InLogWrite:
    """It dies in the middle of its n-th write to the log, of which a share is on disk."""

    number: int
    share: float
    seconds: float = PATIENCE_SECONDS

    def install(self) -> None:
        write, count = os.write, iter(range(10**9))

        def torn(file: int, content: bytes) -> int:
            if Path(f"/proc/self/fd/{file}").readlink().name == "events.jsonl" and next(count) == self.number:
                write(file, content[: int(len(content) * self.share)])
                os.kill(os.getpid(), signal.SIGKILL)
            return write(file, content)

        os.write = torn


@dataclass(frozen=True)
class InCacheBuild:
    """It dies while the n-th file of the cache is written."""

    number: int
    seconds: float = PATIENCE_SECONDS

    def install(self) -> None:
        force, count = os.fsync, iter(range(10**9))

        def dying(file: int) -> None:
            path = Path(f"/proc/self/fd/{file}").readlink()
            if "prepared" in path.parts and next(count) == self.number:
                os.truncate(path, path.stat().st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
            force(file)

        os.fsync = dying


@dataclass(frozen=True)
class AfterDecision:
    """It dies before the n-th thing that it does with files after the decision what to hand over."""

    number: int
    seconds: float = PATIENCE_SECONDS

    def install(self) -> None:
        from textune import hand_over as module

        hand_over, counts = module.hand_over, []

        def begun(*arguments):
            counts.append(self.number)
            return hand_over(*arguments)

        def dying(event: str, _: object) -> None:
            if counts and event in FILE_EVENTS:
                counts[0] -= 1
                if counts[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        module.hand_over = begun
        sys.addaudithook(dying)


Sabotage = AfterSeconds | InLogWrite | InCacheBuild | AfterDecision


def a_sabotage(rng: np.random.Generator, seconds: float) -> Sabotage:
    """Draws a moment of a study that takes so many seconds."""
    match rng.integers(5):
        case 0:
            return InLogWrite(int(rng.integers(40)), float(rng.uniform()))
        case 1:
            return InCacheBuild(int(rng.integers(8)))
        case 2:
            return AfterDecision(int(rng.integers(120)))
        case _:
            return AfterSeconds(float(rng.uniform(0, seconds)))


def _live(
    arguments: list[str], place: Path, sabotage: Sabotage | None, begun: multiprocessing.synchronize.Event
) -> None:
    """The life of a study's process: the command line, in a place of its own."""
    os.environ["TEXTUNE_CACHE"] = str(place / "cache")
    os.environ["OMP_NUM_THREADS"] = "1"
    screen = os.open(place / "screen.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(screen, 1)
    os.dup2(screen, 2)
    from textune.cli import main

    if sabotage is not None:
        sabotage.install()
    sys.argv = ["textune", *arguments]
    begun.set()
    main()


def context() -> multiprocessing.context.ForkServerContext:
    """Returns where studies are started from: a server that has imported what they need."""
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload(PRELOAD)
    return forkserver


@dataclass
class Place:
    """A folder in which a study is run again and again, with a cache of its own."""

    path: Path
    study: dict
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        self.folder = self.path / "run"
        (self.path / "study.json").write_text(json.dumps(self.study), encoding="utf-8")

    def start(self, sabotage: Sabotage | None = None, *overrides: str) -> multiprocessing.process.BaseProcess:
        """Starts the study, or goes on with it."""
        changes = [part for change in overrides for part in ("--set", change)]
        arguments = ["run", str(self.path / "study.json"), "--out", str(self.folder), *changes]
        begun = context().Event()
        process = context().Process(target=_live, args=(arguments, self.path, sabotage, begun))
        process.start()
        while not begun.wait(0.1):
            assert process.is_alive(), f"the study did not begin: {self.screen}"
        return process

    def run(self, sabotage: Sabotage | None = None, *overrides: str) -> int:
        """Runs the study to its end or to its death, and returns the exit code."""
        process = self.start(sabotage, *overrides)
        process.join(PATIENCE_SECONDS if sabotage is None else sabotage.seconds)
        process.kill()
        process.join()
        return process.exitcode

    @property
    def screen(self) -> str:
        return (self.path / "screen.txt").read_text(encoding="utf-8")

    def whole_lines(self) -> bytes:
        """Returns the log without a torn tail."""
        path = self.folder / "events.jsonl"
        if not path.exists():
            return b""
        content = path.read_bytes()
        return content[: len(content) - read_events(path)[1]]


# What is compared


def outcome(place: Place) -> dict:
    """Returns all of a finished study that must not depend on what was done to it."""
    record = read_study(place.folder)
    lines, _ = read_events(place.folder / "events.jsonl")
    with (place.folder / "trials.csv").open(encoding="utf-8", newline="") as file:
        rows = [{name: cell for name, cell in row.items() if name not in TIMES} for row in csv.DictReader(file)]
    return {
        "state": record.state,
        "ends": sorted((line["phase"], line["content"]["trial"]) for line in lines if line["event"] == "trial-ended"),
        "rows": rows,
        "curves": [[(each.epoch, each.metrics) for each in trial.progress] for trial in record.trials],
        "verdict": (record.confirmation["verdict"], record.confirmation["chosen"]),
        "repeats": [each["values"] for each in record.confirmation["candidates"]],
        "best": (record.best.spec.number, record.best.result.value),
        "model": (place.folder / "best" / "model.safetensors").read_bytes(),
        "test": (record.test["metrics"], record.test["readings"]),
        "leftovers": sorted(
            path.name for path in place.folder.rglob("*") if path.name in LEFTOVERS or ".tmp" in path.name
        ),
    }


@dataclass
class Tally:
    """What came out of many kills."""

    kills: int = 0
    finished_before: int = 0
    losses: list[str] = field(default_factory=list)

    def check(self, what: str, place: Place, expected: dict, logs: list[bytes]) -> None:
        """Compares a study that was killed with one that was not; each log must begin with the one before."""
        final = place.whole_lines()
        for log in logs:
            self.finished_before += log.count(b'{"event":"trial-ended"')
            if not final.startswith(log):
                self.losses.append(f"{what}: the log was changed")
        found = outcome(place)
        self.losses += [f"{what}: {name} differs" for name in expected if found[name] != expected[name]]


def kill_coordinators(root: Path, kills: int, *, seed: int = 0, studies: dict | None = None) -> Tally:
    """Kills the coordinator at random moments, up to three times a study, and goes on with the study each time."""
    tally, rng = Tally(), np.random.default_rng(seed)
    expected = {}
    for name, study in (studies or STUDIES).items():
        place = Place(root / name / "undisturbed", study)
        assert place.run() == 0, place.screen
        begin = time.perf_counter()
        shutil.rmtree(place.folder)
        shutil.rmtree(place.path / "cache")
        assert place.run() == 0, place.screen
        expected[name] = (outcome(place), time.perf_counter() - begin)
    names = list(expected)
    for number in range(10**9):
        if tally.kills >= kills:
            return tally
        name = names[number % len(names)]
        place = Place(root / name / str(number), (studies or STUDIES)[name])
        logs, what = [], []
        for _ in range(int(rng.integers(1, 4))):
            sabotage = a_sabotage(rng, expected[name][1])
            if place.run(sabotage) == 0:
                break  # it was over before that moment
            tally.kills += 1
            what.append(str(sabotage))
            logs.append(place.whole_lines())
        code = place.run()
        if code != 0:
            tally.losses.append(f"{name}, {what}: ended with {code}: {place.screen[-500:]}")
        else:
            tally.check(f"{name}, {what}", place, expected[name][0], logs)
        shutil.rmtree(place.path)
    raise AssertionError


def workers_of(process: multiprocessing.process.BaseProcess) -> list[psutil.Process]:
    """Returns the worker processes of a study: the children of its fork server."""
    try:
        servers = psutil.Process(process.pid).children()
        return [worker for server in servers for worker in server.children()]
    except psutil.NoSuchProcess:
        return []


def kill_workers(root: Path, kills: int, *, seed: int = 0) -> Tally:
    """Kills workers of the `processes` executor at random moments; no trial may be lost by it."""
    tally, rng = Tally(), np.random.default_rng(seed)
    study = {**STUDY, "execution": {"kind": "processes", "workers": 2, "max_retries": 1000}}
    undisturbed = Place(root / "undisturbed", study)
    assert undisturbed.run() == 0, undisturbed.screen
    expected = outcome(undisturbed)
    number = 0
    while tally.kills < kills:
        number += 1
        place = Place(root / str(number), study)
        process = place.start()
        begin, before = time.monotonic(), tally.kills
        while process.is_alive() and time.monotonic() - begin < PATIENCE_SECONDS:
            process.join(float(rng.uniform(0.05, 0.6)))
            workers = workers_of(process)
            if workers and tally.kills - before < 6:
                try:
                    workers[int(rng.integers(len(workers)))].kill()
                except psutil.NoSuchProcess:
                    continue
                tally.kills += 1
        process.join(1)
        if process.exitcode != 0:
            tally.losses.append(f"workers, study {number}: ended with {process.exitcode}: {place.screen[-500:]}")
            process.kill()
        else:
            tally.check(f"workers, study {number}", place, expected, [])
            tally.finished_before += len(expected["ends"])
        shutil.rmtree(place.path)
    return tally


def main() -> None:
    """Prints the counts of a long run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for what, kill in {"coordinator": kill_coordinators, "workers": kill_workers}.items():
        with tempfile.TemporaryDirectory() as root:
            tally = kill(Path(root), options.kills, seed=options.seed)
        print(f"{what}: {tally.kills} kills, {tally.finished_before} trials had ended before one, "
              f"{len(tally.losses)} losses")  # fmt: skip
        for loss in tally.losses:
            print(f"  {loss}")


if __name__ == "__main__":
    main()
