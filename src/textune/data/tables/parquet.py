"""parquet files as tables, read in pieces so that one that expands is noticed early."""

from __future__ import annotations

import io
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from textune.data.locate import is_url
from textune.data.reading import Reading, either, is_zipped, read_bytes, too_large
from textune.data.tables.table import Table, replace_halves, shortest_floats, unique_names
from textune.errors import DataError, MissingDependencyError
from textune.storage import redact

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_parquet"]

ROWS_AT_ONCE = 4_096


def read_parquet(place: str, wanted: Collection[str] | None, reading: Reading) -> Table:
    """Reads a parquet file, or one in gzip.

    Raises:
        DataError: it is damaged, has no rows, or holds more than it may.
    """
    name = redact(place)
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingDependencyError(f"reading {name}", "pyarrow", "parquet") from error
    in_memory = is_url(place) or is_zipped(place)
    content: Any = io.BytesIO(read_bytes(place, reading)) if in_memory else place
    try:
        columns, names, num_rows = _read(content, wanted, name, reading)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{name} is damaged, or is no parquet file: {reason}") from error
    if not num_rows:
        raise DataError(f"{name} has no rows")
    return Table(name, names, columns, "row", range(1, num_rows + 1), replace_halves(columns, reading))


def _read(
    content: Any, wanted: Collection[str] | None, name: str, reading: Reading
) -> tuple[dict[str, list[Any]], tuple[str, ...], int]:
    """Returns the columns, the names of all columns, and the number of rows.

    What the file says of its size is not asked: pyarrow ends the process where a column's metadata is damaged, and only
    reading raises. Nor need it be: a page, the least that is decompressed, has 2 GiB at most by its format.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(content) as file:
        schema = file.schema_arrow
        names = unique_names(name, list(schema.names))
    kept = [column for column in names if wanted is None or column in wanted]
    # Texts come as numbers of distinct values: a million copies of one text take the room of one.
    flat = [column for column in kept if not pa.types.is_nested(schema.field(column).type)]
    with pq.ParquetFile(content, read_dictionary=flat) as file:
        columns: dict[str, list[Any]] = {column: [] for column in kept}
        num_bytes = num_rows = 0
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=kept):
            for column, values in zip(kept, batch.columns, strict=True):
                read, size = _values(values, f"{name}, row {num_rows + 1} or one of the next", reading)
                columns[column] += read
                num_bytes += size
            if num_bytes > reading.max_bytes:
                raise too_large(name, reading, "bytes of values")
            num_rows += len(batch)
        return columns, names, file.metadata.num_rows


def _values(values: pa.Array, where: str, reading: Reading) -> tuple[list[Any], int]:
    """Returns an array as Python values, equal texts as one object, and about how many bytes they are."""
    import pyarrow as pa

    if pa.types.is_float16(values.type) or pa.types.is_float32(values.type):
        return shortest_floats(values.to_pylist(), values.type.to_pandas_dtype()), 8 * len(values)
    if not isinstance(values, pa.DictionaryArray):
        return values.to_pylist(), max(values.nbytes, 8 * len(values))
    used, index = np.unique(values.indices.fill_null(-1).to_numpy(zero_copy_only=False), return_inverse=True)
    distinct = _texts(values.dictionary.take(pa.array(used[used >= 0])), where, reading)
    distinct = [None] * int((used < 0).sum()) + distinct  # the number of a missing value is -1, and comes first
    sizes = np.array([len(value) if isinstance(value, str) else 8 for value in distinct], dtype=np.int64)
    return [distinct[each] for each in index.tolist()], int(sizes[index].sum())


def _texts(values: pa.Array, where: str, reading: Reading) -> list[Any]:
    try:
        return values.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError as error:
        if reading.encoding_errors == "strict":
            advice = either(reading.way("encoding_errors", "replace"), "mend it")
            raise DataError(
                f"{where} holds a text that is not utf-8 (byte 0x{error.object[error.start]:02x}); {advice}"
            ) from error
        return [value.decode(errors="textune-mark") for value in values.cast("binary").to_pylist()]
