"""How often confirmation errs, in worlds whose truth is known: false winners, false ties, coverage, power.

python benchmarks/confirmation_simulations.py [--studies 10000] [--save]
"""

# C candidates, J repeats, N rows, D features, R ranges

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from textune.stats.compare import crossed, ranges, resplit
from textune.stats.dunnett import dunnett
from textune.stats.estimates import Estimate, Source
from textune.stats.race import Kind, Race, looks

if TYPE_CHECKING:
    from numpy.typing import NDArray


RESULTS = Path(__file__).parent / "results" / "confirmation.md"
ALPHA = 0.05
MAX_REPEATS = 12
FIFTH = partial(resplit, num_scored=2_000, num_train=8_000)
EQUAL, TWO_BEST = (0.8,) * 4, (0.8, 0.8, 0.77, 0.77)


@dataclass(frozen=True)
class World:
    """Candidates whose true means are known, and a way to draw the scores of a whole study of them."""

    name: str
    means: tuple[float, ...]
    estimate: Callable[[NDArray[np.float64]], Estimate]
    draw: Callable[[np.random.Generator, tuple[float, ...], int], NDArray[np.float64]]
    max_repeats: int = MAX_REPEATS

    def study(self, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
        drawn = self.draw(rng, self.means, self.max_repeats)
        return {f"c{number}": scores for number, scores in enumerate(drawn)}


@dataclass
class Tally:
    """What happened in the studies of one world."""

    studies: int = 0
    runs: int = 0
    false_winners: int = 0
    false_ties: int = 0
    best_chosen: int = 0

    def __post_init__(self) -> None:
        self.verdicts: Counter[Kind] = Counter()


# Resplits: the correlation of repeats that train on overlapping rows, and a learner that really does so.


def correlated(
    rng: np.random.Generator,
    means: tuple[float, ...],
    repeats: int,
    spreads: tuple[float, ...],
    correlation: float = 0.2,
) -> NDArray[np.float64]:
    spreads_C1 = np.asarray(spreads)[:, None]
    shared_C1, own_CJ = rng.normal(size=(len(means), 1)), rng.normal(size=(len(means), repeats))
    noise_CJ = math.sqrt(correlation) * shared_C1 + math.sqrt(1 - correlation) * own_CJ
    return np.asarray(means)[:, None] + spreads_C1 * noise_CJ


def nearest_mean(
    rng: np.random.Generator, strengths: tuple[float, ...], repeats: int, num_rows: int = 500, num_scored: int = 100
) -> NDArray[np.float64]:
    """Each candidate classifies by the nearest class mean in its own features; equal strengths are equally good."""
    labels_N = np.arange(num_rows) % 2
    strengths_C11 = np.asarray(strengths)[:, None, None]
    features_CND = rng.normal(size=(len(strengths), num_rows, 10)) + strengths_C11 * (labels_N[:, None] - 0.5)
    scored_JN = rng.permuted(np.tile(np.arange(num_rows) < num_scored, (repeats, 1)), axis=1)
    good_JN, bad_JN = (~scored_JN & (labels_N == label) for label in (1, 0))
    good_CJD = good_JN @ features_CND / good_JN.sum(1)[:, None]
    bad_CJD = bad_JN @ features_CND / bad_JN.sum(1)[:, None]
    offsets_CJ1 = ((good_CJD**2 - bad_CJD**2).sum(2) / 2)[..., None]
    guesses_CJN = (good_CJD - bad_CJD) @ features_CND.transpose(0, 2, 1) > offsets_CJ1
    scores_CJ: NDArray[np.float64] = ((guesses_CJN == labels_N) & scored_JN).sum(2) / num_scored
    return scores_CJ


# Fixed rows: seeds and rows crossed.


def losses(
    rng: np.random.Generator,
    means: tuple[float, ...],
    repeats: int,
    seed: tuple[float, ...],
    row: tuple[float, ...],
    rest: tuple[float, ...],
    num_rows: int = 200,
) -> NDArray[np.float64]:
    """Any score per row: spreads between seeds, between rows, and of both together, for each candidate."""
    mean_C11, seed_C11, row_C11, rest_C11 = (np.asarray(each)[:, None, None] for each in (means, seed, row, rest))
    candidates = len(means)
    effects = seed_C11 * rng.normal(size=(candidates, repeats, 1)) + row_C11 * rng.normal(
        size=(candidates, 1, num_rows)
    )
    scores: NDArray[np.float64] = mean_C11 + effects + rest_C11 * rng.normal(size=(candidates, repeats, num_rows))
    return scores


def hits(
    rng: np.random.Generator,
    means: tuple[float, ...],
    repeats: int,
    num_rows: int = 200,
    seed_spread: float = 0.05,
    deterministic: bool = False,
) -> NDArray[np.float64]:
    """Right or wrong per row: some rows are hard for all candidates, some for one, and each seed errs on its own."""
    difficulty, own, noise = 0.8, 0.4, 0.45
    spread = math.sqrt(difficulty**2 + own**2 + noise**2 + seed_spread**2)
    strength_C11 = np.asarray([_normal_quantile(mean) * spread for mean in means])[:, None, None]
    rows_C1N = difficulty * rng.normal(size=num_rows) + own * rng.normal(size=(len(means), 1, num_rows))
    drawn, seed_spread = (1, 0.0) if deterministic else (repeats, seed_spread)
    seeds_CS1 = seed_spread * rng.normal(size=(len(means), drawn, 1))
    latent = strength_C11 + rows_C1N + seeds_CS1 + noise * rng.normal(size=(len(means), drawn, num_rows))
    return np.repeat(latent > 0, repeats // drawn, axis=1).astype(np.float64)


def twins(rng: np.random.Generator, means: tuple[float, ...], repeats: int, num_rows: int) -> NDArray[np.float64]:
    """Two candidates that differ on hardly any row, and then always in favour of the first."""
    right_N, differs_N = rng.random(num_rows) < means[1], rng.random(num_rows) < means[0] - means[1]
    both_CN = np.stack([right_N | differs_N, right_N & ~differs_N])
    return np.repeat(both_CN[:, None], repeats, axis=1).astype(np.float64)


def by_range(
    rng: np.random.Generator, means: tuple[float, ...], repeats: int, num_ranges: int = 6
) -> NDArray[np.float64]:
    ranges_CR = 0.01 * rng.normal(size=(len(means), 1, num_ranges))
    return np.asarray(means)[:, None, None] + ranges_CR + 0.005 * rng.normal(size=(len(means), repeats, num_ranges))


def over_ranges(differences_JR: NDArray[np.float64]) -> Estimate:
    return ranges(differences_JR.mean(0))


def _normal_quantile(share: float) -> float:
    from scipy import special

    return float(special.ndtri(share))


def worlds() -> Iterator[World]:
    even = partial(correlated, spreads=(0.007,) * 4)
    yield World("resplit: all equal", EQUAL, FIFTH, even)
    yield World("resplit: two best equal, two 3 points worse", TWO_BEST, FIFTH, even)
    yield World("resplit: two best equal, two 0.7 points worse", (0.8, 0.8, 0.793, 0.793), FIFTH, even)
    yield World("resplit: two candidates, equal", (0.8,) * 2, FIFTH, partial(correlated, spreads=(0.007,) * 2))
    uneven = partial(correlated, spreads=(0.003, 0.02, 0.007, 0.001))
    yield World("resplit: all equal, unequal variances", EQUAL, FIFTH, uneven)
    yield World("resplit: two best equal, unequal variances", TWO_BEST, FIFTH, uneven)
    hundred = partial(resplit, num_scored=100, num_train=400)
    yield World("resplit: nearest mean, all equal, 100 rows scored", (0.5,) * 4, hundred, nearest_mean)
    yield World("resplit: nearest mean, two best equal", (0.5, 0.5, 0.1, 0.1), hundred, nearest_mean)
    yield World("resplit: half a point worse, precise", (0.8, 0.795), FIFTH, partial(correlated, spreads=(0.001,) * 2))
    almost = partial(correlated, spreads=(0.001,) * 2)
    yield World("resplit: a tenth of a point worse, precise", (0.8, 0.799), FIFTH, almost)
    yield World("resplit: identical scores", EQUAL, FIFTH, partial(correlated, spreads=(0.0,) * 4))
    yield World("fixed rows: right or wrong, all equal", EQUAL, crossed, hits)
    yield World("fixed rows: right or wrong, two best equal", (0.8, 0.8, 0.6, 0.6), crossed, hits)
    yield World("fixed rows: zero seed variance", (0.8,) * 2, crossed, partial(hits, deterministic=True))
    yield World("fixed rows: seeds matter most", (0.8,) * 2, crossed, partial(hits, seed_spread=0.5))
    seeds = partial(losses, seed=(0.02,) * 4, row=(0.3,) * 4, rest=(0.3,) * 4)
    yield World("fixed rows: losses, all equal", EQUAL, crossed, seeds)
    unequal = partial(losses, seed=(0.0, 0.05, 0.01), row=(0.1, 0.3, 0.9), rest=(0.5, 0.1, 0.3))
    yield World("fixed rows: losses, unequal variances", (0.8,) * 3, crossed, unequal)
    for num_rows in (200, 1_000):
        twin = partial(twins, num_rows=num_rows)
        yield World(f"fixed rows: half a point worse on {num_rows:,} rows", (0.8, 0.795), crossed, twin)
    yield World("six ranges: all equal", EQUAL, over_ranges, by_range)
    yield World("six ranges: two best equal", (0.8, 0.8, 0.7, 0.7), over_ranges, by_range)


def power_worlds() -> Iterator[World]:
    """A gap of 2 points, 2,000 scored rows, 5 repeats, where two models differ on 12% of the rows."""
    for candidates in (2, 4):
        means = (0.87,) + (0.85,) * (candidates - 1)
        spread = math.sqrt(0.12 / 2_000 + 2 * 0.005**2) / math.sqrt(2)
        split = partial(correlated, spreads=(spread,) * candidates)
        yield World(f"resplit, {candidates} candidates", means, FIFTH, split, 5)
        rows = partial(hits, num_rows=2_000, seed_spread=0.02)
        yield World(f"fixed rows, {candidates} candidates", means, crossed, rows, 5)


def simulate(world: World, studies: int, seed: int = 0) -> Tally:
    """Runs whole races by the decisions of each look."""
    tally, planned = Tally(studies), looks(world.max_repeats)
    race, rng = Race(world.estimate, len(planned), ALPHA), np.random.default_rng(seed)
    truth = dict(zip((f"c{number}" for number in range(len(world.means))), world.means, strict=True))
    for _ in range(studies):
        scores, remaining, before = world.study(rng), tuple(truth), 0
        for number, repeats in enumerate(planned):
            tally.runs += len(remaining) * (repeats - before)
            look = race.look(number, {name: scores[name][:repeats] for name in remaining})
            remaining, before = look.remaining, repeats
            if look.verdict is not None:
                break
        assert look.verdict is not None
        chosen, kind = look.verdict.chosen, look.verdict.kind
        tally.verdicts[kind] += 1
        tally.best_chosen += truth[chosen] == max(truth.values())
        tally.false_winners += kind is Kind.WINNER and any(truth[c] >= truth[chosen] for c in truth if c != chosen)
        worst = max(truth.values()) - min(truth[name] for name in remaining)
        tally.false_ties += kind is Kind.TIE and worst >= race.margin
    return tally


def coverage(world: World, repeats: int, studies: int, *, satterthwaite: bool = False, seed: int = 0) -> float:
    """Returns how often the 95% interval of the first two candidates' difference holds the truth."""
    rng, held, truth = np.random.default_rng(seed), 0, world.means[0] - world.means[1]
    for _ in range(studies):
        scores = world.draw(rng, world.means[:2], repeats)
        estimate = world.estimate(scores[0] - scores[1])
        if satterthwaite:
            estimate = Estimate(estimate.mean, (Source(estimate.error, estimate.df),), "t")
        held += estimate.p_value(truth) > 0.05
    return held / studies


def covered_worlds() -> Iterator[World]:
    pair = (0.8, 0.8)
    yield World("resplit: overlapping train parts", pair, FIFTH, partial(correlated, spreads=(0.003, 0.007)))
    hundred = partial(resplit, num_scored=100, num_train=400)
    yield World("resplit: nearest mean, 100 rows scored", (0.5,) * 2, hundred, nearest_mean)
    for name, seed_spread in (("rows matter most", 0.02), ("seeds and rows alike", 0.2), ("seeds matter most", 0.5)):
        yield World(f"fixed rows: {name}", pair, crossed, partial(hits, seed_spread=seed_spread))
    yield World("fixed rows: zero seed variance", pair, crossed, partial(hits, deterministic=True))
    yield World("six ranges", pair, over_ranges, by_range)


def percent(count: float, studies: int) -> str:
    share = count / studies
    return f"{100 * share:.2f} ± {100 * math.sqrt(share * (1 - share) / studies):.2f}"


def report(studies: int) -> Iterator[str]:
    yield from introduction(studies)
    yield from races(studies)
    yield from intervals(studies)
    yield from together(studies)
    yield from power(studies // 5)


def introduction(studies: int) -> Iterator[str]:
    yield "# How often confirmation errs"
    yield ""
    yield f"{datetime.now(UTC):%Y-%m-%d}. {studies:,} simulated studies a line, decided by the code that decides real"
    yield "ones. Everything in %, ± one Monte Carlo standard error."
    yield f"α {ALPHA:g}, margin half a point, looks after {', '.join(map(str, looks(MAX_REPEATS)))} repeats."


def races(studies: int) -> Iterator[str]:
    limit = ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / studies)
    yield from ("", "## Races", "")
    yield "A false winner is called better than all although another is as good. A false tie holds one that is half a"
    yield f"point or more behind the best. Aim for both: ≤ {100 * limit:.2f} (α + 2 standard errors)."
    yield ""
    yield "| world | false winner | false tie | winner | tie | undecided | runs |"
    yield "|---|---|---|---|---|---|---|"
    for world in worlds():
        tally = simulate(world, studies)
        kinds = " | ".join(f"{100 * tally.verdicts[kind] / studies:.1f}" for kind in Kind)
        errors = f"{percent(tally.false_winners, studies)} | {percent(tally.false_ties, studies)}"
        yield f"| {world.name} | {errors} | {kinds} | {tally.runs / studies:.1f} |"


def intervals(studies: int) -> Iterator[str]:
    yield from ("", "## Intervals", "")
    yield "Coverage of the 95% interval of one difference, after 3, 5 and 12 repeats. In brackets, for fixed rows: the"
    yield "same standard error with Satterthwaite's degrees of freedom instead."
    yield ""
    yield "| world | 3 | 5 | 12 |"
    yield "|---|---|---|---|"
    for world in covered_worlds():
        cells = []
        for repeats in (3, 5, 12):
            cell = f"{100 * coverage(world, repeats, studies):.1f}"
            if world.estimate is crossed:
                cell += f" ({100 * coverage(world, repeats, studies, satterthwaite=True):.1f})"
            cells.append(cell)
        yield f"| {world.name} | {' | '.join(cells)} |"


def together(studies: int) -> Iterator[str]:
    yield from ("", "## Intervals that hold together", "")
    yield "One at a time: how often all 95% intervals (Dunnett) of the values against the base hold the truth, with"
    yield "seeds alone and no rows."
    yield ""
    yield "| values | seeds | all alike | one value scatters 3 times as much | the base does |"
    yield "|---|---|---|---|---|"
    for values, seeds in ((3, 3), (8, 3), (8, 5), (15, 3)):
        cells = []
        for noisy in (None, 1, 0):
            rng, held = np.random.default_rng(0), 0
            spreads = np.where(np.arange(values + 1) == noisy, 3.0, 1.0)[:, None, None]
            for _ in range(studies):
                scores = spreads * rng.normal(size=(values + 1, seeds, 1))
                held += not any(change.real for change in dunnett(scores[1:], scores[0]))
            cells.append(percent(held, studies))
        yield f"| {values} | {seeds} | {' | '.join(cells)} |"


def power(studies: int) -> Iterator[str]:
    yield from ("", "## Power", "")
    yield "One candidate 2 points better (.87 against .85), 2,000 scored rows, looks after 3 and 5 repeats;"
    yield f"{studies:,} studies."
    yield ""
    yield "| design | winner found | best chosen | false winner |"
    yield "|---|---|---|---|"
    for world in power_worlds():
        tally = simulate(world, studies)
        counts = (tally.verdicts[Kind.WINNER] - tally.false_winners, tally.best_chosen, tally.false_winners)
        yield f"| {world.name} | {' | '.join(percent(count, studies) for count in counts)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    start, lines = time.perf_counter(), []
    for line in report(options.studies):
        print(line, flush=True)
        lines.append(line)
    print(f"\n{time.perf_counter() - start:.0f} s")
    if options.save:
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
