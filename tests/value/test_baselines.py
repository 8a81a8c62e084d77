"""Baselines against plain pandas, by hand, and what they refuse to say."""

import math

import numpy as np
import pandas as pd
import pytest

from relkit.errors import DataError
from relkit.value.baselines import (
    BASELINES,
    EarlierWindow,
    EarlierWindows,
    baseline_forecasts,
    features,
    gradient_boosting,
    last_period,
    past_rate,
)
from tests.value import whole_lives

# a: three repeats of 10 in 30 weeks; b: never came back; c: came on the last day.
HAND = pd.DataFrame(
    {
        "customer_id": ["a", "b", "c"],
        "frequency": [3, 0, 0],
        "recency": [20.0, 0.0, 0.0],
        "T": [30.0, 20.0, 0.0],
        "monetary_value": [10.0, math.nan, math.nan],
        "total_spend": [35.0, 7.0, 9.0],
    }
)


def test_the_past_rate_by_hand():
    found = past_rate(HAND, 15)
    # 3 / 30 a week for 15 weeks; nothing; and 3 repeats in 50 weeks of all of them.
    assert found.purchases.tolist() == pytest.approx([1.5, 0.0, 3 / 50 * 15])
    assert found.spend.tolist() == pytest.approx([15.0, 0.0, 30 / 50 * 15])
    assert (found.name, found.kind, found.status) == ("past_rate", "baseline", "computed")


def test_the_last_period_by_hand():
    # As of 12 weeks before: only a was there, who then bought once for 12.
    before = pd.DataFrame({"customer_id": ["a"], "holdout_frequency": [1], "holdout_spend": [12.0]})
    come = HAND.assign(frequency=[3, 0, 2], monetary_value=[10.0, math.nan, 6.0])
    found = last_period(come, EarlierWindow(before, 12.0), calibration_length=30, holdout_length=15)
    # c came within the window, so that all repeats of c are in it.
    assert found.purchases.tolist() == pytest.approx([1 * 15 / 12, 0.0, 2 * 15 / 12])
    assert found.spend.tolist() == pytest.approx([12 * 15 / 12, 0.0, 12 * 15 / 12])


def test_a_calibration_shorter_than_the_holdout_counts_whole():
    found = last_period(HAND, None, calibration_length=30, holdout_length=45)
    assert found.purchases.tolist() == pytest.approx([4.5, 0.0, 0.0])
    assert found.spend.tolist() == pytest.approx([45.0, 0.0, 0.0])


def test_the_last_period_of_cdnow_by_plain_pandas(sample_transactions):
    """Repeat days of July to September 1997, all of which are repeats by then."""
    days = sample_transactions.groupby(["customer_id", "date"], as_index=False)["amount"].sum()
    days["at"] = (days["date"] - pd.Timestamp("1996-12-31")).dt.days / 7
    end, length = 273 / 7, 13.0
    calibration = whole_lives.summary(days, end, end + length)
    window = whole_lives.windows(days, end, length).last
    found = last_period(calibration, window, calibration_length=end, holdout_length=length)
    quarter = days[days["date"].between("1997-07-02", "1997-09-30")].groupby("customer_id")
    ids = calibration["customer_id"]
    assert found.purchases == pytest.approx(quarter.size().reindex(ids).fillna(0).to_numpy())
    assert found.spend == pytest.approx(quarter["amount"].sum().reindex(ids).fillna(0).to_numpy())


def test_what_the_trees_see():
    seen = features(HAND)
    assert seen[0].tolist() == [3, 20, 30, 10, 10, 35]
    assert seen[1, :4].tolist() == [0, 0, 20, 20]
    assert np.isnan(seen[1, 4])
    # Whatever stands where there is no repeat is no mean repeat spend.
    assert np.isnan(features(HAND.assign(monetary_value=0.0))[1, 4])


@pytest.fixture(scope="module")
def planted():
    """A quarter buys twice in each 13 weeks, for 30 each; the rest never comes back."""
    n = 800
    buys = np.arange(n) % 4 == 0
    noise = np.random.default_rng(0)
    known = pd.DataFrame(
        {
            "customer_id": [f"{i:03d}" for i in range(n)],
            "frequency": np.where(buys, 4, 0),
            "recency": np.where(buys, 20.0, 0.0) + noise.uniform(0, 0.1, n) * buys,
            "T": 26.0,
            "monetary_value": np.where(buys, 30.0, np.nan),
            "total_spend": np.where(buys, 150.0, 30.0),
        }
    )
    after = known.assign(
        holdout_frequency=np.where(buys, 2, 0), holdout_spend=np.where(buys, 60.0, 0.0)
    )
    return known, after, buys


def test_the_trees_find_what_is_planted_and_stretch_it(planted):
    known, after, buys = planted
    found = gradient_boosting(known, EarlierWindow(after, 13.0), holdout_length=39.0)
    assert found.status == "computed"
    # 2 in 13 weeks are 6 in 39; 60 are 180.
    assert found.purchases[buys].mean() == pytest.approx(6, rel=0.02)
    assert found.purchases[~buys].mean() < 0.05
    assert found.spend[buys].mean() == pytest.approx(180, rel=0.02)


def test_the_trees_give_the_same_again_in_any_row_order(planted):
    known, after, _ = planted
    one = gradient_boosting(known, EarlierWindow(after, 13.0), holdout_length=39.0, seed=3)
    turned = EarlierWindow(after.iloc[::-1], 13.0)
    other = gradient_boosting(known.iloc[::-1], turned, holdout_length=39.0, seed=3)
    assert one.purchases.tolist() == other.purchases[::-1].tolist()
    assert one.spend.tolist() == other.spend[::-1].tolist()


def test_without_time_or_buyers_there_is_a_status_and_no_number(planted):
    known, after, _ = planted
    few = after.assign(holdout_frequency=0, holdout_spend=0.0)
    for window, status in (
        (None, "not enough time"),
        (EarlierWindow(after, 9.0), "not enough time"),
        (EarlierWindow(few, 13.0), "too few buyers"),
        (EarlierWindow(after.head(99), 13.0), "too few buyers"),
    ):
        found = gradient_boosting(known, window, holdout_length=39.0)
        assert (found.status, found.purchases, found.spend) == (status, None, None)


def test_all_baselines_in_order(planted):
    known, after, _ = planted
    lengths = {"calibration_length": 26.0, "holdout_length": 13.0}
    window = EarlierWindow(after, 13.0)
    every = baseline_forecasts(known, EarlierWindows(window, window), **lengths)
    assert tuple(one.name for one in every) == BASELINES
    assert {one.status for one in every} == {"computed"}
    alone = baseline_forecasts(known, None, **lengths)
    assert [one.status for one in alone] == ["computed"] + ["no earlier window given"] * 2
    with pytest.raises(DataError, match="column monetary_value is missing"):
        past_rate(known.drop(columns="monetary_value"), 13.0)
