"""parquet files as tables, read in pieces so that one that expands is noticed early."""

from __future__ import annotations

import io
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from textune.data.content import local_or_bytes, too_large
from textune.data.reading import Reading, either
from textune.data.tables.header import repeated_names, unique_names
from textune.data.tables.table import Table, replace_halves, shortest_floats
from textune.errors import DataError, MissingDependencyError
from textune.spare_memory import Watch
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
    content = local_or_bytes(place, reading)
    try:
        columns, header, num_rows = _read(content, wanted, name, reading)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{name} is damaged, or is no parquet file: {reason}") from error
    if not num_rows:
        raise DataError(f"{name} has no rows")
    replaced = replace_halves(columns, reading)
    names, repeated = unique_names(name, header), repeated_names(header)
    return Table(name, names, columns, "row", range(1, num_rows + 1), replaced, repeated)


def _read(
    content: str | io.BytesIO, wanted: Collection[str] | None, name: str, reading: Reading
) -> tuple[dict[str, list[Any]], list[str], int]:
    """Returns the columns by names that differ, the names of all columns as they are, and the number of rows.

    What the file says of its size is not asked: pyarrow ends the process where a column's metadata is damaged, and only
    reading raises. Nor need it be: a page, the least that is decompressed, has 2 GiB at most by its format.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(content) as file:
        schema = file.schema_arrow
        header = list(schema.names)
    names: dict[str, list[str]] = {}
    for own, unique in zip(header, unique_names(name, header), strict=True):
        names.setdefault(own, []).append(unique)
    # Columns are asked for by their own names, and those of one name come together.
    asked = [own for own, unique in names.items() if wanted is None or not {*unique}.isdisjoint(wanted)]
    kept = [unique for own in asked for unique in names[own]]
    # Texts come as numbers of distinct values: a million copies of one text take the room of one.
    flat = [
        column
        for column in asked
        if not any(pa.types.is_nested(schema.field(place).type) for place in schema.get_all_field_indices(column))
    ]
    with pq.ParquetFile(content, read_dictionary=flat) as file:
        columns: dict[str, list[Any]] = {column: [] for column in kept}
        num_bytes = num_rows = 0
        watch, whole = Watch(), max(1, file.metadata.num_rows)
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=asked):
            for column, values in zip(kept, batch.columns, strict=True):
                read, size = _values(values, f"{name}, row {num_rows + 1} or one of the next", reading)
                columns[column] += read
                num_bytes += size
            if num_bytes > reading.max_bytes:
                raise too_large(name, reading, "bytes of values")
            num_rows += len(batch)
            watch.check(name, min(1.0, num_rows / whole))
        if asked and num_rows != file.metadata.num_rows:
            raise ValueError(f"it says that it has {file.metadata.num_rows:,} rows, and has {num_rows:,}")
        return columns, header, file.metadata.num_rows


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
