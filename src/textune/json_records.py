"""Records that stay JSON mappings: a study's header, what a confirmation found, a test reading.

Only what other code reads is listed; further keys are kept as they are, so that later versions may add some.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, WrapValidator, with_config
from typing_extensions import NotRequired, TypedDict  # noqa: UP035 - pydantic asks for it before Python 3.12

__all__ = [
    "Candidate",
    "Comparison",
    "Confirmation",
    "Details",
    "FidelityFindings",
    "FoldDetails",
    "Header",
    "Interval",
    "SearchSettings",
    "Statistics",
    "StudySettings",
    "TestReading",
]

_OPEN = ConfigDict(extra="allow")
Scores = dict[str, float]
Numbers = dict[str, int | float]


def _as_given(value: Any, check: Callable[[Any], Any]) -> Any:
    """Checks a mapping and keeps the order of its keys, in which a person reads it."""
    check(value)
    return value


@with_config(_OPEN)
class SearchSettings(TypedDict, total=False):
    """One stage of a search, as the resolved study gives it."""

    space: dict[str, dict[str, Any]] | None
    sampler: dict[str, Any]
    include_base: bool


@with_config(_OPEN)
class StudySettings(TypedDict, total=False):
    """The resolved study."""

    search: SearchSettings | list[SearchSettings]
    confirm: dict[str, Any] | None


@with_config(_OPEN)
class Part(TypedDict):
    """The rows of one part of a date range."""

    first: str
    last: str
    rows: int


@with_config(_OPEN)
class DateRange(TypedDict):
    """A range of dates."""

    name: str
    train: Part
    valid: Part


@with_config(_OPEN)
class Statistics(TypedDict, total=False):
    """The statistics of the data; `labels` counts rows by split and class."""

    fingerprint: str
    rows: int
    folds: int
    vocabulary_size: int
    groups: int
    rows_in_no_split: int
    splits: dict[str, Numbers]
    labels: dict[str, dict[str, int]]
    texts_in_two_splits: dict[str, int]
    skipped: dict[str, int]
    changed: dict[str, int]
    notes: list[str]
    sources: list[str]
    dates: dict[str, dict[str, str]]
    ranges: list[DateRange]


@with_config(_OPEN)
class Estimated(TypedDict, total=False):
    """What a study is expected to cost."""

    seconds: float | None
    disk_bytes: float | None


@with_config(_OPEN)
class FidelitySettings(TypedDict):
    """What `textune fidelity` trains."""

    configurations: int


@with_config(_OPEN)
class Header(TypedDict, total=False):
    """What `study.json` holds. `baselines` are valid scores by baseline."""

    config: Annotated[StudySettings, WrapValidator(_as_given)]
    textune: str
    python: str
    versions: dict[str, str]
    plugins: dict[str, str]
    files: dict[str, str]
    data: Statistics
    baselines: dict[str, Scores]
    baselines_by_fold: list[dict[str, Scores]]
    notes: list[str]
    estimate: Estimated
    fidelity: FidelitySettings


@with_config(_OPEN)
class Candidate(TypedDict):
    """A configuration that a confirmation trained again. `trial` is its number in the search."""

    trial: int
    params: dict[str, Any]
    search: float
    values: list[float]
    mean: float | None
    dropped_at: int | None
    failed: str | None
    num_parameters: float | None
    seconds: float | None


@with_config(_OPEN)
class Comparison(TypedDict):
    """One candidate compared with the leader of a look."""

    repeats: int
    leader: int
    trial: int
    difference: float
    low: float | None
    high: float | None
    level: float
    p: float
    worse: bool
    within_margin: bool


@with_config(_OPEN)
class Estimate(TypedDict, total=False):
    """How good the choice is on rows of their own; `mean` is there from two values on."""

    values: list[float]
    mean: float
    interval: tuple[float, float] | None


@with_config(_OPEN)
class Confirmation(TypedDict):
    """What a confirmation found. Where `chosen` is None nothing was trained again, and `reason` says why."""

    verdict: Literal["winner", "tie", "undecided", "none"]
    chosen: int | None
    reason: str
    candidates: list[Candidate]
    key: NotRequired[str]
    runs: NotRequired[int]
    comparisons: NotRequired[list[Comparison]]
    rows: NotRequired[Literal["resplit", "holdout", "same"]]
    method: NotRequired[Literal["resplit", "crossed", "ranges"]]
    alpha: NotRequired[float]
    margin: NotRequired[float]
    left_out: NotRequired[int]
    estimate: NotRequired[Estimate | None]


@with_config(_OPEN)
class Interval(TypedDict):
    """Of a test score."""

    low: float
    high: float
    level: float


@with_config(_OPEN)
class TestReading(TypedDict, total=False):
    """The one reading of the test split: metrics by full name (`test.accuracy`), those of the baselines, and more."""

    metrics: Scores
    confusion: list[list[int]]
    classes: list[Any]
    num_rows: int
    interval: Interval | None
    baselines: dict[str, Scores]
    readings: int


@with_config(_OPEN)
class FoldDetails(TypedDict):
    """How one fold of a trial went."""

    name: str
    rows: int
    metrics: Scores
    fold: NotRequired[int]
    best_epoch: NotRequired[int]


@with_config(_OPEN)
class Details(TypedDict, total=False):
    """Numbers of a trial that are worth keeping."""

    folds: list[FoldDetails] | None
    num_parameters: float | None
    examples_per_second: float | None


@with_config(_OPEN)
class Correlation(TypedDict):
    """A rank correlation and its interval; None where there is none."""

    value: float | None
    low: float | None
    high: float | None
    level: float


@with_config(_OPEN)
class ShortForm(TypedDict):
    """What one short form is worth; `short` are its settings, none those of training in full."""

    form: str
    short: Numbers
    cost: float
    kendall: Correlation
    spearman: Correlation
    regret: float
    regret_bound: float


@with_config(_OPEN)
class TrainedConfiguration(TypedDict):
    """A configuration trained in full; its valid loss by epoch."""

    number: int
    params: dict[str, Any]
    values: list[float | None]
    valid_loss: list[float]


@with_config(_OPEN)
class FidelityFindings(TypedDict):
    """What `fidelity.json` holds."""

    name: str
    objective: dict[str, str]
    margin: float
    recommended: Numbers | None
    ceiling: ShortForm
    forms: list[ShortForm]
    configurations: list[TrainedConfiguration]
    notes: list[str]
