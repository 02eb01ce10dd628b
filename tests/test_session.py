"""What a run writes down of itself."""

import json

from textune import commands, session
from textune.config.load import load_study
from textune.run_folder import RunFolder


def test_a_second_run_is_told_what_the_first_cost(tiny_study, tmp_path):
    study = {**tiny_study, "data": {"kind": "synthetic", "rows": 263}}
    first = commands.run(study, out=tmp_path / "first", overrides=["search.trials=1"], quiet=True)
    second = commands.run(study, out=tmp_path / "second", overrides=["search.trials=2"], quiet=True)
    assert first.record.header["estimate"] == {}
    assert second.record.header["estimate"]["seconds"] > 0
    assert second.record.header["estimate"]["disk_bytes"] > 1000


def test_what_was_run_is_written_down_without_credentials(tiny_study, tmp_path, monkeypatch):
    loaded = load_study(tiny_study)
    folder = RunFolder.create(tmp_path / "run")
    secret = "https://user:secret@host/data.csv?token=secret"
    object.__setattr__(loaded, "text", f"data: {{path: {secret}}}")
    session.write_study(loaded, folder, {"config": loaded.config.dump(), "source": secret})
    assert "secret" not in folder.study_file.read_text(encoding="utf-8")
    assert "secret" not in folder.resolved_study.read_text(encoding="utf-8")
    assert json.loads(folder.resolved_study.read_text(encoding="utf-8"))["config"]["name"] == "tiny"


def test_the_header_says_what_ran_where_on_what(finished):
    header = finished.record.header
    assert header == json.loads(finished.folder.resolved_study.read_text(encoding="utf-8"))
    assert {"config", "textune", "python", "versions", "platform", "commit", "plugins", "data", "baselines"} <= set(
        header
    )
    assert header["data"]["rows"] == 240
