"""A first study for a newcomer's own file: read it, look at it, write what an expert would start with."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles

from textune.data import Reading, Table, locate, read_table
from textune.errors import DataError, suggestion

__all__ = ["first_study"]

MAX_CLASSES = 100
DELIMITERS = (";", "\t", "|")
"""What tables that end in .csv may have in place of the comma."""
WITHOUT_SPACES = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese, which write words without spaces between them."""
LONG_TEXT = 120
"""Words from which counting words is the better first model: word order pays on short texts first."""


def first_study(file: str, label: str, text: str | None = None) -> str:
    """Returns a study file (YAML) for a table of texts and labels.

    Args:
        file: csv, tsv, jsonl or parquet; path or URL.
        label: the column of the labels.
        text: the column of the texts; by default the one with the longest words-and-spaces values.

    Raises:
        DataError: the file cannot be read or lacks a column.
    """
    table, delimiter = _read(file, label)
    for name in (label, text):
        if name is not None and name not in table.names:
            hint = suggestion(name, table.names) or f"; its columns are {', '.join(table.names)}"
            raise DataError(f"{file} has no column '{name}'{hint}")
    text = text or _text_column(table, label, file)
    labels = Counter(str(value) for value in table.columns[label] if value not in (None, ""))
    _check_labels(file, label, labels)
    texts = [str(value) for value in table.columns[text] if value]
    unit = "characters" if _has_no_spaces(texts) else "words"
    lengths = [len(each) if unit == "characters" else len(each.split()) for each in texts] or [0]
    columns = {"text": text, "label": label} | ({} if delimiter is None else {"delimiter": delimiter})
    return _yaml(file, table, columns, labels, lengths, unit)


def _has_no_spaces(texts: Sequence[str]) -> bool:
    """Whether most texts are of a script in which spaces do not tell words apart."""
    some = texts[:2_000]
    found = sum(len(WITHOUT_SPACES.findall(each)) > len(each) / 3 for each in some)
    return 2 * found > len(some)


def _read(file: str, label: str) -> tuple[Table, str | None]:
    """Returns the table, and what separates its columns if it is not what the file's ending says."""
    place = locate(file, (Path(),))
    first: Table | DataError | None = None
    for delimiter in (None, *DELIMITERS):
        try:
            table = read_table(place, reading=Reading(delimiter=delimiter))
        except DataError as error:
            first = first or error
            continue
        if label in table.names:
            return table, delimiter
        first = first or table
    if isinstance(first, DataError):
        raise first
    assert first is not None
    return first, None


def _text_column(table: Table, label: str, file: str) -> str:
    def words(name: str) -> tuple[float, float]:
        values = [value for value in table.columns[name][:2_000] if isinstance(value, str)]
        count = max(1, len(values))
        return sum(len(value.split()) for value in values) / count, sum(map(len, values)) / count

    names = [name for name in table.names if name != label]
    if not names:
        raise DataError(f"{file} has no column but '{label}'; a study needs a column of texts")
    return max(names, key=words)


def _check_labels(file: str, label: str, labels: Counter[str]) -> None:
    if len(labels) < 2:
        held = f"holds the one value '{next(iter(labels))[:40]}'" if labels else "is empty"
        raise DataError(f"{file}, column '{label}' {held}; a classifier needs two at least")
    if len(labels) > MAX_CLASSES:
        raise DataError(
            f"{file}, column '{label}' has {len(labels):,} different values, such as "
            f"'{next(iter(labels))[:40]}'; name a column of classes with --label"
        )


def _yaml(file: str, table: Table, columns: dict[str, str], labels: Counter[str], lengths: list[int], unit: str) -> str:
    typical = round(median(lengths))
    longest = round(quantiles(lengths, n=20)[-1]) if len(lengths) > 1 else lengths[0]
    max_length = max(32, min(400, 16 * math.ceil(1.5 * longest / 16)))  # punctuation marks are tokens too
    balanced = max(labels.values()) < 3 * min(labels.values())
    metric = "accuracy" if balanced else "f1_macro"
    has_split = "split" in table.names and {"train", "test"} <= {str(value) for value in table.columns["split"]}
    split = "{kind: given}" if has_split else "{kind: holdout, valid_share: 0.15, test_share: 0.15}"
    columns |= {"split": "split"} if has_split else {}
    given = ", ".join(f"{name}: {_quoted(value)}" for name, value in {"path": file, **columns}.items())
    lines = [
        f"# Written by `textune init`: {len(table):,} rows, {len(labels)} labels, texts of {typical} {unit} (median).",
        "# Run it with `textune run`; every setting is explained in docs/study-file.md.",
        f"name: {_name(file)}",
        f"data:      {{kind: files, {given}}}",
        f"split:     {split}",
        f"tokenizer: {{kind: {unit}, max_length: {max_length}}}",
        *_model(typical, metric, balanced),
    ]
    return "\n".join(lines) + "\n"


def _model(typical: int, metric: str, balanced: bool) -> list[str]:
    first = "bag-of-words" if typical >= LONG_TEXT else "rnn"
    encoders = {
        "bag-of-words": "{kind: bag-of-words, ngrams: 2, ngram_buckets: 262144}",
        "cnn": "{kind: cnn}",
        "rnn": "{kind: rnn, hidden_size: 128, bidirectional: true}",
    }
    choices = [encoders[first], *(value for kind, value in encoders.items() if kind != first)]
    weights = [] if balanced else ["  class_weights: balanced"]
    return [
        "model:",
        f"  embedding: {{size: {50 if first == 'bag-of-words' else 100}}}",
        f"  encoder:   {encoders[first]}",
        "  pooling:   max",
        "  head:      {dropout: 0.3}",
        "training:",
        "  epochs: 10",
        "  batch_size: 32",
        "  optimizer: {kind: adam, learning_rate: 1e-3}",
        *weights,
        "  early_stopping: {patience: 2}",
        "search:",
        f"  maximize: valid.{metric}",
        "  space:",
        f"    model.encoder: [{', '.join(choices)}]",
        "    model.head.dropout: {low: 0.0, high: 0.6}",
        "    training.optimizer.learning_rate: {low: 2e-4, high: 2e-2, log: true}",
        "    training.batch_size: [16, 32, 64]",
        "  sampler: {kind: tpe}",
        "  pruner:  {kind: median}",
        "  trials: 24",
    ]


def _name(file: str) -> str:
    stem = Path(file).name.split(".")[0]
    name = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in stem).strip("-")
    return name or "study"


def _quoted(value: str) -> str:
    """Returns text as YAML takes it inside braces, quoted where it must be."""
    is_plain = re.fullmatch(r"[A-Za-z][\w./-]*", value, re.ASCII) and value not in ("true", "false", "null")
    return value if is_plain else json.dumps(value, ensure_ascii=False)
