from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from html.parser import HTMLParser

import numpy as np
import plotly.graph_objects as go
import pytest

from textune.records import EndReason
from textune.report import figures as draw
from textune.report.page import page, write_report
from textune.report.summary import summarize

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028\x1b[31m&amp;'\""


class Reader(HTMLParser):
    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.scripts, self.text, self._in_script = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._in_script = dict(attributes).get("type", "code") if tag == "script" else None
        if tag == "script":
            self.scripts.append((self._in_script, ""))

    def handle_endtag(self, tag):
        self._in_script = None

    def handle_data(self, data):
        if self._in_script is not None:
            kind, sofar = self.scripts[-1]
            self.scripts[-1] = (kind, sofar + data)
        else:
            self.text.append(data)


@pytest.fixture(scope="module")
def make_page():
    return lambda study: Reader(page(study, "runs/sst5"))


def test_the_report_is_one_file_that_asks_nothing_of_a_network(make_study, make_page):
    read = make_page(make_study())
    assert not [attributes for _, attributes in read.tags if {"src", "href", "action", "srcset"} & set(attributes)]
    assert {tag for tag, _ in read.tags} & {"link", "iframe", "object", "form", "base"} == set()


def test_the_policy_allows_exactly_the_two_scripts(make_study, make_page):
    read = make_page(make_study(3))
    policy = next(a["content"] for t, a in read.tags if a.get("http-equiv") == "Content-Security-Policy")
    hashes = {
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for kind, text in read.scripts
        if kind == "code"
    }
    assert policy.startswith("default-src 'none'; ")
    assert set(re.search(r"script-src ([^;]*);", policy)[1].split()) == hashes
    assert "unsafe-eval" not in policy


def test_text_from_data_is_never_markup(make_study, make_page, make_trial):
    rng = np.random.default_rng(0)
    trials = tuple(
        make_trial(n, {f"model.{EVIL}": [EVIL, "plain"][n % 2], "x": 0.1 * n + 0.1}, rng, EndReason.FINISHED)
        for n in range(12)
    )
    test = {**make_study(1).test, "classes": [EVIL] * 5}
    header = make_study(1).header
    data = {**header["data"], "sources": [EVIL], "skipped": {EVIL: 1}, "labels": {"all": {EVIL: 3}}}
    study = make_study(trials=trials, name=EVIL, test=test, header={**header, "data": data, "versions": {EVIL: EVIL}})
    clean, evil = make_page(make_study(12)), make_page(study)
    assert {tag for tag, _ in evil.tags} <= {tag for tag, _ in clean.tags}
    assert len(evil.scripts) == 3
    assert not [attributes for _, attributes in evil.tags if any(name.startswith("on") for name in attributes)]
    assert "\x1b" not in "".join(evil.text)
    raw = next(text for kind, text in evil.scripts if kind == "application/json")
    assert not set("<>&\u2028\u2029") & set(raw)
    assert "<script" not in json.dumps(json.loads(raw)), "plotly reads tags in labels"


def test_the_first_screen_answers_what_a_person_asks(make_study, make_page):
    text = " ".join(make_page(make_study()).text)
    first = text[: text.index("The search")]
    for part in ("0.5136", "95% interval 0.4927 – 0.5344", "base point (trial 0)", "majority class", "+0.1014 test"):
        assert part in first
    assert "textune predict runs/sst5 reviews.csv --output predictions.csv" in first


def test_every_figure_is_one_that_plotly_accepts(make_study):
    summary = summarize(make_study(40))
    shown = [
        draw.best_so_far(summary),
        *(draw.dimension(table, summary.metric, summary.best.number) for table in summary.dimensions),
        draw.parallel_coordinates(summary),
        draw.learning_curves(summary),
        draw.losses(summary),
        draw.confusion(summary.classes),
    ]
    assert len(shown) == 10
    for figure in shown:
        go.Figure(_painted(figure))


def _painted(node):
    """Colours stand as names, as the page's script resolves them."""
    if isinstance(node, dict):
        names = ("color", "fillcolor", "bgcolor")
        painted = {key: "red" if key in names and "(" not in value else _painted(value) for key, value in node.items()}
        return painted | ({"colorscale": [[0, "white"], [1, "red"]]} if "colorscale" in node else {})
    return [_painted(item) for item in node] if isinstance(node, list) else node


@pytest.mark.parametrize("kind", ["one", "failed", "none", "running"])
def test_every_kind_of_study_has_a_page(make_study, make_trial, make_page, kind):
    rng = np.random.default_rng(0)
    study = {
        "one": lambda: make_study(1),
        "failed": lambda: make_study(trials=tuple(make_trial(n, {"a": n}, rng, EndReason.CRASHED) for n in range(3))),
        "none": lambda: make_study(trials=(), header={}, test=None),
        "running": lambda: make_study(trials=(make_trial(0, {}, rng, None),), test=None, state="running"),
    }[kind]()
    read = make_page(study)
    figures = json.loads(next(text for kind, text in read.scripts if kind == "application/json"))
    assert len(figures) == sum(1 for _, attributes in read.tags if "data-figure" in attributes)


def test_two_thousand_trials_stay_below_ten_megabytes(make_study):
    study = make_study(2_000)
    start = time.perf_counter()
    text = page(study, "runs/big")
    assert time.perf_counter() - start < 20
    assert len(text.encode()) < 10_000_000


def test_writing_replaces_the_report_and_leaves_nothing_else(tmp_path, make_study):
    (tmp_path / "report.html").write_text("old")
    assert write_report(tmp_path, make_study(2)) == tmp_path / "report.html"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert "sst5-lstm" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_command_is_shown_only_where_there_is_a_model(tmp_path, make_study):
    def predicts():
        return "textune predict" in write_report(tmp_path, make_study(2)).read_text(encoding="utf-8")

    assert not predicts()
    (tmp_path / "best").mkdir()
    assert predicts()


def test_valid_outcomes_stand_in_for_unread_test_rows(tmp_path, make_study):
    study = make_study(1, test=None)
    attempt = tmp_path / "trials" / "0000" / "attempt-1"
    attempt.mkdir(parents=True)
    probabilities = np.eye(5)[[0, 1, 2, 3, 4, 0]]
    np.savez(
        attempt / "outcomes.npz", rows=np.arange(6), labels=np.array([0, 1, 2, 3, 4, 1]), probabilities=probabilities
    )
    text = write_report(tmp_path, study).read_text(encoding="utf-8")
    assert "Where it errs" in text
    assert "The test rows were not read" in text


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_a_browser_draws_every_figure_and_complains_of_nothing(tmp_path, make_study):
    path = write_report(tmp_path, make_study(20))
    flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync"
    size = ["--window-size=1280,9000", "--virtual-time-budget=60000", f"--user-data-dir={tmp_path / 'browser'}"]
    command = ["chromium", *flags.split(), *size, "--enable-logging=stderr", "--dump-dom", path.as_uri()]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    assert "CONSOLE" not in done.stderr
    assert len(re.findall(r'<div class="plot js-plotly-plot" data-figure="\d+"', done.stdout)) == 10


def test_reading_a_study_loads_nothing_heavy():
    code = (
        "import sys, textune.report.summary, textune.report.page, textune.report.terminal; "
        "sys.exit(', '.join({'torch', 'plotly', 'pandas', 'sklearn', 'scipy', 'numpy'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
