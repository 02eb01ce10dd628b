"""What a study found, in sentences that promise no more than was measured."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from textune.records import EndReason, Fidelity, StudyRecord, TrialRecord, TrialState
from textune.report.claims import Statement, claims, confirmed, mean_of
from textune.tracking.wording import duration, number, plain, short_form

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textune.json_records import SearchSettings

__all__ = [
    "BASELINES",
    "Standing",
    "Statement",
    "base_trial",
    "baseline",
    "searches",
    "standings",
    "test_metric",
    "verdict",
]

BASELINES = {
    "tfidf": "TF-IDF + logistic regression",
    "tfidf-balanced": "TF-IDF + class-weighted logistic regression",
    "majority": "majority class",
}

MOST_DATA_WARNINGS = 3


@dataclass(frozen=True)
class Standing:
    """One line of the comparison: the objective's metric on the valid rows, and on the test rows where it was read.

    The role `chosen` is what is handed over, `best` the best of the search where that is another; `repeats` is the mean
    over the repeats of a confirmation.
    """

    role: Literal["chosen", "best", "base", "tfidf", "tfidf-balanced", "majority"]
    name: str
    valid: float | None
    test: float | None
    repeats: float | None = None


def base_trial(record: StudyRecord) -> TrialRecord | None:
    """The study as written: trial 0, unless the study left it out."""
    included = searches(record)[0].get("include_base", True)
    first = next((trial for trial in record.trials if trial.spec.number == 0), None)
    return first if included else None


def searches(record: StudyRecord) -> list[SearchSettings]:
    """What the study says of each stage of its search; of one, if it has no stages or is not known."""
    search = (record.header.get("config") or {}).get("search")
    return (search or [{}]) if isinstance(search, list) else [search or {}]


def test_metric(record: StudyRecord) -> str:
    """The objective's metric on the test split: `valid.accuracy` → `test.accuracy`."""
    return "test." + record.objective.metric.partition(".")[2]


def standings(record: StudyRecord) -> tuple[Standing, ...]:
    """What is handed over, the best of the search, the base point, and the baselines, as far as they are known."""
    lines = []
    best, chosen = record.best, record.chosen
    if chosen is not None and chosen.result is not None:
        tested = ((record.test or {}).get("metrics") or {}).get(test_metric(record))
        name = f"{'chosen' if confirmed(record) else 'best'} (trial {chosen.spec.number})"
        lines.append(Standing("chosen", name, chosen.result.value, tested, mean_of(record, chosen.spec.number)))
    if best is not None and best.result is not None and not _is_repetition(best, chosen):
        name = f"best in the search (trial {best.spec.number})"
        lines.append(Standing("best", name, best.result.value, None, mean_of(record, best.spec.number)))
    base = base_trial(record)
    if base is not None and base.result is not None and len(record.trials) > 1:
        name, number_of = f"base point (trial {base.spec.number})", base.spec.number
        lines.append(Standing("base", name, base.result.value, None, mean_of(record, number_of)))
    for role, name in BASELINES.items():
        if scores := baseline(record, role):
            valid, tested = scores.get(record.objective.metric), scores.get(test_metric(record))
            lines.append(Standing(role, name, valid, tested))  # type: ignore[arg-type]  # the keys are roles
    return tuple(lines)


def _is_repetition(trial: TrialRecord, of: TrialRecord | None) -> bool:
    """Whether both are one configuration, perhaps trained with different seeds."""
    return of is not None and trial.spec.config == of.spec.config and trial.spec.params == of.spec.params


def baseline(record: StudyRecord, role: str) -> Mapping[str, float]:
    """Returns the metrics of a baseline, and its `seconds`; empty where it is not known.

    Its valid scores are known before the search; its test scores only once the study has read its test rows.
    """
    known: Mapping[str, Any] = record.header.get("baselines") or {}
    read: Mapping[str, Any] = (record.test or {}).get("baselines") or {}
    return {**known.get(role, {}), **read.get(role, {})}


def verdict(record: StudyRecord) -> tuple[Statement, ...]:
    """Returns what must be said first, warnings before the rest."""
    statements = [
        *_state(record),
        *_data(record),
        *_short(record),
        *_base(record),
        *claims(record),
        *_against_baselines(record),
    ]
    statements += [*_trials(record), *_test(record)]
    return tuple(sorted(statements, key=lambda statement: statement.level != "warning"))


def _state(record: StudyRecord) -> list[Statement]:
    statements = []
    if record.state != "done":
        word = {"running": "is still running", "interrupted": "was interrupted", "failed": "ended with an error"}
        because = f": {record.reason.rstrip('.')}" if record.reason else ""
        text = f"The study {word[record.state]}{because}. What follows was measured until then."
        again = "" if record.state == "running" else " The same command goes on with it."
        statements.append(Statement("warning", text + again))
    if record.best is None:
        reasons = Counter(trial.result.end for trial in record.trials if trial.result is not None)
        most = f" The most frequent end: {reasons.most_common(1)[0][0].sentence}." if reasons else ""
        statements.append(Statement("warning", f"No trial was completed, so there is no winner.{most}"))
    return statements


def _data(record: StudyRecord) -> list[Statement]:
    """What makes the scores mean something else than they seem to, as it was said before the search."""
    data: Mapping[str, Any] = record.header.get("data") or {}
    warnings: list[str] = data.get("warnings") or []
    statements = [Statement("warning", f"Data: {plain(warning)}.") for warning in warnings[:MOST_DATA_WARNINGS]]
    if (more := len(warnings) - MOST_DATA_WARNINGS) > 0:
        verb, warning = ("is", "warning") if more == 1 else ("are", "warnings")
        statements.append(Statement("note", f"There {verb} {more} more {warning} about the data: see the report."))
    return statements


def _short(record: StudyRecord) -> list[Statement]:
    forms = {short_form(trial.spec.fidelity): None for trial in record.trials if trial.spec.fidelity != Fidelity()}
    if not forms:
        return []
    text = f"The search is in short form ({'; '.join(forms)}): its scores are not those of training in full."
    return [Statement("warning", text)]


def _against_baselines(record: StudyRecord) -> list[Statement]:
    lines = {str(line.role): line for line in standings(record)}
    which = "chosen" if confirmed(record) else "best"
    statements: list[Statement] = []
    beaten: list[str] = []
    splits: set[str] = set()
    for role, name in (BASELINES | {"majority": "the majority class"}).items():
        measured = _comparable(lines.get("chosen"), lines.get(role))
        if measured is None:
            continue
        split, ours, theirs = measured
        lead = f"{number(abs(ours - theirs))} on the {split} rows"
        if record.objective.better(ours, theirs):
            if split == "test" and _inside_interval(record, theirs):
                text = f"The lead over {name}, {lead}, is within the uncertainty of the test score: it may be luck."
                statements.append(Statement("warning", text))
            else:
                beaten.append(f"{name} by {lead}")
                splits.add(split)
            continue
        seconds = baseline(record, role).get("seconds")
        cost = f" (which took {duration(seconds)})" if seconds else ""
        scores = f"{number(ours)} against {number(theirs)} on the {split} rows"
        falls_short = "only equals" if ours == theirs else "does not beat"
        statements.append(Statement("warning", f"The {which} trial {falls_short} {name}{cost}: {scores}."))
    if beaten:
        by = " By these it was chosen, so that is optimistic." if "valid" in splits and len(record.trials) > 1 else ""
        statements.append(Statement("good", f"The {which} trial beats {', and '.join(beaten)}.{by}"))
    return statements


def _comparable(chosen: Standing | None, line: Standing | None) -> tuple[str, float, float] | None:
    """The split that both were scored on (test before valid), and the two scores."""
    if chosen is None or line is None:
        return None
    if chosen.test is not None and line.test is not None:
        return "test", chosen.test, line.test
    if chosen.valid is not None and line.valid is not None:
        return "valid", chosen.valid, line.valid
    return None


def _inside_interval(record: StudyRecord, value: float) -> bool:
    interval = None if record.test is None else record.test.get("interval")
    return interval is not None and interval["low"] <= value <= interval["high"]


def _base(record: StudyRecord) -> list[Statement]:
    chosen = record.chosen
    if chosen is None or len(record.trials) < 2 or chosen is not base_trial(record):
        return []
    what = "is handed over; the search found nothing that is proved to be better"
    if not confirmed(record):
        what = "is the best; the search found nothing better"
    return [Statement("note", f"The study as written (trial {chosen.spec.number}) {what}.")]


def _trials(record: StudyRecord) -> list[Statement]:
    """What went otherwise than planned in some trials."""
    results = [trial.result for trial in record.trials if trial.result is not None and trial.result.final]
    failed = Counter(result.end for result in results if result.state is TrialState.FAILED)
    statements = []
    if failed:
        ends = ", ".join(f"{failed[end]} {end.value}" for end in EndReason if failed[end])
        share = f"{failed.total()} of {len(record.trials)} trials failed"
        statements.append(Statement("note", f"{share}: {ends}. A failed trial cannot win."))
    if repeats := sum(1 for trial in record.trials if trial.spec.repeat_of is not None):
        text = f"{repeats} of {len(record.trials)} trials had a point that was measured before, and took its result."
        statements.append(Statement("note", text))
    statements += [Statement("note", f"{note[:1].upper()}{note[1:]}.") for note in record.header.get("notes") or ()]
    return statements


def _test(record: StudyRecord) -> list[Statement]:
    if record.test is None:
        estimated = (confirmed(record) or {}).get("estimate")
        if record.best is None or record.state == "running" or estimated:
            return []
        return [Statement("note", "There is no test score: the study has no test rows, or they were not read.")]
    readings = record.test.get("readings", 1)
    if readings > 1:
        text = (
            f"These test rows have been read {readings} times, this study's reading included. The more choices were "
            "made after looking, the more optimistic the score."
        )
        return [Statement("warning", text)]
    return [Statement("note", "The test rows were read once, for the chosen trial, after the search had ended.")]
