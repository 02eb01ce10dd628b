"""What is trained: embedding → encoder → pooling → head. Configs only; importing them loads no torch."""

from textune.models.bag_of_words import BagOfWordsConfig
from textune.models.base import PADDING, EmbeddingConfig, EncoderConfig, HeadConfig, PoolingConfig, WordVectors
from textune.models.cnn import CnnConfig
from textune.models.embedding import VectorsConfig
from textune.models.head import ClassHeadConfig
from textune.models.pooling import AttentionConfig, ClsConfig, LastConfig, MaxConfig, MeanConfig
from textune.models.rnn import RnnConfig
from textune.models.transformer import TransformerConfig

__all__ = [
    "PADDING",
    "AttentionConfig",
    "BagOfWordsConfig",
    "ClassHeadConfig",
    "ClsConfig",
    "CnnConfig",
    "EmbeddingConfig",
    "EncoderConfig",
    "HeadConfig",
    "LastConfig",
    "MaxConfig",
    "MeanConfig",
    "PoolingConfig",
    "RnnConfig",
    "TransformerConfig",
    "VectorsConfig",
    "WordVectors",
]
