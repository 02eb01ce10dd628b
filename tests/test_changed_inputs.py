"""Data, word vectors or a model that changed under a study, finished or not: refused with what changed."""

import json
import os
import shutil
import time

import pytest

from textune import commands
from textune.errors import RunFolderError

WORDS = ("a", "good", "bad", "day", "film")


def rows(labels=("pos", "neg"), number=60):
    return "".join(f"a {'good' if each % 2 else 'bad'} day {each},{labels[each % 2]}\n" for each in range(number))


def write(path, content):
    path.write_text(content, encoding="utf-8")
    os.utime(path, ns=(0, time.time_ns()))  # clocks of file systems are coarse


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tiny_study):
    """A finished study of a file, with word vectors, and where all is."""
    folder = tmp_path_factory.mktemp("whole")
    write(folder / "x.csv", "text,label\n" + rows())
    write(folder / "words.vec", "".join(f"{word} 0.1 0.2 0.3 {number}.5\n" for number, word in enumerate(WORDS)))
    study = {
        **tiny_study,
        "data": {"path": str(folder / "x.csv")},
        "model": {**tiny_study["model"], "embedding": {"size": 4, "vectors": str(folder / "words.vec")}},
        "search": {**tiny_study["search"], "trials": 1},
    }
    commands.run(study, out=folder / "run", quiet=True)
    return study, folder


@pytest.fixture
def study(whole, tmp_path):
    """Returns a function that gives the command again, for a copy of the run folder."""
    study, folder = whole
    shutil.copytree(folder / "run", tmp_path / "run")
    return lambda **settings: commands.run({**study, **settings}, out=tmp_path / "run", quiet=True)


@pytest.fixture
def changed(whole):
    """Returns a function that changes a file of the study until the test is over."""
    _, folder = whole
    before = {name: (folder / name).read_bytes() for name in ("x.csv", "words.vec")}
    yield lambda name, content: write(folder / name, content)
    for name, content in before.items():
        write(folder / name, content.decode())


@pytest.mark.parametrize("trials", [1, 2], ids=["finished", "resumed"])
class TestIsRefused:
    @pytest.fixture
    def refusal(self, study, whole, tmp_path, trials):
        """Returns a function that gives the command again and returns why it is refused."""

        def refused():
            before = (tmp_path / "run" / "events.jsonl").read_bytes()
            with pytest.raises(RunFolderError) as error:
                study(search={**whole[0]["search"], "trials": trials})
            assert (tmp_path / "run" / "events.jsonl").read_bytes() == before
            return str(error.value)

        return refused

    def test_more_rows(self, refusal, changed):
        changed("x.csv", "text,label\n" + rows(number=64))
        said = refusal()
        assert "the data changed since the study began (60 rows before, 64 now; fingerprint " in said
        assert said.endswith("restore the data, or add --fresh to run the study on the new data")

    def test_other_classes(self, refusal, changed):
        changed("x.csv", "text,label\n" + rows(("pos", "bad")))
        assert "(new: 'bad'; gone: 'neg'; fingerprint " in refusal()

    def test_other_texts(self, refusal, changed):
        changed("x.csv", "text,label\n" + rows().replace("day 7", "day seven"))
        assert "the data changed since the study began (fingerprint " in refusal()

    def test_other_word_vectors(self, refusal, changed):
        changed("words.vec", "".join(f"{word} 0.1 0.2 0.3 {number}.7\n" for number, word in enumerate(WORDS)))
        assert "words.vec changed since the study began" in refusal()


def test_a_file_of_other_times_and_the_same_content_is_the_same(study, whole, changed):
    _, folder = whole
    changed("words.vec", (folder / "words.vec").read_text())
    assert study().exit_code == 0


@pytest.mark.usefixtures("study")
def test_a_finished_study_whose_data_is_gone_is_shown_with_a_note(whole, textune, tmp_path):
    settings, folder = whole
    (tmp_path / "study.json").write_text(json.dumps(settings), encoding="utf-8")
    (folder / "x.csv").rename(folder / "away.csv")
    try:
        said = textune("run", tmp_path / "study.json", "--out", tmp_path / "run")
    finally:
        (folder / "away.csv").rename(folder / "x.csv")
    assert said.code == 0
    assert "is finished" in said.err
    assert "its data may have changed since, as it cannot be read now: " in said.err
    assert "x.csv" in said.err


def test_other_settings_of_a_finished_study_are_refused(study, whole):
    with pytest.raises(RunFolderError, match=r"training.epochs: 3 there, 4 now"):
        study(training={**whole[0]["training"], "epochs": 4})
    with pytest.raises(RunFolderError, match=r"model.pooling.kind: max there, mean now"):
        study(model={**whole[0]["model"], "pooling": "mean"})
