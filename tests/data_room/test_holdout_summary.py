"""The data cut in two, on CDNOW's published figures and by hand."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from relkit.data.sources import open_source
from relkit.data.summaries import (
    default_calibration_end,
    holdout_summary,
    rfm_summary,
    summary_with_outcome,
)
from relkit.errors import DataError, ParameterError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sample():
    return open_source(ROOT / "params/sources/cdnow_sample.yaml").transactions


@pytest.fixture(scope="module")
def split(sample):
    return holdout_summary(sample, "1997-09-30", "1998-06-30", "week")


# Fader, Hardie & Lee (2005), section 4 and figure 5: 2,357 customers, 39 weeks each side.
def test_the_cdnow_sample_splits_as_published(split):
    assert len(split.calibration) == 2357
    assert (split.calibration["frequency"] > 0).sum() == 946
    assert split.calibration["holdout_frequency"].sum() == 1882
    assert split.calibration["T"].max() == pytest.approx(38.86, abs=0.005)
    assert split.holdout_length == 39.0
    assert split.calibration_length == split.calibration["T"].max()
    assert split.start == dt.date(1997, 1, 1)
    assert split.unit == "week"


# The same paper's figure 6: actual repeat purchases in the holdout by those before it.
def test_holdout_by_calibration_frequency_is_as_published(split):
    groups = split.calibration["frequency"].clip(upper=7)
    actual = split.calibration.groupby(groups)["holdout_frequency"].mean()
    published = [0.237, 0.697, 1.393, 1.560, 2.532, 2.947, 3.862, 6.359]
    assert actual.tolist() == pytest.approx(published, abs=6e-4)


def test_tracking_reaches_the_published_cumulative_total(split):
    tracking = split.tracking
    assert tracking["period"].tolist() == list(range(1, 79))
    assert tracking["actual"].sum() == 4339
    # Week 39 ends with the calibration, to the last digit: whoever compares them may rely on it.
    assert tracking["elapsed"].iloc[38] == split.calibration_length
    before = tracking["actual"].iloc[:39].sum()
    assert before == split.calibration["frequency"].sum()
    assert tracking["actual"].iloc[39:].sum() == 1882


def test_births_are_the_ages_of_all_customers(split):
    assert split.births["customers"].sum() == 2357
    assert split.births["age"].min() == 0.0
    # T is what is left of the calibration after the birth.
    left = split.calibration_length - split.births["age"]
    ages = split.calibration["T"].round(9).value_counts().sort_index(ascending=False)
    assert left.round(9).tolist() == ages.index.tolist()
    assert split.births["customers"].tolist() == ages.tolist()


def test_the_middle_of_cdnow_is_the_published_cut(sample):
    assert default_calibration_end(sample, "1998-06-30") == dt.date(1997, 9, 30)


TINY = pd.DataFrame(
    [
        ("a", "2025-01-01", 1.0),
        ("a", "2025-01-03", 2.0),
        ("a", "2025-01-20", 4.0),
        ("a", "2025-01-20", 8.0),
        ("b", "2025-01-05", 1.0),
        ("b", "2025-01-12", -1.0),
        ("late", "2025-01-15", 9.0),
        ("late", "2025-01-16", 9.0),
    ],
    columns=["customer_id", "occurred_at", "amount"],
).assign(occurred_at=lambda rows: pd.to_datetime(rows["occurred_at"]))


def test_a_split_counted_by_hand():
    split = holdout_summary(TINY, "2025-01-10", "2025-01-22", "week")
    assert split.calibration["customer_id"].tolist() == ["a", "b"]  # late came too late
    assert split.calibration["holdout_frequency"].tolist() == [1, 0]
    assert split.calibration["holdout_spend"].tolist() == [12.0, 0.0]  # two on one day; no refund
    # a: from the 1st to the 20th; b did not come back, refunds are no purchase.
    assert split.calibration["holdout_recency"].tolist() == [19 / 7, 0.0]
    assert split.births["age"].tolist() == [0.0, 4 / 7]
    # 1st to 7th, 8th to 14th, 15th to 21st; the 22nd begins a week that is not whole.
    assert split.tracking["period"].tolist() == [1, 2, 3]
    assert split.tracking["actual"].tolist() == [1, 0, 1]
    assert split.tracking["elapsed"].tolist() == [6 / 7, 13 / 7, 20 / 7]
    assert split.calibration_length == 9 / 7
    assert split.holdout_length == 12 / 7


@pytest.mark.parametrize("grain", ["exact", "hour", "day", "week"])
def test_the_calibration_is_the_summary_of_its_time(grain):
    split = holdout_summary(TINY, "2025-01-10", "2025-01-22", "day", grain)
    alone = rfm_summary(TINY, "2025-01-10", "day", grain)
    added = ["holdout_frequency", "holdout_spend", "holdout_recency"]
    known = split.calibration.drop(columns=added)
    pd.testing.assert_frame_equal(known, alone)
    # The oldest customer was there from the first grain on.
    assert split.calibration_length >= alone["T"].max()
    assert split.births["age"].iloc[0] + alone["T"].max() == pytest.approx(split.calibration_length)


def test_an_outcome_of_an_earlier_day_by_hand():
    """Also where nobody bought in the time that follows, which is no holdout to split at."""
    found = summary_with_outcome(TINY, "2025-01-02", "2025-01-04", "day")
    assert found["customer_id"].tolist() == ["a"]  # b comes on the 5th
    assert found[["frequency", "holdout_frequency"]].to_numpy().tolist() == [[0, 1]]
    assert found[["holdout_spend", "holdout_recency"]].to_numpy().tolist() == [[2.0, 2.0]]
    silent = summary_with_outcome(TINY, "2025-01-05", "2025-01-08", "day")
    assert silent["holdout_frequency"].tolist() == [0, 0]
    assert silent["holdout_recency"].tolist() == silent["recency"].tolist() == [2.0, 0.0]


def test_the_outcome_is_that_of_the_split(sample, split):
    alone = summary_with_outcome(sample, "1997-09-30", "1998-06-30", "week")
    pd.testing.assert_frame_equal(alone, split.calibration)
    whole = rfm_summary(sample, "1998-06-30", "week").set_index("customer_id")
    known = split.calibration.set_index("customer_id")
    whole = whole.loc[known.index]
    assert (known["frequency"] + known["holdout_frequency"]).tolist() == whole["frequency"].tolist()
    assert known["holdout_recency"].to_numpy() == pytest.approx(whole["recency"].to_numpy())


def test_a_split_is_frozen(split):
    with pytest.raises(dataclasses.FrozenInstanceError):
        split.unit = "day"


@pytest.mark.parametrize(
    ("calibration_end", "as_of", "said"),
    [
        ("2025-01-10", "2025-01-10", "must lie before as_of"),
        ("2025-01-12", "2025-01-10", "must lie before as_of"),
        ("2024-12-31", "2025-01-22", "lies outside the purchases, 2025-01-01 to 2025-01-20"),
        ("2025-01-20", "2025-01-22", "choose a day in between, like their middle, 2025-01-10"),
        ("soon", "2025-01-22", "calibration_end='soon' must be a day"),
        (None, "2025-01-22", "calibration_end=None must be a day"),
    ],
)
def test_splits_that_cannot_be_meant(calibration_end, as_of, said):
    with pytest.raises(ParameterError, match=said):
        holdout_summary(TINY, calibration_end, as_of)


def test_no_middle_without_purchases():
    with pytest.raises(DataError, match="no purchase"):
        default_calibration_end(TINY.assign(amount=-1.0), "2025-01-22")
    with pytest.raises(ParameterError, match="before the first purchase"):
        default_calibration_end(TINY, "2024-01-22")
