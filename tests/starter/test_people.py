"""Files as people have them: from `init` to the rows that train and the texts that are predicted, without an edit."""

import csv
import datetime
import io
import json

import openpyxl
import pytest

from textune.config.load import load_study
from textune.data import CommandReading
from textune.serve.predict import read_input
from textune.starter import first_study

TEXTS = {
    "pos": ["schön und sauber", "sehr gut; gerne wieder", "das Frühstück war köstlich", "a “lovely” room, really"],
    "neg": ["schmutzig und laut", "sehr schlecht; nie wieder", "das Frühstück war übel", "awful, and £20 extra"],
}
CHINESE = {"pos": ["房间很干净，服务也很好", "早餐很好吃，推荐"], "neg": ["房间太脏了，服务很差", "早餐不好吃，太贵了"]}


def rows(texts=TEXTS):
    """Returns 80 texts with their labels; no two are equal."""
    return [
        (f"{texts[label][number % len(texts[label])]} {number}", label)
        for number in range(40)
        for label in ("pos", "neg")
    ]


def as_csv(table, delimiter=",", end="\n"):
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator=end).writerows(table)
    return stream.getvalue()


def headerless(folder):
    (folder / "x.csv").write_text(as_csv((label, number, text) for number, (text, label) in enumerate(rows())))
    return "x.csv", "1"


def spilled(folder):
    lines = ["v1,v2,,,"]
    for number, (text, label) in enumerate(rows()):
        more = f', and more of it {number}",' if number % 20 == 0 else ",,"
        lines.append(f'{label},"{text}"{more},')
    (folder / "spam.csv").write_bytes("\r\n".join(lines).encode("cp1252"))
    return "spam.csv", "v1"


def dated(folder):
    table = [(text, f"{number % 28 + 1:02d}.02.2015", label) for number, (text, label) in enumerate(rows())]
    (folder / "x.csv").write_text(as_csv([("Bewertung", "Datum", "Urteil"), *table], delimiter=";"))
    return "x.csv", "Urteil"


def workbook(folder):
    book = openpyxl.Workbook()
    book.active.append(["Comment", "Score", "When"])
    for number, (text, label) in enumerate(rows()):
        book.active.append([text, label == "pos", datetime.datetime(2024, 1, 1) + datetime.timedelta(number)])
    book.save(folder / "survey.xlsx")
    return "survey.xlsx", "Score"


def array(folder):
    records = [{"id": number, "body": text, "sentiment": label} for number, (text, label) in enumerate(rows())]
    (folder / "x.json").write_text(json.dumps({"data": records}, ensure_ascii=False), encoding="utf-8")
    return "x.json", None


def folder_of_texts(folder):
    for number, (text, label) in enumerate(rows()):
        path = folder / "reviews" / ("test" if number % 4 == 0 else "train") / label / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return "reviews", None


def folder_of_lines(folder):
    (folder / "polarity").mkdir()
    for label in ("pos", "neg"):
        lines = "".join(f"{text}\n" for text, own in rows() if own == label)
        (folder / "polarity" / f"{label}.txt").write_text(lines, encoding="utf-8")
    return "polarity", None


def stray_quotes(folder):
    lines = ["text\tlabel"]
    for number, (text, label) in enumerate(rows()):
        lines.append(
            ('"' if number % 7 == 0 else "") + text + (' said "so"' if number % 11 == 0 else "") + f"\t{label}"
        )
    (folder / "x.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return "x.tsv", None


def chinese(folder):
    (folder / "x.csv").write_bytes(as_csv([("review", "label"), *rows(CHINESE)]).encode("gbk"))
    return "x.csv", None


def without_an_ending(folder):
    (folder / "SMSSpamCollection").write_text("".join(f"{label}\t{text}\n" for text, label in rows()))
    return "SMSSpamCollection", "1"


def utf16(folder):
    (folder / "x.csv").write_bytes(as_csv([("text", "label"), *rows()], delimiter="\t").encode("utf-16"))
    return "x.csv", None


FILES = {
    headerless: {"header": False, "text": "column3", "label": "column1"},
    spilled: {"encoding": "cp1252", "text": "v2"},
    dated: {"delimiter": ";", "text": "Bewertung"},
    workbook: {"text": "Comment"},
    array: {"text": "body", "label": "sentiment"},
    folder_of_texts: {"split": "split"},
    folder_of_lines: {"format": "lines"},
    stray_quotes: {"quotes": False},
    chinese: {"encoding": "gb18030", "text": "review"},
    without_an_ending: {"format": "tsv", "header": False, "text": "column2"},
    utf16: {"encoding": "utf-16", "delimiter": "\t"},
}


@pytest.mark.parametrize("make", FILES, ids=lambda make: make.__name__)
def test_a_file_is_read_as_it_is_written(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    name, label = make(tmp_path)
    (tmp_path / "study.yaml").write_text(first_study(name, label).text, encoding="utf-8")
    loaded = load_study(tmp_path / "study.yaml")
    data = loaded.config.data
    assert {setting: getattr(data, setting) for setting in FILES[make]} == FILES[make]
    trained = data.load(loaded.folders, 0)
    assert len(trained) == 80
    texts = [text.removeprefix('"').removesuffix(' said "so"') for text in trained.texts]
    assert sorted(texts) == sorted(text for text, _ in rows(CHINESE if make is chinese else TEXTS))
    reading = CommandReading.of(data.reading, {})
    predicted = read_input(name, io.BytesIO(), (data.text, "text"), reading, data.separator)
    assert predicted.texts == list(trained.texts)


@pytest.mark.parametrize("make", [spilled, workbook, folder_of_texts], ids=lambda make: make.__name__)
def test_a_study_of_it_runs_and_its_model_predicts_the_file(textune, tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    name, label = make(tmp_path)
    said = textune("init", name, *(["--label", label] if label else []))
    (tmp_path / "study.yaml").write_text(said.out, encoding="utf-8")
    changes = ["search.trials=1", "training.epochs=1", "confirm=off", "execution.kind=serial"]
    sets = [argument for change in changes for argument in ("--set", change)]
    assert textune("run", "study.yaml", "--quiet", "--out", "run", *sets).code == 0
    written = list(csv.reader(io.StringIO(textune("predict", "run", name).out)))
    assert len(written) == 81
    assert written[0][-1].startswith("probability.")


def test_what_was_noticed_is_said(textune, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = textune("init", spilled(tmp_path)[0], "--label", "v1")
    notes = [
        "The encoding seems to be cp1252",
        "4 rows continue in columns without a name; --text v2 --text column3 --text column4 --text column5 joins them.",
    ]
    for note in notes:
        assert note in said.err
        assert f"# {note}" in said.out
    joined = textune("init", "spam.csv", "--label", "v1", "--text", "v2", "--text", "column3", "--encoding", "cp1252")
    assert "text: [v2, column3]" in joined.out
    assert "seems" not in joined.err
    assert "Column 'Datum' contains dates" in textune("init", dated(tmp_path)[0], "--label", "Urteil").err
