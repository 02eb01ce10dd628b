"""What a person sees while a study runs: a live table on a terminal, plain lines in a pipe. Everything to stderr."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TextIO

from textune.records import EndReason, Objective, Progress, StudyRecord, TrialResult, TrialSpec, TrialState
from textune.storage import redact
from textune.tracking.base import Event, StudyStart, Tracker
from textune.tracking.rounds import RoundsView
from textune.tracking.wording import count, duration, number, params_text, plain, size

if TYPE_CHECKING:
    from rich.console import Console as Terminal
    from rich.console import RenderableType
    from rich.live import Live

__all__ = ["Console", "opening_line"]

MAX_RUNNING = 12
BAR_WIDTH = 20
REFRESH_PER_SECOND = 4


@dataclass
class _Standing:
    """What the events so far add up to."""

    objective: Objective = field(default_factory=Objective)
    total: int | None = None
    running: dict[int, tuple[TrialSpec, Progress | None]] = field(default_factory=dict)
    ended: dict[TrialState, int] = field(default_factory=lambda: dict.fromkeys(TrialState, 0))
    best: tuple[TrialSpec, float] | None = None
    done_before: float = 0.0

    @property
    def num_ended(self) -> int:
        return sum(self.ended.values())

    def add(self, event: Event) -> TrialSpec | None:
        """Takes an event in and returns the spec of its trial, None if that trial is unknown."""
        if isinstance(event, TrialSpec):
            self.running[event.number] = (event, None)
            return event
        spec, _ = self.running.get(event.trial, (None, None))
        if spec is None:
            return None
        if isinstance(event, Progress):
            self.running[event.trial] = (spec, event)
            return spec
        del self.running[event.trial]
        self.ended[event.state] += 1
        complete = event.state is TrialState.COMPLETE and event.value is not None
        if complete and self.objective.better(event.value or 0.0, self.best[1] if self.best else math.nan):
            self.best = (spec, event.value or 0.0)
        return spec

    def seconds_left(self, elapsed: float) -> float | None:
        """How long the rest takes if it goes on as so far; None before the first trial has ended."""
        done = self._done()
        if self.total is None or not self.num_ended or done <= self.done_before:
            return None
        return elapsed * max(0.0, self.total - done) / (done - self.done_before)

    def note_start(self) -> None:
        """What is done by now took none of the time that `seconds_left` is told of."""
        self.done_before = self._done()

    def _done(self) -> float:
        begun = sum(last.epoch / max(1, last.epochs) for _, last in list(self.running.values()) if last is not None)
        return self.num_ended + begun


def opening_line(study: StudyStart) -> str:
    """The line before the first trial: how many trials, and the time and disk they will take, as far as known.

    The estimate stands in `header["estimate"]` as `seconds` and `disk_bytes`, either may be missing.
    """
    trials = "as many trials as it takes" if study.trials is None else f"{count(study.trials)} trials"
    parts = ["1 trial" if study.trials == 1 else trials]
    estimate = study.header.get("estimate") or {}
    if estimate.get("seconds") is not None:
        parts.append(f"about {duration(estimate['seconds'])}")
    if study.timeout_seconds is not None:
        parts.append(f"no trial starts after {duration(study.timeout_seconds)}")
    if estimate.get("seconds") is None and study.timeout_seconds is None:
        parts.append("time left appears after the first trial")
    if (disk_bytes := estimate.get("disk_bytes")) is not None:
        parts.append(f"about {size(disk_bytes)} on disk")
    goal = f"{study.objective.direction} {plain(study.objective.metric)}"
    return f"{plain(study.name)}: {goal}; {', '.join(parts)}"


class _Warnings(logging.Handler):
    """Puts what textune logs above the live table, which it would tear otherwise."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.say(record.getMessage(), error=record.levelno >= logging.ERROR)


class Console(Tracker):
    """Shows a study's events. Use it as a context, so that the terminal is left as it was found.

    Args:
        quiet: show nothing.
        stream: where to write; default stderr.
        clock: seconds that only go forward.
    """

    def __init__(
        self, *, quiet: bool = False, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._quiet, self._stream, self._clock = quiet, stream or sys.stderr, clock
        self._standing = _Standing()
        self._begin = clock()
        self._live: Live | None = None
        self._rounds: RoundsView | None = None

    def __enter__(self) -> Self:
        self._warnings = _Warnings(self)
        logging.getLogger("textune").addHandler(self._warnings)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("textune").removeHandler(self._warnings)
        self._stop()

    def start(self, study: StudyStart) -> None:
        self._standing = _Standing(study.objective, study.trials)
        self._begin = self._clock()
        if self._quiet:
            return
        self.say(opening_line(study))
        terminal = self._terminal()
        if terminal.is_terminal and not terminal.is_dumb_terminal:
            from rich.live import Live

            self._live = Live(
                console=terminal,
                get_renderable=self._shown,
                refresh_per_second=REFRESH_PER_SECOND,
                transient=True,
                vertical_overflow="crop",
            )
            self._live.start()

    def record(self, event: Event) -> None:
        best_before = self._standing.best
        spec = self._standing.add(event)
        if self._quiet or spec is None:
            return
        if isinstance(event, TrialResult):
            improved = self._standing.best is not best_before
            if self._live is None or improved:
                self.say(self._result_line(spec, event, improved=improved))
        elif isinstance(event, Progress) and self._live is None and self._standing.total == 1:
            self.say(f"epoch {event.epoch}/{event.epochs}: {self._value(event.value)}, {duration(event.seconds)}")

    def replay(self, event: Event) -> None:
        """An earlier session has shown it."""
        self._standing.add(event)
        self._standing.note_start()

    def finish(self, study: StudyRecord) -> None:  # noqa: ARG002  # the result is shown once the test rows were read
        self._stop()

    def rounds(self) -> RoundsView:
        """Returns what shows a confirmation from here on."""
        self._rounds = RoundsView(self.say, lambda: self._live is not None, self._clock)
        return self._rounds

    def say(self, text: str, *, error: bool = False) -> None:
        """Writes lines, above the live table where there is one; errors also where all else is quiet."""
        if self._quiet and not error:
            return
        text = "\n".join(plain(line) for line in redact(text).split("\n"))
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=self._stream, flush=True)

    def show(self, renderable: RenderableType) -> None:
        """Prints a table."""
        if not self._quiet:
            self._terminal().print(renderable)

    def _terminal(self) -> Terminal:
        from rich.console import Console as Terminal

        terminal = Terminal(file=self._stream, highlight=False)
        return terminal if terminal.is_terminal else Terminal(file=self._stream, highlight=False, width=110)

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _value(self, value: float | None) -> str:
        return f"{plain(self._standing.objective.metric)} {number(value)}"

    def _left(self) -> str:
        seconds = self._standing.seconds_left(self._clock() - self._begin)
        return f"{duration(seconds)} left" if seconds else ""

    def _result_line(self, spec: TrialSpec, result: TrialResult, *, improved: bool) -> str:
        total = self._standing.total
        counted = f"[{self._standing.num_ended}{'' if total is None else f'/{total}'}]"
        ended = result.end.value if result.state is not TrialState.FAILED else plain(result.reason)
        parts = [f"{counted} trial {spec.number} {ended}"]
        if result.value is not None:
            parts.append(self._value(result.value) + (" (best so far)" if improved else ""))
        left = "" if result.end is EndReason.INTERRUPTED else self._left()
        parts += [duration(result.seconds), params_text(spec.params), left]
        return ", ".join(part for part in parts if part)

    def _shown(self) -> RenderableType:
        rounds = None if self._rounds is None else self._rounds.live()
        return self._table() if rounds is None else rounds

    def _table(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        standing = self._standing
        best = Text("no trial has been completed yet", style="dim")
        if standing.best is not None:
            spec, value = standing.best
            best = Text.assemble(
                ("best so far  ", "dim"),
                (self._value(value), "bold cyan"),
                f"  trial {spec.number}  {params_text(spec.params)}",
                no_wrap=True,
                overflow="ellipsis",
            )
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for name, width in (("trial", 5), ("epoch", 7), ("", BAR_WIDTH), ("last", 6)):
            table.add_column(name, justify="right" if name else "left", min_width=width, no_wrap=True)
        table.add_column("params", no_wrap=True, overflow="ellipsis")
        running = list(standing.running.values())
        for spec, last in running[:MAX_RUNNING]:
            table.add_row(
                str(spec.number),
                "" if last is None else f"{last.epoch}/{last.epochs}",
                ProgressBar(last.epochs if last else 1, last.epoch if last else 0, width=BAR_WIDTH),
                "" if last is None else number(last.value),
                Text(params_text(spec.params)),
            )
        more = [Text(f"and {len(running) - MAX_RUNNING} more", style="dim")] if len(running) > MAX_RUNNING else []
        return Group(best, table, *more, Text(self._counts(), style="dim"))

    def _counts(self) -> str:
        standing = self._standing
        total = "" if standing.total is None else f" of {count(standing.total)}"
        parts = [f"{count(standing.num_ended)}{total} trials ended"]
        parts += [
            f"{standing.ended[state]} {state.value}"
            for state in (TrialState.PRUNED, TrialState.FAILED)
            if standing.ended[state]
        ]
        parts += [duration(self._clock() - self._begin), self._left()]
        return " · ".join(part for part in parts if part)
