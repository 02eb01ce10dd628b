"""Where texts and labels come from, and who trains, chooses and tests."""

from textune.data.base import (
    TEST,
    TRAIN,
    UNASSIGNED,
    VALID,
    DataConfig,
    Examples,
    Fold,
    Rows,
    SplitConfig,
    Splits,
)
from textune.data.describe import describe
from textune.data.files import FilesConfig
from textune.data.imdb import ImdbConfig
from textune.data.locate import is_url, locate, read_bytes
from textune.data.split import GivenConfig, HoldoutConfig, KfoldConfig
from textune.data.sst import SstConfig
from textune.data.synthetic import SyntheticConfig
from textune.data.tables import Table, read_table

__all__ = [
    "TEST",
    "TRAIN",
    "UNASSIGNED",
    "VALID",
    "DataConfig",
    "Examples",
    "FilesConfig",
    "Fold",
    "GivenConfig",
    "HoldoutConfig",
    "ImdbConfig",
    "KfoldConfig",
    "Rows",
    "SplitConfig",
    "Splits",
    "SstConfig",
    "SyntheticConfig",
    "Table",
    "describe",
    "is_url",
    "locate",
    "read_bytes",
    "read_table",
]
