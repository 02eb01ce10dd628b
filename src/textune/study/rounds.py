"""The plans of a confirmation: repeats of configurations, round by round until a race is decided, or a fixed list."""

# J repeats

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textune.records import Fidelity, Repeat, TrialResult, TrialSpec, TrialState
from textune.seeds import derive
from textune.stats.race import Kind, Look, Race, Verdict
from textune.study.parts import Phase
from textune.tracking.rounds import Round

__all__ = ["Candidate", "Repeats", "Rounds", "Rules", "Standing"]

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """A configuration that is trained again.

    Attributes:
        trial: of the search, which found it.
        num_epochs: what it is trained for; None: as its config says.
        seconds: what one training takes, as far as is known.
        cost: of using it, compared from the left; the smallest is the cheapest.
    """

    trial: int
    params: Mapping[str, Any]
    config: Mapping[str, Any]
    num_epochs: int | None
    seconds: float
    cost: tuple[float, ...]


class Repeats:
    """Trains candidates a number of times each: repeat by repeat, so that equal numbers are run close together.

    Attributes:
        results: trial of the search → the results of its repeats, by number.

    Args:
        phase: what they run with.
        candidates: what is trained.
        repeat: rows and purpose.
        numbers: of the repeats.
        first: number of the first training; those of all plans of a confirmation stand in one folder.
    """

    def __init__(
        self, phase: Phase, candidates: Sequence[Candidate], repeat: Repeat, numbers: Sequence[int], first: int = 0
    ) -> None:
        self._phase, self._repeat, self._first = phase, repeat, first
        self._queue: deque[tuple[Candidate, int]] = deque()
        self._place: dict[int, tuple[Candidate, int]] = {}
        self._ended = 0
        self.results: dict[int, dict[int, TrialResult]] = {candidate.trial: {} for candidate in candidates}
        self.over = ""
        self.refused: dict[int, str] = {}
        self._enqueue(candidates, numbers)

    def next(self) -> TrialSpec | None:
        return self.propose()

    def propose(self) -> TrialSpec | None:
        if not self._queue:
            return None
        number = self._first + len(self._place)
        self._place[number] = candidate, repetition = self._queue.popleft()
        update = {"number": repetition, "num_epochs": candidate.num_epochs}
        return TrialSpec(
            number=number,
            params=dict(candidate.params),
            config=dict(candidate.config),
            objective=self._phase.start.objective,
            seed=self._seed(repetition),
            fidelity=Fidelity(),
            aside=self._repeat.rows == "holdout",
            repeat=self._repeat.model_copy(update=update),
            candidate=candidate.trial,
            folder=self._phase.folder_of(number, 1),
        )

    def ended(self, result: TrialResult) -> None:
        candidate, repetition = self._place[result.trial]
        self.results[candidate.trial][repetition] = result
        self._ended += 1
        if not self._queue and self._ended == len(self._place):
            self._all_ended()

    def _seed(self, repetition: int) -> int:
        if self._repeat.purpose == "full":
            return derive(self._phase.seed, "trial")  # what a search that is not short would have trained
        return derive(self._phase.seed, self._repeat.purpose, repetition)

    def _enqueue(self, candidates: Sequence[Candidate], numbers: Sequence[int]) -> None:
        self._queue.extend((candidate, number) for number in numbers for candidate in candidates)

    def _all_ended(self) -> None:
        self.over = f"all {len(self._place)} trainings were run"


@dataclass(frozen=True)
class Rules:
    """How a race is run.

    Attributes:
        race: what decides at a look.
        looks: after how many repeats to look.
        scores: the results of a candidate's repeats, in order → what the race takes.
        predictions: the same → what two candidates share only where they predicted the same; None where unknown.
        seconds: what all trainings together may take.
    """

    race: Race
    looks: Sequence[int]
    scores: Callable[[Sequence[TrialResult]], Scores]
    predictions: Callable[[Sequence[TrialResult]], str | None]
    seconds: float


@dataclass(frozen=True)
class Standing:
    """How a candidate fared: the repeats it was trained, the look after which it dropped out, or why it failed."""

    candidate: Candidate
    results: Sequence[TrialResult] = ()
    dropped_at: int | None = None
    failed: str | None = None


@dataclass
class _Entrant:
    candidate: Candidate
    dropped_at: int | None = None
    failed: str | None = None


class Rounds(Repeats):
    """A race: all that remain are trained up to the next look; then those clearly worse drop out.

    Attributes:
        planned: after how many repeats to look.
        looks: what was decided so far.
        verdict: the end of it, None until then.

    Args:
        tell: is told of each round when it begins, and of the end.
    """

    def __init__(
        self,
        phase: Phase,
        candidates: Sequence[Candidate],
        repeat: Repeat,
        rules: Rules,
        tell: Callable[[Round], None],
        first: int = 0,
    ) -> None:
        self._rules, self._tell = rules, tell
        self._entrants = {candidate.trial: _Entrant(candidate) for candidate in candidates}
        self._running = list(candidates)
        self.planned = rules.looks
        self.looks: list[Look] = []
        self.verdict: Verdict | None = None
        super().__init__(phase, candidates, repeat, range(rules.looks[0]), first)
        self._tell_round([])

    def standings(self) -> list[Standing]:
        """Returns how each candidate fared, in the order in which they were given."""
        return [
            Standing(each.candidate, self._of(each.candidate), each.dropped_at, each.failed)
            for each in self._entrants.values()
        ]

    def _of(self, candidate: Candidate) -> list[TrialResult]:
        return [result for _, result in sorted(self.results[candidate.trial].items())]

    def _all_ended(self) -> None:
        before = [each.trial for each in self._running]
        self._look()
        self._tell_round(before)

    def _tell_round(self, before: Sequence[int]) -> None:
        running = [each.trial for each in self._running]
        dropped = [trial for trial in before if trial not in running]
        repeats = max(len(results) for results in self.results.values())
        self._tell(Round(running, dropped, repeats, self._ended, len(self._place) + len(self._queue)))

    def _look(self) -> None:
        for candidate in self._running:
            broken = [result for result in self._of(candidate) if result.state is not TrialState.COMPLETE]
            if broken:
                self._entrants[candidate.trial].failed = broken[0].reason
        self._running = [each for each in self._running if self._entrants[each.trial].failed is None]
        if len(self._running) < 2:
            self._end(self._of_the_rest())
            return
        number = len(self.looks)
        scores = {str(each.trial): self._rules.scores(self._of(each)) for each in self._running}
        told = {str(each.trial): self._rules.predictions(self._of(each)) for each in self._running}
        predictions = {name: predicted for name, predicted in told.items() if predicted is not None}
        look = self._rules.race.look(number, scores, predictions=predictions, last=not self._has_time())
        self.looks.append(look)
        by_name = {str(each.trial): each for each in self._running}
        for name in look.dropped:
            self._entrants[by_name[name].trial].dropped_at = self.planned[number]
        self._running = [by_name[name] for name in look.remaining]
        if look.verdict is not None:
            self._end(look.verdict)
        else:
            self._enqueue(self._running, range(*self.planned[number : number + 2]))

    def _of_the_rest(self) -> Verdict:
        """Where so many failed that nothing is left to compare."""
        rest = self._running or [next(iter(self._entrants.values())).candidate]
        return Verdict(Kind.UNDECIDED, str(rest[0].trial), "trainings of the other candidates failed")

    def _has_time(self) -> bool:
        """Whether the next look can be reached; by the time that trainings took, so that a replay decides the same."""
        number = len(self.looks)
        if number + 1 >= len(self.planned):
            return False
        results = {each.trial: self._of(each) for each in self._running}
        used = sum(result.seconds for each in self.results.values() for result in each.values())
        more = self.planned[number + 1] - self.planned[number]
        cost = sum(more * sum(result.seconds for result in each) / len(each) for each in results.values())
        return used + cost <= self._rules.seconds

    def _end(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.over = f"{verdict.kind}: {verdict.reason}"
