"""Prepared once: rows as columns, texts as tokens, tokens as ids, each kept in the cache and shared by all trials."""

# N rows, L tokens of all rows together, U distinct tokens, P ids of all of them, B bytes of all texts

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections import OrderedDict
from collections.abc import Sequence
from functools import cache as remembered
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from textune.data.base import (
    DataConfig,
    Examples,
    Rows,
    SplitConfig,
    Splits,
    TokenizerConfig,
    Tokens,
    Vocabulary,
)
from textune.data.cache import Cache, content_key
from textune.data.sampling import fingerprinted
from textune.data.tokenizer import expanded, joined, offsets
from textune.data.vectors import file_identity, vector_words
from textune.errors import DataError
from textune.storage import write_atomically

__all__ = ["Prepared", "forget", "load_rows", "prepare"]

FORMAT = 5
"""Counts changes of what cache entries hold."""

MOST_IN_MEMORY = 4
"""Prepared data sets that a process keeps at hand; all but their labels and vocabularies is memory-mapped."""

UNSETTLED_SECONDS = 2
"""A file that changed this shortly before it was read may have changed meanwhile, and is read again next time."""

COLUMNS = ("labels_N", "split_N", "groups_N", "dates_N", "scored_N", "source_rows_N")

Files = list[list[str | int]]
"""The identity of each file that rows were read from."""

_in_memory: OrderedDict[str, Prepared] = OrderedDict()


def prepare(
    data: DataConfig,
    split: SplitConfig,
    tokenizer: TokenizerConfig,
    seed: int,
    folders: Sequence[Path],
    cache: Cache,
    vectors: Path | None = None,
) -> Prepared:
    """Returns the rows of a study, who trains, chooses and tests, and the rows' token ids.

    What was prepared before, by any process, is read from the cache; what this process prepared is at hand.

    Args:
        data, split, tokenizer, seed: of the study.
        folders: where relative paths are tried, in order.
        cache: where prepared data lies.
        vectors: the word-vector file of the embedding; read only if the tokenizer takes its vocabulary from it.

    Raises:
        DataError: the data cannot be used.
    """
    if tokenizer.reads_vectors and vectors is None:
        raise DataError(
            "tokenizer.vocabulary takes words of a word-vector file, and model.embedding.vectors names none; "
            "name one, or set tokenizer.vocabulary to train"
        )
    words_of = vectors if tokenizer.reads_vectors else None
    key = content_key(
        "prepared",
        str(cache.root),
        _source(data, folders, seed),
        split.dump(),
        _without(tokenizer, tokenizer.CUT_SETTINGS),
        None if words_of is None else file_identity(words_of),
    )
    prepared = _in_memory.get(key)
    if prepared is None or not prepared.is_current(folders):
        rows, files = load_rows(data, folders, seed, cache)
        prepared = Prepared(rows, split.assign(rows, seed), tokenizer, cache, words_of, files)
        _in_memory[key] = prepared
    _in_memory.move_to_end(key)
    while len(_in_memory) > MOST_IN_MEMORY:
        _in_memory.popitem(last=False)
    return prepared


def forget() -> None:
    """Lets go of what this process has at hand; the cache keeps it."""
    _in_memory.clear()


class Prepared:
    """A data set ready to train on. Each fold has a vocabulary of its own, of its train rows.

    Attributes:
        rows: the data set; its texts are read from the cache one by one.
        splits: the folds, and the locked test rows.
    """

    def __init__(
        self,
        rows: Rows,
        splits: Splits,
        tokenizer: TokenizerConfig,
        cache: Cache,
        vectors: Path | None,
        files: Files | None,
    ) -> None:
        self.rows = rows
        self.splits = splits
        self._tokenizer = tokenizer
        self._cache = cache
        self._vectors = vectors
        self._files = files
        self._encoded: dict[str, tuple[Vocabulary, Examples]] = {}

    @property
    def classes(self) -> tuple[str, ...]:
        return self.rows.classes

    @property
    def labels_N(self) -> NDArray[np.int64]:
        return self.rows.labels_N

    @property
    def fingerprint(self) -> str:
        return self.rows.fingerprint

    def fold(self, number: int) -> tuple[Vocabulary, Examples]:
        """Returns the vocabulary of a fold's train rows, and the ids of all rows in it."""
        return self.encode(self.splits.folds[number].train)

    def encode(self, train: NDArray[np.int64]) -> tuple[Vocabulary, Examples]:
        """Returns the vocabulary of these train rows, and the ids of all rows in it."""
        settings = self._tokenizer
        key = content_key(
            "ids",
            FORMAT,
            self._split_key,
            {name: settings.dump()[name] for name in sorted(settings.VOCABULARY_SETTINGS)},
            None if self._vectors is None else file_identity(self._vectors),
            hashlib.sha256(train.tobytes()).hexdigest(),
        )
        # A use: other processes will want it for as long as this one does. What is damaged is built anew.
        if self._cache.find(key) is None or key not in self._encoded:
            folder = self._cache.folder(key, lambda folder: self._learn(train, folder))
            told = json.loads((folder / "vocabulary.json").read_bytes())
            frame = None if told["frame"] is None else (told["frame"][0], told["frame"][1])
            examples = Examples(_opened(folder, "ids"), _opened(folder, "offsets"), frame or (0, 0))
            self._encoded[key] = Vocabulary(tuple(told["tokens"]), frame, told["unknown"]), examples
        return self._encoded[key]

    def is_current(self, folders: Sequence[Path]) -> bool:
        """Whether the files that were read, and what the cache holds of them, are as they were; generated data is."""
        if self._files is None:
            return True
        is_sound = self._cache.find(self._rows_key) is not None
        return is_sound and _are_as_noted(self._files, folders, self._cache)

    @cached_property
    def _rows_key(self) -> str:
        return _rows_key(self.rows)

    @property
    def _split_key(self) -> str:
        settings = _without(self._tokenizer, self._tokenizer.CUT_SETTINGS | self._tokenizer.VOCABULARY_SETTINGS)
        made_by = [_code(type(self._tokenizer)), version("tokenizers"), self._tokenizer.content()]
        return content_key("tokens", FORMAT, self.rows.fingerprint, settings, made_by)

    def _tokens(self) -> Tokens:
        def build(folder: Path) -> None:
            tokens = self._tokenizer.build().split(self.rows.texts)
            _write_json(folder / "inventory.json", list(tokens.inventory))
            np.save(folder / "index.npy", tokens.index_L)
            np.save(folder / "offsets.npy", tokens.offsets_N1)

        folder = self._cache.folder(self._split_key, build)
        inventory = json.loads((folder / "inventory.json").read_bytes())
        return Tokens(inventory, _opened(folder, "index"), _opened(folder, "offsets"))

    def _learn(self, train: NDArray[np.int64], folder: Path) -> None:
        """Writes the vocabulary of the train rows, and every row in its ids."""
        tokens = self._tokens()
        length_N = np.diff(tokens.offsets_N1)
        trains_N = np.zeros(len(length_N), dtype=np.bool_)
        trains_N[train] = True
        counts_U = np.bincount(tokens.index_L[np.repeat(trains_N, length_N)], minlength=len(tokens.inventory))
        outside = vector_words(self._vectors, self._cache) if self._vectors is not None else ()
        tokenizer = self._tokenizer.build()
        vocabulary = tokenizer.learn(tokens.inventory, counts_U, outside)
        examples = _examples(tokens, vocabulary, *tokenizer.ids(tokens.inventory, vocabulary))
        told = {"tokens": vocabulary.tokens, "frame": vocabulary.frame, "unknown": vocabulary.unknown}
        _write_json(folder / "vocabulary.json", told)
        np.save(folder / "ids.npy", examples.ids_L)
        np.save(folder / "offsets.npy", examples.offsets_N1)


def _examples(
    tokens: Tokens, vocabulary: Vocabulary, ids_P: NDArray[np.int32], num_ids_U: NDArray[np.int32]
) -> Examples:
    """Returns texts in ids, of which each token has one or more."""
    ids_L, length_N = expanded(tokens.index_L, np.diff(tokens.offsets_N1), ids_P, num_ids_U)
    if vocabulary.frame is not None:  # a pretrained model has ids for everything
        return Examples(ids_L, offsets(length_N), vocabulary.frame)
    return joined(ids_L, length_N)


def load_rows(data: DataConfig, folders: Sequence[Path], seed: int, cache: Cache) -> tuple[Rows, Files | None]:
    """Returns the rows of a data set, and what identifies the local files they came from.

    Rows of local files are kept in the cache; as long as the files do not change, they are not read again. Other data
    (generated, or from a URL) is loaded by every process, and identified by None.

    Raises:
        DataError: the data cannot be used.
    """
    note_key = content_key("source", _source(data, folders, seed))
    note = cache.note(note_key)
    if note is not None and _are_as_noted(note["files"], folders, cache):
        folder = cache.find(note["rows"])
        if folder is not None:
            return _read_rows(folder, note), note["files"]
    started = time.time()
    rows = data.load(folders, seed)
    if not rows.fingerprint:
        rows = fingerprinted(rows)
    files = _identities(data.find(folders) or rows.sources)
    if files is None:
        return rows, None
    key = _rows_key(rows)
    folder = cache.folder(key, lambda folder: _write_rows(rows, folder))
    told = {"sources": list(rows.sources), "skipped": dict(rows.skipped), "changed": dict(rows.changed)}
    note = {"rows": key, "files": files, **told}
    if all(float(changed) < (started - UNSETTLED_SECONDS) * 1e9 for *_, changed in files):
        cache.write_note(note_key, note)
    return _read_rows(folder, note), files


def _rows_key(rows: Rows) -> str:
    places = hashlib.sha256(rows.in_source(np.arange(len(rows))).tobytes()).hexdigest()
    return content_key("rows", FORMAT, rows.fingerprint, places, rows.label_type)


class _Texts(Sequence[str]):
    """The texts of N rows in one memory-mapped file, decoded when they are asked for."""

    def __init__(self, bytes_B: NDArray[np.uint8], offsets_N1: NDArray[np.int64]) -> None:
        self._bytes_B, self._offsets_N1 = bytes_B, offsets_N1

    def __len__(self) -> int:
        return len(self._offsets_N1) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        position = range(len(self))[index]
        start, end = self._offsets_N1[position], self._offsets_N1[position + 1]
        return self._bytes_B[start:end].tobytes().decode(errors="surrogatepass")


def _write_rows(rows: Rows, folder: Path) -> None:
    texts = [text.encode(errors="surrogatepass") for text in rows.texts]
    np.save(folder / "texts.npy", np.frombuffer(b"".join(texts), dtype=np.uint8))
    np.save(folder / "offsets.npy", np.cumsum([0, *map(len, texts)], dtype=np.int64))
    for name in COLUMNS:
        column = getattr(rows, name)
        if column is not None:
            np.save(folder / f"{name}.npy", column)
    _write_json(
        folder / "rows.json", {"classes": rows.classes, "label_type": rows.label_type, "fingerprint": rows.fingerprint}
    )


def _read_rows(folder: Path, note: dict[str, Any]) -> Rows:
    columns = {name: _opened(folder, name) for name in COLUMNS if (folder / f"{name}.npy").exists()}
    told = json.loads((folder / "rows.json").read_bytes())
    return Rows(
        texts=_Texts(_opened(folder, "texts"), _opened(folder, "offsets")),
        classes=tuple(told["classes"]),
        label_type=told["label_type"],
        fingerprint=told["fingerprint"],
        skipped=note["skipped"],
        changed=note["changed"],
        sources=tuple(note["sources"]),
        **columns,
    )


def _identities(sources: Sequence[str]) -> Files | None:
    """Returns the identity of each source; None if one is no local file or folder, or there is none."""
    paths = [Path(source) for source in sources]
    if not paths or not all(path.is_absolute() and path.exists() for path in paths):
        return None
    return [file_identity(path) for path in paths]


def _are_as_noted(files: Files, folders: Sequence[Path], cache: Cache) -> bool:
    """Whether files have not changed, and would still be found before any other of their name."""
    for identity in files:
        path = Path(str(identity[0]))
        cache.keep(path)
        if not path.exists() or file_identity(path) != identity or _is_shadowed(path, folders):
            return False
    return True


def _is_shadowed(path: Path, folders: Sequence[Path]) -> bool:
    for number, folder in enumerate(folders):
        if path.is_relative_to(folder.absolute()):
            name = path.relative_to(folder.absolute())
            return any((earlier / name).exists() for earlier in folders[:number])
    return False


def _source(data: DataConfig, folders: Sequence[Path], seed: int) -> list[Any]:
    return [FORMAT, data.dump(), [str(folder.absolute()) for folder in folders], seed, _code(type(data))]


def _without(config: TokenizerConfig, names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in config.dump().items() if name not in names}


@remembered
def _code(cls: type) -> str:
    """Returns the SHA-256 of the module that defines a class, so that a changed plug-in is not served old results."""
    file = getattr(sys.modules[cls.__module__], "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""


def _opened(folder: Path, name: str) -> NDArray[Any]:
    """Memory-maps an array, as a plain one: `numpy.memmap` makes each slice several times slower."""
    return np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False))


def _write_json(path: Path, value: Any) -> None:
    write_atomically(path, json.dumps(value, ensure_ascii=False))
