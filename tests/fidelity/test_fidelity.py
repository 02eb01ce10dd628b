"""What short forms are worth, measured on a tiny study: trainings, findings, going on, and what is printed."""

import json
import os
import signal

import pytest

from textune import commands
from textune.config.load import load_study
from textune.data import Cache
from textune.errors import RunFolderError, StudyError
from textune.fidelity import Design
from textune.fidelity.findings import conclude
from textune.records import Fidelity, TrialSpec
from textune.tracking.line_log import LineLog, read_events
from textune.tracking.log import read_past
from textune.tracking.trainings import Trainings
from textune.trial import run

CONFIGURATIONS = 4


@pytest.fixture(scope="module")
def study(tiny_study):
    training = {**tiny_study["training"], "epochs": 4}
    return {**tiny_study, "training": training, "split": {"kind": "kfold", "folds": 2}}


@pytest.fixture(scope="module")
def measured(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("fidelity") / "run"
    return commands.fidelity(study, out=out, configurations=CONFIGURATIONS, quiet=True)


def story(measured):
    """What must not depend on interruptions or time."""
    return [
        (each.spec.candidate, each.spec.fidelity, each.spec.repeat.number, each.result.value)
        for each in measured.record.repeats
    ]


def cut(folder, num_lines, target):
    """Copies the first lines of a log, as a kill would have left them."""
    target.mkdir()
    lines, _ = read_events(folder / "events.jsonl")
    with LineLog(target / "events.jsonl") as log:
        for line in lines[:num_lines]:
            log.append({name: value for name, value in line.items() if name != "crc"})


def test_is_listed_by_how_many_trainings_it_had(measured):
    (line,) = commands.runs(measured.folder.path.parent)
    assert line == f"run  done         {len(measured.record.repeats)} trainings, to compare short forms"


class TestTheDesign:
    def test_draws_the_study_as_written_and_the_same_points_each_time(self, study):
        first, second = (Design.of(load_study(study), 6).configurations for _ in range(2))
        assert first == second
        assert first[0].config["training"]["optimizer"]["learning_rate"] == 0.01
        assert len({each.config["training"]["optimizer"]["learning_rate"] for each in first}) == 6

    def test_begins_with_that_of_fewer_configurations(self, study):
        fewer, more = (Design.of(load_study(study), number).specs(None) for number in (4, 6))
        assert more[: len(fewer)] == fewer

    def test_trains_fewer_epochs_only_where_they_are_no_beginning_of_more(self, study):
        def trained(schedule):
            design = Design.of(load_study({**study, "training": {**study["training"], "schedule": schedule}}), 3)
            return {spec.fidelity for spec in design.specs(None) if spec.repeat.number == 2}

        shares = {Fidelity(share=share) for share in (0.1, 0.25, 0.5)}
        for nested in ("constant", "plateau"):
            assert trained({"kind": nested}) == shares
        for schedule in ({"kind": "linear"}, {"kind": "constant", "warmup_fraction": 0.1}):
            epochs = {Fidelity(epochs=epochs) for epochs in (1, 2)}
            both = {Fidelity(epochs=epochs, share=share) for epochs in (1, 2) for share in (0.1, 0.25, 0.5)}
            assert trained(schedule) == shares | epochs | both

    def test_trains_on_the_newest_months_where_the_split_goes_by_months(self, study):
        rolling = {"kind": "rolling", "train_months": 8, "ranges": 2}
        design = Design.of(load_study({**study, "split": rolling}), 3)
        assert {Fidelity(window=2), Fidelity(window=4)} < {spec.fidelity for spec in design.specs(None)}
        forms = design.forms(2)
        assert {Fidelity(window=4, folds=1), Fidelity(epochs=1, window=2)} < set(forms)
        assert not [each for each in forms if each.share and each.window]
        assert not [each for each in Design.of(load_study(study), 3).forms(2) if each.window]

    def test_is_refused_where_too_little_varies(self, study):
        with pytest.raises(StudyError, match="leads to 1 different configurations"):
            Design.of(load_study({**study, "search": {}}), 20)
        few = {"space": {"training.batch_size": [16, 32]}}
        with pytest.raises(StudyError, match="leads to 2 different configurations"):
            Design.of(load_study({**study, "search": few}), 20)


class TestMeasured:
    def test_tells_every_form_with_its_cost(self, measured):
        found = json.loads(measured.folder.fidelity_table.read_text(encoding="utf-8"))
        assert found == measured.found
        assert {"epochs": 1} in (shorts := [form["short"] for form in found["forms"]])
        assert {"epochs": 2, "share": 0.25} in shorts
        assert {"folds": 1} in shorts
        assert {"share": 0.5, "folds": 1} in shorts
        assert len(shorts) == len({json.dumps(each) for each in shorts}) == 2 + 3 + 1 + 2 * 3 + 2 + 3
        costs = {json.dumps(form["short"]): form["cost"] for form in found["forms"]}
        assert 0 < costs['{"epochs": 1}'] < costs['{"epochs": 2}'] < 1
        assert found["ceiling"]["cost"] == 1
        assert found["ceiling"]["short"] == {}
        assert found["margin"] == 0.005

    def test_tells_the_valid_loss_of_each_epoch(self, measured):
        losses = [each["valid_loss"] for each in measured.found["configurations"]]
        assert [len(each) for each in losses] == [4] * CONFIGURATIONS
        assert all(0 < loss < 5 for each in losses for loss in each)

    def test_trains_twice_in_full_with_other_seeds(self, measured):
        for configuration in measured.found["configurations"]:
            one, again = configuration["values"]
            assert one is not None
            assert again is not None
        assert any(one != again for one, again in (each["values"] for each in measured.found["configurations"]))

    def test_reads_off_full_trainings_what_a_short_one_would_have_measured(self, measured, study):
        """The values a form has in the findings, against those of a trial in that form."""
        from textune.fidelity.findings import _Trainings

        loaded = load_study(study)
        trainings = _Trainings(Design.of(loaded, CONFIGURATIONS), measured.record.repeats)
        spec = measured.record.repeats[0].spec
        for fidelity in (Fidelity(epochs=2), Fidelity(folds=1), Fidelity(epochs=1, folds=1)):
            short = run(spec.model_copy(update={"fidelity": fidelity, "folder": None}), loaded.folders, Cache())
            while True:
                try:
                    next(short)
                except StopIteration as end:
                    value = end.value.value
                    break
            (values_C, _), _ = trainings.form(fidelity).pairs
            assert values_C[0] == pytest.approx(value, abs=1e-12)

    @pytest.mark.parametrize(("step", "is_said"), [(0.0, True), (0.1, False)])
    def test_says_where_there_is_no_order_to_find(self, measured, study, step, is_said):
        def changed(record):
            luck = 0.001 * (record.spec.candidate * (3 + record.spec.repeat.number) % 4)
            value = 0.5 + step * record.spec.candidate + luck
            metrics = {"valid.accuracy": value, "valid.loss": 1 - value}
            progress = [each.model_copy(update={"value": value, "metrics": metrics}) for each in record.progress]
            return record.model_copy(update={"progress": tuple(progress)})

        record = measured.record.model_copy(update={"repeats": tuple(map(changed, measured.record.repeats))})
        notes = conclude(record, Design.of(load_study(study), CONFIGURATIONS))["notes"]
        assert any("agree on an order" in note for note in notes) == is_said

    def test_leaves_a_page_and_no_models(self, measured):
        page = measured.folder.fidelity_page.read_text(encoding="utf-8")
        assert "newest folds 1" in page
        assert "Content-Security-Policy" in page
        attempts = list((measured.folder.path / "fidelity").glob("*/attempt-1"))
        assert len(attempts) == CONFIGURATIONS * 5
        assert not list(measured.folder.path.rglob("model"))
        assert not list(measured.folder.path.rglob("checkpoint*"))


class TestGoingOn:
    def test_gives_what_would_have_come_out(self, measured, study, tmp_path):
        events = len(read_events(measured.folder.events)[0])
        cut(measured.folder.path, events // 2, tmp_path / "run")
        before = len(read_past(tmp_path / "run").record.repeats)
        again = commands.fidelity(study, out=tmp_path / "run", configurations=CONFIGURATIONS, quiet=True)
        assert before < len(again.record.repeats)
        assert story(again) == story(measured)

    def test_trains_nothing_where_all_is_known(self, measured, study, tmp_path):
        cut(measured.folder.path, 10_000, tmp_path / "run")
        before = (tmp_path / "run" / "events.jsonl").read_bytes()
        again = commands.fidelity(study, out=tmp_path / "run", configurations=CONFIGURATIONS, margin=1, quiet=True)
        assert again.folder.events.read_bytes() == before
        assert again.found["recommended"] is not None
        assert again.found["margin"] == 1

    def test_adds_configurations_and_refuses_fewer(self, measured, study, tmp_path):
        cut(measured.folder.path, 10_000, tmp_path / "run")
        more = commands.fidelity(study, out=tmp_path / "run", configurations=CONFIGURATIONS + 1, quiet=True)
        assert story(more)[: len(story(measured))] == story(measured)
        assert len(more.found["configurations"]) == CONFIGURATIONS + 1
        with pytest.raises(RunFolderError, match="give --configurations 5 or more"):
            commands.fidelity(study, out=tmp_path / "run", configurations=CONFIGURATIONS, quiet=True)

    def test_is_refused_in_the_folder_of_another_command(self, measured, study, finished, tiny_study):
        with pytest.raises(RunFolderError, match="is a folder of 'textune run'"):
            commands.fidelity(tiny_study, out=finished.folder.path, quiet=True)
        with pytest.raises(RunFolderError, match="is a folder of 'textune fidelity'"):
            commands.run(study, out=measured.folder.path, quiet=True)

    def test_is_refused_with_another_study(self, measured, study):
        with pytest.raises(RunFolderError, match="seed: 42 there, 1 now"):
            commands.fidelity({**study, "seed": 1}, out=measured.folder.path, quiet=True)


class TestTheCommand:
    def test_prints_the_table_and_what_to_write_into_the_study(self, measured, textune):
        said = textune("show", measured.folder.path)
        assert "in full (the ceiling)" in said.out
        assert "recommended  " in said.out
        assert json.loads(textune("show", measured.folder.path, "--json").out) == measured.found
        assert textune("report", measured.folder.path).out.strip().endswith("fidelity.html")

    def test_tells_each_training_and_the_time_left(self, study, tmp_path, textune):
        path = tmp_path / "study.json"
        path.write_text(json.dumps(study), encoding="utf-8")
        out = ("--out", tmp_path / "run", "--configurations", 3, "--set", "training.epochs=1")
        said = textune("fidelity", path, *out, "--set", "training.early_stopping.patience=1")
        assert said.code == 0, said.err
        assert "240 generated reviews: 240 rows; " in said.err
        assert "tiny: 15 trainings; time left appears" in said.err
        assert "[2/15] configuration 0 in full again: 0." in said.err
        assert "3 configurations are too few" in said.out.replace("\n", " ")
        assert "early stopping (patience 1)" in said.out.lower()

    def test_that_is_stopped_says_how_to_go_on_and_does(self, study, measured, tmp_path, textune, monkeypatch):
        record_event = Trainings.record

        def interrupt(self, event):
            record_event(self, event)
            if isinstance(event, TrialSpec) and event.number == 3:
                os.kill(os.getpid(), signal.SIGINT)

        (tmp_path / "study.json").write_text(json.dumps(study), encoding="utf-8")
        command = ("fidelity", tmp_path / "study.json", "--out", tmp_path / "run", "--configurations", CONFIGURATIONS)
        with monkeypatch.context() as patched:
            patched.setattr(Trainings, "record", interrupt)
            said = textune(*command)
        assert said.code == 130
        assert f"{CONFIGURATIONS} different configurations are few" in said.err
        assert "stopped after 3 of 20 trainings" in said.err
        assert not (tmp_path / "run" / "fidelity.json").exists()
        again = commands.fidelity(study, out=tmp_path / "run", configurations=CONFIGURATIONS, quiet=True)
        assert story(again) == story(measured)
