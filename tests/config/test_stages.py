"""A search in stages: one objective, a space each, and what one stage chooses is the base of the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from textune import commands
from textune.config.load import load_study
from textune.config.study import StudyConfig
from textune.errors import StudyError

RATE = "training.optimizer.learning_rate"
STAGES = [
    {"minimize": "valid.loss", "space": {RATE: {"low": 1e-4, "high": 1e-1, "log": True}}, "trials": 6},
    {"space": {"model.encoder.hidden_size": [16, 32], "model.pooling": ["mean", "max"]}, "sampler": "grid"},
]
STUDY = {
    "data": "synthetic",
    "name": "staged",
    "model": {"encoder": {"kind": "rnn", "hidden_size": 16}},
    "search": STAGES,
}

WRONG = """\
model: {encoder: rnn}
search:
  - maximize: valid.accuracy
    space:
      training.optimizer.learning_rate: {low: 1e-4, high: 1e-1}
    sampler: grid
    trails: 3
  - minimize: valid.loss
    space:
      model.encoder.hidden_size: [0, 8]
      model.head.dropout: {low: 0.0, high: 0.5}
    sampler: {kind: grid}
data: synthetic
"""


def problems(study: dict | str, tmp_path: Path, *overrides: str) -> list[str]:
    if isinstance(study, str):
        path = tmp_path / "study.yaml"
        path.write_text(study)
        study = path
    else:
        study = {"data": "synthetic", **study}
    with pytest.raises(StudyError) as caught:
        load_study(study, overrides)
    return [str(problem) for problem in caught.value.problems]


def test_a_mapping_is_one_stage_and_stays_what_it_is():
    loaded = load_study({"data": "synthetic", "search": STAGES[0]})
    assert loaded.config.stages == (loaded.config.search,)
    assert [stage.space.paths for stage in loaded.stages] == [(RATE,)]
    assert isinstance(loaded.config.dump()["search"], dict)


def test_stages_have_a_space_each_and_share_the_first_ones_objective():
    loaded = load_study(STUDY)
    assert [stage.config.sampler.kind for stage in loaded.stages] == ["random", "grid"]
    assert [stage.space.num_points for stage in loaded.stages] == [None, 4]
    assert {stage.objective for stage in loaded.config.stages} == {loaded.config.objective}
    assert loaded.config.objective.metric == "valid.loss"
    assert loaded.paths == (RATE, "model.pooling", "model.encoder.hidden_size")


def test_a_dumped_study_in_stages_is_read_back_equal():
    config = load_study(STUDY).config
    assert StudyConfig.model_validate(config.dump()) == config


def test_what_a_stage_chooses_is_the_base_of_the_next():
    loaded = load_study(STUDY)
    second = loaded.stage(1, {RATE: 0.05})
    config = second.resolver.resolve({"model.pooling": "max"}).config
    assert config["training"]["optimizer"]["learning_rate"] == 0.05
    assert config["model"]["pooling"]["kind"] == "max"
    assert second.resolver.resolve({}).key == loaded.resolver.resolve({RATE: 0.05}).key
    assert loaded.stage(1).resolver.resolve({}).key == loaded.resolver.resolve({}).key


def test_a_later_choice_goes_on_top_of_an_earlier_one_also_where_its_path_is_shorter():
    space = {"model.encoder": [{"kind": "rnn", "hidden_size": 8}, "cnn"]}
    search = [{"space": {"model.encoder.hidden_size": [24, 48]}}, {"space": space}]
    loaded = load_study({"data": "synthetic", "model": {"encoder": "rnn"}, "search": search})
    resolve = loaded.stage(1, {"model.encoder.hidden_size": 48}).resolver.resolve
    assert resolve({}).config["model"]["encoder"]["hidden_size"] == 48
    assert resolve({"model.encoder": {"kind": "rnn", "hidden_size": 8}}).config["model"]["encoder"]["hidden_size"] == 8
    assert resolve({"model.encoder": "cnn"}).dropped == ("model.encoder.hidden_size",)


def test_the_base_point_of_a_stage_is_what_was_chosen_before_it():
    loaded = load_study(
        {
            "data": "synthetic",
            "model": {"pooling": "mean"},
            "search": [{"space": {"model.pooling": ["mean", "max"]}}] * 2,
        }
    )
    assert loaded.stage(1).base_params() == {"model.pooling": "mean"}
    assert loaded.stage(1, {"model.pooling": "max"}).base_params() == {"model.pooling": "max"}


def test_a_condition_holds_by_what_was_chosen():
    search = [
        {"space": {"model.encoder": ["rnn", "cnn"]}},
        {"space": {"model.encoder.cell": {"values": ["gru", "lstm"], "when": {"model.encoder": "rnn"}}}},
    ]
    loaded = load_study({"data": "synthetic", "search": search})
    assert loaded.stage(1, {"model.encoder": "rnn"}).space.num_points == 2
    assert loaded.stage(1, {"model.encoder": "cnn"}).space.base() == {}


def test_a_dimension_must_exist_whatever_an_earlier_stage_chooses(tmp_path):
    encoders = {"space": {"model.encoder": [{"kind": "rnn", "hidden_size": 8}]}}
    sizes = {"space": {"model.encoder.hidden_size": [8, 16]}}
    assert load_study({"data": "synthetic", "model": {"encoder": "rnn"}, "search": [encoders, sizes]})
    (problem,) = problems({"model": {"encoder": "cnn"}, "search": [encoders, sizes]}, tmp_path)
    assert "search.1.space.model.encoder.hidden_size: encoder 'cnn' has no such setting" in problem
    assert "add a condition" in problem


def test_every_problem_of_every_stage_is_told_with_its_line(tmp_path):
    assert problems(WRONG, tmp_path)[:2] == [
        "study.yaml:7: search.0.trails: search.0 has no such setting; did you mean 'trials'?",
        "study.yaml:10: search.1.space.model.encoder.hidden_size: must be at least 1, not 0",
    ]
    right = WRONG.replace("    trails: 3\n", "").replace("[0, 8]", "[4, 8]")
    (problem,) = problems(right, tmp_path)
    assert problem == (
        "study.yaml:7: search.1.minimize: is 'valid.loss', and the first stage is to maximize 'valid.accuracy'; "
        "all stages search for one objective, so name it in the first"
    )
    needs = "is a range of real numbers; the sampler needs 'steps', how many values to take from it"
    assert problems(right.replace("  - minimize: valid.loss\n    space", "  - space"), tmp_path) == [
        f"study.yaml:5: search.0.space.training.optimizer.learning_rate: {needs}",
        f"study.yaml:9: search.1.space.model.head.dropout: {needs}",
    ]


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ([], "search: is an empty list; give at least one stage"),
        (3, "search: must be a mapping of settings, not 3"),
        ([{}, 3], "search.1: must be a mapping of settings, not 3"),
        ([{"deterministic": True, "timeout_seconds": 3}], "search.0: has deterministic: true and timeout_seconds"),
        ([{"sampler": "bayes"}], "search.0.sampler: sampler 'bayes' is not available"),
    ],
)
def test_each_mistake_has_its_sentence(search, message, tmp_path):
    (problem,) = problems({"search": search}, tmp_path)
    assert problem.partition(": ")[2].startswith(message)


def test_overrides_name_a_stage_by_its_number(tmp_path):
    path = tmp_path / "staged.yaml"
    path.write_text(WRONG.replace("minimize: valid.loss", "trials: 5").replace("[0, 8]", "[4, 8]"))
    overrides = [
        "search.0.sampler=random",
        "search.0.trials=8",
        "search.1.sampler={kind: tpe}",
        "search.1.space.model.head.dropout.high=0.25",
        "search.1.space.model.pooling=[max, mean]",
    ]
    (wrong,) = problems(path.read_text(), tmp_path, *overrides)
    assert "search.0.trails" in wrong
    path.write_text(path.read_text().replace("    trails: 3\n", ""))
    loaded = load_study(path, overrides)
    assert [stage.trials for stage in loaded.config.stages] == [8, 5]
    assert [stage.sampler.kind for stage in loaded.config.stages] == ["random", "tpe"]
    assert set(loaded.stages[1].space.paths) == {"model.encoder.hidden_size", "model.head.dropout", "model.pooling"}
    assert loaded.stages[1].config.space["model.head.dropout"].high == 0.25


def test_an_override_that_names_no_stage_is_refused(tmp_path):
    for override in ("search.trials=8", "search.2.trials=8", "search.0=8"):
        (problem,) = problems(STUDY, tmp_path, override)
        assert problem.endswith("search is a list of stages; name a setting of one: search.0, search.1")
    assert problems({"search": STAGES[0]}, tmp_path, "search.0.trials=8") == [
        "--set: search.0.trials: there is no such setting"
    ]
    assert problems(STUDY, tmp_path, "search.1.trials=0") == ["--set: search.1.trials: must be at least 1, not 0"]


def test_check_tells_each_stage(tmp_path):
    path = tmp_path / "staged.yaml"
    path.write_text(
        "data: synthetic\nmodel: {encoder: rnn}\nsearch:\n"
        "- {space: {training.optimizer.learning_rate: {low: 1e-4, high: 1e-1, log: true}}, trials: 6}\n"
        "- {space: {model.encoder.cell: [rnn, gru], model.pooling: [max, mean]}, sampler: grid, include_base: false}\n"
    )
    told = commands.check(path).splitlines()
    assert told == [
        f"{path}: fine; 10 trials in 2 stages",
        "  search.0: 6 trials, random over training.optimizer.learning_rate",
        "  search.1: 4 trials, grid over model.pooling, model.encoder.cell",
    ]
