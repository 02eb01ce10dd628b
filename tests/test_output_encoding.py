"""Terminals and pipes that cannot show every character: what can be shown is, the rest is marked, nothing is lost."""

import csv
import io
import json
import os
import subprocess
import sys

import pytest

from textune import commands

CLASSES = ("积极", "négatif")
ENCODINGS = ("ascii", "latin-1", "utf-8")


class Screen(io.TextIOWrapper):
    """A stream that is a terminal, or not, and keeps its bytes."""

    def __init__(self, encoding, *, terminal):
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict", write_through=True)
        self.terminal = terminal

    def isatty(self):
        return self.terminal

    @property
    def content(self):
        return self.buffer.getvalue()


@pytest.fixture(scope="module")
def abroad(tiny_study, tmp_path_factory):
    """A folder with a csv file and a study whose texts, columns and classes are not ASCII, run to its end."""
    folder = tmp_path_factory.mktemp("abroad")
    rows = [("texte", "étiquette")]
    rows += [
        (f"très mauvais 好 {number}" if number % 2 else f"好看 😀 {number}", CLASSES[number % 2])
        for number in range(60)
    ]
    with (folder / "reviews.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    settings = {
        **tiny_study,
        "data": {"kind": "files", "path": "reviews.csv", "text": "texte", "label": "étiquette"},
        "training": {"epochs": 1, "precision": "fp32"},
        "search": {**tiny_study["search"], "trials": 2},
    }
    (folder / "study.json").write_text(json.dumps(settings), encoding="utf-8")
    commands.run(folder / "study.json", out=folder / "runs" / "tiny", quiet=True)
    return folder


@pytest.fixture
def shown(abroad, monkeypatch):
    """Calls the command line with streams of an encoding; returns exit code, bytes of stdout and text of stderr."""
    monkeypatch.chdir(abroad)

    def call(*arguments, encoding, terminal=False):
        from textune.cli import main

        monkeypatch.setattr(sys, "argv", ["textune", *arguments])
        monkeypatch.setattr(sys, "stdout", Screen(encoding, terminal=terminal))
        monkeypatch.setattr(sys, "stderr", Screen(encoding, terminal=terminal))
        with pytest.raises(SystemExit) as end:
            main()
        sys.stdout.flush()
        return end.value.code or 0, sys.stdout.content, sys.stderr.content.decode(encoding)

    return call


COMMANDS = {
    "run": ("run", "study.json", "--out", "other", "--fresh", "--set", "search.trials=1"),
    "check": ("check", "study.json"),
    "describe": ("describe", "study.json"),
    "describe --json": ("describe", "study.json", "--json"),
    "init": ("init", "reviews.csv", "--label", "étiquette"),
    "show": ("show", "tiny"),
    "show --json": ("show", "tiny", "--json"),
    "list": ("list",),
    "report": ("report", "tiny"),
    "predict": ("predict", "tiny", "reviews.csv"),
    "predict jsonl": ("predict", "tiny", "reviews.csv", "--format", "jsonl"),
    "kinds": ("kinds",),
    "schema": ("schema",),
    "cache": ("cache",),
    "help": ("--help",),
    "version": ("--version",),
}
FOR_PROGRAMS = ("describe --json", "init", "show --json", "predict", "predict jsonl", "schema")


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_what_it_can(shown, command, encoding, terminal):
    code, out, err = shown(*COMMANDS[command], encoding=encoding, terminal=terminal)
    assert code == 0
    assert "Traceback" not in err
    text = out.decode("utf-8" if command in FOR_PROGRAMS and not terminal else encoding)
    assert text
    if command == "describe":
        assert ("n\\xe9gatif" if encoding == "ascii" else "négatif") in text
        assert "\\u79ef\\u6781" in text


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("predict", "tiny", "reviews.csv", "--text", "été"), "reviews.csv has no column"),
        (("init", "reviews.csv", "--label", "été"), "reviews.csv has no column"),
        (("check", "study.json", "--set", "data.été=1"), "--set: data."),
        (("run", "nulle-part-é.yaml"), "there is no such file"),
        (("show", "积极"), "is no run folder"),
    ],
)
def test_errors_are_sentences_in_every_encoding(shown, arguments, words, encoding):
    code, out, err = shown(*arguments, encoding=encoding)
    assert (code, out) == (2, b"")
    assert words in err
    assert ("积极" if encoding == "utf-8" else "\\u79ef\\u6781") in err or "积极" not in arguments


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_predictions_in_a_pipe_are_those_of_a_file(shown, encoding, abroad):
    _, out, _ = shown("predict", "tiny", "reviews.csv", encoding=encoding)
    shown("predict", "tiny", "reviews.csv", "--output", "predicted.csv", encoding=encoding)
    assert out == (abroad / "predicted.csv").read_bytes()
    assert {row["label"] for row in csv.DictReader(io.StringIO(out.decode("utf-8")))} <= set(CLASSES)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_first_study_in_a_pipe_is_a_study_file(shown, encoding, abroad):
    _, out, _ = shown("init", "reviews.csv", "--label", "étiquette", encoding=encoding)
    (abroad / "first.yaml").write_bytes(out)
    assert shown("check", "first.yaml", encoding=encoding)[0] == 0


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_is_json_in_every_encoding(shown, encoding, terminal):
    _, out, _ = shown("describe", "study.json", "--json", encoding=encoding, terminal=terminal)
    assert set(json.loads(out.decode(encoding if terminal else "utf-8"))["classes"]) == set(CLASSES)


def test_signs_of_our_own_have_a_plain_form(shown):
    _, out, _ = shown("show", "tiny", encoding="ascii", terminal=True)
    assert out.startswith(b"\x1b[1mtiny\x1b[0m  done - 2 trials - 2 complete")
    assert b"\\u2013" not in out


def test_a_process_in_the_c_locale_reads_its_arguments_as_the_file_is_written(abroad):
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "textune", "init", "reviews.csv", "--label", "étiquette"],
        capture_output=True,
        cwd=abroad,
        env=environment,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert 'label: "étiquette"' in done.stdout.decode("utf-8")
