"""What every data kind, split and tokenizer keeps to. Inherit and give it a config, as with `SamplerContract`."""

# N rows, U distinct tokens, P ids of them, L tokens of all rows together

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from textune.registry import lookup
from textune.testing.studies import run_study

__all__ = ["TEXTS", "DataContract", "SplitContract", "TokenizerContract", "generated_rows"]

PADDING_TOKEN, UNKNOWN_TOKEN = "[PAD]", "[UNK]"
UNASSIGNED, TEST = -1, 2
TEXTS = (
    "It isn't bad -- it's GREAT!!! 10/10",
    "It ISN’T\x1c\x85 great<br />at all",
    "",
    " \t\n",
    "cafe\u0301 naïve 日本語 ΣΑΣ İ",
    "[PAD] [UNK] a",
    "It is a film. It is a film.",
)
"""Texts that tokenizers trip over."""


class DataContract:
    """Loads a data set and looks whether its columns fit together."""

    @pytest.fixture
    def config(self) -> Any:
        """Returns the data kind's config; override."""
        raise NotImplementedError

    @pytest.fixture
    def folders(self, tmp_path: Path) -> tuple[Path, ...]:
        """Returns where the files of the data set are looked for; override, and put some there."""
        return (tmp_path,)

    @pytest.fixture
    def rows(self, config: Any, folders: Any) -> Any:
        return config.load(folders, 1)

    def test_the_files_can_be_named_without_reading_them(self, config: Any, folders: Any) -> None:
        assert all(isinstance(file, str) for file in config.find(folders))

    def test_every_row_has_a_text_a_class_and_a_part(self, rows: Any) -> None:
        assert len(rows) == len(rows.texts) == len(rows.labels_N) == len(rows.split_N) > 0
        assert all(isinstance(text, str) for text in rows.texts)
        assert rows.labels_N.dtype == np.int64
        assert set(rows.labels_N.tolist()) <= set(range(len(rows.classes)))
        assert rows.split_N.dtype == np.int8
        assert set(rows.split_N.tolist()) <= set(range(UNASSIGNED, TEST + 1))

    def test_class_names_are_distinct_texts(self, rows: Any) -> None:
        assert len(set(rows.classes)) == len(rows.classes) >= 2
        assert all(isinstance(name, str) for name in rows.classes)

    def test_columns_that_may_be_missing_cover_all_rows_or_none(self, rows: Any) -> None:
        columns = (rows.groups_N, rows.dates_N, rows.scored_N, rows.source_rows_N)
        assert {len(column) for column in columns if column is not None} <= {len(rows)}

    def test_scored_rows_have_places_of_their_own_in_the_source(self, rows: Any) -> None:
        ids = np.arange(len(rows)) if rows.scored_N is None else np.flatnonzero(rows.scored_N)
        places = rows.in_source(ids).tolist()
        assert len(set(places)) == len(places)
        assert min(places) >= 0

    def test_what_was_left_out_is_counted(self, rows: Any) -> None:
        assert all(isinstance(reason, str) and count > 0 for reason, count in rows.skipped.items())

    def test_the_same_seed_loads_the_same_rows(self, config: Any, folders: Any, rows: Any) -> None:
        again = config.load(folders, 1)
        assert again.fingerprint == rows.fingerprint
        assert list(again.texts) == list(rows.texts)
        np.testing.assert_array_equal(again.labels_N, rows.labels_N)
        np.testing.assert_array_equal(again.split_N, rows.split_N)

    def test_a_whole_study_runs_with_it(self, config: Any, folders: Any, tmp_path: Path) -> None:
        """It needs some twenty rows in the files of `folders`."""
        run_study(tmp_path, {"data": config}, source=folders[0])


def generated_rows(**columns: Any) -> Any:
    """Returns 300 dated rows of two classes, a fifth of them test rows, with columns put in."""
    data: Any = lookup("data", "synthetic")
    return replace(data(rows=300).load((), 1), **columns)


class SplitContract:
    """Splits rows with and without given parts, groups and rows that are never scored."""

    @pytest.fixture
    def config(self) -> Any:
        """Returns the split's config; override."""
        raise NotImplementedError

    @pytest.fixture(params=["given parts", "no parts", "groups", "rows never scored"])
    def rows(self, request: pytest.FixtureRequest) -> Any:
        columns: dict[str, dict[str, NDArray[Any]]] = {
            "no parts": {"split_N": np.full(300, UNASSIGNED, dtype=np.int8)},
            "groups": {"groups_N": np.arange(300) // 3},
            "rows never scored": {"groups_N": np.arange(300) // 3, "scored_N": np.arange(300) % 3 == 0},
        }
        return generated_rows(**columns.get(request.param, {}))

    def test_no_row_and_no_group_stands_in_two_parts(self, config: Any, rows: Any) -> None:
        splits = config.assign(rows, 1)
        groups_N = np.arange(len(rows)) if rows.groups_N is None else rows.groups_N
        for fold in splits.folds:
            train, valid, test = (set(groups_N[part].tolist()) for part in (fold.train, fold.valid, splits.test))
            assert not train & valid
            assert not (train | valid) & test

    def test_parts_are_sorted_row_ids(self, config: Any, rows: Any) -> None:
        splits = config.assign(rows, 1)
        for part in (splits.test, *(part for fold in splits.folds for part in (fold.train, fold.valid))):
            np.testing.assert_array_equal(part, np.unique(part))
            assert set(part.tolist()) <= set(range(len(rows)))

    def test_every_fold_trains_two_classes_and_has_rows_to_choose_by(self, config: Any, rows: Any) -> None:
        folds = config.assign(rows, 1).folds
        assert folds
        for fold in folds:
            assert len(set(rows.labels_N[fold.train].tolist())) >= 2
            assert len(fold.valid)

    def test_test_rows_never_train_or_choose(self, config: Any, rows: Any) -> None:
        for fold in config.assign(rows, 1).folds:
            assert not (rows.split_N[np.concatenate([fold.train, fold.valid])] == TEST).any()

    def test_only_rows_that_may_be_scored_choose_and_test(self, config: Any, rows: Any) -> None:
        scored_N = np.ones(len(rows), dtype=np.bool_) if rows.scored_N is None else rows.scored_N
        splits = config.assign(rows, 1)
        assert scored_N[splits.test].all()
        assert all(scored_N[fold.valid].all() for fold in splits.folds)

    def test_the_same_seed_gives_the_same_parts(self, config: Any, rows: Any) -> None:
        first, second = config.assign(rows, 1), config.assign(rows, 1)
        np.testing.assert_array_equal(first.test, second.test)
        for one, other in zip(first.folds, second.folds, strict=True):
            np.testing.assert_array_equal(one.train, other.train)
            np.testing.assert_array_equal(one.valid, other.valid)

    def test_a_whole_study_runs_with_it(self, config: Any, tmp_path: Path) -> None:
        run_study(tmp_path, {"split": config, "data.rows": 300})


class TokenizerContract:
    """Splits texts, learns a vocabulary of the first four, and compares what it saves with what it trained on."""

    @pytest.fixture
    def config(self) -> Any:
        """Returns the tokenizer's config; override."""
        raise NotImplementedError

    def test_tokens_are_those_of_a_sorted_inventory(self, config: Any) -> None:
        tokens = config.build().split(TEXTS)
        assert list(tokens.inventory) == sorted(set(tokens.inventory))
        assert len(tokens.offsets_N1) == len(TEXTS) + 1
        assert (tokens.offsets_N1[0], tokens.offsets_N1[-1]) == (0, len(tokens.index_L))
        assert set(tokens.index_L.tolist()) <= set(range(len(tokens.inventory)))

    def test_a_text_is_split_alike_alone_and_among_others(self, config: Any) -> None:
        together = config.build().split(TEXTS)
        assert [_tokens(together, row) for row in range(len(TEXTS))] == [
            _tokens(config.build().split([text]), 0) for text in TEXTS
        ]

    def test_the_vocabulary_begins_with_the_special_tokens_and_has_each_once(self, config: Any) -> None:
        vocabulary = _learn(config.build(), TEXTS)[1]
        assert vocabulary.tokens[:2] == (PADDING_TOKEN, UNKNOWN_TOKEN)
        assert len(set(vocabulary.tokens)) == len(vocabulary.tokens)

    def test_nothing_is_learned_of_rows_that_do_not_train(self, config: Any) -> None:
        tokenizer = config.build()
        assert _learn(tokenizer, TEXTS, num_train=4)[1] == _learn(tokenizer, TEXTS[:4])[1]

    def test_what_is_saved_gives_the_ids_it_was_trained_on(self, config: Any) -> None:
        import tokenizers

        tokenizer = config.build()
        tokens, vocabulary = _learn(tokenizer, TEXTS, num_train=4)
        saved = tokenizers.Tokenizer.from_str(tokenizer.with_vocabulary(vocabulary).to_str())
        ids_P, num_ids_U = tokenizer.ids(tokens.inventory, vocabulary)
        ids = dict(zip(tokens.inventory, np.split(ids_P, np.cumsum(num_ids_U)[:-1]), strict=True))
        for row, text in enumerate(TEXTS):
            expected = [token_id for token in _tokens(tokens, row) for token_id in ids[token].tolist()]
            assert saved.encode(text).ids == expected, repr(text)

    def test_settings_that_shape_the_vocabulary_or_the_cut_exist(self, config: Any) -> None:
        named = config.VOCABULARY_SETTINGS | config.CUT_SETTINGS
        assert named <= set(type(config).model_fields)

    def test_a_whole_study_runs_with_it(self, config: Any, tmp_path: Path) -> None:
        run_study(tmp_path, {"tokenizer": config})


def _learn(tokenizer: Any, texts: Sequence[str], num_train: int | None = None) -> tuple[Any, Any]:
    tokens = tokenizer.split(texts)
    train_L = tokens.index_L[: tokens.offsets_N1[len(texts) if num_train is None else num_train]]
    counts_U = np.bincount(train_L, minlength=len(tokens.inventory))
    return tokens, tokenizer.learn(tokens.inventory, counts_U, ())


def _tokens(tokens: Any, row: int) -> list[str]:
    places_T = tokens.index_L[tokens.offsets_N1[row] : tokens.offsets_N1[row + 1]]
    return [tokens.inventory[place] for place in places_T]
