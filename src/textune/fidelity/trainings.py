"""The trainings of a design: run by the loop that runs searches, with its log, and gone on with like these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, cast

from textune import resume, session
from textune.data import Cache, Parts, Prepared, data_line, refuse_untrained
from textune.errors import RunFolderError
from textune.execution.base import Executor
from textune.fidelity.design import ENOUGH, Design
from textune.named_files import file_digests
from textune.records import StudyRecord, StudyStart
from textune.run_folder import RunFolder
from textune.study import Listed, Phase, StopSignals, run_plan
from textune.tracking.console import Console
from textune.tracking.log import EventLog, Past
from textune.tracking.trainings import Trainings
from textune.trial import prepare_data
from textune.version import __version__

__all__ = ["refuse_others", "train"]

PHASE = "fidelity/trainings"


def refuse_others(past: Past, design: Design, folder: RunFolder) -> None:
    """Raises RunFolderError if what stands in a folder is no part of what is to be trained."""
    resume.refuse_other_command(past, "fidelity", folder)
    resume.refuse_other_study(past, design.loaded, folder)
    before = int(past.start.header["fidelity"]["configurations"])
    if before > len(design.configurations):
        raise RunFolderError(
            f"{folder.path} has trainings of {before} configurations; give --configurations {before} or more to go on "
            "with them, or --fresh to start anew"
        )


def train(
    design: Design,
    place: Path | RunFolder,
    past: Past | None,
    held: ExitStack,
    start: Callable[[Path], Executor],
    console: Console,
    stop: StopSignals,
) -> tuple[RunFolder, StudyRecord]:
    """Trains all that a design asks for, or what earlier sessions left of it; `repeats` of the record are these.

    Args:
        design: of them.
        place: a folder that is locked, or a path: the folder is made once the data is known to be sound.
        past: what earlier sessions left in the folder.
        held: takes the lock of a new folder.
        start: starts the executor on a cache.
        console: what a person sees.
        stop: how a person stops it.
    """
    loaded, cache, specs = design.loaded, Cache(), design.specs(None)
    is_done = past is not None and past.record.state == "done" and len(past.record.repeats) == len(specs)
    if past is not None and isinstance(place, RunFolder) and is_done:
        if note := resume.refuse_other_inputs(past, loaded, place):
            console.say(note)
        return place, past.record
    if (few := len(design.configurations)) < ENOUGH:
        console.say(f"{few} different configurations are few to say something of; take {ENOUGH} or more")
    with closing(start(cache.root)) as executor:
        with stop.at_once():
            prepared = prepare_data(loaded.config, loaded.folders, cache)
            console.say(data_line(prepared.rows, prepared.splits))
            refuse_untrained(prepared.rows, prepared.splits)
        folder = RunFolder.taken(place, held)
        if past is not None:
            resume.refuse_other_data(past, prepared.rows, folder)
            resume.remove_leftovers(past, folder)
        header = _header(design, prepared, cache)
        if past is not None:
            resume.refuse_other_files(past, header["files"], folder)
        session.write_study(loaded, folder, header)
        with closing(EventLog(folder.path)) as log:
            phase = _phase(design, prepared, header, executor, folder, log, past, console.say, stop)
            log.start(phase.start, resumed=past is not None)
            record = run_plan(phase, Listed(design.specs(phase.folder)))
    if record.state != "done":
        ended = sum(1 for each in record.repeats if each.result is not None and each.result.final)
        told = f"stopped after {ended} of {len(specs)} trainings: {record.reason}"
        console.say(f"{told}; the same command goes on with it", error=record.state == "failed")
    return folder, record


def _header(design: Design, prepared: Prepared, cache: Cache) -> dict[str, Any]:
    """Returns what `study.json` holds."""
    loaded = design.loaded
    return {
        "config": loaded.config.dump(),
        "textune": __version__,
        "plugins": dict(loaded.plugins),
        "files": file_digests(loaded, cache),
        "data": {"fingerprint": prepared.fingerprint},
        "fidelity": {"configurations": len(design.configurations)},
    }


def _phase(
    design: Design,
    prepared: Prepared,
    header: Mapping[str, Any],
    executor: Executor,
    folder: RunFolder,
    log: EventLog,
    past: Past | None,
    say: Callable[[str], None],
    stop: StopSignals,
) -> Phase:
    """Returns what the trainings run with."""
    config, specs = design.loaded.config, design.specs(None)
    parts = Parts(prepared.rows, prepared.splits, config.seed)
    execution = cast("Any", config.execution)  # typed by role at run time
    return Phase(
        start=StudyStart(
            name=config.name,
            objective=config.objective,
            paths=design.loaded.space.paths,
            trials=len(specs),
            header=dict(header),
        ),
        executor=executor,
        name=PHASE,
        seed=config.seed,
        folder=folder.fidelity,
        log=log,
        past=past,
        stop=stop,
        trackers=[Trainings(say, [parts.of(spec) for spec in specs], executor.slots)],
        max_retries=execution.max_retries,
        trial_timeout_seconds=execution.timeout_seconds,
    )
