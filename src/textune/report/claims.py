"""What a confirmation allows to say, in sentences that promise no more than was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from textune.records import Fidelity, StudyRecord, TrialRecord, TrialState
from textune.tracking.wording import count, number, signed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Statement", "claims", "confirmed", "last_comparisons", "level_of", "mean_of", "rows_of"]


@dataclass(frozen=True)
class Statement:
    """One sentence; a warning is what a reader must not overlook, a finding what the study came to."""

    level: Literal["good", "finding", "note", "warning"]
    text: str


def confirmed(record: StudyRecord) -> Mapping[str, Any] | None:
    """Returns what the confirmation came to; None where nothing was trained again, or it goes on."""
    confirmation = record.confirmation
    return confirmation if confirmation is not None and confirmation["chosen"] is not None else None


def mean_of(record: StudyRecord, trial: int) -> float | None:
    """Returns a trial's mean over its repeats, None where it has none."""
    candidates = (confirmed(record) or {}).get("candidates", ())
    mean: float | None = next((each["mean"] for each in candidates if each["trial"] == trial), None)
    return mean


def last_comparisons(confirmation: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    """Returns the comparison with the leader at the last look that a candidate saw, by trial."""
    return {each["trial"]: each for each in confirmation["comparisons"]}  # in the order of the looks


def level_of(level: float) -> str:
    """Returns `95%`, `98.3%`, `99.58%`."""
    return f"{100 * level:.4g}%"


def rows_of(record: StudyRecord, confirmation: Mapping[str, Any]) -> str:
    """Returns what repeats were scored on, in words."""
    if confirmation["method"] == "ranges":
        return "in the date ranges it was chosen by, each of them one unit"
    if confirmation["rows"] == "same":
        return "on the rows used to choose, and conditional on them"
    if confirmation["rows"] == "holdout":
        return "on rows set aside before the search"
    if _has_folds(record):
        return "on rows drawn anew for each repeat, which the search had scored in its folds"
    return "on rows drawn anew for each repeat, which the search never scored"


def _has_folds(record: StudyRecord) -> bool:
    """Whether the search scored every row that is no test row."""
    return int((record.header.get("data") or {}).get("folds") or 1) > 1


def claims(record: StudyRecord) -> list[Statement]:
    """Returns what may be said of the winner: whether it is one, and by how much its score was luck."""
    if record.best is None or len(record.trials) < 2:
        return []
    confirmation = confirmed(record)
    if confirmation is None:
        return [_not_confirmed(record)]
    return [
        _verdict(record, confirmation),
        *_optimism(record, confirmation),
        *_estimate(record, confirmation),
        *_missing(confirmation),
    ]


def _not_confirmed(record: StudyRecord) -> Statement:
    assert record.best is not None
    text = (
        f"Not confirmed: {number(_value(record.best))} is the best of {_num_points(record)} valid scores. Chosen among "
        "many, it is optimistic, and with one seed per trial part of it is luck."
    )
    config = record.header.get("config") or {}
    if record.confirmation is not None:
        text += f" The best were not trained again: {record.confirmation['reason']}."
    elif record.repeats:
        ended = sum(1 for each in record.repeats if each.result is not None and each.result.final)
        text += f" The best are being trained again: {ended} trainings so far, and nothing is decided."
    elif "confirm" in config and config["confirm"] is None:
        text += " The best were not trained again: the study has confirm: off."
    return Statement("finding", text)


def _value(trial: TrialRecord) -> float | None:
    return None if trial.result is None else trial.result.value


def _num_points(record: StudyRecord) -> int:
    complete = [trial for trial in record.trials if trial.result and trial.result.state is TrialState.COMPLETE]
    return sum(1 for trial in complete if trial.spec.repeat_of is None)


def _verdict(record: StudyRecord, confirmation: Mapping[str, Any]) -> Statement:
    where = rows_of(record, confirmation)
    compared = last_comparisons(confirmation)
    remaining = [
        each["trial"] for each in confirmation["candidates"] if each["dropped_at"] is None and each["failed"] is None
    ]
    undecided = confirmation["verdict"] == "undecided"
    if undecided and len(remaining) < 2:  # the others failed
        text = f"Undecided: {confirmation['reason']}; trial {confirmation['chosen']} is handed over."
        return Statement("finding", text)
    tell = {"winner": _winner, "tie": _tie}.get(confirmation["verdict"], _undecided)
    return tell(confirmation, remaining, compared, where)


def _winner(
    confirmation: Mapping[str, Any], _: Sequence[int], compared: Mapping[int, Mapping[str, Any]], where: str
) -> Statement:
    chosen = confirmation["chosen"]
    beaten = [each["trial"] for each in confirmation["candidates"] if each["dropped_at"] is not None]
    against = [each for each in compared.values() if each["leader"] == chosen]
    nearest = min(against, key=lambda each: each["difference"])
    text = (
        f"Confirmed: trial {chosen} is significantly better than {_trials(beaten)}, {where} (chance "
        f"of a false winner at most {level_of(confirmation['alpha'])}). Nearest is trial {nearest['trial']}, "
        f"{number(nearest['difference'])} behind after {nearest['repeats']} repeats{_within(nearest)}."
    )
    if (nearest["low"] or 0.0) <= 0:  # the race needs comparisons with the leader alone, and so asks for less
        text += f" The interval holds for all pairs together; by Holm's test of the leader p is {number(nearest['p'])}."
    return Statement("good", text)


def _tie(
    confirmation: Mapping[str, Any], remaining: Sequence[int], _: Mapping[int, Mapping[str, Any]], where: str
) -> Statement:
    text = (
        f"Tie: {_trials(remaining)} are equal within {confirmation['margin']:g}, {where}; the cheapest, trial "
        f"{confirmation['chosen']}, is handed over."
    )
    return Statement("finding", text)


def _undecided(
    confirmation: Mapping[str, Any],
    remaining: Sequence[int],
    compared: Mapping[int, Mapping[str, Any]],
    where: str,
) -> Statement:
    chosen, leader = confirmation["chosen"], confirmation["comparisons"][-1]["leader"]
    as_good = [trial for trial in remaining if trial != leader and compared[trial]["within_margin"]]
    if not as_good:
        taken = f"trial {chosen} has the best mean and is handed over"
    else:
        among = _trials([leader, *as_good])
        taken = (
            f"{among} are proved to be at most {confirmation['margin']:g} behind the best mean; the cheapest of them, "
            f"trial {chosen}, is handed over"
        )
    text = (
        f"Undecided: none of {_trials(remaining)} is proved to be the best, {where}; {taken}. More repeats "
        f"(confirm.max_repeats), or time for them (confirm.max_share{_enough(confirmation, 'repeats')}), may decide it."
    )
    return Statement("finding", text)


def _enough(confirmation: Mapping[str, Any], what: str) -> str:
    """Returns which `confirm.max_share` has time for all repeats, or all candidates, where it is known."""
    share = (confirmation.get("enough") or {}).get(what)
    return "" if share is None else f": {share:g} is enough for all {what}"


def _trials(numbers: Iterable[int]) -> str:
    """Returns `trial 3`, or `trials 0, 3 and 5`."""
    *most, last = map(str, sorted(numbers))
    return f"trials {', '.join(most)} and {last}" if most else f"trial {last}"


def _within(comparison: Mapping[str, Any]) -> str:
    if comparison["low"] is None:
        return ""
    low, high = signed(comparison["low"]), signed(comparison["high"])
    return f" (simultaneous {level_of(comparison['level'])} interval {low} to {high})"


def _optimism(record: StudyRecord, confirmation: Mapping[str, Any]) -> list[Statement]:
    """The score that was chosen by, beside those that were not: the winner's curse."""
    number_of = confirmation["chosen"]
    candidate = next(each for each in confirmation["candidates"] if each["trial"] == number_of)
    searched, mean = candidate["search"], candidate["mean"]
    if mean is None:
        return []
    assert record.chosen is not None
    short = "short " if record.chosen.spec.fidelity != Fidelity() else ""
    best = record.best
    rank = f"the best of {_num_points(record)}"
    if best is not None and _value(best) != searched:
        rank = f"where the best of {_num_points(record)} was {number(_value(best))}"
    later = [f"over {len(candidate['values'])} repeats its mean is {number(mean)} ({signed(mean - searched)})"]
    tested = ((record.test or {}).get("metrics") or {}).get("test." + record.objective.metric.partition(".")[2])
    if tested is not None:
        later.append(f"on the test rows it is {number(tested)} ({signed(tested - searched)})")
    text = f"In the {short}search trial {number_of} scored {number(searched)}, {rank}; {', '.join(later)}."
    if tested is None and not _has_estimate(confirmation):
        text += " It was chosen by that mean, too, so both are optimistic."
    return [Statement("note", text)]


def _has_estimate(confirmation: Mapping[str, Any]) -> bool:
    return bool("mean" in (confirmation.get("estimate") or {}))


def _estimate(record: StudyRecord, confirmation: Mapping[str, Any]) -> list[Statement]:
    """How good the choice is where there are no test rows."""
    if record.test is not None or not _has_estimate(confirmation):
        return []
    estimate = confirmation["estimate"]
    mean, interval = estimate["mean"], estimate.get("interval")
    within = f" (95% interval {number(interval[0])} to {number(interval[1])})" if interval else ""
    rows = "used neither to search nor to choose"
    if _has_folds(record):
        rows = "that no earlier repeat had scored, though the search had, in its folds"
    text = (
        f"Without test rows: {number(mean)}{within} is the mean of {len(estimate['values'])} trainings of trial "
        f"{confirmation['chosen']} made after the decision, on rows {rows}."
    )
    return [Statement("finding", text)]


def _missing(confirmation: Mapping[str, Any]) -> list[Statement]:
    """Candidates of which nothing, or not all, is known."""
    statements = []
    if left := confirmation["left_out"]:
        who = "One more candidate was" if left == 1 else f"{count(left)} more candidates were"
        enough = _enough(confirmation, "candidates")
        text = f"{who} not trained again: the time allowed (confirm.max_share{enough}) was too short."
        statements.append(Statement("note", text))
    statements += [
        Statement("note", f"Trial {each['trial']} is out, as one of its repeats failed ({each['failed']}).")
        for each in confirmation["candidates"]
        if each["failed"]
    ]
    return statements
