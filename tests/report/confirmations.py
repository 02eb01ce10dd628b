"""What confirmations come to, as the log would tell it, without training anything."""

from __future__ import annotations

import itertools
from statistics import fmean

PARAMS = "training.optimizer.learning_rate"


def make_candidate(trial: int, search: float, values, **changes) -> dict:
    candidate = {
        "trial": trial,
        "params": {PARAMS: 0.001 * (trial + 1)},
        "search": search,
        "values": list(values),
        "mean": fmean(values) if values else None,
        "dropped_at": None,
        "failed": None,
        "num_parameters": 1_000.0 + trial,
        "seconds": 2.5,
    }
    return {**candidate, **changes}


def make_comparison(leader: int, trial: int, difference: float, *, repeats: int = 5, reach=0.004, **changes) -> dict:
    comparison = {
        "repeats": repeats,
        "leader": leader,
        "trial": trial,
        "difference": difference,
        "low": difference - reach,
        "high": difference + reach,
        "level": 0.9875,
        "p": 0.2,
        "worse": False,
        "within_margin": False,
    }
    return {**comparison, **changes}


def make_confirmation(study, verdict: str, **changes) -> dict:
    """A confirmation of the best trial of a study, the base point and another one, trained five times."""
    best = study.best.spec.number
    other = next(
        trial.spec.number for trial in study.trials if trial.spec.number not in (0, best) and trial.result.value
    )
    luck = itertools.cycle([0.0, 0.01, -0.01, 0.02, -0.02])
    values = {trial: [0.4 - 0.01 * place + next(luck) for _ in range(5)] for place, trial in enumerate((best, other))}
    searched = {trial.spec.number: trial.result.value for trial in study.trials}
    confirmation = {
        "key": "0123456789ab",
        "verdict": verdict,
        "chosen": best,
        "reason": "as the race says",
        "runs": 13,
        "candidates": [
            make_candidate(best, searched[best], values[best]),
            make_candidate(0, searched[0], [0.3, 0.31, 0.29], dropped_at=3),
            make_candidate(other, searched[other], values[other], dropped_at=5 if verdict == "winner" else None),
        ],
        "comparisons": [
            make_comparison(best, other, 0.012, repeats=3, reach=0.1),
            make_comparison(best, 0, 0.1, repeats=3, worse=True, p=0.001),
            make_comparison(best, other, 0.01, worse=verdict == "winner", within_margin=verdict == "tie"),
        ],
        "rows": "resplit",
        "method": "resplit",
        "alpha": 0.05,
        "margin": 0.005,
        "left_out": 0,
    }
    return {**confirmation, **changes}
