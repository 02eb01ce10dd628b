"""A wrong study is refused with every problem at once; a right one means what it says."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from textune.config.load import load_study
from textune.config.study import METRICS, StudyConfig
from textune.errors import StudyError
from textune.records import Objective
from textune.training.metrics import greater_is_better

WRONG = """\
model:
  encoder:
    kind: rnn
    hidden_szie: 64
training:
  epochs: "three"
search:
  space:
    training.optimizer.learning_rate: {low: 1e-5, high: 1e-2, log: true}
    model.encoder.cell: [rnn, gruu]
  sampler: {kind: bayes}
data: synthetic
"""


def problems(study: dict | str, tmp_path: Path, *overrides: str) -> list[str]:
    if isinstance(study, str):
        path = tmp_path / "study.yaml"
        path.write_text(study if "data:" in study else f"{study}data: synthetic\n")
        study = path
    else:
        study = {"data": "synthetic", **study}
    with pytest.raises(StudyError) as caught:
        load_study(study, overrides)
    return [str(problem) for problem in caught.value.problems]


def test_every_problem_is_told_with_its_line_and_what_to_do(tmp_path: Path) -> None:
    found = problems(WRONG, tmp_path)
    assert found == [
        "study.yaml:4: model.encoder.hidden_szie: encoder 'rnn' has no such setting; did you mean 'hidden_size'?",
        "study.yaml:6: training.epochs: must be a whole number, not 'three'",
        found[2],
        found[3],
    ]
    assert found[2].startswith(
        "study.yaml:10: search.space.model.encoder.cell: is 'gruu'; allowed: 'rnn', 'gru', 'lstm'"
    )
    assert found[3].startswith(
        "study.yaml:11: search.sampler: sampler 'bayes' is not available; available: cma-es, gp, grid"
    )


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ({"modle": {}}, "modle: a study has no such setting; did you mean 'model'?"),
        ({"training": {"epochs": 0}}, "training.epochs: must be at least 1, not 0"),
        ({"training": {"epochs": True}}, "training.epochs: must be a whole number, not True"),
        ({"training": {"epochs": 3.0}}, "training.epochs: must be a whole number, not 3.0"),
        ({"training": {"label_smoothing": 1}}, "training.label_smoothing: must be less than 1"),
        ({"training": 3}, "training: must be a mapping of settings, not 3"),
        ({"model": {"encoder": {"kind": 7}}}, "model.encoder: encoder '7' is not available"),
        ({"model": {"encoder": [1]}}, "model.encoder: must be a mapping with 'kind', or a kind: bag-of-words"),
        ({"search": {"maximize": "test.accuracy"}}, "search.maximize: is 'test.accuracy'; allowed: 'valid.accuracy'"),
        ({"search": {"minimize": "train.loss"}}, "search.minimize: is 'train.loss'; allowed: 'valid.loss', 'valid.log"),
        ({"search": {"minimize": ["valid.loss"]}}, "search.minimize: is ['valid.loss']; allowed: 'valid.loss'"),
        ({"search": {"maximize": "valid.accuracy", "minimize": "valid.loss"}}, "search: names both"),
        ({"search": [{"trials": 2}, {"minimize": "valid.accuracy"}]}, "search.1.minimize: is 'valid.accuracy', and a"),
        ({"name": "../evil"}, "name: is '../evil'; allowed are letters"),
        ({"tracking": ["wandb"]}, "tracking.0: tracker 'wandb' is not available; available: table"),
        ({"search": {"space": {"seed": [1, 2]}}}, "search.space.seed: may not vary"),
        ({"search": {"space": {"training.epochs": {"low": 1}}}}, "needs 'low' and 'high'"),
        ({"search": {"space": {"training.epochs": {"low": 3, "high": 1}}}}, "low 3 not below high 1"),
        ({"search": {"space": {"training.epochs": {"low": 0, "high": 3}}}}, "must be at least 1, not 0"),
        ({"search": {"space": {"training.epochs": {"low": 1.5, "high": 3}}}}, "must be a whole number"),
        ({"search": {"space": {"model.pooling": {"low": 1, "high": 3}}}}, "is not a number; give a list of values"),
        ({"search": {"space": {"training.epoch": [1, 2]}}}, "did you mean 'epochs'?"),
        (
            {"search": {"space": {"model.encoder": ["rnn", "cnn"], "model.encoder.cell": ["rnn", "gru"]}}},
            "encoder 'cnn' has no such setting; encoder 'rnn' has it",
        ),
    ],
)
def test_each_mistake_has_its_sentence(study: dict, message: str, tmp_path: Path) -> None:
    assert any(message in problem for problem in problems(study, tmp_path)), problems(study, tmp_path)


class TestEveryMetricHasOneDirection:
    """The other one would hand over the worst trial."""

    @pytest.mark.parametrize("metric", METRICS)
    @pytest.mark.parametrize("overrides", [True, False])
    def test_and_the_other_is_refused(self, metric: str, overrides: bool, tmp_path: Path) -> None:
        right, wrong = ("minimize", "maximize") if metric in ("loss", "log_loss") else ("maximize", "minimize")
        name, better = f"valid.{metric}", "lower" if right == "minimize" else "higher"
        assert load_study({"data": "synthetic", "search": {right: name}}).config.objective == Objective(
            metric=name, direction=right
        )
        changes = [f"search.{wrong}={name}"] if overrides else []
        with pytest.raises(StudyError) as error:
            load_study({"data": "synthetic", "search": {} if overrides else {wrong: name}}, changes)
        (problem,) = str(error.value).splitlines()
        assert problem.endswith(
            f"search.{wrong}: is '{name}', and a {better} value of it is better; use '{right}: {name}'"
        )
        assert greater_is_better(name) == greater_is_better(f"test.{metric}") == (right == "maximize")


def test_a_condition_makes_a_dimension_below_a_choice_possible() -> None:
    space = {
        "model.encoder": ["rnn", "cnn"],
        "model.encoder.cell": {"values": ["gru", "lstm"], "when": {"model.encoder": "rnn"}},
    }
    loaded = load_study({"data": "synthetic", "search": {"space": space}})
    assert loaded.space.num_points == 3


def test_every_setting_but_the_data_has_a_default() -> None:
    assert load_study({"data": "synthetic"}).config == StudyConfig(data="synthetic")


def test_a_study_without_data_is_refused_with_the_ways_to_name_some(tmp_path: Path) -> None:
    empty, other, python = tmp_path / "empty.yaml", tmp_path / "other.yaml", {"training": {"epochs": 1}}
    empty.write_text("")
    other.write_text("name: x\ntraining: {epochs: 1}\n")
    sources = [(empty, "empty.yaml"), (other, "other.yaml:1"), ({}, "study:1"), (python, "study:1")]
    for source, where in [*sources, ({"data": None}, "study:1")]:
        with pytest.raises(StudyError) as caught:
            load_study(source)
        (problem,) = map(str, caught.value.problems)
        assert problem.startswith(f"{where}: data: is missing; write data: {{path: reviews.csv}} for a file")
        assert "textune kinds data" in problem
        assert "DataFrame" in problem
    assert load_study(other, ["data.path=x.csv"]).config.data.path == "x.csv"


def test_data_without_a_kind_is_a_file(tmp_path: Path) -> None:
    assert load_study({"data": {"path": "x.csv"}}).config.data.kind == "files"
    assert problems({"data": {"path": "x.csv", "lable": "stars"}}, tmp_path) == [
        "study:3: data.lable: data 'files' has no such setting; did you mean 'label'?"
    ]
    assert problems({"data": "a.csv"}, tmp_path) == [
        "study:1: data: is 'a.csv', which is no kind of data; for a file or folder write data: {path: a.csv}"
    ]
    assert problems({"data": {"rows": 500}}, tmp_path) == [
        "study:2: data.rows: data 'files' has no such setting; data 'synthetic' has it"
    ]


def test_overrides_speak_the_language_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "my-study.yaml"
    path.write_text(
        "data: synthetic\nmodel: {encoder: {kind: rnn, hidden_size: 32, dropout: 0.1}}\n"
        "search: {space: {training.epochs: [1]}}\n"
    )
    loaded = load_study(
        path,
        ["model.encoder.kind=cnn", "training.optimizer.learning_rate=1e-3", "search.space.training.epochs=[2, 3]"],
    )
    assert loaded.config.name == "my-study"
    assert loaded.config.model.encoder.kind == "cnn"
    assert loaded.config.training.optimizer.dump()["learning_rate"] == 1e-3
    assert loaded.space.dimensions[0].values == (2, 3)
    with pytest.raises(StudyError, match=r"--set: trainin\.epochs: there is no such setting|did you mean"):
        load_study(path, ["trainin.epochs=3"])
    with pytest.raises(StudyError, match="must be PATH=VALUE"):
        load_study(path, ["training.epochs"])


@pytest.mark.parametrize("search", ["", "{space: }", "{space: {}}"])
def test_a_dimension_can_be_given_where_the_file_has_none(tmp_path, search):
    path = tmp_path / "study.yaml"
    path.write_text(f"data: synthetic\nsearch: {search}\n")
    loaded = load_study(path, ["search.space.training.epochs=[2, 4]"])
    assert loaded.paths == ("training.epochs",)


def test_what_was_off_can_be_switched_on_by_one_of_its_settings(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("data: synthetic\nconfirm: off\n")
    assert load_study(path, ["confirm.top=2"]).config.confirm.top == 2
    assert load_study(path, ["execution.workers=3"]).config.execution.workers == 3


def test_a_wrong_override_is_told_where_it_was_given(tmp_path: Path) -> None:
    study = "training:\n  epochs: 3\n  batch_size: 0\nmodel:\n  encoder: {kind: rnn, hidden_size: 0}\n"
    overrides = ("training.epochs=0", "model.encoder={kind: rnn, num_layers: 0}", "execution.workers=two")
    assert problems(study, tmp_path, *overrides) == [
        "--set: model.encoder.num_layers: must be at least 1, not 0",
        "--set: training.epochs: must be at least 1, not 0",
        "--set: execution.workers: must be a whole number, not 'two'",
        "study.yaml:3: training.batch_size: must be at least 1, not 0",
        "study.yaml:5: model.encoder.hidden_size: must be at least 1, not 0",
    ]
    assert problems(study, tmp_path, "model.encoder=rmn")[0].startswith("--set: model.encoder: encoder 'rmn' is not")


def test_a_grid_over_real_numbers_needs_steps(tmp_path: Path) -> None:
    study = (
        "search:\n  sampler: grid\n  space:\n"
        "    training.optimizer.learning_rate: {low: 1e-4, high: 1e-2}\n"
        "    training.epochs: {low: 1, high: 3}\n"
        "    model.head.dropout: {low: 0.0, high: 0.5}\n"
    )
    needs = "is a range of real numbers; the sampler needs 'steps', how many values to take from it"
    assert problems(study, tmp_path) == [
        f"study.yaml:4: search.space.training.optimizer.learning_rate: {needs}",
        f"study.yaml:6: search.space.model.head.dropout: {needs}",
    ]


def test_choices_of_components_keep_what_both_kinds_have() -> None:
    base = {"data": "synthetic", "model": {"encoder": {"kind": "rnn", "cell": "gru", "hidden_size": 33}}}
    resolver = load_study(base).resolver
    same = resolver.resolve({"model.encoder": {"bidirectional": True}})
    assert same.config["model"]["encoder"]["cell"] == "gru"
    assert same.config["model"]["encoder"]["hidden_size"] == 33
    assert same.config["model"]["encoder"]["bidirectional"] is True
    other = resolver.resolve({"model.encoder": "cnn"})
    assert other.config["model"]["encoder"]["kind"] == "cnn"
    assert set(other.dropped) == {"model.encoder.cell", "model.encoder.hidden_size"}
    deeper = resolver.resolve({"model.encoder.cell": "lstm", "model.encoder": {"kind": "rnn", "hidden_size": 5}})
    assert deeper.config["model"]["encoder"]["cell"] == "lstm"
    assert deeper.config["model"]["encoder"]["hidden_size"] == 5


def test_equal_configs_are_one_point() -> None:
    resolver = load_study({"data": "synthetic", "model": {"pooling": "max"}}).resolver
    assert resolver.resolve({"model.pooling": "max"}).key == resolver.resolve({}).key
    assert resolver.resolve({"model.pooling": {"kind": "max"}}).key == resolver.resolve({}).key
    assert resolver.resolve({"model.pooling": "mean"}).key != resolver.resolve({}).key


def test_a_dumped_study_is_read_back_equal() -> None:
    model = {"encoder": {"kind": "rnn", "cell": "gru"}}
    loaded = load_study({"data": "synthetic", "model": model, "search": {"space": {"training.epochs": [1, 2]}}})
    assert StudyConfig.model_validate(loaded.config.dump()) == loaded.config


def test_plugins_run_only_when_allowed(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise SystemError('it ran')\n")
    (tmp_path / "study.yaml").write_text("plugins: [mine.py]\n")
    with pytest.raises(StudyError, match=r"study.yaml:1: plugins: the study runs Python code from mine.py"):
        load_study(tmp_path / "study.yaml")
    with pytest.raises(StudyError, match="failed while it was imported: SystemError: it ran"):
        load_study(tmp_path / "study.yaml", allow_plugins=True)


def test_a_plugin_adds_a_kind(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from textune.config.base import Config\n"
        "from textune.registry import register\n"
        "@register('pruner', 'never-again')\n"
        "class NeverAgain(Config):\n"
        "    pass\n"
    )
    (tmp_path / "study.yaml").write_text("data: synthetic\nplugins: [mine.py]\nsearch: {pruner: never-again}\n")
    loaded = load_study(tmp_path / "study.yaml", allow_plugins=True)
    assert loaded.config.search.pruner.kind == "never-again"
    assert [len(digest) for digest in loaded.plugins.values()] == [64]


def test_checking_a_study_loads_no_torch(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(WRONG)
    code = (
        "import sys\nfrom pathlib import Path\nfrom textune.config.load import load_study\n"
        f"try:\n    load_study(Path({str(path)!r}))\nexcept Exception as error:\n    print(error)\n"
        "assert not {'torch', 'optuna', 'transformers', 'sklearn', 'pandas'} & set(sys.modules), 'heavy'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("study.yaml:") == 4


def test_time_is_not_wasted_on_a_wrong_study(tmp_path: Path) -> None:
    started = time.perf_counter()
    problems(WRONG, tmp_path)
    assert time.perf_counter() - started < 10  # a guard against reading data, not a measurement


def test_params_may_not_hold_credentials() -> None:
    for url in ("https://me:secret@host/a.csv", "s3://bucket/a.csv?token=secret"):
        for path, value in (("data.path", url), ("data", {"kind": "files", "path": url})):
            study = {"data": {"kind": "files", "path": "x.csv"}, "search": {"space": {path: ["x.csv", value]}}}
            with pytest.raises(StudyError, match=f"search.space.{path}: names a URL with credentials") as caught:
                load_study(study)
            assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["1e3", "0o7", "no", "2024-01-01", "~", "", "- a", "#", "\x85\u2028\x00", "é: {", "null ", "=", ".5"]
)
def test_text_in_a_mapping_stays_text(value: str) -> None:
    assert load_study({"data": {"kind": "files", "label": value}}).config.data.label == value


def test_a_mapping_may_hold_paths_and_numbers_of_numpy_and_nothing_else() -> None:
    study = {"data": {"kind": "files", "path": Path("a/b.csv")}, "training": {"label_smoothing": np.float64(0.25)}}
    config = load_study(study).config
    assert (config.data.path, config.training.label_smoothing) == ("a/b.csv", 0.25)
    study = {"seed": 2**70, "data": {1: 2}, "training": {"epochs": {3}, "batch_size": b"3"}}
    with pytest.raises(StudyError) as caught:
        load_study(study)
    assert [str(problem).partition(";")[0] for problem in caught.value.problems] == [
        "study: seed: is a number of too many digits",
        "study: data: keys must be text",
        "study: training.epochs: is a set",
        "study: training.batch_size: is a bytes",
    ]
    study["data"] = study
    with pytest.raises(StudyError, match="50 levels"):
        load_study(study)


def test_a_problem_is_one_line_whatever_the_study_says(tmp_path: Path) -> None:
    (problem,) = problems({"a\n\x1b[31mb\u202e": 1}, tmp_path)
    assert problem.startswith("study:2: a\\n\\x1b[31mb\\u202e: a study has no such setting")
