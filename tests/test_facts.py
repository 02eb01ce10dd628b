"""What is known of a study's data before any model."""

import numpy as np
import pytest

from textune.config.load import load_study
from textune.data import Cache
from textune.facts import gather_facts
from textune.trial import prepare_data


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
