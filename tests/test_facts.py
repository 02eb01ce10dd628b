"""What is known of a study's data before any model."""

import numpy as np
import pytest

from textune.config.load import load_study
from textune.data import Cache
from textune.facts import gather_facts
from textune.trial import prepare_data


@pytest.fixture(scope="module")
def few_of_a_class(tiny_study, tmp_path_factory):
    """One row in ten is of a class that words tell from the other, though not surely."""
    generator = np.random.default_rng(0)
    lines = ["text,label"]
    for row in range(400):
        is_rare = row % 10 == 0
        words = generator.choice(
            ["odd", "plain", "film", "plot", "cast"],
            6,
            p=[0.3, 0.1, 0.2, 0.2, 0.2] if is_rare else [0.1, 0.3, 0.2, 0.2, 0.2],
        )
        lines.append(f"{' '.join(words)},{'rare' if is_rare else 'usual'}")
    path = tmp_path_factory.mktemp("rare") / "rare.csv"
    path.write_text("\n".join(lines) + "\n")
    return {**tiny_study, "data": {"kind": "files", "path": str(path)}}


class TestFacts:
    @pytest.fixture
    def gathered(self, tiny_study, tmp_path):
        loaded, cache, said = load_study(tiny_study), Cache(tmp_path), []
        prepared = prepare_data(loaded.config, loaded.folders, cache)
        return [gather_facts(loaded, prepared, cache, said.append) for _ in range(2)], said, prepared

    def test_are_gathered_once_for_the_same_data(self, gathered):
        (first, second), said, _ = gathered
        assert said == ["describing 240 rows and fitting the baselines (once for this data and split)"]
        assert first.statistics == second.statistics
        assert first.tfidf_seconds == second.tfidf_seconds
        for split in ("valid", "test"):
            for name in ("majority", "tfidf"):
                np.testing.assert_array_equal(getattr(first, split)[name], getattr(second, split)[name])

    def test_hold_the_scores_of_the_baselines(self, gathered):
        (facts, _), _, prepared = gathered
        labels_N = prepared.labels_N[prepared.splits.folds[0].valid]
        scores = facts.valid_scores(prepared)
        assert scores["majority"]["valid.accuracy"] in ((labels_N == 0).mean(), (labels_N == 1).mean())
        assert scores["tfidf"]["valid.accuracy"] == (facts.valid["tfidf"].argmax(1) == labels_N).mean()
        assert scores["tfidf"]["seconds"] > 0
        assert all(name.startswith("test.") for name in facts.test_scores(prepared)["majority"])

    @pytest.mark.parametrize(
        ("objective", "variant"),
        [
            ("maximize: valid.accuracy", "tfidf"),
            ("maximize: valid.balanced_accuracy", "tfidf-balanced"),
            ("minimize: valid.log_loss", "tfidf"),
        ],
    )
    @pytest.mark.parametrize("split", ["holdout", "{kind: kfold, folds: 2}"])
    def test_have_the_variant_of_tfidf_that_the_objective_prefers(
        self, few_of_a_class, tmp_path, objective, variant, split
    ):
        verb, metric = objective.split(": ")
        loaded = load_study(few_of_a_class, [f"search.{verb}={metric}", f"split={split}"])
        cache = Cache(tmp_path)
        prepared = prepare_data(loaded.config, loaded.folders, cache)
        facts = gather_facts(loaded, prepared, cache, lambda _text: None)
        assert facts.tfidf == variant
        for scores in (facts.valid_scores(prepared), facts.test_scores(prepared), *facts.fold_scores(prepared)):
            assert list(scores) == ["majority", variant]

    def test_serve_studies_of_every_objective_from_one_fit(self, few_of_a_class, tmp_path):
        cache, said, shown = Cache(tmp_path), [], []
        for metric in ("accuracy", "balanced_accuracy"):
            loaded = load_study(few_of_a_class, [f"search.maximize=valid.{metric}"])
            prepared = prepare_data(loaded.config, loaded.folders, cache)
            shown.append(gather_facts(loaded, prepared, cache, said.append).tfidf)
        assert shown == ["tfidf", "tfidf-balanced"]
        assert len([line for line in said if line.startswith("describing")]) == 1

    def test_of_other_word_vectors_are_others(self, tiny_study, tmp_path):
        shares = []
        for name, words in (("few", ["the"]), ("more", ["the", "was", "and", "not"])):
            vectors = tmp_path / f"{name}.txt"
            vectors.write_text("".join(f"{word} 1 2\n" for word in words))
            overrides = [f"model.embedding={{size: 2, vectors: {vectors}}}", "tokenizer.vocabulary=vectors"]
            loaded = load_study(tiny_study, overrides)
            prepared = prepare_data(loaded.config, loaded.folders, Cache(tmp_path / "cache"))
            facts = gather_facts(loaded, prepared, Cache(tmp_path / "cache"), lambda _text: None)
            shares.append(facts.statistics["vocabulary_size"])
        assert shares[0] < shares[1]
