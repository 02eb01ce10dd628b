"""The code of the page on the run folder, on a run as it describes."""

import pandas as pd
from tests.docs.test_docs import blocks

import textune


def test_the_code_lists_the_rows_that_are_predicted_wrong(tiny_study, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    train = pd.DataFrame({"text": ["a good day", "a bad day", None] * 20, "label": ["pos", "neg", "pos"] * 20})
    test = pd.DataFrame(
        {
            "text": [None, "a good day", "a good day", "a bad day", "a bad day"],
            "label": ["pos", "pos", "neg", "neg", "neg"],
        }
    )
    train.to_csv("train.csv", index=False)
    test.to_csv("test.csv", index=False)
    data = {"kind": "files", "train": "train.csv", "test": "test.csv"}
    study = {**tiny_study, "name": "reviews", "data": data, "search": {"trials": 1}}
    textune.run(study, overrides=["training.epochs=20"], quiet=True)
    capsys.readouterr()
    (block,) = blocks("python", page="run-folder")
    exec(compile(block.text, block.page, "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert [line.split() for line in printed[1:]] == [["2", "a", "good", "day", "neg", "pos"]]
