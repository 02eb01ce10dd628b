"""A first study for a newcomer's own file: what an expert would start with, loaded once before it is printed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import numpy as np

from textune.config.study import StudyConfig
from textune.data import (
    TEST,
    VALID,
    CommandReading,
    FilesConfig,
    GivenConfig,
    HoldoutConfig,
    Reading,
    Rows,
    SplitConfig,
    Table,
    holds_dates,
    is_folder,
    locate_given,
    read_table,
    refuse_untrained,
)
from textune.starter.columns import WITHOUT_SPACES, label_column, named_column, split_column, text_columns
from textune.starter.dialect import dialect

__all__ = ["FirstStudy", "first_study"]

LONG_TEXT = 120
"""Words from which counting words is the better first model: word order pays on short texts first."""
SHOWN = {"text", "label"}
"""Settings that are written down whatever they are."""

SEED: int = StudyConfig.model_fields["seed"].default
"""Of a study that names none."""


@dataclass(frozen=True)
class FirstStudy:
    """A study file (YAML), and what its comments say of the data."""

    text: str
    notes: tuple[str, ...]


class _Asked(FilesConfig):
    """Settings that `init` has from its options, so that messages name these."""

    def way(self, setting: str, value: object) -> str:
        return CommandReading().way(setting, value)


def first_study(
    file: str,
    label: str | None = None,
    text: Sequence[str] = (),
    options: Mapping[str, str | None] | None = None,
) -> FirstStudy:
    """Returns a study for a file of texts and labels. Its data was loaded, and its rows could be split.

    Args:
        file: path or URL of a file, or a folder.
        label: the column of the labels, by its name or number; None: the one that is called so.
        text: the columns of the texts; none: the column that is most like texts.
        options: how the file is read, by `Reading`'s names; what is None or missing is looked for.

    Raises:
        DataError: the file cannot be read, lacks a column, or cannot be learned from.
    """
    place = locate_given(file)
    written = dialect(place, options or {}, label)
    reading = _Asked.model_validate({"path": file, **written.settings})
    table = read_table(place, None, reading)
    if label is not None:
        label = named_column(table, label, "label", reading)
    else:
        label = "label" if is_folder(place) else label_column(table, reading)
    split = split_column(table, [label])
    taken = [label, *([split] if split else [])]
    notes = list(written.notes)
    if text:
        texts = [named_column(table, each, "text", reading) for each in text]
    else:
        best, *others = text_columns(table, taken)
        texts = [best]
        notes += _other_texts(best, others)
    notes += _cells_without_a_column(table, reading, [label, *texts]) + _dates(table, [label, *texts])
    del table
    columns = {"text": texts[0] if len(texts) == 1 else tuple(texts), "label": label, "split": split}
    config = _Asked.model_validate({"path": file, **written.settings, **columns})
    rows = config.load((Path(),), SEED)
    kind: SplitConfig = HoldoutConfig(valid_share=0.15, test_share=0.15)
    if np.isin(rows.split_N, (VALID, TEST)).any():
        kind = GivenConfig()
        notes += [] if (rows.split_N == TEST).any() else ["There are no test rows, so there will be no test score."]
    refuse_untrained(rows, kind.assign(rows, SEED))
    notes += [f"Left out: {count:,} rows with {why}." for why, count in rows.skipped.items()]
    return FirstStudy(_yaml(config, kind, rows, notes), tuple(notes))


def _other_texts(best: str, others: Sequence[str]) -> list[str]:
    if not others:
        return []
    names = ", ".join(f"'{name[:40]}'" for name in others[:8])
    return [f"Text column: '{best[:40]}', not {names}; choose another with --text, or several to join them."]


def _cells_without_a_column(table: Table, reading: Reading, used: Sequence[str]) -> list[str]:
    """Says where texts go on in columns without a name, as they do after a delimiter that is in no quotes."""
    unnamed = [name for place, name in enumerate(table.names, start=1) if name == f"column{place}" and name not in used]
    if not reading.header or not unnamed:
        return []
    filled = [row for row in zip(*(table.columns[name] for name in unnamed), strict=True) if any(row)]
    if not 0 < len(filled) < len(table) / 2:  # none, or what numbers the rows
        return []
    joined = " ".join(f"--text {name}" for name in (*used[1:], *unnamed))
    return [f"{len(filled):,} rows continue in columns without a name; {joined} joins them."]


def _dates(table: Table, used: Sequence[str]) -> list[str]:
    found = [name for name in table.names if name not in used and holds_dates(table.columns[name])]
    if not found:
        return []
    return [f"Column '{found[0][:40]}' contains dates; set data.date to it to split by time."]


def _yaml(config: FilesConfig, split: SplitConfig, rows: Rows, notes: Sequence[str]) -> str:
    unit = "characters" if _has_no_spaces(rows.texts) else "words"
    lengths = [len(each) if unit == "characters" else len(each.split()) for each in rows.texts]
    typical = round(median(lengths))
    longest = round(quantiles(lengths, n=20)[-1])
    max_length = max(32, min(400, 16 * math.ceil(1.5 * longest / 16)))  # punctuation marks are tokens too
    counts = np.bincount(rows.labels_N, minlength=len(rows.classes))
    balanced = bool(counts.max() < 3 * counts.min())
    metric = "accuracy" if balanced else "f1_macro"
    about = f"{len(rows):,} rows, {len(rows.classes)} labels, texts of {typical} {unit} (median)"
    lines = [
        f"# Written by `textune init`: {about}.",
        *(f"# {note}" for note in notes),
        "# Run it with `textune run`; every setting is explained in docs/study-file.md.",
        f"name: {_name(config.path or '')}",
        f"data:      {_mapping(config)}",
        f"split:     {_mapping(split)}",
        f"tokenizer: {{kind: {unit}, max_length: {max_length}}}",
        *_model(typical, metric, balanced),
    ]
    return "\n".join(lines) + "\n"


def _mapping(config: FilesConfig | SplitConfig) -> str:
    """Returns a config as YAML has it inside braces: the kind, and the settings that matter or are not the default."""
    values, default = {name: getattr(config, name) for name in type(config).model_fields}, type(config)()
    changed = {name: value for name, value in values.items() if name in SHOWN or value != getattr(default, name)}
    return f"{{{', '.join(f'{name}: {_as_yaml(value)}' for name, value in {'kind': config.kind, **changed}.items())}}}"


def _as_yaml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_as_yaml, value))}]"
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _has_no_spaces(texts: Sequence[str]) -> bool:
    """Whether most texts are of a script in which spaces do not tell words apart."""
    some = texts[:2_000]
    found = sum(len(WITHOUT_SPACES.findall(each)) > len(each) / 3 for each in some)
    return 2 * found > len(some)


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
