import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from relkit.errors import DataError, ParameterError
from relkit.segments.scores import band, mid_rank, rfm_scores


def summary(frequency, recency, T, spend, unit="day"):
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(len(frequency))],
            "frequency": frequency,
            "recency": recency,
            "T": T,
            "total_spend": spend,
        }
    )
    frame.attrs["unit"] = unit
    return frame


def test_mid_rank_by_hand():
    # 1, 2, 2, 5: the twos share places 2 and 3 of 4, middle 2.5 - .5 = 2 of 4.
    assert mid_rank(np.array([2.0, 1.0, 5.0, 2.0])) == pytest.approx([0.5, 0.125, 0.875, 0.5])


@pytest.mark.parametrize("kind", [float, int])
def test_mid_rank_is_the_average_rank_of_scipy(kind):
    draws = np.random.default_rng(5)
    for values in (draws.poisson(2, 999), draws.normal(size=999).round(1), np.r_[-0.0, 0.0, 1.0]):
        values = values.astype(kind)
        ranks = scipy.stats.rankdata(values, method="average")
        assert mid_rank(values) == pytest.approx((ranks - 0.5) / len(values), abs=1e-15)


def test_quintiles_of_ten_different_values_hold_two_each():
    assert band(np.arange(10.0), 5).tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_all_tied_stand_in_the_middle():
    assert set(band(np.ones(7), 5)) == {3}


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(2, 10), st.randoms())
def test_ties_share_a_score_and_order_never_matters(values, bands, random):
    values = np.array(values, dtype=float)
    scores = band(values, bands)
    assert scores.min() >= 1
    assert scores.max() <= bands
    for value in set(values):
        assert len(set(scores[values == value])) == 1
    order = list(range(len(values)))
    random.shuffle(order)
    assert (band(values[order], bands) == scores[order]).all()
    # A higher value never has a lower score.
    assert (np.diff(scores[np.argsort(values)]) >= 0).all()


def test_recent_frequent_and_spending_score_high():
    scores = rfm_scores(summary([0, 5], [0, 90], [100, 100], [10, 500]), bands=2).to_frame()
    assert scores[["r", "f", "m"]].to_numpy().tolist() == [[1, 1, 1], [2, 2, 2]]
    assert scores["days_since_last"].tolist() == [100, 10]


def test_days_since_last_come_from_the_unit():
    scores = rfm_scores(summary([1], [2.0], [5.0], [10], unit="week")).to_frame()
    assert scores["days_since_last"].tolist() == [21]


def test_grid_counts_everyone_once():
    random = np.random.default_rng(1)
    frame = summary(
        random.poisson(2, 500), random.random(500), 1 + random.random(500), random.random(500)
    )
    grid = rfm_scores(frame).grid()
    assert len(grid) == 25
    assert grid["customers"].sum() == 500
    assert grid["total_spend"].sum() == pytest.approx(frame["total_spend"].sum())


def test_share_of_spend_by_hand():
    # Two customers, bands 2: sums 3 and 6; the better one has 500 of 510.
    scores = rfm_scores(summary([0, 5], [0, 90], [100, 100], [10, 500]), bands=2)
    assert scores.share_of_spend(6) == pytest.approx((0.5, 500 / 510))


def test_faults_are_said_together():
    frame = summary([1, 1], [1, np.nan], [2, 2], [np.inf, 1])
    with pytest.raises(DataError, match=r"(?s)days_since_last.*1 rows.*total_spend.*1 rows"):
        rfm_scores(frame)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"bands": 1}, ParameterError, "bands=1 must be 2 to 10"),
        ({"unit": "weak"}, ParameterError, "did you mean 'week'"),
    ],
)
def test_wrong_parameters(change, error, message):
    with pytest.raises(error, match=message):
        rfm_scores(summary([1], [1], [2], [3]), **change)


def test_unit_unknown_is_asked_for():
    frame = summary([1], [1], [2], [3])
    frame.attrs = {}
    with pytest.raises(ParameterError, match="does not say its unit"):
        rfm_scores(frame)


def test_no_customers():
    with pytest.raises(DataError, match="no customers"):
        rfm_scores(summary([], [], [], []))


def test_a_missing_column_is_named():
    with pytest.raises(DataError, match="'total_spend' is missing"):
        rfm_scores(summary([1], [1], [2], [3]).drop(columns="total_spend"))
