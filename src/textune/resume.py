"""Going on with a study: what the next session may change, and what it is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from textune.config.load import LoadedStudy
from textune.config.study import StudyConfig
from textune.data import Cache, Rows, is_frame, load_rows
from textune.errors import RunFolderError, TextuneError, quoted
from textune.named_files import file_digests
from textune.records import TrialResult, TrialSpec, TrialState
from textune.run_folder import RunFolder
from textune.storage import redact
from textune.temporary import remove_folder
from textune.tracking.log import Past
from textune.tracking.wording import count, duration

__all__ = [
    "is_finished",
    "refuse_other_command",
    "refuse_other_data",
    "refuse_other_files",
    "refuse_other_inputs",
    "refuse_other_study",
    "remove_leftovers",
    "take_back",
    "version_notes",
    "welcome",
]

MAY_CHANGE = ("execution", "tracking", "data.max_bytes", "confirm")
"""Settings that do not change what a trial measures or which are proposed."""
LIMITS = ("trials", "timeout_seconds")
"""Settings of a search, or of its last stage, on which nothing rests that was done."""
MOST_SHOWN = 10


def refuse_other_command(past: Past, command: str, folder: RunFolder) -> None:
    """Raises RunFolderError if what stands in a run folder is another command's: `run`, `fidelity`."""
    before = "fidelity" if "fidelity" in past.start.header else "run"
    if before != command:
        raise RunFolderError(
            f"{folder.path} is a folder of 'textune {before}', and 'textune {command}' needs one of its own; "
            "name another folder with --out"
        )


def refuse_other_study(past: Past, loaded: LoadedStudy, folder: RunFolder) -> None:
    """Raises RunFolderError if a run folder holds another study; the sentence lists the differences."""
    header = past.start.header
    configs = _with_defaults(dict(header.get("config") or {})), loaded.config.dump()
    before, now = (dict(_leaves(config)) for config in configs)
    before |= {f"plug-in {path}": digest for path, digest in (header.get("plugins") or {}).items()}
    now |= {f"plug-in {path}": digest for path, digest in loaded.plugins.items()}
    may_change = _may_change(loaded.config)
    different = [
        path
        for path in dict.fromkeys((*before, *now))
        if (given := {_shown(before, path), _shown(now, path)}) and len(given) > 1
        if not path.startswith(may_change) or (path == "confirm.rows" and "holdout" in given)  # it takes train rows
    ]
    if different:
        lines = [f"  {path}: {_shown(before, path)} there, {_shown(now, path)} now" for path in different[:MOST_SHOWN]]
        if len(different) > MOST_SHOWN:
            lines.append(f"  and {len(different) - MOST_SHOWN} more")
        raise RunFolderError(
            f"{folder.path} holds another study; it can go on with more trials, more time, another executor, other "
            "trackers or another confirmation, but these differ:\n" + "\n".join(lines) + "\n"
            "put them back, add --fresh to move the folder aside and start anew, or name another folder with --out"
        )
    _refuse_more_trials_behind_a_combination(past, loaded, folder)


def _refuse_more_trials_behind_a_combination(past: Past, loaded: LoadedStudy, folder: RunFolder) -> None:
    """Its changes were chosen from the trials before it, and its number would be that of another trial."""
    is_combined = any(trial.spec.stage >= len(loaded.stages) for trial in past.record.trials)
    if is_combined and (past.start.trials, past.start.timeout_seconds) != loaded.limits:
        raise RunFolderError(
            f"{folder.path} has tried its best changes together, and cannot go on with other limits; put "
            "search.trials and search.timeout_seconds back, add --fresh to move the folder aside and start anew, or "
            "name another folder with --out"
        )


def _may_change(config: StudyConfig) -> tuple[str, ...]:
    last = f"search.{len(config.stages) - 1}" if isinstance(config.search, tuple) else "search"
    return (*MAY_CHANGE, *(f"{last}.{limit}" for limit in LIMITS))


def refuse_other_inputs(past: Past, loaded: LoadedStudy, folder: RunFolder) -> str:
    """Raises RunFolderError if data, word vectors or a pretrained model changed since a finished study began.

    Returns:
        Why it is not known whether they did, as they are not on this machine any more; empty if it is.
    """
    cache = Cache()
    try:
        rows, _ = load_rows(cast("Any", loaded.config.data), loaded.folders, loaded.config.seed, cache)
        files = file_digests(loaded, cache)
    except TextuneError as error:
        return f"its data may have changed since, as it cannot be read now: {error}"
    refuse_other_data(past, rows, folder)
    refuse_other_files(past, files, folder)
    return ""


def refuse_other_data(past: Past, rows: Rows, folder: RunFolder) -> None:
    """Raises RunFolderError if the data changed since the study began; the sentence says what changed."""
    statistics = past.start.header.get("data") or {}
    before = statistics.get("fingerprint")
    if before == rows.fingerprint:
        return
    counts = statistics.get("rows"), len(rows)
    classes = set((statistics.get("labels") or {}).get("all") or ()), set(map(str, rows.classes))
    changes = [f"{count(counts[0])} rows before, {count(counts[1])} now"] if len({*counts, None}) == 3 else []
    for word, names in (("new", classes[1] - classes[0]), ("gone", classes[0] - classes[1])):
        if names and classes[0]:
            changes.append(f"{word}: {', '.join(map(quoted, sorted(names)[:MOST_SHOWN]))}")
    changes.append(f"fingerprint {str(before)[:12]} before, {rows.fingerprint[:12]} now")
    raise RunFolderError(
        f"{folder.path}: the data changed since the study began ({'; '.join(changes)}), and trials on different data "
        "cannot be compared; restore the data, or add --fresh to run the study on the new data"
    )


def refuse_other_files(past: Past, files: Mapping[str, str], folder: RunFolder) -> None:
    """Raises RunFolderError if word vectors or a pretrained model changed since the study began.

    Args:
        past: of the study; an earlier version did not record its files.
        files: name → digest, as in `study.json`.
        folder: of the study.
    """
    before = past.start.header.get("files") or {}
    if changed := [name for name, digest in files.items() if before.get(name, digest) != digest]:
        raise RunFolderError(
            f"{folder.path}: {', '.join(changed)} changed since the study began, and trials with different files "
            "cannot be compared; restore the file, or add --fresh to run the study with the new one"
        )


def is_finished(past: Past, trials: int | None, timeout_seconds: float | None) -> bool:
    """Whether there is nothing left to do: no trial, no reading of the test rows."""
    record, limits = past.record, (past.start.trials, past.start.timeout_seconds)
    splits = (record.header.get("data") or {}).get("splits") or {}
    unread = record.test is None and "test" in splits and record.best is not None
    return record.state == "done" and not unread and limits == (trials, timeout_seconds)


def version_notes(past: Past, header: Mapping[str, Any]) -> list[str]:
    """Returns what earlier sessions noted, and a sentence for each version that changed since the last one."""
    before, now = (
        {"textune": each.get("textune"), **(each.get("versions") or {})} for each in (past.start.header, header)
    )
    changed = [f"{name} {before.get(name)} → {now[name]}" for name in now if before.get(name) != now[name]]
    notes = list(past.start.header.get("notes") or ())
    if changed:
        notes.append(
            f"from trial {len(past.record.trials)} on with other versions ({', '.join(changed)}): "
            "trials before and after may differ by them"
        )
    return notes


def welcome(past: Past, folder: RunFolder, trials: int | None) -> list[str]:
    """Returns what a person is told when a study goes on."""
    record = past.record
    ended = sum(1 for trial in record.trials if trial.result is not None and trial.result.final)
    going_on = len(record.trials) - ended
    planned = "" if trials is None else f" of {count(trials)}"
    parts = [f"going on with {folder.path}: {count(ended)}{planned} trials ended"]
    if going_on:
        parts.append(f"{going_on} {'goes' if going_on == 1 else 'go'} on")
    parts.append(f"{duration(past.seconds)} used so far")
    lines = [", ".join(parts)]
    if past.torn_bytes:
        lines.append(f"the log ended in a torn line of {past.torn_bytes} bytes, which was cut")
    if record.test is not None:
        lines.append("the test rows were read when the study ended; reading them again will be counted as another")
    return lines


def take_back(past: Past, folder: RunFolder) -> None:
    """Puts the model handed over by an earlier session back to its trial: another may come out best."""
    best = past.record.chosen
    if not folder.best.exists() or best is None or best.result is None:
        return
    source = folder.model_of(best, past.record)
    if source.exists() or best.result.state is not TrialState.COMPLETE:
        remove_folder(folder.best)
    else:
        source.parent.mkdir(parents=True, exist_ok=True)
        folder.best.rename(source)


def remove_leftovers(past: Past, folder: RunFolder) -> None:
    """Removes what ended trials needed to go on, and models of attempts before their last: a kill leaves them."""
    ended: dict[tuple[str, int], int] = {}
    for name, phase in past.phases.items():
        attempts = folder.of_phase(name).attempts
        for event in phase.events:
            if isinstance(event, TrialSpec):
                ended.pop((attempts, event.number), None)  # of another confirmation
            elif isinstance(event, TrialResult) and event.final:
                ended[attempts, event.trial] = event.attempt
    for attempts, trial in folder.with_leftovers():
        if (attempts, trial) in ended:
            replace(folder, attempts=attempts).drop_leftovers(trial, ended[attempts, trial])


def _with_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """Returns a recorded config with the settings that came later, at their defaults."""
    try:
        return StudyConfig.model_validate(config).dump()
    except ValueError:
        return config


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value):
            yield from _leaves(item, f"{path}.{number}")
    else:
        yield path, value


def _shown(settings: Mapping[str, Any], path: str) -> str:
    if path not in settings:
        return "nothing"
    value = str(settings[path])
    return "a frame" if path == "data.path" and is_frame(value) else redact(value)  # its rows are compared elsewhere
