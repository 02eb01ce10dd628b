from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from textune.data.base import SPECIAL_TOKENS, UNKNOWN
from textune.data.cache import Cache
from textune.data.files import FilesConfig
from textune.data.imdb import ImdbConfig
from textune.data.prepare import MOST_IN_MEMORY, Prepared, forget, load_rows, prepare
from textune.data.split import GivenConfig, KfoldConfig
from textune.data.synthetic import SyntheticConfig
from textune.data.tokenizer import WordsConfig
from textune.errors import DataError

HOUR_AGO = time.time() - 3600
CSV = """text,label,split,date,group
a good film,pos,train,2020-01-01,x
a bad film,neg,train,2020-01-02,y
"good, good",pos,train,2020-01-03,x
bad bad,neg,train,2020-01-04,y
a valid word,pos,valid,2020-01-05,z
valid,neg,valid,2020-01-06,z
a test of tests,neg,test,2020-01-07,w
,neg,test,2020-01-07,w
"""
DATA = FilesConfig(path="reviews.csv", date="date", group="group")


@pytest.fixture(autouse=True)
def _nothing_at_hand():
    forget()


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


@pytest.fixture
def study_folder(tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    write(folder / "reviews.csv", CSV)
    return folder


def write(path: Path, content: str, when: float = HOUR_AGO) -> None:
    path.write_text(content)
    os.utime(path, (when, when))


def prepared_of(
    cache: Cache, *folders: Path, data=DATA, split=None, vectors: Path | None = None, **tokenizer
) -> Prepared:
    settings = {"min_count": 1, **tokenizer}
    return prepare(data, split or GivenConfig(), WordsConfig(**settings), 1, folders, cache, vectors)


def forget_and_forbid(monkeypatch, *what: str) -> None:
    """As in a new process; an error if it does again what is in the cache."""
    forget()

    def forbidden(*args):
        raise AssertionError("done twice")

    if "load" in what:
        monkeypatch.setattr(FilesConfig, "load", forbidden)
    if "split" in what:
        monkeypatch.setattr("textune.data.tokenizer.TextTokenizer.split", forbidden)
    if "learn" in what:
        monkeypatch.setattr("textune.data.tokenizer.TextTokenizer.learn", forbidden)


def test_rows_come_from_the_cache_as_they_were_loaded(cache, study_folder):
    loaded = DATA.load([study_folder], 1)
    for _ in range(2):
        rows, files = load_rows(DATA, [study_folder], 1, cache)
        assert list(rows.texts) == list(loaded.texts)
        assert (rows.texts[-1], rows.texts[1:3]) == (loaded.texts[-1], list(loaded.texts[1:3]))
        for column in ("labels_N", "split_N", "groups_N", "dates_N"):
            np.testing.assert_array_equal(getattr(rows, column), getattr(loaded, column))
        assert rows.scored_N is None
        assert (rows.classes, rows.fingerprint) == (loaded.classes, loaded.fingerprint)
        assert (rows.skipped, rows.changed, rows.sources) == (loaded.skipped, loaded.changed, loaded.sources)
        assert files is not None


def test_a_vocabulary_holds_the_words_of_the_train_rows_alone(cache, study_folder):
    vocabulary, examples = prepared_of(cache, study_folder).fold(0)
    assert vocabulary.tokens == (*SPECIAL_TOKENS, "bad", "good", "a", "film", ",")
    texts = [
        examples.ids_L[start:end].tolist()
        for start, end in zip(examples.offsets_N1, examples.offsets_N1[1:], strict=False)
    ]
    assert texts[:3] == [[4, 3, 5], [4, 2, 5], [3, 6, 3]]
    assert texts[4:] == [[4, UNKNOWN, UNKNOWN], [UNKNOWN], [4, UNKNOWN, UNKNOWN, UNKNOWN]]


def test_each_fold_has_its_own_vocabulary(cache):
    data = SyntheticConfig(rows=200)
    prepared = prepared_of(cache, data=data, split=KfoldConfig(folds=3))
    for number, fold in enumerate(prepared.splits.folds):
        vocabulary, examples = prepared.fold(number)
        known = set()
        for row in fold.train.tolist():
            ids = examples.ids_L[examples.offsets_N1[row] : examples.offsets_N1[row + 1]]
            assert UNKNOWN not in ids
            known |= set(ids.tolist())
        assert known == set(range(2, len(vocabulary)))


def test_a_text_without_tokens_is_unknown(cache, study_folder):
    _, examples = prepared_of(cache, study_folder, pattern="good").fold(0)
    assert examples.lengths_N.tolist() == [1, 1, 2, 1, 1, 1, 1]
    assert examples.ids_L.tolist() == [2, 1, 2, 2, 1, 1, 1, 1]


def test_a_new_process_reads_and_tokenizes_nothing(cache, study_folder, monkeypatch):
    first = prepared_of(cache, study_folder)
    tokens, examples = first.fold(0)
    forget_and_forbid(monkeypatch, "load", "split", "learn")
    again = prepared_of(cache, study_folder)
    assert again.fold(0)[0] == tokens
    np.testing.assert_array_equal(again.fold(0)[1].ids_L, examples.ids_L)
    assert again.splits.test.tolist() == first.splits.test.tolist() == [6]


def test_settings_of_the_vocabulary_do_not_tokenize_anew(cache, study_folder, monkeypatch):
    prepared_of(cache, study_folder).fold(0)
    forget_and_forbid(monkeypatch, "load", "split")
    assert prepared_of(cache, study_folder, min_count=3).fold(0)[0].tokens == (*SPECIAL_TOKENS, "bad", "good")
    with pytest.raises(AssertionError, match="done twice"):
        prepared_of(cache, study_folder, lowercase=False).fold(0)


def test_settings_that_only_cut_share_everything(cache, study_folder):
    assert prepared_of(cache, study_folder, max_length=2) is prepared_of(cache, study_folder, max_length=3, keep="end")


def test_changed_files_are_read_again(cache, study_folder):
    before = prepared_of(cache, study_folder)
    assert prepared_of(cache, study_folder) is before
    write(study_folder / "reviews.csv", CSV.replace("film", "book"), HOUR_AGO + 1)
    after = prepared_of(cache, study_folder)
    assert after.rows.texts[0] == "a good book"
    assert "book" in after.fold(0)[0].tokens
    assert after.fingerprint != before.fingerprint
    assert before.rows.texts[0] == "a good film"


def test_a_file_that_was_just_written_is_read_again_by_the_next_process(cache, study_folder, monkeypatch):
    write(study_folder / "reviews.csv", CSV, time.time())
    prepared_of(cache, study_folder)
    forget_and_forbid(monkeypatch, "load")
    with pytest.raises(AssertionError, match="done twice"):
        prepared_of(cache, study_folder)


def test_a_file_that_now_comes_first_is_read(cache, study_folder, tmp_path):
    nearer = tmp_path / "nearer"
    nearer.mkdir()
    assert prepared_of(cache, nearer, study_folder).rows.texts[0] == "a good film"
    write(nearer / "reviews.csv", CSV.replace("film", "book"))
    assert prepared_of(cache, nearer, study_folder).rows.texts[0] == "a good book"


def test_the_same_texts_from_another_file_are_not_tokenized_again(cache, study_folder, monkeypatch):
    prepared_of(cache, study_folder).fold(0)
    write(study_folder / "copy.csv", CSV)
    copy = FilesConfig(path="copy.csv", date="date", group="group")
    forget_and_forbid(monkeypatch, "split", "learn")
    prepared = prepared_of(cache, study_folder, data=copy)
    prepared.fold(0)
    assert prepared.rows.sources == (str(study_folder / "copy.csv"),)
    assert "copy.csv" in next(iter(prepared.rows.skipped))


def test_generated_data_is_at_hand_in_a_process(cache):
    data = SyntheticConfig(rows=100)
    first = prepared_of(cache, data=data)
    assert prepared_of(cache, data=data) is first
    assert prepare(data, GivenConfig(), WordsConfig(), 2, [], cache).fingerprint != first.fingerprint


def test_few_data_sets_stay_at_hand(cache):
    sizes = range(60, 62 + MOST_IN_MEMORY)
    first, *_, last = (prepared_of(cache, data=SyntheticConfig(rows=size)) for size in sizes)
    assert prepared_of(cache, data=SyntheticConfig(rows=sizes[-1])) is last
    assert prepared_of(cache, data=SyntheticConfig(rows=sizes[0])) is not first


def test_a_cache_that_was_cleared_is_built_again(cache, study_folder):
    before = prepared_of(cache, study_folder)
    ids = before.fold(0)[1].ids_L.tolist()
    cache.clear()
    assert before.fold(0)[1].ids_L.tolist() == ids
    assert before.encode(np.array([0, 1]))[0].tokens == (*SPECIAL_TOKENS, "a", "film", "bad", "good")
    forget()
    assert prepared_of(cache, study_folder).fold(0)[1].ids_L.tolist() == ids


def test_a_vocabulary_of_vectors(cache, study_folder):
    vectors = study_folder / "vectors.txt"
    write(vectors, "the 1\nvalid 2\ngood 3\n")
    vocabulary, _ = prepared_of(cache, study_folder, vectors=vectors, vocabulary="vectors").fold(0)
    assert vocabulary.tokens == (*SPECIAL_TOKENS, "the", "valid", "good")
    vocabulary, _ = prepared_of(cache, study_folder, vectors=vectors, vocabulary="train+vectors", min_count=3).fold(0)
    assert vocabulary.tokens == (*SPECIAL_TOKENS, "bad", "good", "the", "valid")
    vocabulary, _ = prepared_of(cache, study_folder, vectors=vectors).fold(0)
    assert "valid" not in vocabulary.tokens
    with pytest.raises(
        DataError, match=r"model\.embedding\.vectors names none; name one, or set tokenizer\.vocabulary"
    ):
        prepared_of(cache, study_folder, vocabulary="vectors")


def test_two_processes_prepare_the_same_data_at_once(cache, study_folder):
    code = (
        "import sys; from pathlib import Path; from textune.data import *\n"
        "prepared = prepare(FilesConfig(path='reviews.csv'), GivenConfig(), WordsConfig(min_count=1), 1, "
        "[Path(sys.argv[1])], Cache(Path(sys.argv[2])))\n"
        "print(prepared.fold(0)[1].ids_L.tolist())"
    )
    command = [sys.executable, "-c", code, str(study_folder), str(cache.root)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = {process.communicate()[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(printed) == 1


def test_a_file_changed_in_a_folder_of_files_is_read_again(cache, study_folder):
    for part in ("train/pos", "train/neg", "test/pos", "test/neg"):
        (study_folder / part).mkdir(parents=True)
        for number in range(4):
            write(study_folder / part / f"{number}_9.txt", f"{part} {number}")
        os.utime(study_folder / part, (HOUR_AGO, HOUR_AGO))
    data = prepared_of(cache, study_folder, data=ImdbConfig(path="."))
    assert prepared_of(cache, study_folder, data=ImdbConfig(path=".")) is data
    changed = study_folder / "train/neg/2_9.txt"
    write(changed, "train/neg ?", HOUR_AGO + 1)
    again = prepared_of(cache, study_folder, data=ImdbConfig(path="."))
    assert [text for text in again.rows.texts if text not in data.rows.texts] == ["train/neg ?"]
    forget()
    write(changed, "train/neg !", HOUR_AGO + 2)
    assert "train/neg !" in prepared_of(cache, study_folder, data=ImdbConfig(path=".")).rows.texts
    changed.rename(changed.with_name("other_9.txt"))
    os.utime(changed.parent, (HOUR_AGO, HOUR_AGO))
    assert prepared_of(cache, study_folder, data=ImdbConfig(path=".")) is not again


def test_a_source_in_the_cache_is_used_when_its_rows_are(cache):
    entry = cache.folder("frame", lambda folder: (folder / "rows.csv").write_text(CSV))
    os.utime(entry / "rows.csv", (HOUR_AGO, HOUR_AGO))
    data = DATA.model_copy(update={"path": str(entry / "rows.csv")})
    prepared_of(cache, data=data)
    os.utime(entry, (HOUR_AGO, HOUR_AGO))
    prepared_of(cache, data=data)
    assert entry.stat().st_mtime > HOUR_AGO + 60


@pytest.mark.skipif("TEXTUNE_DATA" not in os.environ, reason="real data: set TEXTUNE_DATA")
def test_all_of_imdb_has_the_published_lengths(cache):
    folders = [Path(os.environ["TEXTUNE_DATA"]).absolute()]
    settings = {"pattern": r"\S+", "remove": ["<br />", r"[^\w\s]"], "max_length": None}
    _, examples = prepared_of(cache, *folders, data=ImdbConfig(), **settings).fold(0)
    lengths = examples.lengths_N
    assert (len(lengths), round(lengths.mean()), np.median(lengths), lengths.min(), lengths.max()) == (
        50_000,
        226,
        170,
        4,
        2450,
    )

    def seconds_to_prepare() -> float:
        started = time.perf_counter()
        prepared_of(cache, *folders, data=ImdbConfig(), **settings).fold(0)
        return time.perf_counter() - started

    assert min(seconds_to_prepare() for _ in range(5)) < 0.005
    forget()
    assert seconds_to_prepare() < 0.2
