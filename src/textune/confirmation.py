"""Is the winner real? After the search the best configurations are trained again, until that is known or too costly."""

# J repeats, S seeds, N rows, K classes, R ranges

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textune.config.load import LoadedStudy
from textune.config.study import ConfirmConfig
from textune.confirmation_time import TimeAllowed
from textune.data import Parts, Prepared, content_key, redraw
from textune.records import Fidelity, Repeat, StudyRecord, TrialRecord, TrialResult, TrialState
from textune.stats.compare import crossed, ranges, resplit
from textune.stats.estimates import Estimate
from textune.stats.race import Look, Race, Verdict, looks
from textune.storage import dump_json
from textune.study import Candidate, Phase, Repeats, Rounds, Rules, Standing, run_plan
from textune.tracking.rounds import RoundsView
from textune.training.metrics import row_scores

__all__ = ["confirm", "is_settled"]

SPEED_STEP = 1.5
"""Speeds are told apart in steps of this factor: what is less is noise."""

Results = Sequence[TrialResult]
Scores = NDArray[np.float64]


def is_settled(record: StudyRecord, loaded: LoadedStudy) -> bool:
    """Whether a finished search needs no confirmation any more, as the study wants it now."""
    config = loaded.config.confirm
    wanted = None if config is None or not loaded.paths else _key(record, config)
    return wanted == (None if record.confirmation is None else record.confirmation.get("key"))


def _key(record: StudyRecord, config: ConfirmConfig) -> str:
    """Returns what identifies a confirmation: the trials of the search, and how they are confirmed."""
    return content_key("confirmation", len(record.trials), config.dump()).rpartition("-")[2][:12]


def confirm(
    record: StudyRecord,
    loaded: LoadedStudy,
    prepared: Prepared,
    phase: Phase,
    view: RoundsView,
    only: Collection[int] | None = None,
) -> StudyRecord:
    """Trains the best configurations of a finished search again, and returns the record with what came out.

    Args:
        record: of the search.
        loaded: the study.
        prepared: its data.
        phase: what the trainings run with; its name is put in here.
        view: what a person sees.
        only: the trials between which it is to be decided; None: the best, and the study as written.
    """
    config = loaded.config.confirm
    assert config is not None
    key, planned = _key(record, config), looks(config.max_repeats)
    design = _Design.of(record, config, prepared, loaded.config.seed)
    parts = Parts(prepared.rows, prepared.splits, loaded.config.seed)
    candidates = _candidates(record, config, parts, only)
    scores_later = not len(prepared.splits.test) and design.rows == "resplit"
    reserve = planned[0] * candidates[0].seconds if candidates and scores_later else 0.0
    time = _time_allowed(loaded, config, sum(_seconds(trial, parts) for trial in record.trials), reserve)
    running = time.affordable(candidates, planned[0])
    if len(running) < 2:
        return _told(record, phase, {"key": key, **_nothing(candidates, planned[0], time)})
    left_out = len(candidates) - len(running)
    view.say(_opening(running, left_out, design))
    if any(trial.spec.fidelity != Fidelity() for trial in record.trials):
        record, running = _in_full(record, replace(phase, name=f"full/{key}"), running, design)
        phase = replace(phase, opens=False)
    rules = Rules(_race(record, config, design, running), planned, design.scores, _predictions, time.repeats)
    phase = replace(phase, name=f"confirmation/{key}")
    rounds = Rounds(phase, running, Repeat(number=0, rows=design.rows), rules, view.tell, len(record.repeats))
    if record.state == "done":
        record = _with(record, run_plan(phase, rounds))
    if rounds.verdict is None or record.state != "done":
        return record
    verdict = _verdict(rounds, record)
    told = {
        "key": key,
        **verdict,
        **time.enough(candidates, running, planned, verdict),
        "rows": design.rows,
        "method": design.method,
        "alpha": config.alpha,
        "margin": config.margin,
        "left_out": left_out,
    }
    if scores_later:
        chosen = next(each for each in running if str(each.trial) == rounds.verdict.chosen)
        phase = replace(phase, name=f"estimate/{key}", opens=False)
        record, told["estimate"] = _estimated(record, phase, chosen, design, planned[0])
    return _told(record, phase, told) if record.state == "done" else record


def _time_allowed(loaded: LoadedStudy, config: ConfirmConfig, searched: float, reserve: float) -> TimeAllowed:
    if any(stage.config.deterministic for stage in loaded.stages):
        return TimeAllowed(math.inf, reserve, searched)  # time, which is never the same, must decide nothing
    return TimeAllowed(config.seconds(searched), reserve, searched)


def _nothing(candidates: list[Candidate], num_repeats: int, time: TimeAllowed) -> dict[str, Any]:
    few = "there are no two configurations to compare"
    reason = few if len(candidates) < 2 else time.too_short(candidates, num_repeats)
    return {"verdict": "none", "chosen": None, "reason": reason, "runs": 0, "candidates": []}


def _with(record: StudyRecord, ran: StudyRecord) -> StudyRecord:
    """Returns the record with what another phase came to."""
    update: dict[str, Any] = {"repeats": (*record.repeats, *ran.repeats), "seconds": record.seconds + ran.seconds}
    if ran.state != "done":
        update.update(state=ran.state, reason=ran.reason)
    return record.model_copy(update=update)


def _race(record: StudyRecord, config: ConfirmConfig, design: _Design, candidates: Sequence[Candidate]) -> Race:
    return Race(
        design.estimate,
        len(looks(config.max_repeats)),
        config.alpha,
        config.margin,
        maximize=record.objective.direction == "maximize",
        costs={str(each.trial): each.cost for each in candidates},
    )


def _in_full(
    record: StudyRecord, phase: Phase, candidates: list[Candidate], design: _Design
) -> tuple[StudyRecord, list[Candidate]]:
    """Trains what a short search found as a search in full would have, and returns what is known of it now."""
    plan = Repeats(phase, candidates, Repeat(number=0, rows=design.rows, purpose="full"), range(1))
    record = _with(record, run_plan(phase, plan))
    known = {trial: results[0] for trial, results in plan.results.items() if results}
    return record, [_candidate(each, known.get(each.trial)) for each in candidates]


def _told(record: StudyRecord, phase: Phase, confirmation: dict[str, Any]) -> StudyRecord:
    if phase.log is not None:
        phase.log.confirm(confirmation)
    return record.model_copy(update={"confirmation": confirmation})


@dataclass(frozen=True)
class _Design:
    """What repeats are scored on, and what that makes of their scores.

    Attributes:
        rows: as `Repeat.rows`.
        scores: results of a candidate's repeats → what is compared.
        estimate: of paired differences.
        method: what a person may look up.
    """

    rows: Any
    scores: Callable[[Results], Scores]
    estimate: Callable[[Scores], Estimate]
    method: str

    @classmethod
    def of(cls, record: StudyRecord, config: ConfirmConfig, prepared: Prepared, seed: int) -> _Design:
        dated = bool(prepared.splits.names)  # date ranges: each is one unit, and nothing later than it may train
        if dated and len(prepared.splits.folds) > 1:
            return cls("same", partial(_by_range, metric=record.objective.metric), ranges, "ranges")
        if config.rows == "resplit" and not dated:
            fold = redraw(prepared.rows, prepared.splits, seed, 0)
            estimate = partial(resplit, num_scored=len(fold.valid), num_train=len(fold.train))
            return cls("resplit", _values, estimate, "resplit")
        metric = record.objective.metric.removeprefix("valid.")
        return cls("same" if dated else config.rows, partial(_by_row, metric=metric), crossed, "crossed")


def _values(results: Results) -> Scores:
    return np.array([result.value for result in results])


def _by_range(results: Results, metric: str) -> Scores:
    """Returns scores_R, means over the repeats."""
    scores_JR = [[fold["metrics"][metric] for fold in result.details.get("folds") or ()] for result in results]
    scores_R: Scores = np.mean(scores_JR, axis=0)
    return scores_R


def _predictions(results: Results) -> str | None:
    """Returns a digest of all probabilities: two settings that do the same train to the same models."""
    digest = sha256()
    for result in results:
        path = Path(result.folder or "") / "outcomes.npz"
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as outcomes:
            digest.update(outcomes["probabilities"].tobytes())
    return digest.hexdigest()


def _by_row(results: Results, metric: str) -> Scores:
    """Returns scores_SN from the outcomes that the repeats left."""
    return np.stack([_row_scores(metric, Path(result.folder or "") / "outcomes.npz") for result in results])


def _row_scores(metric: str, path: Path) -> Scores:
    """Returns one number per row whose mean is the metric, or stands for it."""
    with np.load(path, allow_pickle=False) as outcomes:
        return row_scores(metric, outcomes["labels"].astype(np.int64), outcomes["probabilities"])


def _candidates(
    record: StudyRecord, config: ConfirmConfig, parts: Parts, only: Collection[int] | None
) -> list[Candidate]:
    """Returns the best configurations, the best first, the study as written second where it is none of them.

    One that was measured several times counts by its mean, and is known by the first of its trials.
    """
    sign = -1 if record.objective.direction == "maximize" else 1
    trials: dict[str, list[TrialRecord]] = {}
    for trial in filter(_is_measured, record.trials):
        trials.setdefault(dump_json(trial.spec.config), []).append(trial)
    means = {each[0].spec.number: sign * fmean(map(_value, each)) for each in trials.values()}
    ranked = sorted((each[0] for each in trials.values()), key=lambda trial: means[trial.spec.number])
    if only is not None:
        return [_found(trial, parts) for trial in ranked if trial.spec.number in only]
    base = [trial for trial in ranked[config.top :] if trial.spec.number == 0 and _has_base(record)]
    return [_found(trial, parts) for trial in (*ranked[:1], *base, *ranked[1 : config.top])]


def _has_base(record: StudyRecord) -> bool:
    search = (record.header.get("config") or {}).get("search")
    first = search[0] if isinstance(search, list) else search
    return bool((first or {}).get("include_base", True))


def _is_measured(trial: TrialRecord) -> bool:
    """Complete, and not another trial's point again."""
    result = trial.result
    if result is None or result.state is not TrialState.COMPLETE or trial.spec.repeat_of is not None:
        return False
    return result.value is not None and math.isfinite(result.value)


def _value(trial: TrialRecord) -> float:
    assert trial.result is not None
    assert trial.result.value is not None
    return trial.result.value


def _found(trial: TrialRecord, parts: Parts) -> Candidate:
    """Returns what the search found; in short form it does not know for how many epochs to train."""
    spec, is_short = trial.spec, trial.spec.fidelity != Fidelity()
    found = Candidate(spec.number, spec.choices, spec.config, None, _seconds(trial, parts), (math.inf, math.inf))
    return found if is_short else _candidate(found, trial.result)


def _candidate(found: Candidate, result: TrialResult | None) -> Candidate:
    """Returns a candidate with what its training in full told."""
    if result is None or result.state is not TrialState.COMPLETE:
        return found
    details, best_epoch = result.details, result.best_epoch or result.epochs
    seconds = (result.seconds_per_epoch or 0.0) * best_epoch * len(details.get("folds") or [None])
    speed = math.log(details.get("examples_per_second") or 1, SPEED_STEP)
    cost = (float(details.get("num_parameters") or math.inf), -round(speed))
    return replace(found, num_epochs=best_epoch, seconds=seconds, cost=cost)


def _seconds(trial: TrialRecord, parts: Parts) -> float:
    """Returns what a trial took; as if trained in full, and as if it had not been known already."""
    result = trial.result
    if result is None:
        return 0.0
    return (result.seconds or (result.seconds_per_epoch or 0.0) * result.epochs) / parts.of(trial.spec)


def _opening(candidates: Sequence[Candidate], dropped: int, design: _Design) -> str:
    where = {
        "resplit": "on rows drawn anew for each repeat",
        "holdout": "on rows set aside before the search",
        "same": "on the rows they were chosen by",
    }[design.rows]
    numbers = ", ".join(str(each.trial) for each in candidates)
    left = f"; for {dropped} more the time allowed (confirm.max_share) is too short" if dropped else ""
    return f"confirming: trials {numbers} are trained again {where}{left}"


def _verdict(rounds: Rounds, record: StudyRecord) -> dict[str, Any]:
    """Returns what the race came to, as JSON values."""
    verdict: Verdict | None = rounds.verdict
    assert verdict is not None
    searched = {trial.spec.number: _value(trial) for trial in record.trials if _is_measured(trial)}
    return {
        "verdict": verdict.kind.value,
        "chosen": int(verdict.chosen),
        "reason": verdict.reason,
        "runs": len(record.repeats),
        "candidates": [_standing(each, searched) for each in rounds.standings()],
        "comparisons": [each for look in rounds.looks for each in _comparisons(look, rounds)],
    }


def _standing(standing: Standing, searched: Mapping[int, float]) -> dict[str, Any]:
    values = [result.value for result in standing.results if result.value is not None]
    seconds = [result.seconds for result in standing.results]
    return {
        "trial": standing.candidate.trial,
        "params": dict(standing.candidate.params),
        "search": searched[standing.candidate.trial],
        "values": values,
        "mean": float(np.mean(values)) if values else None,
        "dropped_at": standing.dropped_at,
        "failed": standing.failed,
        "num_parameters": _finite(standing.candidate.cost[0]),
        "seconds": float(np.mean(seconds)) if seconds else None,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _comparisons(look: Look, rounds: Rounds) -> list[dict[str, Any]]:
    return [
        {
            "repeats": rounds.planned[look.number],
            "leader": int(look.leader),
            "trial": int(each.candidate),
            "difference": each.estimate.mean,
            "low": _finite(each.interval.low),
            "high": _finite(each.interval.high),
            "level": each.interval.level,
            "p": each.p_value,
            "worse": each.worse,
            "within_margin": each.within_margin,
        }
        for each in look.comparisons
    ]


def _estimated(
    record: StudyRecord, phase: Phase, chosen: Candidate, design: _Design, num_repeats: int
) -> tuple[StudyRecord, dict[str, Any] | None]:
    """Says how good the choice is where there are no test rows: on rows that neither search nor race scored."""
    plan = Repeats(
        phase, [chosen], Repeat(number=0, rows="resplit", purpose="estimate"), range(num_repeats), len(record.repeats)
    )
    record = _with(record, run_plan(phase, plan))
    results = [result for _, result in sorted(plan.results[chosen.trial].items())]
    values = [result.value for result in results if result.state is TrialState.COMPLETE and result.value is not None]
    told: dict[str, Any] = {"values": values, "metric": record.objective.metric}
    if len(values) > 1:
        told.update(design.estimate(np.array(values)).dump())
    return record, told
