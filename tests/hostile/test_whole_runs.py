"""Whole studies of hostile data and names: what they leave on disk and on the terminal harms nobody."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from textune import commands
from textune.tracking.wording import plain

SECRET = "s3cr3t"
LABELS = [
    "</script><img src=x onerror=alert(1)>",
    "\x1b[31m\x07\x9bred\x00",
    "=cmd|' /C calc'!A0",
    "\u202egnp.exe",
    "../../../etc/passwd",
    "a\"b'c&d,e;f",
    "line\nfeed\r\nand\u2028more\x85",
    "{{7*7}}$title${body}",
    "[red]rich[/red]",
    "{0}%s%(x)s",
]
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters but tab and line feed, and what changes the direction of a line."""


@pytest.fixture(scope="module")
def study(tiny_study):
    """The tiny study with hostile names of classes and columns."""
    return {
        **tiny_study,
        "name": "hostile",
        "data": {"kind": "files", "path": "x.jsonl", "text": "\x1b]0;title\x07text", "label": "=label"},
        "split": {"kind": "holdout"},
        "training": {**tiny_study["training"], "epochs": 1, "metrics": ["accuracy"]},
    }


@pytest.fixture(scope="module")
def folder(study, tmp_path_factory):
    """The run folder of the study."""
    place = tmp_path_factory.mktemp("hostile")
    rows = [
        {study["data"]["text"]: f"text {number % 7} {LABELS[number % 10]} \x00\x1b[0m", "=label": LABELS[number % 10]}
        for number in range(300)
    ]
    (place / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = place / "study.json"
    path.write_text(json.dumps(study))
    return commands.run(path, out=place / "run", quiet=True).folder.path


def files_of(folder: Path):
    return [path for path in folder.rglob("*") if path.is_file()]


class TestClassNames:
    def test_are_learned_as_they_are(self, folder):
        record = commands.load_run(folder).record
        assert record.state == "done"
        assert set(record.test["classes"]) == {label.strip() for label in LABELS}

    def test_lead_to_no_file_elsewhere(self, folder):
        assert {path.name for path in folder.parent.iterdir()} == {"x.jsonl", "study.json", "run"}
        assert all(re.fullmatch(r"[A-Za-z0-9._-]+", path.name) for path in folder.rglob("*"))

    def test_cannot_steer_a_terminal(self, folder, textune):
        for arguments in (("show", folder), ("show", folder, "--json"), ("list", folder.parent)):
            said = textune(*arguments)
            assert said.code == 0
            assert not UNSAFE.search(said.out + said.err)
        for arguments in (("describe", folder.parent / "study.json"), ("check", folder.parent / "study.json")):
            said = textune(*arguments)
            assert not UNSAFE.search(said.out + said.err)
            assert said.code == 0
        said = textune("describe", folder.parent / "study.json", "--json")
        assert not UNSAFE.search(said.out)
        assert set(json.loads(said.out)["classes"]) == {label.strip() for label in LABELS}

    def test_stand_in_the_report_as_text_alone(self, folder):
        page = (folder / "report.html").read_text(encoding="utf-8")
        start, end = page.index("<body"), page.index("<script", page.index("<body"))
        body = page[start:end]
        assert not UNSAFE.search(body)
        assert "<img" not in page.replace(plotly(), "")
        assert "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;" in body
        assert "{{7*7}}$title${body}" in body
        assert plain("\u202egnp.exe") in body

    def test_end_no_script_and_no_line_of_one(self, folder):
        page = (folder / "report.html").read_text(encoding="utf-8")
        (figures,) = re.findall(r'<script[^>]* id="figures">(.*?)</script>', page, re.DOTALL)
        assert not re.search("[<>&\u2028\u2029]", figures)
        assert json.loads(figures)

    def test_come_back_from_predictions(self, folder, textune, tmp_path):
        texts = [f"a {label} text" for label in LABELS]
        (tmp_path / "in.jsonl").write_text("".join(json.dumps({"text": text, "=x\r": "y\rz"}) + "\n" for text in texts))
        for kind in ("csv", "jsonl"):
            out = tmp_path / f"out.{kind}"
            said = textune("predict", folder, tmp_path / "in.jsonl", "--output", out, "--format", kind)
            assert said.code == 0, said.err
            with out.open(encoding="utf-8", newline="") as file:
                rows = (
                    [json.loads(line) for line in file.read().split("\n")[:-1]]
                    if kind == "jsonl"
                    else list(csv.DictReader(file))
                )
            assert [row["text"] for row in rows] == texts
            assert {row["=x\r"] for row in rows} == {"y\rz"}
            known = {label.strip() for label in LABELS}
            assert {row["label"] for row in rows} <= known
            assert {name.removeprefix("probability.") for name in rows[0]} >= known


def plotly():
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()


def test_a_page_allows_its_own_scripts_and_nothing_else(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == ["'none'"]
    assert rules["img-src"] == ["data:"]
    assert len(rules["script-src"]) == 2
    assert all(re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", source) for source in rules["script-src"])
    assert page.index("Content-Security-Policy") < page.index("<style")
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page.replace(plotly(), ""))


@pytest.fixture
def url(tmp_path):
    """A URL with credentials that leads to a table, in every process that starts in this folder."""
    place = tmp_path / f"me:{SECRET}@host" / f"rows.csv?sig={SECRET}-query"
    place.parent.mkdir()
    place.write_text("text,label\n" + "a good day,pos\na bad day,neg\n" * 60)
    return f"file://me:{SECRET}@host/rows.csv?sig={SECRET}-query"


def run(study, tmp_path, **environment):
    """Runs a study in a process of its own; returns its exit code and all it said."""
    (tmp_path / "study.yaml").write_text(study)
    command = [sys.executable, "-m", "textune", "run", "study.yaml", "--out", "run"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    return done.returncode, done.stdout + done.stderr


def everything_in(folder: Path):
    return b"".join(path.read_bytes() for path in files_of(folder))


STUDY = """\
# {url} is where the rows are
data: {{kind: files, path: "{url}"}}
model: {{embedding: {{size: 8}}, encoder: {{kind: bag-of-words}}}}
training: {{epochs: 1, precision: fp32, optimizer: {{kind: adam, learning_rate: 1e-3}}}}
search: {{space: {{training.batch_size: [16, 32]}}, sampler: {{kind: grid}}}}
execution: {{kind: {executor}}}
"""


@pytest.mark.parametrize("executor", ["serial", "processes, workers: 1"])
def test_credentials_of_a_url_and_the_environment_are_recorded_nowhere(url, tmp_path, executor, cache_of_the_tests):
    study = STUDY.format(url=url, executor=executor)
    code, said = run(study, tmp_path, TEXTUNE_TEST_TOKEN="t0ken-of-the-environment")
    assert code == 0, said
    recorded = everything_in(tmp_path / "run") + everything_in(cache_of_the_tests) + said.encode()
    assert b"***@host/rows.csv" in recorded, "where the data is from is told"
    assert SECRET.encode() not in recorded
    assert b"t0ken-of-the-environment" not in recorded
    code, said = run(study, tmp_path)
    assert (code, SECRET in said) == (0, False), "nor where the study goes on"


def test_credentials_are_not_told_where_a_url_cannot_be_read(url, tmp_path, textune):
    code, said = run(STUDY.format(url=url.replace("rows.csv", "gone.csv"), executor="serial"), tmp_path)
    assert (code, SECRET in said) == (2, False)
    assert "gone.csv?*** cannot be read: FileNotFoundError" in said
    for wrong in (
        f"s3://key:{SECRET}@bucket/a.csv",
        f"nowhere://u:{SECRET}/x@h/a.csv",
        f"https://u:{SECRET}@@[::1/a.csv",
        f"ftp://u:{SECRET}@127.0.0.1:1/a.csv",
        f"file://{SECRET}@x/a.xlsx",
    ):
        (tmp_path / "study.yaml").write_text(f"data: {{kind: files, path: '{wrong}'}}")
        for arguments in (
            *((command, tmp_path / "study.yaml") for command in ("run", "check", "describe")),
            ("init", wrong, "--label", "x"),
            ("check", tmp_path / "study.yaml", "--set", f"data={wrong}"),
        ):
            said = textune(*arguments)
            assert SECRET not in said.out + said.err


PLUGIN = """
import os
from textune.models.base import EncoderConfig
from textune.registry import register

@register("encoder", "telltale")
class TelltaleConfig(EncoderConfig):
    "Fails and tells."

    def build(self, embedding):
        os.write(1, b"opening {url}/model?sig={secret} \\xff")
        raise OSError("cannot reach {url}/model?sig={secret}\\x1b[31m")
"""


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_credentials_in_errors_of_trials_are_recorded_nowhere(tmp_path, executor):
    (tmp_path / "plugin.py").write_text(PLUGIN.format(url=f"https://me:{SECRET}@host", secret=SECRET))
    study = {
        "plugins": ["plugin.py"],
        "data": {"kind": "synthetic", "rows": 200},
        "model": {"encoder": {"kind": "telltale"}},
        "execution": {"kind": executor},
    }
    (tmp_path / "study.json").write_text(json.dumps(study))
    command = [sys.executable, "-m", "textune", "run", "study.json", "--out", "run", "--allow-plugins"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, errors="replace")
    assert done.returncode == 1, done.stderr
    assert "cannot reach" in done.stderr
    assert "\x1b[31m" not in done.stderr
    assert SECRET not in done.stderr
    assert SECRET.encode() not in everything_in(tmp_path / "run")
    if executor == "processes":
        log = (tmp_path / "run/trials/0000/attempt-1/log.txt").read_bytes()
        assert b"opening https://***@host/model?*** \xff" in log
