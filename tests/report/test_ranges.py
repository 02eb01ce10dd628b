"""Configurations by range of dates: who is best where, and what may be said of it."""

import numpy as np
import pytest

from textune.records import EndReason, Objective
from textune.report.page import page
from textune.report.ranges import range_table

MONTHS = ("2008-06", "2008-07", "2008-08", "2008-09", "2008-10")
PART = {"first": "2008-01-01", "last": "2008-05-31", "rows": 100}
DATES = [{"name": month, "train": PART, "valid": PART} for month in MONTHS]


@pytest.fixture
def study(make_study, make_trial):
    """Makes a study whose trials scored these values in the ranges; trial 0 is the base point."""

    def make(*scores, dated=True, **changes):
        trials = []
        for number, values in enumerate(scores):
            trial = make_trial(number, {}, np.random.default_rng(0))
            folds = [
                {"fold": r, "name": name, "rows": 100 + r, "best_epoch": 1, "metrics": {"valid.accuracy": value}}
                for r, (name, value) in enumerate(zip(MONTHS, values, strict=False))
            ]
            result = trial.result.model_copy(update={"value": float(np.mean(values)), "details": {"folds": folds}})
            trials.append(trial.model_copy(update={"result": result}))
        record = make_study(1)
        data = {**record.header["data"], **({"ranges": DATES} if dated else {})}
        return record.model_copy(update={"header": {**record.header, "data": data}, "trials": tuple(trials), **changes})

    return make


BASE = (0.5, 0.5, 0.5, 0.5, 0.5)
BEST = (0.61, 0.59, 0.6, 0.62, 0.58)
MIXED = (0.7, 0.4, 0.4, 0.4, 0.4)


class TestTheTable:
    def test_has_each_configuration_in_each_range_best_first(self, study):
        table = range_table(study(BASE, MIXED, BEST))
        assert (table.names, table.num_rows, table.num_compared) == (MONTHS, (100, 101, 102, 103, 104), 3)
        assert [(row.role, row.name) for row in table.rows] == [
            ("best", "trial 2"),
            ("base", "trial 0 (base point)"),
            ("trial", "trial 1"),
        ]
        assert [row.values for row in table.rows] == [BEST, BASE, MIXED]
        assert [row.mean_rank for row in table.rows] == [6 / 5, 11 / 5, 13 / 5]
        assert [row.num_best for row in table.rows] == [4, 0, 1]

    def test_ranks_the_least_first_where_the_study_minimizes(self, study):
        objective = Objective(metric="valid.accuracy", direction="minimize")
        table = range_table(study(BASE, MIXED, BEST, objective=objective))
        assert [row.num_best for row in table.rows if row.role == "best"] == [4]
        assert table.rows[0].name == "trial 1"

    def test_equal_values_share_their_ranks_and_none_of_them_is_the_best(self, study):
        table = range_table(study(BASE, BASE))
        assert [row.mean_rank for row in table.rows] == [1.5, 1.5]
        assert [row.num_best for row in table.rows] == [0, 0]

    def test_shows_the_base_point_however_far_behind(self, study):
        table = range_table(study(BASE, *[tuple(0.6 + n / 100 for _ in MONTHS) for n in range(9)]))
        assert len(table.rows) == 7
        assert table.rows[-1].role == "base"
        assert table.num_compared == 10

    def test_names_what_is_handed_over_where_it_is_not_the_best(self, study):
        record = study(BASE, MIXED, BEST)
        for number, names in (
            (2, ["trial 2", "trial 0 (base point)", "trial 1"]),
            (1, ["trial 2", "trial 0 (base point)", "trial 1 (chosen)"]),
            (0, ["trial 2", "trial 0 (base point, chosen)", "trial 1"]),
        ):
            confirmed = record.model_copy(update={"confirmation": {"chosen": number}})
            assert [row.name for row in range_table(confirmed).rows] == names

    def test_leaves_out_what_was_not_measured_in_all_ranges(self, study):
        record = study(BASE, BEST, MIXED, BEST, BEST)
        pruned = record.trials[2].result.model_copy(update={"end": EndReason.PRUNED})
        short = record.trials[3].result
        short = short.model_copy(update={"details": {"folds": short.details["folds"][-1:]}})
        again = record.trials[4].spec.model_copy(update={"repeat_of": 1})
        trials = (
            *record.trials[:2],
            record.trials[2].model_copy(update={"result": pruned}),
            record.trials[3].model_copy(update={"result": short}),
            record.trials[4].model_copy(update={"spec": again}),
        )
        assert range_table(record.model_copy(update={"trials": trials})).num_compared == 2

    @pytest.mark.parametrize(
        ("variant", "words"), [("tfidf", "+ logistic"), ("tfidf-balanced", "+ class-weighted logistic")]
    )
    def test_has_tfidf_by_range_where_the_header_tells_it(self, study, variant, words):
        record = study(BASE, BEST)
        scores = [{variant: {"valid.accuracy": value}} for value in MIXED]
        header = {**record.header, "baselines_by_fold": scores}
        last = range_table(record.model_copy(update={"header": header})).rows[-1]
        assert (last.role, last.values, last.mean_rank) == ("tfidf", MIXED, None)
        assert words in last.name

    def test_is_not_there_for_one_range(self, study, make_study):
        assert range_table(study((0.5,), (0.6,))) is None
        assert range_table(make_study(4)) is None


class TestWhatIsSaid:
    def test_of_one_that_is_best_everywhere(self, study):
        first, second = range_table(study(BASE, BEST)).statements
        assert first == (
            "Trial 1 is the best of 2 in all 5 ranges. Were all equal and the ranges independent, the chance that one "
            "of them is would be 1 in 16."
        )
        assert second.startswith("Better than the base point by 0.1000 in the mean of the ranges, 95% interval +0.08")
        assert "optimistic" in second

    def test_of_one_that_is_not(self, study):
        first = range_table(study(BASE, BEST, MIXED)).statements[0]
        assert first == "Trial 1 has the best mean and is the best in 4 of 5 ranges, not in all."

    def test_nothing_is_claimed_under_five_ranges(self, study):
        told = range_table(study(BASE[:4], BEST[:4])).statements
        assert told[-1] == "4 ranges are too few to tell merit from luck: take 5 at least."
        assert not any("interval" in statement for statement in told)

    def test_folds_that_are_no_ranges_are_called_so(self, study):
        table = range_table(study(BASE, BEST, dated=False))
        assert table.unit == "fold"
        assert table.statements == ("Trial 1 is the best of 2 in all 5 folds.",)


def test_the_page_has_the_table_and_a_line_for_each_configuration(study):
    text = page(study(BASE, MIXED, BEST), "runs/x")
    assert "In each range" in text
    assert all(month in text for month in MONTHS)
    assert '"name":"trial 0 (base point)"' in text
