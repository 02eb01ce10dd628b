import csv
import json

from hypothesis import given
from hypothesis import strategies as st

from textune.records import EndReason, Objective, StudyRecord, StudyStart, TrialRecord, TrialResult, TrialSpec
from textune.tracking.table import TableConfig

PATHS = ("training.optimizer.learning_rate", "model.encoder", "training.length_buckets", "training.max_grad_norm")
START = StudyStart(name="s", objective=Objective(), paths=PATHS, metrics=("valid.loss", "valid.accuracy"))


def rows(folder):
    with (folder / "trials.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def tracker(folder):
    table = TableConfig().build(folder)
    table.start(START)
    return table


def result(number=0, end=EndReason.FINISHED, **fields):
    return TrialResult(trial=number, end=end, **{"reason": end.value, **fields})


def test_the_columns_are_those_the_design_names(tmp_path):
    tracker(tmp_path)
    header = (tmp_path / "trials.csv").read_text().strip()
    assert header == (
        "trial,state,reason,valid.loss,valid.accuracy,best_epoch,epochs,seconds,seconds_per_epoch,"
        "training.optimizer.learning_rate,model.encoder,training.length_buckets,training.max_grad_norm"
    )


def test_a_row_is_there_as_soon_as_its_trial_ends(tmp_path):
    table = tracker(tmp_path)
    for number in range(3):
        table.record(TrialSpec(number=number))
    for number in (1, 0):
        table.record(result(number))
        assert rows(tmp_path)[-1]["trial"] == str(number)


def test_in_the_end_the_rows_stand_in_the_order_of_their_trials(tmp_path):
    table = tracker(tmp_path)
    specs, results = [TrialSpec(number=number) for number in range(3)], [result(number) for number in range(3)]
    for event in (*specs, results[2], results[0], results[1]):
        table.record(event)
    before = rows(tmp_path)
    trials = [TrialRecord(spec=spec, result=result) for spec, result in zip(specs, results, strict=True)]
    table.finish(StudyRecord(name="s", trials=tuple(trials)))
    assert rows(tmp_path) == sorted(before, key=lambda row: row["trial"]) != before


def test_values_read_back_as_they_were(tmp_path):
    table = tracker(tmp_path)
    params = dict(zip(PATHS, (1.2345678901234567e-05, {"kind": "rnn", "cell": "é"}, True, None), strict=True))
    table.record(TrialSpec(number=0, params=params))
    table.record(result(metrics={"valid.accuracy": 0.123456789}, best_epoch=3, epochs=4, seconds=8.0004))
    (row,) = rows(tmp_path)
    assert {path: json.loads(row[path]) for path in PATHS} == params
    assert (row["valid.accuracy"], row["best_epoch"], row["seconds"]) == ("0.123457", "3", "8.0")
    assert (row["valid.loss"], row["seconds_per_epoch"]) == ("", "")


def test_params_that_do_not_apply_are_empty(tmp_path):
    table = tracker(tmp_path)
    table.record(TrialSpec(number=0, params={PATHS[0]: 0.1}))
    table.record(result())
    assert [rows(tmp_path)[0][path] for path in PATHS] == ["0.1", "", "", ""]


def test_state_and_reason_tell_how_it_ended(tmp_path):
    table = tracker(tmp_path)
    for number, end in enumerate((EndReason.EARLY_STOPPED, EndReason.PRUNED, EndReason.CRASHED)):
        table.record(TrialSpec(number=number))
        table.record(result(number, end, reason=f'{end.value}: it said "no", then\nleft'))
    assert [row["state"] for row in rows(tmp_path)] == ["complete", "pruned", "failed"]
    assert rows(tmp_path)[2]["reason"] == r'crashed: it said "no", then\nleft'
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 4


def test_text_is_no_formula(tmp_path):
    table = tracker(tmp_path)
    for number, text in enumerate(("=1+1", "+1", "-1", "@cmd", "\tx", "\rx", "a=b", -1.5)):
        table.record(TrialSpec(number=number, params={"model.encoder": text}))
        table.record(result(number))
    cells = [row["model.encoder"] for row in rows(tmp_path)]
    assert cells == ["'=1+1", "'+1", "'-1", "'@cmd", r"\tx", r"\rx", "a=b", "-1.5"]


@given(st.one_of(st.text(), st.sampled_from(["＝1+1", "\ufeff=1", " =1", "@\0", "a\u2028b\x85c\ud800", "\u202e+1"])))
def test_any_text_is_one_cell_of_one_line_and_no_formula(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("table")
    table = tracker(folder)
    table.record(TrialSpec(number=0, params={"model.encoder": text, PATHS[0]: [text]}))
    table.record(result(reason=f"crashed: {text}"))
    content = (folder / "trials.csv").read_bytes().decode()
    assert len(content.splitlines()) == 2
    row = rows(folder)[0]
    assert not row["model.encoder"].startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"))
    assert json.loads(row[PATHS[0]]) == [text]


def test_credentials_do_not_reach_the_table(tmp_path):
    table = tracker(tmp_path)
    table.record(TrialSpec(number=0, params={"model.encoder": {"kind": "https://me:secret@host/?key=secret"}}))
    table.record(result(reason="crashed: https://me:secret@host is not there"))
    assert "secret" not in (tmp_path / "trials.csv").read_text()
