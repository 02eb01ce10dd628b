"""Study files of far more than a study needs: refused before much of them is parsed, in few lines."""

import json
from pathlib import Path

import pytest

from textune.config.files import MAX_BYTES, MAX_NODES
from textune.config.load import load_study
from textune.errors import StudyError

MANY = MAX_NODES // 3
OTHER_FILES = {
    "settings.yaml": "".join(f"k{number}: 1\n" for number in range(MAX_NODES)),
    "values.yaml": f"search: {{space: {{training.epochs: [{'1, ' * MAX_NODES}1]}}}}\n",
    "twice.yaml": "name: a\n" * MAX_NODES,
    "tags.yaml": "".join(f"k{number}: !x 1\n" for number in range(MAX_NODES)),
    "settings.json": json.dumps({f"k{number}": 1 for number in range(MAX_NODES)}),
}
LONG_FILES = {
    "comments.yaml": "# a remark\n" * (MAX_BYTES // 10),
    "text.yaml": f"name: {'x' * MAX_BYTES}\n",
    "lists.json": f'{{"name": {json.dumps(["x" * 100] * (MAX_BYTES // 100))}}}',
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_of_many_values_are_refused_in_a_line(tmp_path, name):
    (tmp_path / name).write_text(OTHER_FILES[name])
    with pytest.raises(StudyError) as refused:
        load_study(tmp_path / name)
    assert str(refused.value).startswith(
        f"{name}: has more than {MAX_NODES:,} keys and values; check that it is a study"
    )
    assert len(refused.value.problems) == 1


@pytest.mark.parametrize("name", LONG_FILES)
def test_of_many_bytes_are_refused_in_a_line(tmp_path, name):
    (tmp_path / name).write_text(LONG_FILES[name])
    with pytest.raises(
        StudyError, match=f"{name}: is larger than {MAX_BYTES:,} bytes; a study file is a few kilobytes"
    ):
        load_study(tmp_path / name)


def test_given_as_a_mapping_are_refused_as_well():
    with pytest.raises(StudyError, match="study: is larger than"):
        load_study({"name": "x" * (MAX_BYTES + 1)})
    with pytest.raises(StudyError, match="study: has more than"):
        load_study({"search": {"space": {"training.epochs": list(range(1, MAX_NODES))}}})


def test_without_end_are_refused():
    with pytest.raises(StudyError, match="/dev/zero: is larger than"):
        load_study(Path("/dev/zero"))


def test_nested_without_end_are_refused(tmp_path):
    for name in ("nested.yaml", "nested.json"):
        (tmp_path / name).write_text('{"name": ' + "[" * 50_000)
        with pytest.raises(StudyError, match=f"{name}: is nested deeper than 50 levels"):
            load_study(tmp_path / name)


@pytest.mark.parametrize(
    "text",
    [
        "search:\n  space:\n" + "".join(f"    model.encodr.x{number}: [1]\n" for number in range(MANY - 10)),
        "model:\n  encoder:\n" + "".join(f"    k{number}: 1\n" for number in range(MANY)),
        "".join(f"k{number}: 1\n" for number in range(MANY)),
    ],
    ids=["dimensions", "of a component", "of a study"],
)
def test_wrong_settings_beyond_what_a_person_reads_are_counted(tmp_path, text):
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(StudyError) as refused:
        load_study(tmp_path / "study.yaml")
    lines = str(refused.value).splitlines()
    assert len(lines) == 51
    assert lines[-1] == f"and {len(refused.value.problems) - 50:,} more problems"


def test_plug_ins_beyond_what_a_person_reads_are_counted():
    with pytest.raises(StudyError, match=r"from p0\.py, .* p9\.py and 190 more; read it"):
        load_study({"plugins": [f"p{number}.py" for number in range(200)]})
