"""Predictions for a file: the columns of the input, then the label and the probability of every class."""

# N texts, K classes

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from textune.data import Table, locate, read_table
from textune.errors import TextuneError
from textune.errors import suggestion as closest
from textune.pipeline import Pipeline
from textune.storage import write_atomically

__all__ = ["find_pipeline", "predict_file", "predict_table", "read_input", "write_output"]

CHUNK = 4_096
"""Texts predicted at once; bounds the memory that batches take."""


@dataclass(frozen=True)
class Input:
    """What is to be predicted: columns as they came, and which of them is the text."""

    names: tuple[str, ...]
    columns: dict[str, Sequence[Any]]
    text: str

    @property
    def texts(self) -> list[str]:
        return ["" if text is None else str(text) for text in self.columns[self.text]]


def predict_file(
    model: Path, file: str, *, output: Path | None = None, output_format: str = "csv", text: str | None = None
) -> None:
    """Predicts a file with the model of a run and writes the result to a file (whole or not at all) or to stdout."""
    pipeline, given = find_pipeline(model), read_input(file, sys.stdin, text)
    rows = predict_table(pipeline, given)
    if output is None:
        write_output(rows, sys.stdout, output_format)
        return
    stream = io.StringIO(newline="")
    write_output(rows, stream, output_format)
    write_atomically(output, stream.getvalue())


def find_pipeline(path: Path) -> Pipeline:
    """Loads the pipeline of a run folder (its `best/`), of a run's name under `runs/`, or of a folder that is one.

    Raises:
        TextuneError: there is none.
    """
    for candidate in (path / "best", path, Path("runs") / path / "best"):
        if (candidate / "config.json").is_file():
            return Pipeline.load(candidate)
    raise TextuneError(
        f"{path} holds no model: neither {path / 'best' / 'config.json'} nor {path / 'config.json'} exists"
    )


def read_input(file: str, stdin: TextIO, text: str | None = None) -> Input:
    """Reads a csv, tsv, jsonl or parquet file with a text column, or a txt file or stdin (`-`) with one text per line.

    Only a line feed ends a line: other characters that Unicode calls line ends belong to the text.

    Raises:
        DataError, TextuneError: the file is missing, damaged, or has no such column.
    """
    if file == "-" or file.endswith((".txt", ".txt.gz")):
        content = stdin.read() if file == "-" else _read_text(file)
        lines = content.removesuffix("\n").split("\n") if content else []
        return Input(("text",), {"text": [line.removesuffix("\r") for line in lines]}, "text")
    table = read_table(locate(file, (Path(),)))
    return Input(table.names, dict(table.columns), _text_column(table, file, text))


def predict_table(pipeline: Pipeline, given: Input) -> Iterator[dict[str, Any]]:
    """Yields a row per text: the input's columns, `label`, and `probability.<class>`."""
    texts, classes = given.texts, pipeline.config.classes
    names = [_free_name(name, given.names) for name in ("label", *(f"probability.{each}" for each in classes))]
    for start in range(0, len(texts), CHUNK):
        probabilities_NK = pipeline.predict(texts[start : start + CHUNK])
        for row, probabilities_K in enumerate(probabilities_NK.tolist(), start):
            label = classes[max(range(len(classes)), key=probabilities_K.__getitem__)]
            columns = {name: given.columns[name][row] for name in given.names}
            yield columns | dict(zip(names, [label, *(round(value, 6) for value in probabilities_K)], strict=True))


def write_output(rows: Iterable[dict[str, Any]], stream: TextIO, output_format: str) -> None:
    """Writes rows as csv (with a header) or jsonl."""
    if output_format == "jsonl":
        stream.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
        return
    writer = None
    for row in rows:
        if writer is None:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(row)
        writer.writerow(row.values())


def _read_text(file: str) -> str:
    import gzip

    path = Path(locate(file, (Path(),)))
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return content.decode("utf-8-sig")


def _text_column(table: Table, file: str, text: str | None) -> str:
    wanted = text or "text"
    if wanted in table.names:
        return wanted
    if text is None and len(table.names) == 1:
        return table.names[0]
    hint = closest(wanted, table.names) or f"; its columns are {', '.join(table.names)}"
    raise TextuneError(f"{file} has no column '{wanted}'{hint}; name the column of the texts with --text")


def _free_name(name: str, taken: Sequence[str]) -> str:
    """The input may have a column of that name already, such as the true label."""
    while name in taken:
        name = f"predicted.{name}"
    return name
