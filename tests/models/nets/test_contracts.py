"""What holds for every kind of encoder, pooling, embedding and head, with default settings and some others."""

import pytest

from textune.registry import kinds, lookup
from textune.testing.models import EmbeddingContract, EncoderContract, HeadContract, PoolingContract


def default_and(role, *others):
    """Pairs of kind and settings: every kind that needs no file with its defaults, and the given ones."""
    return {
        "params": [
            *((role, kind, {}) for kind in kinds(role) if kind != "transformer"),
            *((role, *other) for other in others),
        ],
        "ids": str,
    }


@pytest.fixture
def build_config():
    return lambda role, kind, settings: lookup(role, kind).model_validate(settings)


class TestEveryEncoder(EncoderContract):
    @pytest.fixture(
        **default_and(
            "encoder",
            ("bag-of-words", {"ngrams": 1, "tfidf": False}),
            ("bag-of-words", {"ngrams": 3, "ngram_buckets": 100}),
            ("cnn", {"widths": [1, 2, 12], "activation": "tanh"}),
            ("rnn", {"bidirectional": True, "num_layers": 2}),
            ("rnn", {"cell": "gru", "bidirectional": True, "activation": "relu"}),
            ("rnn", {"cell": "rnn", "activation": "sigmoid"}),
        )
    )
    def config(self, request, build_config):
        return build_config(*request.param)

    @pytest.fixture(params=["last", "mean"])
    def others(self, request):
        return {"pooling": kinds("pooling")[request.param]()}


class TestEveryPooling(PoolingContract):
    @pytest.fixture(**default_and("pooling", ("attention", {"num_heads": 3, "regularization": 0.1})))
    def config(self, request, build_config):
        return build_config(*request.param)


class TestEveryEmbedding(EmbeddingContract):
    @pytest.fixture(**default_and("embedding", ("vectors", {"size": 12, "dropout": 0.1})))
    def config(self, request, build_config):
        return build_config(*request.param)


class TestEveryHead(HeadContract):
    @pytest.fixture(**default_and("head", ("class", {"hidden_size": 5, "dropout": 0.1})))
    def config(self, request, build_config):
        return build_config(*request.param)
