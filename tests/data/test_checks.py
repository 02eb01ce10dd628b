"""What is reported of the rows before anything is trained."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textune.data import (
    TEST,
    TRAIN,
    VALID,
    Fold,
    GivenConfig,
    HoldoutConfig,
    KfoldConfig,
    RollingConfig,
    Rows,
    Splits,
    data_line,
    refuse_untrained,
)
from textune.data.checks import warnings
from textune.data.repeats import Repeats
from textune.errors import DataError


def make_rows(num_rows, **columns):
    return Rows(
        **{
            "texts": [f"text {row}" for row in range(num_rows)],
            "labels_N": np.arange(num_rows) % 2,
            "classes": ("neg", "pos"),
            "split_N": np.full(num_rows, -1, dtype=np.int8),
            "fingerprint": "",
            **columns,
        }
    )


def labelled(labels, parts, texts=None):
    """Returns rows with these class names; parts are letters: t(rain), v(alid), e (test)."""
    classes = tuple(dict.fromkeys(labels))
    split = {"t": TRAIN, "v": VALID, "e": TEST}
    return make_rows(
        len(labels),
        labels_N=np.array([classes.index(label) for label in labels]),
        classes=classes,
        split_N=np.array([split[part] for part in parts], dtype=np.int8),
        **({} if texts is None else {"texts": texts}),
    )


def found(rows, splits=None, remedy=""):
    return list(warnings(rows, splits or GivenConfig().assign(rows, 0), Repeats(rows), remedy))


def fold(num_train, num_valid):
    return Fold(train=np.arange(num_train), valid=np.arange(num_train, num_train + num_valid))


class TestTheFirstLineOfARun:
    def test_names_the_source_and_the_rows_of_each_part(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        sources = (str(tmp_path / "data" / "a.csv"), "/elsewhere/b.csv")
        splits = Splits((fold(1200, 300),), np.arange(1500, 2000))
        assert data_line(make_rows(2000, sources=sources), splits) == (
            "data/a.csv, /elsewhere/b.csv: 2,000 rows; train 1,200, valid 300, test 500"
        )

    def test_says_of_several_folds_how_many_there_are(self):
        splits = Splits((fold(6, 3), fold(6, 3), fold(6, 3)), np.arange(0))
        sources = tuple(f"{name}.csv" for name in "abcde")
        assert data_line(make_rows(9, sources=sources), splits) == (
            "a.csv, b.csv, c.csv, 2 more: 9 rows; 3 folds (train 6, valid 3 in the first), test 0"
        )


class TestLabelsThatNoTrainRowHas:
    def test_are_named_with_a_guess(self):
        rows = labelled(["pos", "neg", "pos", "neg", "Pos", "neg", "odd", "negg"], "ttttvvee")
        valid, test, *_ = found(rows)
        assert valid == (
            "no train row has these labels of valid rows, which no model can predict: 'Pos' (did you mean 'pos'?)"
        )
        assert test.startswith("no train row has these labels of test rows")
        assert test.endswith("'odd', 'negg' (did you mean 'neg'?)")

    @pytest.mark.parametrize(("parts", "part"), [("ttttvve", "valid"), ("ttttevv", "valid"), ("ttttvee", "test")])
    def test_are_refused_where_no_class_of_a_part_is_trained(self, parts, part):
        names = {"t": ["pos", "neg"], part[0] if part == "valid" else "e": ["Pos", "Neg"]}
        labels = [names.get(each, ["pos"])[number % len(names.get(each, ["pos"]))] for number, each in enumerate(parts)]
        rows = labelled(labels, parts)
        with pytest.raises(
            DataError, match=f"no label of the {part} rows has a train row: they are 'Pos'.*'Neg'|'Neg'"
        ):
            refuse_untrained(rows, GivenConfig().assign(rows, 0))

    def test_of_a_fold_are_reported_and_refused_with_its_name(self):
        rows = labelled(["a", "b", "a", "c", "a", "b"], "tttttt")
        splits = Splits(
            (Fold(np.array([0, 1, 2]), np.array([3, 4])), Fold(np.array([0, 1]), np.array([3]))), np.arange(0)
        )
        assert found(rows, splits)[0].startswith("no train row has these labels of valid (fold 1) rows")
        with pytest.raises(DataError, match=r"the valid \(fold 2\) rows has a train row: they are 'c'"):
            refuse_untrained(rows, splits)

    def test_are_no_matter_where_all_are_trained(self):
        rows = make_rows(40)
        for split in (GivenConfig(), HoldoutConfig(), KfoldConfig()):
            splits = split.assign(rows, 0)
            refuse_untrained(rows, splits)
            assert found(rows, splits) == []

    def test_of_ranges_of_dates_are_those_of_the_months(self):
        dates_N = np.array(["2024-01-05", "2024-01-06", "2024-02-03", "2024-02-04"] * 3, "datetime64[D]")
        rows = replace(labelled(["a", "b", "c", "a"] * 3, "t" * 12), dates_N=dates_N)
        splits = RollingConfig(train_months=1, ranges=1, until="2024-02").assign(rows, 0)
        assert "labels of valid rows, which no model can predict: 'c'" in found(rows, splits)[0]


class TestClasses:
    @pytest.mark.parametrize(
        "other", ["Pos", "pos ", "POS", "\uff50\uff4fs", "p\u00f3s", "very-good", "very_good", "Very  good"]
    )
    def test_that_a_reader_takes_for_one_are_reported(self, other):
        name = {"p\u00f3s": "po\u0301s"}.get(other, "very good" if "ery" in other else "pos")
        rows = labelled([name, other, "x"] * 4, "t" * 12)
        (sentence,) = [each for each in found(rows) if "differ only" in each]
        assert sentence.startswith(f"classes {name!r} (4 rows) and {other!r} (4 rows) differ only in case, spaces")

    @pytest.mark.parametrize(("name", "other"), [("1", "-1"), ("1", "10"), ("pos", "neg"), ("c", "c++")])
    def test_that_mean_different_things_are_not(self, name, other):
        assert not [each for each in found(labelled([name, other] * 20, "t" * 40)) if "differ only" in each]

    @pytest.mark.parametrize("name", ["None", "NULL", "null", "N/A", "-", "#N/A", "NA"])
    def test_that_may_mean_a_missing_label_are_reported(self, name):
        rows = labelled([name, "a", "b"] * 8, "t" * 24)
        assert (
            found(rows)[0] == f"{name!r} (8 rows) is a class of its own; empty these cells if they mean a missing label"
        )

    def test_with_one_train_row_or_no_valid_row_are_reported(self):
        rows = labelled([*"abababab", "once", "c", "c", *"ab"], "tttttttttttvv")
        assert found(rows) == ["there is one train row for class 'once', and no valid row for 2 classes 'once', 'c'"]

    def test_beyond_a_few_are_counted(self):
        names = [f"class {number:02}" for number in range(20)]
        rows = labelled(["a", "b"] * 4 + names * 2 + ["a", "b"], "t" * 48 + "vv")
        assert found(rows) == ["there is no valid row for 20 classes 'class 00', 'class 01', 'class 02', 17 more"]


class TestEqualTexts:
    def test_in_two_parts_are_counted_exactly_and_without_case_and_spaces(self):
        texts = ["good film", "bad film", "so so", "GOOD  film", "bad film", "new", "bad film", "so so "]
        rows = labelled(list("abababba"), "tttvvvee", texts)
        assert found(rows, remedy="set data.group: text to keep them apart")[0] == (
            "texts occur in two parts, so scores may reflect memory: 2 of 3 valid rows in train (1 exactly), "
            "2 of 2 test rows in train (1 exactly), 1 of 2 test rows in valid; set data.group: text to keep them apart"
        )

    def test_that_are_few_are_counted_and_no_more(self):
        rows = labelled("ab" * 200, "t" * 200 + "v" * 200, [f"text {row}" for row in range(399)] + ["text 0"])
        assert found(rows)[0] == "texts occur in two parts: 1 of 200 valid rows in train"

    def test_in_folds_are_counted_over_all_of_them(self):
        rows = replace(make_rows(60), texts=[f"text {row // 6}" for row in range(60)])
        splits = KfoldConfig(folds=3).assign(rows, 0)
        assert found(rows, splits)[0].endswith("memory: 60 of 60 valid rows in train")
        grouped = replace(rows, groups_N=np.arange(60) // 6)
        assert not [each for each in found(grouped, KfoldConfig(folds=3).assign(grouped, 0)) if "two parts" in each]

    def test_with_different_labels_are_counted_and_shown(self):
        rows = labelled(["pos", "neg", "pos", "pos", "neg", "pos"], "tttttv", ["a", "A ", "b", "b", "c", "c"])
        assert found(rows)[1] == "2 texts have different labels in 4 rows: 'a' is 'neg' and 'pos'" or (
            found(rows)[1] == "2 texts have different labels in 4 rows: 'a' is 'pos' and 'neg'"
        )

    @given(st.lists(st.tuples(st.sampled_from(["a", "A", " a", "b", "c c", "c  C"]), st.booleans()), min_size=1))
    def test_are_those_that_a_count_by_hand_finds(self, drawn):
        texts, valid = [text for text, _ in drawn], np.array([part for _, part in drawn])
        rows = make_rows(len(texts), texts=texts)
        splits = Splits((Fold(np.flatnonzero(~valid), np.flatnonzero(valid)),), np.arange(0))

        def repeated(key):
            train = Counter(key(texts[row]) for row in splits.folds[0].train)
            return sum(key(texts[row]) in train for row in splits.folds[0].valid)

        shared = Repeats(rows).shared(splits)
        near, exact = repeated(lambda text: " ".join(text.lower().split())), repeated(str)
        assert [(each.near, each.exact, each.rows) for each in shared] == [(near, exact, valid.sum())] * bool(near)
