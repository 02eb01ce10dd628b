"""A study that is stopped or killed after its search: nothing that was chosen is lost, and the same command ends it."""

import errno
import itertools
import os
import shutil
import signal
import sys
import threading

import pytest
from tests.faults.driver import FILE_EVENTS, STUDY, AfterDecision, Place, outcome

from textune import commands, confirmation, course, facts, hand_over
from textune.errors import FatalError
from textune.records import TrialResult
from textune.tracking.console import Console
from textune.tracking.log import read_study


class Steps:
    """Counts what this process does with files, and calls something before one of these steps."""

    def __init__(self):
        self.at, self.then = None, None
        sys.addaudithook(self.hear)

    def hear(self, event, arguments):
        if self.at is None or event not in FILE_EVENTS or threading.current_thread() is not threading.main_thread():
            return
        self.at -= 1
        if self.at < 0:
            self.at = None
            self.then()


STEPS = Steps()


def interrupt():
    signal.raise_signal(signal.SIGINT)


@pytest.fixture
def steps():
    yield STEPS
    STEPS.at = None


@pytest.fixture(scope="module")
def study(tiny_study):
    return {
        **tiny_study,
        "training": {**tiny_study["training"], "epochs": 1},
        "search": {**tiny_study["search"], "trials": 2},
        "confirm": {"top": 2, "max_share": 1000.0, "max_repeats": 3},
    }


def result(finished):
    """Returns what must not depend on where a study was stopped."""
    record, folder = finished.record, finished.folder
    weights = folder.best / "model.safetensors"
    return {
        "code": finished.exit_code,
        "trials": [(each.spec.params, each.result.value) for each in record.trials],
        "repeats": [each.result.value for each in record.repeats],
        "chosen": record.chosen.spec.number,
        "test": record.test["metrics"],
        "weights": weights.read_bytes() if weights.exists() else None,
        "files": sorted(
            path.relative_to(folder.path).as_posix()
            for path in folder.path.rglob("*")
            if path.is_file() and path.suffix != ".npz"
        ),
    }


@pytest.fixture(scope="module")
def undisturbed(study, tmp_path_factory):
    return commands.run(study, out=tmp_path_factory.mktemp("undisturbed") / "run", quiet=True)


def assert_it_ends_as_undisturbed(study, folder, undisturbed):
    again = commands.run(study, out=folder, quiet=True)
    assert result(again) == result(undisturbed)


class Interrupting(Console):
    """A person who stops when the n-th trial, or training of the confirmation, has ended."""

    ends = itertools.count()
    at = 0

    def record(self, event):
        super().record(event)
        if isinstance(event, TrialResult) and next(type(self).ends) == self.at:
            interrupt()


class TestACtrlC:
    def interrupted(self, study, folder):
        stopped = commands.run(study, out=folder, quiet=True)
        assert stopped.exit_code == 130
        assert stopped.record.test is None
        assert read_study(folder).state == "interrupted"
        assert not (folder / "test-outcomes.npz").exists()
        return stopped

    def test_as_the_last_trial_ends_ends_the_study(self, study, tmp_path, monkeypatch, undisturbed):
        monkeypatch.setattr("textune.tracking.console.Console", Interrupting)
        monkeypatch.setattr(Interrupting, "at", 1)
        monkeypatch.setattr(Interrupting, "ends", itertools.count())
        stopped = self.interrupted(study, tmp_path / "run")
        assert len(stopped.record.trials) == 2
        assert stopped.record.repeats == ()
        monkeypatch.undo()
        assert_it_ends_as_undisturbed(study, tmp_path / "run", undisturbed)

    @pytest.mark.parametrize(
        ("module", "name"),
        [
            (course, "confirm"),  # between search and confirmation
            (confirmation, "_verdict"),  # between confirmation and hand-over
            (hand_over, "compute_on"),
            (hand_over.Pipeline, "load"),
            (hand_over.Pipeline, "predict"),
        ],
    )
    def test_between_two_parts_is_not_forgotten(self, study, tmp_path, monkeypatch, undisturbed, module, name):
        inner = getattr(module, name)

        def interrupted(*arguments, **settings):
            interrupt()
            return inner(*arguments, **settings)

        monkeypatch.setattr(module, name, interrupted)
        self.interrupted(study, tmp_path / "run")
        monkeypatch.undo()
        assert_it_ends_as_undisturbed(study, tmp_path / "run", undisturbed)

    @pytest.mark.parametrize(("module", "name"), [(facts, "majority"), (commands, "_executor")])
    def test_before_the_first_trial_ends_the_study_at_once(self, study, tmp_path, monkeypatch, module, name):
        inner = getattr(module, name)

        def interrupted(*arguments):
            made = inner(*arguments)
            interrupt()
            return made

        monkeypatch.setattr(module, name, interrupted)
        monkeypatch.setenv("TEXTUNE_CACHE", str(tmp_path / "cache"))
        with pytest.raises(KeyboardInterrupt):
            commands.run(study, out=tmp_path / "run", quiet=True)
        assert not (tmp_path / "run").exists()

    def test_while_the_chosen_config_is_trained_once_more(self, study, tmp_path, monkeypatch):
        study = {**study, "split": {"kind": "kfold", "folds": 2}, "confirm": "off"}
        undisturbed = commands.run(study, out=tmp_path / "undisturbed", quiet=True)
        inner = hand_over.train_on_all

        def interrupted(*arguments):
            training = inner(*arguments)
            yield next(training)
            interrupt()
            yield
            raise AssertionError("it was not asked whether to stop")

        monkeypatch.setattr(hand_over, "train_on_all", interrupted)
        self.interrupted(study, tmp_path / "run")
        monkeypatch.undo()
        assert_it_ends_as_undisturbed(study, tmp_path / "run", undisturbed)

    def test_while_short_forms_are_compared(self, study, tmp_path, monkeypatch):
        monkeypatch.setattr("textune.fidelity.conclude", lambda *_: interrupt())
        with pytest.raises(KeyboardInterrupt):
            commands.fidelity(study, out=tmp_path / "run", configurations=3, quiet=True)
        monkeypatch.undo()
        assert commands.fidelity(study, out=tmp_path / "run", configurations=3, quiet=True).exit_code == 0


def insist():
    interrupt()
    interrupt()


def fail():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def run_to_the_decision(study, folder, patch):
    def killed(*_):
        raise KeyboardInterrupt

    patch.setattr(hand_over, "hand_over", killed)
    with pytest.raises(KeyboardInterrupt):
        commands.run(study, out=folder, quiet=True)


@pytest.mark.parametrize("then", [interrupt, insist, fail])
@pytest.mark.parametrize("keep", ["best", "none", "all"])
@pytest.mark.parametrize("numbers", [range(1, 200, 37), pytest.param(range(10**6), marks=pytest.mark.slow)])
def test_whatever_stops_it_after_the_decision(study, tmp_path, monkeypatch, steps, numbers, keep, then):
    study = {**study, "confirm": "off", "execution": {"kind": "serial", "keep_models": keep}}
    undisturbed = commands.run(study, out=tmp_path / "undisturbed", quiet=True)
    inner, ends = hand_over.hand_over, []
    with monkeypatch.context() as patch:
        run_to_the_decision(study, tmp_path / "run", patch)
    for number in numbers:
        folder = tmp_path / f"run-{number}"
        shutil.copytree(tmp_path / "run", folder)

        def disturbed(*arguments, number=number):
            steps.at, steps.then = number, then
            return inner(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(hand_over, "hand_over", disturbed)
            try:
                ends.append(commands.run(study, out=folder, quiet=True).exit_code)
            except (KeyboardInterrupt, FatalError) as error:
                ends.append(type(error).__name__)
        was_over, steps.at = steps.at is not None, None
        assert_it_ends_as_undisturbed(study, folder, undisturbed)
        shutil.rmtree(folder)
        if was_over:
            break
    assert ends[-1] == 0, ends


@pytest.mark.parametrize("split", [{"kind": "holdout"}, {"kind": "kfold", "folds": 2}], ids=["holdout", "kfold"])
def test_a_model_of_which_a_part_was_saved_is_trained_again(study, tmp_path, monkeypatch, split):
    """As versions left it that wrote a model file by file, where they were killed."""
    study = {**study, "confirm": "off", "split": split}
    undisturbed = commands.run(study, out=tmp_path / "undisturbed", quiet=True)
    with monkeypatch.context() as patch:
        run_to_the_decision(study, tmp_path / "run", patch)
    model = undisturbed.folder.model_of(undisturbed.record.chosen, undisturbed.record)
    left = tmp_path / "run" / model.relative_to(undisturbed.folder.path)
    shutil.rmtree(left, ignore_errors=True)
    left.mkdir(parents=True)
    (left / "model.safetensors").write_bytes(b"half of it")
    assert_it_ends_as_undisturbed(study, tmp_path / "run", undisturbed)


@pytest.mark.parametrize("numbers", [(70,), pytest.param(range(10**6), marks=pytest.mark.slow)])
def test_a_kill_at_any_step_after_the_decision(tmp_path, numbers):
    study = {**STUDY, "search": {**STUDY["search"], "trials": 2}}
    undisturbed = Place(tmp_path / "undisturbed", study)
    assert undisturbed.run() == 0, undisturbed.screen
    expected = outcome(undisturbed)
    for number in numbers:
        place = Place(tmp_path / str(number), study)
        code = place.run(AfterDecision(number))
        assert place.run() == 0, place.screen
        assert outcome(place) == expected
        shutil.rmtree(place.path)
        if code == 0:
            break
