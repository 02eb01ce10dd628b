"""The whole system on one screen: one function per command. `cli` parses and prints; Python users call these."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textune.past_runs import Finished, load_run, report, runs, show
from textune.records import StudyRecord
from textune.run_folder import RunFolder
from textune.storage import FolderLock, full_disk_told, write_atomically
from textune.tracking.log import read_past

if TYPE_CHECKING:
    from textune.config.load import LoadedStudy
    from textune.execution.base import Executor
    from textune.tracking.log import Past

__all__ = [
    "Finished",
    "Measured",
    "check",
    "describe",
    "fidelity",
    "kinds",
    "load_run",
    "report",
    "run",
    "runs",
    "show",
]


def run(
    source: Path | Mapping[str, Any],
    *,
    out: Path | None = None,
    fresh: bool = False,
    overrides: Sequence[str] = (),
    quiet: bool = False,
    allow_plugins: bool = False,
) -> Finished:
    """Runs a study, or goes on with it: check, prepare, search, hand over, read the test split once, report.

    Raises:
        StudyError: the study is wrong; nothing was written.
        DataError: the data cannot be used; nothing was written.
        RunFolderError: the run folder holds another study, is in use or damaged; nothing was changed.
    """
    from textune.config.load import load_study  # what only looks at runs starts without it

    loaded = load_study(source, overrides, allow_plugins=allow_plugins)
    path = out or Path("runs") / loaded.config.name
    folder = RunFolder.at(path)
    with full_disk_told(path), ExitStack() as held:
        if folder is None or fresh:
            if folder is not None:
                FolderLock(path).release()  # a study that still runs keeps its folder
            return _run(loaded, path, None, held, quiet=quiet)
        folder.enter(held)
        past = read_past(path) if folder.events.is_file() else None
        if past is not None:
            from textune import confirmation, resume

            resume.refuse_other_command(past, "run", folder)
            resume.refuse_other_study(past, loaded, folder)
            if resume.is_finished(past, *loaded.limits) and confirmation.is_settled(past.record, loaded):
                note = resume.refuse_other_inputs(past, loaded, folder)
                return _already_finished(folder, past.record, note, quiet=quiet)
        return _run(loaded, folder, past, held, quiet=quiet)


def _already_finished(folder: RunFolder, record: StudyRecord, note: str, *, quiet: bool) -> Finished:
    from textune.data import recorded_data_line
    from textune.report import write_report
    from textune.report.terminal import show as result_table
    from textune.tracking.console import Console

    if not folder.has_current_report():  # it was stopped, or the disk was full, after the last event
        write_report(folder.path, record)
    with Console(quiet=quiet) as console:
        console.say(recorded_data_line(record.header["data"]))
        console.say(f"{folder.path} is finished: {record.reason}; add trials to go on, or --fresh to start anew")
        if note:
            console.say(note)
        console.show(result_table(record, folder.path))
    return Finished(folder, record)


def _run(loaded: LoadedStudy, place: Path | RunFolder, past: Past | None, held: ExitStack, *, quiet: bool) -> Finished:
    """Runs a study in a new folder (a path: made once the data is known to be sound), or in one that is locked."""
    from textune import resume, session
    from textune.course import Course, check_rows
    from textune.data import Cache, data_line
    from textune.facts import gather_facts
    from textune.hand_over import hand_over
    from textune.report import write_report
    from textune.report.terminal import show as result_table
    from textune.study import StopSignals
    from textune.tracking.console import Console
    from textune.tracking.log import EventLog
    from textune.trial import prepare_data

    cache, (trials, _), stop = Cache(), loaded.limits, held.enter_context(StopSignals())
    with Console(quiet=quiet) as console, closing(_executor(loaded, trials, cache.root)) as executor:
        with stop.at_once():
            prepared = prepare_data(loaded.config, loaded.folders, cache)
            console.say(data_line(prepared.rows, prepared.splits))
            for note in prepared.splits.notes:
                console.say(note)
            check_rows(loaded, prepared)
            facts = gather_facts(loaded, prepared, cache, console.say)
            header = session.study_header(loaded, facts, prepared, cache)
        folder = RunFolder.taken(place, held)
        if past is not None:
            resume.refuse_other_data(past, prepared.rows, folder)
            resume.refuse_other_files(past, header["files"], folder)
            header["notes"] = resume.version_notes(past, header)
            resume.remove_leftovers(past, folder)
            resume.take_back(past, folder)
            for line in (*resume.welcome(past, folder, trials), *header["notes"]):
                console.say(line)
        with closing(EventLog(folder.path)) as log:
            header["estimate"] = session.estimate(loaded, prepared, trials, executor.slots, cache)
            session.write_study(loaded, folder, header)
            course = Course(loaded, prepared, cache, executor, folder, header, log, past, console, stop)
            record = course.run()
            try:
                record = hand_over(record, loaded, prepared, facts, folder, cache, log, console.say, stop)
            except Exception as error:  # as where the last training diverges
                record = record.model_copy(update={"state": "failed", "reason": str(error)})
                raise
            finally:
                course.end(record)
                write_report(folder.path, record)
            session.note_cost(record, loaded, prepared, folder, cache)
        console.show(result_table(record, folder.path))
    return Finished(folder, record)


def _executor(loaded: LoadedStudy, trials: int | None, cache_root: Path) -> Executor:
    """Starts the executor: workers import what trials need while the coordinator reads the data."""
    from textune.execution.serial import SerialConfig
    from textune.named_files import find_named_files
    from textune.trial import TrialRunner

    find_named_files(loaded)  # or a missing one would end trials one by one
    config: Any = loaded.config.execution
    if trials == 1 and "execution" not in loaded.config.model_fields_set:
        config = SerialConfig()
    encoder: Any = loaded.config.model.encoder
    objective = TrialRunner(
        loaded.folders,
        cache_root,
        bool(loaded.plugins),
        memory_bytes=config.memory_bytes_per_worker,
        preload=(*TrialRunner.preload, *encoder.MODULES),
    )
    executor: Executor = config.build(objective)
    return executor


@dataclass(frozen=True)
class Measured:
    """What short forms of a study are worth, as `fidelity.json` has it; None where it was stopped before the end."""

    folder: RunFolder
    record: StudyRecord
    found: Mapping[str, Any] | None

    @property
    def exit_code(self) -> int:
        """0 done, 1 not finished, 130 interrupted."""
        return {"done": 0, "interrupted": 130}.get(self.record.state, 1)


def fidelity(
    source: Path | Mapping[str, Any],
    *,
    out: Path | None = None,
    fresh: bool = False,
    configurations: int = 20,
    margin: float | None = None,
    overrides: Sequence[str] = (),
    quiet: bool = False,
    allow_plugins: bool = False,
) -> Measured:
    """Measures which short form of a study's trainings chooses as the full one does, or goes on with that.

    Args:
        configurations: how many are trained: the study as written, and points drawn at random.
        margin: differences of the objective within this do not matter; None: as the confirmation has it.

    Raises:
        StudyError: the study is wrong, or too little varies; nothing was written.
        DataError: the data cannot be used; nothing was written.
        RunFolderError: the folder holds something else, is in use or damaged; nothing was changed.
    """
    from textune.config.load import load_study
    from textune.fidelity import Design, conclude, refuse_others, train
    from textune.report.fidelity import write_fidelity_page
    from textune.study import StopSignals
    from textune.tracking.console import Console

    loaded = load_study(source, overrides, allow_plugins=allow_plugins)
    design = Design.of(loaded, configurations)
    path = out or Path("runs") / f"{loaded.config.name}-fidelity"
    with full_disk_told(path), ExitStack() as held:
        folder, past = RunFolder.at(path), None
        if folder is not None and not fresh:
            folder.enter(held)
            past = read_past(path) if folder.events.is_file() else None
            if past is not None:
                refuse_others(past, design, folder)
        place = path if folder is None or fresh else folder
        stop, console = held.enter_context(StopSignals()), held.enter_context(Console(quiet=quiet))
        folder, record = train(design, place, past, held, lambda root: _executor(loaded, None, root), console, stop)
        if record.state != "done":
            return Measured(folder, record, None)
        with stop.at_once():
            found = conclude(record, design, margin)
        write_atomically(folder.fidelity_table, json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        write_fidelity_page(folder.fidelity_page, found)
    return Measured(folder, record, found)


def check(source: Path, overrides: Sequence[str] = (), *, allow_plugins: bool = False) -> str:
    """Checks a study and that its files exist, without reading data; returns what would run, in words."""
    from textune.config.load import load_study
    from textune.named_files import find_named_files

    loaded = load_study(source, overrides, allow_plugins=allow_plugins)
    data: Any = loaded.config.data
    reads = [f"  reads {file}" for file in (*data.find(loaded.folders), *find_named_files(loaded))]
    plan = [f"  {line}" for line in cast("Any", loaded.config.split).plan()]
    return "\n".join([f"{source}: fine; {_planned(loaded)}", *reads, *plan, *_stages(loaded), *_left_out(loaded)])


def _planned(loaded: LoadedStudy) -> str:
    text = _trials(loaded.limits[0])
    return text if len(loaded.stages) == 1 else f"{text} in {len(loaded.stages)} stages"


def _trials(number: int | None) -> str:
    return f"{'no end of' if number is None else number} trial{'' if number == 1 else 's'}"


def _stages(loaded: LoadedStudy) -> list[str]:
    """Returns a line for each stage, if there are several."""
    if len(loaded.stages) == 1:
        return []
    return [
        f"  search.{number}: {_trials(stage.num_trials)}, {stage.config.sampler.kind} over "
        f"{', '.join(stage.space.paths) or 'nothing'}"
        for number, stage in enumerate(loaded.stages)
    ]


def _left_out(loaded: LoadedStudy) -> list[str]:
    """Returns a line for each dimension that never varies, and for each choice that lacks settings of the study."""
    from textune.tracking.wording import setting

    lines = [
        f"  {path}: does not vary; its condition does not hold for the study as written"
        for stage in loaded.stages
        for path in cast("Any", stage.config.sampler).left_out(stage.space)
    ]
    for dimension in (dimension for stage in loaded.stages for dimension in stage.space.dimensions):
        for value in getattr(dimension, "values", ()):
            _, dropped = loaded.resolver.settings({dimension.path: value})  # it may be no config without its condition
            if dropped:
                names = ", ".join(path.rpartition(".")[2] for path in dropped)
                lines.append(f"  {dimension.path}: {setting(value)} has no {names}; the study's is left out there")
    return lines


def describe(source: Path, overrides: Sequence[str] = (), *, allow_plugins: bool = False) -> dict[str, Any]:
    """Returns the statistics of a study's data."""
    from textune.config.load import load_study
    from textune.data import Cache
    from textune.facts import describe_data
    from textune.trial import prepare_data

    loaded = load_study(source, overrides, allow_plugins=allow_plugins)
    prepared = prepare_data(loaded.config, loaded.folders, Cache())
    return describe_data(loaded, prepared)


def kinds(role: str | None = None) -> str:
    """Returns the components a study can name, in words."""
    from textune.errors import Problem, StudyError, suggestion
    from textune.registry import ROLES
    from textune.registry import kinds as kinds_of

    if role is not None and role not in ROLES:
        hint = suggestion(role, list(ROLES)) or f"; roles are: {', '.join(ROLES)}"
        raise StudyError([Problem("kinds", role, f"there is no such role{hint}")])
    lines = []
    for name in [role] if role else ROLES:
        lines.append(f"{name}: {ROLES[name].summary}")
        for kind, config in kinds_of(name).items():
            settings = ", ".join(config.model_fields) or "no settings"
            default = " (default)" if kind == ROLES[name].default else ""
            lines += [f"  {kind}{default}", f"      {settings}"]
    return "\n".join(lines)


def cache(*, clear: bool = False) -> str:
    """Returns where the cache is and how large; empties it if asked."""
    from textune.data import Cache
    from textune.tracking.wording import size

    store = Cache()
    if clear:
        return f"{store.root}: {size(store.clear())} freed"
    return f"{store.root}: {size(store.size())}"
