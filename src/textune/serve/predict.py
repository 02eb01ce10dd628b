"""Predictions for a file: the columns of the input, then the label and the probability of every class."""

# N texts, K classes

from __future__ import annotations

import csv
import io
import json
import logging
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from textune.data import (
    SEPARATOR,
    CommandReading,
    Label,
    Reading,
    TextColumns,
    as_texts,
    joined,
    lines_as_table,
    lines_of,
    locate_given,
    read_table,
    text_names,
    too_large,
    whole_characters,
)
from textune.errors import DataError, TextuneError, plain
from textune.pipeline import SETTINGS, Pipeline
from textune.storage import written_atomically
from textune.temporary import remove_abandoned_beside

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

__all__ = ["Predictions", "find_pipeline", "predict_file", "predict_table", "read_input", "write_predictions"]

CHUNK = 4_096
"""Texts predicted at once; bounds the memory that batches take."""

_log = logging.getLogger("textune")


@dataclass(frozen=True)
class Input:
    """What is to be predicted: columns as they came, and the texts, an empty one where there is none."""

    names: tuple[str, ...]
    columns: Mapping[str, Sequence[Any]]
    texts: list[str]


@dataclass(frozen=True)
class Predictions:
    """Rows to be written once: the input's columns, `label`, and `probability.<class>`, named by `names`."""

    names: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


def predict_file(
    model: Path,
    file: str,
    *,
    output: Path | None = None,
    output_format: str = "csv",
    text: Sequence[str] = (),
    options: Mapping[str, str | None] | None = None,
    allow_plugins: bool = False,
) -> None:
    """Predicts a file with the model of a run and writes the result to a file (whole or not at all) or to stdout.

    Args:
        model: a run folder, or the folder of a model.
        file: what is to be predicted.
        output: where to write; None is stdout.
        output_format: csv or jsonl.
        text: the columns of the texts; none: as in the study.
        options: how the file is read where it is not as the study's were, by `Reading`'s names; None is not given.
        allow_plugins: whether the model may run the Python files beside it.
    """
    pipeline = find_pipeline(model, allow_plugins=allow_plugins)
    columns: tuple[TextColumns, ...] = (tuple(text),) if text else (pipeline.config.text, "text")
    given_options = dict(options or {})
    if file == "-":  # what a person types or pipes is not in the encoding of the study's files
        given_options["encoding"] = given_options.get("encoding") or "utf-8"
    reading = CommandReading.of(pipeline.config.reading, given_options)
    given = read_input(file, sys.stdin.buffer, columns, reading, pipeline.config.separator)
    if num_empty := sum(not each.strip() for each in given.texts):
        _log.warning(
            "%s of %s texts are empty; their label is what the model guesses of nothing", num_empty, len(given.texts)
        )
    predictions = predict_table(pipeline, given, typed=output_format == "jsonl")
    if output is None:
        write_predictions(predictions, _Terminal(sys.stdout) if sys.stdout.isatty() else sys.stdout, output_format)
        return
    try:
        with _opened(output) as stream:
            write_predictions(predictions, stream, output_format)
    except OSError as error:
        reason = error.strerror or error
        raise TextuneError(f"{output} cannot be written: {reason}; name another file with --output") from error


@contextmanager
def _opened(output: Path) -> Iterator[TextIO]:
    """Opens what is to be written, before anything is predicted. Of a link it is what it leads to."""
    if output.exists() and not output.is_file():  # a pipe or a device stays what it is
        with output.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        return
    output = output.resolve()
    remove_abandoned_beside(output)
    with written_atomically(output) as file:
        stream = io.TextIOWrapper(file, encoding="utf-8", newline="")
        try:
            yield stream
        finally:
            stream.detach()  # writes what it still holds, and leaves the file open


def find_pipeline(path: Path, *, allow_plugins: bool = False) -> Pipeline:
    """Loads the pipeline of a run folder (its `best/`), of a run's name under `runs/`, or of a folder that is one.

    Raises:
        TextuneError: there is none.
    """
    for candidate in (path / "best", path, Path("runs") / path / "best"):
        if (candidate / SETTINGS).is_file():
            return Pipeline.load(candidate, allow_plugins=allow_plugins)
    raise TextuneError(f"{path} holds no model: neither {path / 'best' / SETTINGS} nor {path / SETTINGS} exists")


def read_input(
    file: str,
    stdin: BinaryIO,
    columns: Sequence[TextColumns] = ("text",),
    reading: Reading = CommandReading(),  # noqa: B008
    separator: str = SEPARATOR,
) -> Input:
    """Reads a table or a folder with a text column, or a txt file or stdin (`-`) with one text per line.

    Only a line feed ends a line: other characters that Unicode calls line ends belong to the text.

    Args:
        file: path, URL or `-`.
        stdin: what `-` reads.
        columns: what the columns of the texts may be; the first that are there are taken. Of several possibilities
            none has to be there if there is but one column.
        reading: how tables are read.
        separator: what stands between the cells of joined columns.

    Raises:
        DataError: the file is missing, damaged, or has no such column.
    """
    if file == "-":
        table = lines_as_table("stdin", lines_of(_all_of(stdin, reading), "stdin", reading, newline="\n"), reading)
    else:
        table = read_table(locate_given(file), reading=reading)
    parts = [as_texts(table.columns[name], partial(table.cell, name)) for name in text_names(table, columns, reading)]
    texts = [text or "" for text in joined(parts, separator)]
    cells = {
        name: [whole_characters(value) if isinstance(value, str) else value for value in table.columns[name]]
        for name in table.names
    }
    return Input(table.names, cells, texts)


def predict_table(pipeline: Pipeline, given: Input, *, typed: bool = False) -> Predictions:
    """Predicts every text. Where the input has a column of one of the new names, `predicted.` is put in front.

    Args:
        pipeline: the model.
        given: what is to be predicted.
        typed: whether labels have the type of those it was trained on; otherwise they are class names.
    """
    classes = pipeline.config.classes
    added = ("label", *(f"probability.{each}" for each in classes))
    names = (*given.names, *(_free_name(name, given.names) for name in added))
    return Predictions(names, _predicted_rows(pipeline, given, pipeline.labels if typed else classes))


def write_predictions(predictions: Predictions, stream: SupportsWrite[str], output_format: str) -> None:
    """Writes csv (with a header) or jsonl."""
    if output_format == "jsonl":
        for row in predictions.rows:
            stream.write(_json_line(dict(zip(predictions.names, row, strict=True))))
        return
    # Rows end with a line feed alone, and the writer quotes only what could end the rows it writes itself.
    writer = csv.writer(_Rows(stream), lineterminator="\r\n")
    writer.writerow(predictions.names)
    writer.writerows([_cell(value) for value in row] for row in predictions.rows)


class _Terminal:
    """Shows what a terminal would obey; in a pipe or a file, texts stay as they are."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> object:
        return self._stream.write("\n".join(plain(line) for line in text.split("\n")))


class _Rows:
    """Takes the rows of a csv writer and ends them with a line feed."""

    def __init__(self, stream: SupportsWrite[str]) -> None:
        self._stream = stream

    def write(self, row: str) -> None:
        self._stream.write(row.removesuffix("\r\n") + "\n")


def _json_line(record: Mapping[str, Any]) -> str:
    try:
        return whole_characters(json.dumps(_strict(record), ensure_ascii=False, allow_nan=False, default=str)) + "\n"
    except RecursionError:
        raise _too_deep() from None


def _strict(value: Any) -> Any:
    """Returns a value with None for the numbers that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _strict(each) for name, each in value.items()}
    return [_strict(each) for each in value] if isinstance(value, list | tuple) else value


def _cell(value: Any) -> Any:
    try:
        return whole_characters(str(value)) if isinstance(value, list | dict) else value
    except RecursionError:
        raise _too_deep() from None


def _too_deep() -> DataError:
    return DataError("the input has a column of lists in lists too deep to write; leave that column out")


def _predicted_rows(pipeline: Pipeline, given: Input, labels: Sequence[Label]) -> Iterator[tuple[Any, ...]]:
    texts = given.texts
    for start in range(0, len(texts), CHUNK):
        probabilities_NK = pipeline.predict(texts[start : start + CHUNK])
        for row, probabilities_K in enumerate(probabilities_NK.tolist(), start):
            columns = (given.columns[name][row] for name in given.names)
            label = labels[max(range(len(labels)), key=probabilities_K.__getitem__)]
            yield (*columns, label, *(round(value, 6) for value in probabilities_K))


def _all_of(stdin: BinaryIO, reading: Reading) -> bytes:
    content = stdin.read(reading.max_bytes + 1)
    if len(content) > reading.max_bytes:
        raise too_large("stdin", reading)
    return content


def _free_name(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name = f"predicted.{name}"
    return name
