"""The trials of a study as a DataFrame, each value as it was chosen or measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from textune.errors import MissingDependencyError
from textune.records import StudyRecord

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["trials_frame"]

_DTYPES = {bool: ("bool", "boolean"), int: ("int64", "Int64"), float: ("float64", "Float64")}
"""Of a column of values of one type, the second where some are missing."""
_MOST = 2**63 - 1
"""The greatest whole number of a column."""


def trials_frame(record: StudyRecord) -> pd.DataFrame:
    """Returns a row for each trial that has ended, one way or another, in the order of their numbers.

    Columns: trial, state, reason, the metrics, best_epoch, epochs, seconds, seconds_per_epoch, the params. What a trial
    does not have is missing (NaN, or `pd.NA` of a param that does not apply to it); a choice of null is None.

    Raises:
        MissingDependencyError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingDependencyError("a table of trials", "pandas", "pandas") from error

    ended = [(trial.spec.choices, trial.result) for trial in record.trials if trial.result is not None]
    results = [result for _, result in ended]
    metrics = dict.fromkeys(name for result in results for name in result.metrics)
    paths = dict.fromkeys(path for params, _ in ended for path in params)
    columns: dict[str, pd.Series[Any]] = {
        "trial": pd.Series([result.trial for result in results], dtype="int64"),
        "state": pd.Series([result.state.value for result in results], dtype=object),
        "reason": pd.Series([result.reason for result in results], dtype=object),
        **{name: _numbers(result.metrics.get(name) for result in results) for name in metrics},
        "best_epoch": pd.Series([result.best_epoch for result in results], dtype="Int64"),
        "epochs": pd.Series([result.epochs for result in results], dtype="int64"),
        "seconds": _numbers(result.seconds for result in results),
        "seconds_per_epoch": _numbers(result.seconds_per_epoch for result in results),
        **{path: _values(params.get(path, pd.NA) for params, _ in ended) for path in paths},
    }
    return pd.DataFrame(columns)


def _numbers(values: Iterable[float | None]) -> pd.Series[float]:
    import pandas as pd

    return pd.Series([float("nan") if value is None else value for value in values], dtype="float64")


def _values(values: Iterable[Any]) -> pd.Series[Any]:
    """Returns values of one type as a column of that type, all others as they are."""
    import pandas as pd

    found = list(values)
    some_missing = any(value is pd.NA for value in found)
    types = {type(value) for value in found if value is not pd.NA}
    dtypes = _DTYPES.get(types.pop()) if len(types) == 1 else None
    if dtypes is None or any(isinstance(value, int) and abs(value) > _MOST for value in found):
        return pd.Series(found, dtype=object)
    return pd.Series(found, dtype=dtypes[some_missing])
