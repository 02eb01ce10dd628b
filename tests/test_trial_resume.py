"""A trial that was interrupted goes on in another attempt as if nothing had happened."""

import numpy as np
import pytest
import torch

from textune.config.load import load_study
from textune.data import Cache
from textune.errors import InterruptedTrial
from textune.pipeline import Pipeline
from textune.records import TrialSpec
from textune.seeds import derive
from textune.training.engine import loop
from textune.training.engine.checkpoint import NAME, read_state, write_state
from textune.trial import run


@pytest.fixture(autouse=True)
def pulse_after_every_step(monkeypatch):
    monkeypatch.setattr(loop, "PULSE_SECONDS", 0.0)


@pytest.fixture
def trial(tiny_study, tmp_path):
    """Starts attempts at the tiny study's base point with some settings changed."""

    def start(overrides=(), attempt=1, share=0.0, **changes):
        loaded = load_study(tiny_study, ["training.epochs=3", "model.head.dropout=0.3", *overrides])
        spec = TrialSpec(
            number=0,
            attempt=attempt,
            config=loaded.resolver.resolve({}).config,
            objective=loaded.config.objective,
            seed=derive(42, "trial"),
            folder=str(tmp_path / f"attempt-{attempt}"),
            **changes,
        )
        return run(spec, loaded.folders, Cache(), checkpoint_share=share)

    return start


def finish(attempt):
    """Returns the measurements and the result."""
    measured = []
    while True:
        try:
            moment = next(attempt)
        except StopIteration as end:
            return measured, end.value
        if moment is not None:
            measured.append(moment)


def interrupt(attempt, after):
    """Returns the measurements up to the interruption."""
    measured = [moment for moment in (next(attempt) for _ in range(after)) if moment is not None]
    with pytest.raises(InterruptedTrial):
        attempt.throw(InterruptedTrial())
    return measured


def numbers(measured):
    return [(each.fold, each.epoch, each.learning_rate, each.metrics) for each in measured]


def outcomes(folder):
    with np.load(folder / "outcomes.npz", allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays}


def moments_to_epoch(attempt, epoch):
    count = 1
    while (moment := next(attempt)) is None or moment.epoch < epoch:
        count += 1
    attempt.close()
    return count


ENCODERS = {
    "cnn": ["model.encoder={kind: cnn, widths: [2, 3]}"],
    "rnn-attention": ["model.encoder={kind: rnn, bidirectional: true, hidden_size: 8}", "model.pooling=attention"],
    "bag-of-words": ["model.encoder={kind: bag-of-words, ngrams: 2, tfidf: true}"],
}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
def test_it_ends_as_it_would_have(trial, tmp_path, encoder, precision):
    settings = [*encoder, f"training.precision={precision}"]
    expected, expected_result = finish(trial(settings, attempt=9))
    at_epoch_2 = moments_to_epoch(trial(settings, attempt=8), 2)
    first = interrupt(trial(settings, attempt=1), at_epoch_2 // 4)  # in the first epoch
    checkpoint = str(tmp_path / "attempt-1" / NAME)
    second = interrupt(trial(settings, attempt=2, checkpoint=checkpoint), at_epoch_2)  # in the third
    third, result = finish(trial(settings, attempt=3, checkpoint=str(tmp_path / "attempt-2" / NAME)))
    assert numbers(first + second + third) == numbers(expected)
    assert {each.attempt for each in third} == {3}
    assert result.metrics == expected_result.metrics
    assert (result.epochs, result.best_epoch, result.end) == (3, expected_result.best_epoch, expected_result.end)
    got, wanted = outcomes(tmp_path / "attempt-3"), outcomes(tmp_path / "attempt-9")
    assert all(np.array_equal(got[name], wanted[name]) for name in wanted)
    texts = ["a good room", "bad"]
    models = [Pipeline.load(tmp_path / f"attempt-{attempt}" / "model") for attempt in (3, 9)]
    assert np.array_equal(models[0].predict(texts), models[1].predict(texts))


def test_finished_folds_are_not_trained_again(trial, tmp_path):
    settings = ["split={kind: kfold, folds: 3}"]
    expected, expected_result = finish(trial(settings, attempt=9))
    first = trial(settings)
    measured = []
    while not measured or measured[-1].fold < 1:
        measured += [moment for moment in [next(first)] if moment is not None]
    with pytest.raises(InterruptedTrial):
        first.throw(InterruptedTrial())
    rest, result = finish(trial(settings, attempt=2, checkpoint=str(tmp_path / "attempt-1" / NAME)))
    assert {(each.fold, each.epoch) for each in rest} == {(1, 2), (1, 3), (2, 1), (2, 2), (2, 3)}
    assert numbers(measured + rest) == numbers(expected)
    assert result.metrics == expected_result.metrics
    got, wanted = outcomes(tmp_path / "attempt-2"), outcomes(tmp_path / "attempt-9")
    assert all(np.array_equal(got[name], wanted[name]) for name in wanted)


def test_a_killed_trial_goes_on_from_its_last_checkpoint(trial, tmp_path):
    expected, _ = finish(trial(attempt=9))
    killed = trial(share=1e9)
    for _ in range(moments_to_epoch(trial(attempt=8), 2) + 1):
        next(killed)
    del killed  # as it is: no word to it
    rest, _ = finish(trial(attempt=2, checkpoint=str(tmp_path / "attempt-1" / NAME)))
    assert numbers(rest) == numbers(expected[2:])


def test_an_epoch_is_measured_before_a_checkpoint_counts_it(trial, tmp_path):
    """A trial that was killed when its measurement was on its way measures that epoch again."""
    first = trial(share=1e9)
    while next(first) is None:
        pass
    measured, _ = finish(trial(attempt=2, checkpoint=str(tmp_path / "attempt-1" / NAME)))
    assert [each.epoch for each in measured] == [1, 2, 3]


def test_it_takes_the_time_of_all_attempts(trial, tmp_path):
    interrupt(trial(), 3)
    checkpoint = tmp_path / "attempt-1" / NAME
    state = read_state(checkpoint)
    assert 0 < state["seconds"] < 60
    write_state(checkpoint, {**state, "seconds": 1000.0})
    _, result = finish(trial(attempt=2, checkpoint=str(checkpoint)))
    assert 1000 < result.seconds < 1060


@pytest.mark.parametrize("damage", ["missing", "torn", "other trial", "other format"])
def test_a_checkpoint_that_cannot_be_used_costs_no_more_than_itself(trial, tmp_path, damage, capsys):
    expected, _ = finish(trial(attempt=9))
    interrupt(trial(["training.batch_size=64"] if damage == "other trial" else []), 4)
    checkpoint = tmp_path / "attempt-1" / NAME
    if damage == "missing":
        checkpoint.unlink()
    elif damage == "torn":
        checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    elif damage == "other format":
        checkpoint.write_bytes(checkpoint.read_bytes().replace(b'"format":"1"', b'"format":"0"'))
    measured, _ = finish(trial(attempt=2, checkpoint=str(checkpoint)))
    assert numbers(measured) == numbers(expected)
    assert ("cannot be used, so the trial starts over" in capsys.readouterr().err) == (damage != "missing")


@pytest.mark.parametrize("before", ["cuda, fp32", "cpu, bf16"])
def test_a_checkpoint_of_other_hardware_or_precision_is_not_resumed(trial, tmp_path, before, capsys):
    expected, _ = finish(trial(attempt=9))
    interrupt(trial(), 4)
    checkpoint = tmp_path / "attempt-1" / NAME
    state = read_state(checkpoint)
    assert state["hardware"] == "cpu, fp32"
    state["training"]["random_state"] = torch.zeros(16, dtype=torch.uint8)  # as CUDA has it
    write_state(checkpoint, {**state, "hardware": before})
    measured, _ = finish(trial(attempt=2, checkpoint=str(checkpoint)))
    assert numbers(measured) == numbers(expected)
    said = capsys.readouterr().err
    assert f"so the trial starts over: it was computed on {before}, and this attempt computes on cpu, fp32" in said


def test_a_checkpoint_that_does_not_say_its_hardware_is_resumed(trial, tmp_path):
    """So were all that were written before hardware was part of them."""
    expected, _ = finish(trial(attempt=9))
    first = interrupt(trial(), moments_to_epoch(trial(attempt=8), 2) + 1)
    checkpoint = tmp_path / "attempt-1" / NAME
    write_state(checkpoint, {name: each for name, each in read_state(checkpoint).items() if name != "hardware"})
    rest, _ = finish(trial(attempt=2, checkpoint=str(checkpoint)))
    assert first
    assert numbers(first + rest) == numbers(expected)


def test_attempts_after_a_kill_for_memory_take_smaller_parts(trial):
    sizes = [finish(trial(halvings=halvings))[1].details["micro_batch_size"] for halvings in (0, 1, 3, 9)]
    assert sizes == [32, 16, 4, 1]


def test_without_a_folder_an_interruption_leaves_nothing(tiny_study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = load_study(tiny_study)
    spec = TrialSpec(number=0, config=loaded.resolver.resolve({}).config)
    interrupt(run(spec, loaded.folders, Cache(), checkpoint_share=1e9), 5)
    assert list(tmp_path.iterdir()) == []
