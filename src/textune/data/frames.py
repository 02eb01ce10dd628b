"""Frames of other libraries as tables: pandas, polars, Arrow, lists of dicts and dicts of lists.

None of these libraries has to be installed: an object shows by its methods what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set, Sized
from dataclasses import dataclass
from datetime import date
from functools import partial
from os import PathLike
from typing import Any

import numpy as np

from textune.data.reading import Reading
from textune.data.tables import Table, shortest_floats
from textune.data.text_columns import SEPARATOR, TextColumns, joined, text_names
from textune.data.values import as_texts, parse_cells, plain_value
from textune.errors import DataError, type_of

__all__ = ["frame_as_table", "texts_of"]

FRAMES = "a pandas or polars DataFrame, an Arrow table, a list of dicts or a dict of lists"


class _Given(Reading):
    """How a frame is read that is to be predicted: whoever calls can pass something else."""

    def way(self, setting: str, value: object) -> str:
        return f"pass the column of the texts alone, {value}" if setting == "text" else ""


@dataclass(frozen=True)
class _Frame:
    """A frame of any library.

    Attributes:
        name: for messages.
        names: of the columns, as texts.
        num_rows: how many there are.
        column: returns a column by its position, in whatever the library has for it.
    """

    name: str
    names: tuple[str, ...]
    num_rows: int
    column: Callable[[int], Any]

    def cells(self, name: str) -> list[Any]:
        """Returns the cells of a column as Python or numpy values.

        Raises:
            DataError: there are several such columns, or it is no column.
        """
        if self.names.count(name) > 1:
            raise DataError(f"{self.name} has several columns named '{name}'; rename one of them")
        cells = _cells(self.column(self.names.index(name)), f"{self.name}, column '{name}'")
        if len(cells) != self.num_rows:
            raise DataError(f"{self.name} has {self.num_rows:,} rows, and {len(cells):,} in column '{name}'")
        return cells

    def where(self, column: str, row: int) -> str:
        return f"{self.name}, row {row}: column '{column}'"

    def table(self, columns: Mapping[str, Sequence[Any]]) -> Table:
        return Table(self.name, self.names, columns, "row", range(self.num_rows))


def frame_as_table(data: object, wanted: Collection[str], optional: Collection[str] = ()) -> Table:
    """Returns the wanted columns of a frame; what others hold does not matter. Rows are counted from 0.

    Args:
        data: the frame.
        wanted: names of columns; each is taken if it is there.
        optional: columns that are left out if they hold anything but texts, numbers and dates.

    Raises:
        DataError: it is not a frame, has no rows, or holds what cannot be used; names the frame and the row.
    """
    frame = _as_frame(list(data) if isinstance(data, Iterator) else data)
    if frame is None:
        raise DataError(f"data is {type_of(data)}; pass {FRAMES}, or set data.path in the study to a file")
    if not frame.num_rows:
        raise DataError(f"{frame.name} has no rows")
    columns: dict[str, list[Any]] = {}
    for name in dict.fromkeys(name for name in frame.names if name in wanted):
        try:
            columns[name] = parse_cells(frame.cells(name), _plain, partial(frame.where, name))
        except DataError:
            if name not in optional:
                raise
    return frame.table(columns)


def texts_of(data: object, columns: Sequence[TextColumns] = ("text",), separator: str = SEPARATOR) -> list[str]:
    """Returns the texts to predict; an empty one where a text is missing.

    Args:
        data: texts as any iterable, Series or array, or a frame with columns of texts.
        columns: what these columns may be; the first that are there are taken, or the only one of a frame.
        separator: what stands between the cells of joined columns.

    Raises:
        DataError: it is something else, lacks the column, or a cell is not text; says what to pass.
    """
    if isinstance(data, str | bytes | bytearray | memoryview | PathLike):
        raise DataError("a list of texts is predicted, and one text was given; put it into a list: [text]")
    data = list(data) if isinstance(data, Iterator) else data
    frame = _as_frame(data)
    if frame is not None:
        if not frame.names:  # no column, so no row
            return []
        names = text_names(frame.table({}), columns, _Given())
        parts = [as_texts(frame.cells(name), partial(frame.where, name)) for name in names]
        return [text or "" for text in joined(parts, separator)]
    if isinstance(data, Set) or not isinstance(data, Iterable):
        raise DataError(f"{type_of(data)} cannot be predicted; pass a list or Series of texts, or {FRAMES}")
    return as_texts(_cells(data, "the array"), lambda row: f"row {row} of the texts")


def _plain(value: Any) -> Any:
    """Returns a cell as `plain_value` does; dates stay dates, so that no format is looked for in them."""
    cell = plain_value(value)
    return value if cell is not None and isinstance(value, date) else cell


def _as_frame(data: Any) -> _Frame | None:
    """Returns what is known of a frame; None if it is none."""
    if hasattr(data, "collect_schema") and hasattr(data, "collect"):  # of polars, not computed yet
        data = data.collect()
    if isinstance(data, Mapping):
        return _of_columns(data)
    if hasattr(data, "iloc") and hasattr(data, "columns"):  # pandas, and what is like it
        return _named("the DataFrame", data.columns, len(data), lambda index: data.iloc[:, index])
    if hasattr(data, "get_columns") and hasattr(data, "to_series"):  # polars
        return _named("the DataFrame", data.columns, len(data), data.to_series)
    if hasattr(data, "column_names") and hasattr(data, "column"):  # Arrow
        return _named("the Arrow table", data.column_names, data.num_rows, data.column)
    if isinstance(data, Sequence) or hasattr(data, "column_names"):  # lists, and data sets of Hugging Face
        return _of_rows(data)
    return None


def _named(name: str, names: Iterable[object], num_rows: int, column: Callable[[int], Any]) -> _Frame:
    return _Frame(name, tuple(map(str, names)), num_rows, column)


def _of_columns(data: Mapping[Any, Any]) -> _Frame:
    columns = list(data.values())
    lengths = [len(each) for each in columns if isinstance(each, Sized) and not isinstance(each, str | bytes | Mapping)]
    return _named("the dict of columns", data, max(lengths, default=0), columns.__getitem__)


def _of_rows(data: Iterable[Any]) -> _Frame | None:
    if not isinstance(next(iter(data), None), Mapping):
        return None
    rows = list(data)
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise DataError(f"the list of rows, row {number} is {type_of(row)}; make every row a dict")
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return _named("the list of rows", keys, len(rows), lambda index: [row.get(keys[index]) for row in rows])


def _cells(values: Any, name: str) -> list[Any]:
    """Returns a column or another iterable as a list of its cells."""
    if isinstance(values, list | tuple):
        return list(values)
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise DataError(f"{name} is {type_of(values)}; make it a list of values")
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise DataError(f"{name} has {values.ndim} dimensions; pass one with a single value a row")
        return list(values)
    import narwhals as nw

    if hasattr(values, "to_pylist") and not hasattr(values, "chunks"):  # part of an Arrow column
        import pyarrow as pa

        values = pa.chunked_array([values])
    series = nw.from_native(values, pass_through=True, series_only=True)
    if not isinstance(series, nw.Series):
        return list(values)
    cells: list[Any] = series.to_list()
    match str(series.dtype):
        case "Float32":
            return shortest_floats(cells, np.float32)
        case "Float16":
            return shortest_floats(cells, np.float16)
    return cells
