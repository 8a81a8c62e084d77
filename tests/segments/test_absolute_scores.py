"""Scores by thresholds, in many bands, and what must never change a score."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relkit.errors import DataError, ParameterError
from relkit.segments.scores import band, rfm_scores


def summary(days, frequency, spend):
    """Customers c0, c1, … whose silence is given in days."""
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(len(days))],
            "frequency": frequency,
            "recency": 1000.0 - np.asarray(days, dtype=float),
            "T": 1000.0,
            "total_spend": np.asarray(spend, dtype=float),
        }
    )
    frame.attrs["unit"] = "day"
    return frame


LIMITS = {"r": (30, 90), "f": (3, 8), "m": (3000, 10_000)}


def test_who_stands_on_a_limit_gets_the_better_score():
    frame = summary(
        [29, 30, 31, 90, 91, 0],
        [2, 3, 7, 8, 9, 0],
        [2999.99, 3000, 9999.5, 9999.99, 10_000, 0],
    )
    scores = rfm_scores(frame, thresholds=LIMITS).to_frame()
    # By hand: silence of at most 30 days is 3, of at most 90 is 2.
    assert scores["r"].tolist() == [3, 3, 2, 2, 1, 3]
    assert scores["f"].tolist() == [1, 2, 2, 3, 3, 1]
    assert scores["m"].tolist() == [1, 2, 2, 2, 3, 1]
    assert scores["rfm_sum"].tolist() == [5, 7, 6, 7, 7, 5]


def test_days_that_come_from_weeks_still_stand_on_the_limit():
    frame = summary([30], [1], [1])
    frame["T"], frame["recency"] = 30 / 7 + 0.1, 0.1  # 30.000000000000004 days
    frame.attrs["unit"] = "week"
    assert rfm_scores(frame, thresholds={"r": (30, 90)}).to_frame()["r"].tolist() == [3]


def test_absolute_scores_do_not_depend_on_who_else_is_there():
    frame = summary(range(0, 200, 10), range(20), np.arange(20) * 1000)
    alone = [
        rfm_scores(frame.iloc[[row]], thresholds=LIMITS).to_frame()["rfm_sum"].iloc[0]
        for row in range(20)
    ]
    frame.attrs["unit"] = "day"
    assert rfm_scores(frame, thresholds=LIMITS).to_frame()["rfm_sum"].tolist() == alone


def test_letters_without_limits_go_by_rank():
    frame = summary([1, 2, 3, 4], [0, 1, 2, 3], [1, 2, 3, 4])
    scores = rfm_scores(frame, thresholds={"R": [2]})
    assert scores.bands == 2
    assert scores.thresholds == {"r": (2.0,)}
    assert scores.to_frame()["r"].tolist() == [2, 2, 1, 1]
    assert scores.to_frame()["f"].tolist() == [1, 1, 2, 2]


@pytest.mark.parametrize("bands", [2, 3, 4, 7, 10, 29, 100])
def test_any_number_of_bands_holds_equal_shares_of_different_values(bands):
    scores = band(np.random.default_rng(0).permutation(bands * 50).astype(float), bands)
    assert np.bincount(scores, minlength=bands + 1).tolist() == [0, *[50] * bands]


def test_a_hundred_bands_are_counted_in_whole_numbers():
    # Of 100 values 28 are below and two are equal: mid-rank (28 + 30) / 200 = .29, so band
    # 1 + 29; in floats .29 × 100 is 28.999999999999996, and the band one too low.
    values = np.r_[np.arange(28), [28, 28], np.arange(30, 100)].astype(float)
    assert band(values, 100)[28] == 30


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(0, 6)),
        min_size=1,
        max_size=40,
    ),
    st.integers(2, 12),
    st.randoms(),
)
@settings(max_examples=50, deadline=None)
def test_row_order_ties_and_a_repeated_index_never_change_a_score(rows, bands, random):
    frame = summary(*zip(*rows, strict=True))
    expected = rfm_scores(frame, bands).to_frame().set_index("customer_id")
    order = list(range(len(rows)))
    random.shuffle(order)
    moved = frame.iloc[order].set_axis([7] * len(rows))
    moved.attrs["unit"] = "day"
    again = rfm_scores(moved, bands).to_frame().set_index("customer_id")
    pd.testing.assert_frame_equal(again.loc[expected.index], expected)
    for letter, column in (("r", "days_since_last"), ("f", "frequency"), ("m", "total_spend")):
        assert expected.groupby(column)[letter].nunique().max() == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thresholds": {"x": (1,)}}, "'x' is none of r, f, m"),
        ({"thresholds": {"r": (90, 30)}}, r"r: \(90, 30\) must be one or more numbers, ascending"),
        ({"thresholds": {"r": ()}}, "r: .* ascending"),
        ({"thresholds": {"f": (1, 1)}}, "ascending"),
        ({"thresholds": {"m": ("much",)}}, "ascending"),
        ({"thresholds": {"r": (1,), "f": (1, 2)}}, "as many limits, found r 1, f 2"),
        ({"thresholds": {"r": (1,)}, "bands": 5}, "bands=5 needs 4 limits a letter, found 1"),
        ({"bands": 101}, "must be 2 to 100"),
        ({"bands": 2.5}, "must be 2 to 100"),
    ],
)
def test_thresholds_that_cannot_be_meant(change, message):
    with pytest.raises(ParameterError, match=message):
        rfm_scores(summary([1], [1], [1]), **change)


def test_a_customer_twice_is_refused():
    frame = summary([1, 2], [1, 1], [1, 1])
    frame["customer_id"] = "same"
    with pytest.raises(DataError, match="repeated in 1 rows"):
        rfm_scores(frame)


def test_one_customer_and_all_tied():
    assert rfm_scores(summary([5], [0], [9])).to_frame()["rfm_sum"].tolist() == [9]
    tied = rfm_scores(summary([5] * 4, [0] * 4, [9] * 4)).to_frame()
    assert set(tied["rfm_sum"]) == {9}
