"""Where texts and labels come from, how they become token ids, and who trains, chooses and tests."""

from textune.data.base import (
    PADDING,
    SPECIAL_TOKENS,
    SPLIT_WORDS,
    TEST,
    TRAIN,
    UNASSIGNED,
    UNKNOWN,
    VALID,
    DataConfig,
    Examples,
    Fold,
    Keep,
    Label,
    LabelType,
    Rows,
    SplitConfig,
    Splits,
    Tokenizer,
    TokenizerConfig,
    Tokens,
    Vocabulary,
)
from textune.data.batches import Batch, cut_examples, eval_batches, num_batches, train_batches
from textune.data.cache import Cache, content_key
from textune.data.checks import data_line, recorded_data_line, refuse_untrained
from textune.data.content import lines, lines_of, look_at, read_bytes, too_large
from textune.data.dates import holds_dates
from textune.data.describe import describe
from textune.data.files import FilesConfig
from textune.data.frames import frame_as_table, texts_of
from textune.data.hub import HubConfig
from textune.data.imdb import ImdbConfig
from textune.data.locate import file_name, is_url, locate, locate_given
from textune.data.newest import NewestConfig
from textune.data.prepare import Prepared, load_rows, prepare
from textune.data.pretrained import PretrainedConfig
from textune.data.reading import CommandReading, EncodingErrors, Format, Reading
from textune.data.redraw import Parts, folds_of, redraw
from textune.data.rolling import RollingConfig
from textune.data.split import GivenConfig, HoldoutConfig, KfoldConfig
from textune.data.sst import SstConfig
from textune.data.synthetic import SyntheticConfig
from textune.data.tables import (
    Table,
    format_of,
    is_folder,
    lines_as_table,
    read_table,
    sheets,
    text_files,
    whole_characters,
)
from textune.data.tables.stored import STORED, is_frame, stored_lines
from textune.data.text_columns import SEPARATOR, TextColumns, joined, text_names
from textune.data.tokenizer import CharactersConfig, WordsConfig, encode
from textune.data.values import as_texts, typed_label
from textune.data.vectors import WordVectors, load_vectors
from textune.data.wordpiece import WordpieceConfig

__all__ = [
    "PADDING",
    "SEPARATOR",
    "SPECIAL_TOKENS",
    "SPLIT_WORDS",
    "STORED",
    "TEST",
    "TRAIN",
    "UNASSIGNED",
    "UNKNOWN",
    "VALID",
    "Batch",
    "Cache",
    "CharactersConfig",
    "CommandReading",
    "DataConfig",
    "EncodingErrors",
    "Examples",
    "FilesConfig",
    "Fold",
    "Format",
    "GivenConfig",
    "HoldoutConfig",
    "HubConfig",
    "ImdbConfig",
    "Keep",
    "KfoldConfig",
    "Label",
    "LabelType",
    "NewestConfig",
    "Parts",
    "Prepared",
    "PretrainedConfig",
    "Reading",
    "RollingConfig",
    "Rows",
    "SplitConfig",
    "Splits",
    "SstConfig",
    "SyntheticConfig",
    "Table",
    "TextColumns",
    "Tokenizer",
    "TokenizerConfig",
    "Tokens",
    "Vocabulary",
    "WordVectors",
    "WordpieceConfig",
    "WordsConfig",
    "as_texts",
    "content_key",
    "cut_examples",
    "data_line",
    "describe",
    "encode",
    "eval_batches",
    "file_name",
    "folds_of",
    "format_of",
    "frame_as_table",
    "holds_dates",
    "is_folder",
    "is_frame",
    "is_url",
    "joined",
    "lines",
    "lines_as_table",
    "lines_of",
    "load_rows",
    "load_vectors",
    "locate",
    "locate_given",
    "look_at",
    "num_batches",
    "prepare",
    "read_bytes",
    "read_table",
    "recorded_data_line",
    "redraw",
    "refuse_untrained",
    "sheets",
    "stored_lines",
    "text_files",
    "text_names",
    "texts_of",
    "too_large",
    "train_batches",
    "typed_label",
    "whole_characters",
]
