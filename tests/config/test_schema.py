"""The JSON schema says of a study file what the loader says of its keys, types and bounds."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from textune.config.files import parse
from textune.config.load import load_study
from textune.config.study import StudyConfig
from textune.errors import StudyError
from textune.registry import ROLES, lookup

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))

DATA = {"data": {"kind": "synthetic"}}
RIGHT = [
    {},
    {"model": {"encoder": "rnn"}},
    {"model": {"encoder": {"kind": "rnn", "hidden_size": 8}}, "tracking": ["table"]},
    {"data": {"path": "reviews.csv", "label": "stars"}},
    {"training": {"optimizer": {"learning_rate": 1}}},
    {"search": {"space": {"training.epochs": [1, 2], "model.head.dropout": {"low": 0, "high": 0.5, "steps": 3}}}},
    {"search": {"space": {"training.epochs": {"values": [1, 2], "when": {"model.encoder.kind": "rnn"}}}}},
    {"search": [{"space": {"training.epochs": [1, 2]}}, {"sampler": "grid", "trials": 3}]},
]
WRONG = [
    ({"data": {"rows": 500}}, ["data"]),
    ({"data": {"path": "reviews.csv", "lable": "stars"}}, ["data"]),
    ({"modle": {}}, []),
    ({"model": {"encoder": {"kind": "rnn", "hidden_szie": 8}}}, ["model", "encoder"]),
    ({"model": {"encoder": {"kind": "rnnn"}}}, ["model", "encoder"]),
    ({"model": {"encoder": "rnnn"}}, ["model", "encoder"]),
    ({"model": {"encoder": {"hidden_size": 8}}}, ["model", "encoder"]),
    ({"model": {"encoder": {"kind": "rnn", "hidden_size": "8"}}}, ["model", "encoder"]),
    ({"training": {"epochs": 0}}, ["training", "epochs"]),
    ({"training": {"epochs": True}}, ["training", "epochs"]),
    ({"training": {"metrics": ["acuracy"]}}, ["training", "metrics", 0]),
    ({"search": {"maximize": "test.accuracy"}}, ["search", "maximize"]),
    ({"search": {"maximize": "valid.loss"}}, ["search", "maximize"]),
    ({"search": {"space": {"training.epochs": []}}}, ["search", "space", "training.epochs"]),
    ({"search": {"space": {"training.epochs": {"low": 1}}}}, ["search", "space", "training.epochs"]),
    ({"search": {"space": {"training.epochs": {"low": "1", "high": 2}}}}, ["search", "space", "training.epochs"]),
    ({"search": []}, ["search"]),
    ({"search": [{}, {"trials": 0}]}, ["search", 1, "trials"]),
    ({"tracking": ["tabel"]}, ["tracking", 0]),
]


@pytest.fixture(scope="module")
def text() -> str:
    """What `textune schema` prints; in a process of its own, for other tests register kinds."""
    command = [sys.executable, "-m", "textune", "schema"]
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout


@pytest.fixture(scope="module")
def validator(text) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(text))


def objects(schema: Any) -> Any:
    """Yields every part of the schema that names the settings of a config."""
    if isinstance(schema, dict):
        if schema.get("additionalProperties") is False:
            yield schema
        for part in schema.values():
            yield from objects(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from objects(part)


def test_it_is_a_json_schema_whose_references_hold(validator, text):
    validator.check_schema(validator.schema)
    references = set(re.findall(r'"#/\$defs/([^"]+)"', text))
    assert references == set(validator.schema["$defs"])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_pass_as_written_and_as_resolved(validator, path):
    validator.validate(parse(path.read_text(encoding="utf-8"), path.name).values)
    validator.validate(load_study(path).config.dump())


@pytest.mark.parametrize("role", ROLES)
def test_every_kind_passes_with_its_defaults(validator, role):
    definitions = validator.schema["$defs"]
    of_role = validator.evolve(schema={"$defs": definitions, **definitions[role]})
    for kind in definitions[role]["anyOf"][0]["enum"]:
        for value in (kind, {"kind": kind}, lookup(role, kind)().dump()):
            of_role.validate(value)


def test_the_defaults_pass(validator):
    validator.validate(StudyConfig.model_validate(DATA).dump())


@pytest.mark.parametrize("study", RIGHT, ids=str)
def test_schema_and_loader_take_what_is_right(validator, study):
    study = {**DATA, **study}
    assert [error.message for error in validator.iter_errors(study)] == []
    load_study(study)


@pytest.mark.parametrize(("study", "where"), WRONG, ids=str)
def test_schema_and_loader_refuse_what_is_wrong(validator, study, where):
    study = {**DATA, **study}
    assert [list(error.absolute_path) for error in validator.iter_errors(study)] == [where]
    with pytest.raises(StudyError):
        load_study(study)


def test_a_study_needs_data(validator):
    (error,) = validator.iter_errors({"training": {"epochs": 3}})
    assert (error.validator, list(error.absolute_path), error.message) == (
        "required",
        [],
        "'data' is a required property",
    )


def test_every_setting_and_kind_is_described(validator):
    silent = [
        f"{part.get('description', '?')}: {name}"
        for part in objects(validator.schema)
        for name, setting in part["properties"].items()
        if not setting.get("description")
    ]
    assert silent == []
    assert [part for part in objects(validator.schema) if not part.get("description")] == []


def test_the_file_in_the_repository_is_not_stale(text):
    assert (ROOT / "schema" / "study.schema.json").read_text(encoding="utf-8") == text, "run `make generated`"
