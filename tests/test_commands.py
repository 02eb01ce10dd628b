"""The commands as Python calls them: what is checked, refused, planned and told."""

import re

import pytest

from textune import commands
from textune.config.load import load_study
from textune.errors import DataError, RunFolderError, StudyError
from textune.facts import _warn
from textune.records import EndReason, Objective, StudyStart, TrialResult, TrialSpec
from textune.tracking.log import EventLog

ROWS = [
    f"word{number % 13} {'good' if number % 2 else 'bad'} day,{'pos' if number % 2 else 'neg'}" for number in range(60)
]
BROKEN = {
    "missing file": (None, r"there is no file 'data\.csv'; looked in"),
    "empty file": ("", r"data\.csv is empty"),
    "only a header": ("text,label\n", r"data\.csv has a header and no rows"),
    "missing column": ("txt,label\na,b\n", r"data\.csv has no column 'text'; did you mean 'txt'\?"),
    "wrong encoding": (b"text,label\ncaf\xe9,a\nb,c\n", r"data\.csv, line 2 is not utf-8: .*data\.encoding"),
    "one class": ("text,label\na,x\nb,x\n", r"data\.csv: column 'label' holds the one class 'x'"),
    "no labels": ("text,label\na,\nb,\n", r"data\.csv has no usable row: 2 with no label .*line 2.*check columns"),
    "only NaN texts": ("text,label\nNaN,a\nnan,b\n", r"data\.csv has no usable row: 2 with no text"),
    "ragged rows": ("text,label\na,b\nc,d,e\n", r"data\.csv, line 3 has 3 fields where the header has 2"),
}


@pytest.fixture
def study(tmp_path):
    """Writes a study of the user's own file `data.csv`; returns its path."""

    def write(content):
        if content is not None:
            (tmp_path / "data.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
        path = tmp_path / "study.yaml"
        path.write_text("data: {kind: files, path: data.csv}\ntraining: {epochs: 1}\n", encoding="utf-8")
        return path

    return write


class TestBrokenData:
    @pytest.mark.parametrize(("content", "sentence"), BROKEN.values(), ids=BROKEN)
    def test_ends_in_one_sentence_and_leaves_nothing(self, study, content, sentence, tmp_path):
        with pytest.raises(DataError, match=sentence) as error:
            commands.run(study(content), out=tmp_path / "run", quiet=True)
        assert "\n" not in str(error.value)
        assert not (tmp_path / "run").exists()

    def test_rows_that_cannot_be_used_are_counted_and_shown(self, study, tmp_path, textune):
        rows = [*ROWS, "no label here,", "NaN,pos", ",neg"]
        path = study("text,label\n" + "\n".join(rows))
        statistics = commands.describe(path)
        assert statistics["rows"] == len(ROWS)
        assert sorted(statistics["skipped"].values()) == [1, 2]
        assert "skipped: 2 rows, no text (first: " in textune("describe", path).out
        said = textune("run", path, "--out", tmp_path / "run")
        assert re.search(r"left out 1 rows?: no label \(first: .*data\.csv, line 62\)", said.err)
        assert "rows skipped: no text" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")

    def test_rows_that_were_changed_are_counted_and_shown_of_these_files(self, study, tmp_path, textune):
        rows = "text,label\n" + "\n".join([*ROWS, "a b\ufffdd day,neg"])
        clean = commands.describe(study(rows))
        assert clean["changed"] == {}
        textune("run", study(rows), "--out", tmp_path / "clean")
        damaged = study(rows.encode().replace("\ufffd".encode(), b"\xff"))
        arguments = ("--set", "data.encoding_errors=replace")
        assert "changed: 1 row, what is no text became U+FFFD (first: " in textune("describe", damaged, *arguments).out
        said = textune("run", damaged, *arguments, "--out", tmp_path / "run")
        assert re.search(r"changed 1 row: what is no text became U\+FFFD \(first: .*data\.csv, line", said.err)
        for name, shown in (("run", True), ("clean", False)):
            assert (
                "rows changed: what is no" in (tmp_path / name / "report.html").read_text(encoding="utf-8")
            ) == shown


class TestOddData:
    """What makes scores mean something else is reported by the run, the report and `describe`."""

    def test_equal_texts_and_odd_labels_are_reported_before_anything_is_trained(self, study, tmp_path, textune):
        rows = [f"text {number % 20} again,{'NULL' if number % 9 == 0 else 'ab'[number % 2]}" for number in range(120)]
        path = study("review,label\n" + "\n".join(rows))
        arguments = ("--set", "data.text=review", "--set", "split=holdout")
        said = textune("run", path, *arguments, "--out", tmp_path / "run")
        lines = said.err.splitlines()
        assert lines[0].endswith("data.csv: 120 rows; train 84, valid 12, test 24")
        told = [line for line in lines if line.startswith("warning: ")]
        assert re.search(r"12 of 12 valid rows in train, 24 of 24 test rows in train, \d+ of 24 test .*", told[0])
        assert told[0].endswith("; set data.group: review to keep equal texts in one part")
        assert told[1].startswith("warning: 'NULL' (14 rows) is a class of its own")
        assert re.fullmatch(r"warning: \d+ texts have different labels in \d+ rows: 'text 0 again' is .*", told[2])
        assert lines.index(told[-1]) < next(number for number, line in enumerate(lines) if "maximize" in line)
        page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
        assert "24 of 24 test rows in train" in page
        assert "24 of 24 test rows in train" in " ".join(textune("describe", path, *arguments).out.split())
        apart = commands.describe(path, ["data.text=review", "split=holdout", "data.group=review"])
        assert not [warning for warning in apart["warnings"] if "two parts" in warning]

    def test_only_the_first_warnings_are_shown_and_the_others_counted(self):
        said = []
        _warn([f"odd {number}" for number in range(8)], said.append)
        assert said[:2] == ["warning: odd 0", "warning: odd 1"]
        assert said[5:] == ["3 more warnings: see the report, or run textune describe"]

    def test_labels_without_any_train_row_are_refused(self, study, tmp_path):
        path = study("text,label\n" + "\n".join(ROWS))
        (tmp_path / "valid.csv").write_text("text,label\na,Pos\nb,Neg\n")
        overrides = ["data={kind: files, train: data.csv, path: null, valid: valid.csv}"]
        with pytest.raises(DataError, match="no label of the valid rows has a train row: they are 'Neg', 'Pos'"):
            commands.run(path, out=tmp_path / "run", overrides=overrides, quiet=True)
        assert not (tmp_path / "run").exists()
        assert "no train row has these labels" in commands.describe(path, overrides)["warnings"][0]


class TestRun:
    def test_refuses_another_study_before_it_reads_data(self, study, finished):
        with pytest.raises(RunFolderError, match=r"holds another study(.|\n)*add --fresh"):
            commands.run(study("never read"), out=finished.folder.path, quiet=True)

    def test_leaves_the_whole_folder(self, finished):
        names = {path.name for path in finished.folder.path.iterdir()} - {".lock"}
        assert names == {
            "best",
            "events.jsonl",
            "report.html",
            "study.json",
            "study.yaml",
            "test-outcomes.npz",
            "trials",
            "trials.csv",
        }
        assert finished.exit_code == 0

    def test_gives_a_row_for_each_trial(self, finished):
        header, *rows = finished.folder.table.read_text(encoding="utf-8").splitlines()
        assert header == (
            "trial,state,reason,valid.loss,valid.accuracy,valid.f1_macro,train.loss,best_epoch,epochs,seconds,"
            "seconds_per_epoch,training.optimizer.learning_rate"
        )
        assert [row.split(",")[:3] for row in rows] == [
            [str(number), "complete", "finished: all epochs were trained"] for number in range(3)
        ]

    def test_gives_the_same_numbers_in_worker_processes(self, tiny_study, finished, tmp_path):
        study = {**tiny_study, "execution": {"kind": "processes", "workers": 1}}
        other = commands.run(study, out=tmp_path / "run", quiet=True)
        assert [trial.spec.params for trial in other.record.trials] == [
            trial.spec.params for trial in finished.record.trials
        ]
        assert [trial.result.metrics for trial in other.record.trials] == [
            trial.result.metrics for trial in finished.record.trials
        ]
        assert other.record.test["metrics"] == finished.record.test["metrics"]

    def test_counts_a_trial_that_fails_and_goes_on(self, tiny_study, tmp_path):
        study = {**tiny_study, "search": {"space": {"training.optimizer.learning_rate": [0.01, 1e30]}}}
        finished = commands.run(study, out=tmp_path / "run", quiet=True)
        assert {trial.result.end for trial in finished.record.trials} == {EndReason.FINISHED, EndReason.DIVERGED}
        assert finished.exit_code == 0

    def test_ends_when_its_time_is_up(self, tiny_study, tmp_path):
        space = {"training.optimizer.learning_rate": {"low": 1e-4, "high": 1e-2}}
        study = {**tiny_study, "search": {"space": space, "timeout_seconds": 1e-9}}
        finished = commands.run(study, out=tmp_path / "run", quiet=True)
        assert finished.exit_code == 1
        assert finished.record.trials == ()
        assert "the time allowed" in finished.record.reason


class TestPlannedTrials:
    LEARNING_RATE = "training.optimizer.learning_rate"

    @pytest.mark.parametrize(
        ("search", "trials"),
        [
            ({}, 1),
            ({"trials": 9}, 1),
            ({"space": {LEARNING_RATE: {"low": 1e-4, "high": 1e-2}}}, 20),
            ({"space": {LEARNING_RATE: {"low": 1e-4, "high": 1e-2}}, "trials": 7}, 7),
            ({"space": {LEARNING_RATE: {"low": 1e-4, "high": 1e-2}}, "timeout_seconds": 60}, None),
            ({"space": {"training.batch_size": [8, 16]}}, 3),
            ({"space": {"training.batch_size": [8, 32]}}, 2),
            ({"space": {"training.batch_size": [8, 16]}, "include_base": False}, 2),
            ({"space": {"training.batch_size": [8, 16], "model.head.dropout": [0.1, 0.2]}, "sampler": "grid"}, 5),
            ({"space": {"training.batch_size": [8, 16]}, "sampler": "grid", "trials": 2}, 2),
        ],
    )
    def test_are_those_that_differ_and_no_more_than_wanted(self, search, trials):
        assert load_study({"data": "synthetic", "search": search}).limits[0] == trials


class TestCheck:
    def test_reads_no_data(self, study):
        assert commands.check(study("not even a table")).splitlines()[0].endswith("study.yaml: fine; 1 trial")

    def test_names_what_a_choice_leaves_out(self, tmp_path):
        path = tmp_path / "study.yaml"
        path.write_text(
            "data: synthetic\nmodel: {encoder: {kind: rnn, hidden_size: 9}}\n"
            "search: {space: {model.encoder: [{kind: rnn}, {kind: bag-of-words, ngrams: 2}]}}\n",
            encoding="utf-8",
        )
        first, second = commands.check(path).splitlines()
        assert first.endswith("fine; 2 trials")
        assert second == "  model.encoder: bag-of-words(ngrams=2) has no hidden_size; the study's is left out there"

    def test_says_that_a_file_is_missing(self, study):
        with pytest.raises(DataError, match=r"there is no file 'data\.csv'"):
            commands.check(study(None))


def test_runs_that_cannot_be_read_are_listed_with_the_reason(tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "events.jsonl").write_text("nonsense\n", encoding="utf-8")
    (line,) = commands.runs(tmp_path)
    assert line.startswith("broken  ")
    assert "holds no whole line" in line


def test_runs_are_listed_with_the_score_of_what_is_handed_over(tmp_path):
    (tmp_path / "run").mkdir()
    log = EventLog(tmp_path / "run")
    log.start(StudyStart(name="study", objective=Objective()))
    for number, value in enumerate((0.71, 0.72)):
        log.record(TrialSpec(number=number))
        log.record(TrialResult(trial=number, end=EndReason.FINISHED, reason="", value=value))
    (line,) = commands.runs(tmp_path)
    assert "valid.accuracy 0.7200" in line
    numbers = {"search": 0.71, "values": [0.7], "mean": 0.7, "num_parameters": 1.0, "seconds": 1.0}
    candidate = {"trial": 0, "params": {}, **numbers, "dropped_at": None, "failed": None}
    log.confirm({"verdict": "tie", "chosen": 0, "reason": "equal", "candidates": [candidate]})
    log.close()
    (line,) = commands.runs(tmp_path)
    assert "valid.accuracy 0.7100" in line


def test_kinds_lists_every_role_or_one():
    everything = commands.kinds()
    assert "encoder: vectors to vectors that know their context" in everything
    assert commands.kinds("pooling") in everything
    with pytest.raises(StudyError, match="there is no such role"):
        commands.kinds("nonsense")


def test_the_cache_is_shown_and_cleared(tmp_path, monkeypatch, study):
    monkeypatch.setenv("TEXTUNE_CACHE", str(tmp_path / "cache"))
    commands.describe(study("text,label\n" + "\n".join(ROWS)))
    assert commands.cache() != f"{tmp_path}/cache/prepared: 0 B"
    assert commands.cache(clear=True).endswith("freed")
    assert commands.cache() == f"{tmp_path}/cache/prepared: 0 B"


def test_a_run_says_what_its_split_leaves_out(tiny_study, tmp_path, capsys):
    rows = [f"2024-03-{1 + number % 9:02d},g{number % 9 // 2},a {word} film {number},{word}\n"
            for number in range(90) for word in ("good", "bad")]  # fmt: skip
    (tmp_path / "dated.csv").write_text("day,user,text,label\n" + "".join(rows))
    data = {"path": str(tmp_path / "dated.csv"), "date": "day", "group": "user"}
    study = {**tiny_study, "data": data, "split": "newest", "search": {"space": {}}}
    commands.run(study, out=tmp_path / "run")
    said = capsys.readouterr().err
    assert "rows do not train: rows of the same group choose or test" in said
