"""What the README promises a newcomer, tried as a newcomer would."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from textune.config.load import load_study
from textune.errors import StudyError
from textune.registry import lookup
from textune.space import ChoiceDimension

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
QUICK = ("--set", "search.trials=1", "--set", "training.epochs=1")


def block(language: str) -> str:
    """Returns the first block in a language."""
    return re.search(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)[1]


@pytest.fixture
def folder(tmp_path):
    """A folder with reviews.csv: texts, and stars from 1 to 5."""
    rows = lookup("data", "synthetic")(rows=200, classes=5).load((), 1)
    with (tmp_path / "reviews.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "stars"])
        writer.writerows(zip(rows.texts, (rows.labels_N + 1).tolist(), strict=True))
    return tmp_path


def test_the_first_screen_is_nine_lines_one_command_one_table_one_picture():
    start = README[: README.index("## Try it")]
    assert len(block("yaml").splitlines()) == 9
    assert start.count("$ textune") == 1
    assert start.count("![") == 1


def test_the_nine_lines_are_the_quickstart(tmp_path):
    path = tmp_path / "quickstart.yaml"
    path.write_text(block("yaml"), encoding="utf-8")
    shown, example = load_study(path), load_study(ROOT / "examples" / "quickstart.yaml")
    assert everything(shown) == everything(example)


def everything(loaded):
    """Returns the resolved study, its ranges as they are and its choices as what they resolve to."""
    dimensions = {}
    for dimension in loaded.space.dimensions:
        dimensions[dimension.path] = dimension
        if isinstance(dimension, ChoiceDimension):
            points = [loaded.resolver.resolve({dimension.path: value}) for value in dimension.values]
            dimensions[dimension.path] = [point.key for point in points]
    search = loaded.config.search.model_copy(update={"space": {}, "maximize": None})
    return loaded.config.model_copy(update={"search": search}).dump(), loaded.config.objective, dimensions


def test_your_own_data_in_two_commands_and_a_model_that_predicts(folder, python):
    (folder / "study.yaml").write_text(python(folder, "-m", "textune", "init", "reviews.csv", "--label", "stars"))
    assert python(folder, "-m", "textune", "run", "study.yaml", *QUICK).strip() == "runs/reviews"
    python(folder, "-m", "textune", "predict", "runs/reviews", "reviews.csv", "--output", "predictions.csv")
    header, first, *_ = (folder / "predictions.csv").read_text(encoding="utf-8").splitlines()
    assert header.startswith("text,stars,label,probability.1,")
    assert len(first.rsplit(",", 6)) == 7
    assert python(folder, "-m", "textune", "report", "runs/reviews").strip() == "runs/reviews/report.html"
    assert json.loads(python(folder, "-m", "textune", "show", "runs/reviews", "--json"))["test"]


def test_every_file_of_a_run_is_explained(folder, python):
    page = (ROOT / "docs" / "run-folder.md").read_text(encoding="utf-8")
    study = {"data": {"kind": "synthetic", "rows": 200}, "training": {"epochs": 1}}
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    python(folder, "-m", "textune", "run", "study.json", "--out", "out", "--quiet")
    files = [path.relative_to(folder / "out") for path in (folder / "out").rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [str(path) for path in files if f"`{path.name}`" not in page and f"/{path.name}`" not in page] == []
    lines = (folder / "out" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    words = {*(key for event in events for key in event), *(event["event"] for event in events)}
    assert {word for word in words if f"`{word}`" not in page} == set()


def test_the_same_from_python(folder, python):
    (folder / "use.py").write_text(block("python"), encoding="utf-8")
    printed = python(folder, "use.py")
    assert "model.encoder" in printed
    assert (folder / "runs" / "stars" / "best" / "model.safetensors").is_file()


def test_the_problems_it_quotes(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(
        "data: {kind: imdb, max_row: 500}\n"
        "model:\n"
        "  encoder: {kind: rnn, hidden_szie: 64}\n"
        "training:\n"
        "  optimizer: {kind: adamm}\n"
    )
    with pytest.raises(StudyError) as caught:
        load_study(path)
    assert [line.strip() for line in re.findall(r"^ +wrong\.yaml:.*$", README, re.MULTILINE)] == [
        str(problem) for problem in caught.value.problems
    ]
