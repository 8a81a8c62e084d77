"""Customer and period summaries: hand counts, and a second implementation in pandas."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relkit.data.experiment_sums import experiment_sums
from relkit.data.sources import open_source
from relkit.data.summaries import activity_by_period, count_unique_rows, rfm_summary
from relkit.errors import DataError, ParameterError

ROOT = Path(__file__).parents[2]

# ann: Monday twice, Thursday; a refund on Friday. ben: once. cy: only a refund.
TINY = pd.DataFrame(
    [
        ("ann", "2025-01-06 09:00:00", 10.0),
        ("ann", "2025-01-06 09:30:00", 5.0),
        ("ann", "2025-01-09 18:00:00", 7.5),
        ("ann", "2025-01-10 12:00:00", -2.5),
        ("ben", "2025-01-08 00:00:00", 4.0),
        ("cy", "2025-01-08 10:00:00", -1.0),
    ],
    columns=["customer_id", "occurred_at", "amount"],
).assign(occurred_at=lambda rows: pd.to_datetime(rows["occurred_at"]))


@pytest.fixture(scope="module")
def cdnow():
    return open_source(ROOT / "params/sources/cdnow.yaml")


@pytest.fixture(scope="module")
def cdnow_frame(cdnow):
    """The same file, read without relkit."""
    path = Path(pd.__file__).parents[1] / "lifetimes/datasets/CDNOW_master.txt"
    text = pd.read_csv(path, sep=r"\s+", dtype=str)
    return pd.DataFrame(
        {
            "customer_id": text["customer_id"],
            "occurred_at": pd.to_datetime(text["date"], format="%Y%m%d"),
            "amount": text["dollar_value"].astype(float),
        }
    )


# Hand counts


def test_days_counted_by_hand():
    summary = rfm_summary(TINY, "2025-01-13")
    ann, ben = summary.to_dict("records")
    assert ann == {
        "customer_id": "ann",
        "frequency": 1,  # Monday's two are one day
        "recency": 3.0,
        "T": 7.0,
        "monetary_value": 7.5,
        "first_at": pd.Timestamp("2025-01-06 09:00"),
        "last_at": pd.Timestamp("2025-01-09 18:00"),
        "purchases": 3,
        "total_spend": 20.0,
    }
    assert (ben["frequency"], ben["recency"], ben["T"], ben["purchases"]) == (0, 0.0, 5.0, 1)
    assert np.isnan(ben["monetary_value"])  # there is no repeat purchase to have a mean
    assert summary.attrs == {
        "unit": "day",
        "as_of": "2025-01-13",
        "grain": "day",
        "refund_only_customers": 1,
    }


@pytest.mark.parametrize(
    ("grain", "frequency", "recency", "length", "monetary_value"),
    [
        # From 09:00 on Monday to the end of the 13th; both of Monday's count.
        ("exact", 2, 3 + 9 / 24, 7 + 15 / 24, 6.25),
        # From the hour of 09:00 to the last hour of the 13th, which begins at 23:00.
        ("hour", 1, 3 + 9 / 24, 7 + 14 / 24, 7.5),
        ("day", 1, 3.0, 7.0, 7.5),
        # The periods end on the 13th, so 7th to 13th is one and Monday the 6th in the one before.
        ("week", 1, 7.0, 7.0, 7.5),
    ],
)
def test_grains_counted_by_hand(grain, frequency, recency, length, monetary_value):
    ann = rfm_summary(TINY, "2025-01-13", grain=grain).iloc[0]
    assert ann["frequency"] == frequency
    assert ann["recency"] == pytest.approx(recency, abs=1e-12)
    assert ann["T"] == pytest.approx(length, abs=1e-12)
    assert ann["monetary_value"] == monetary_value


def test_one_week_is_one_occasion_when_it_ends_with_as_of():
    ann = rfm_summary(TINY, "2025-01-12", grain="week").iloc[0]  # 6th to 12th
    assert (ann["frequency"], ann["recency"], ann["T"]) == (0, 0.0, 0.0)


@pytest.mark.parametrize(("unit", "days"), [("week", 7), ("month", 30.4375), ("year", 365.25)])
def test_units_are_fractions(unit, days):
    ann = rfm_summary(TINY, "2025-01-13", unit).iloc[0]
    assert ann["recency"] == 3 / days
    assert ann["T"] == 7 / days


def test_only_rows_up_to_as_of_count():
    summary = rfm_summary(TINY, "2025-01-08")
    assert summary["customer_id"].tolist() == ["ann", "ben"]
    assert summary["frequency"].tolist() == [0, 0]
    assert summary["T"].tolist() == [2.0, 0.0]


def test_repeaters_who_paid_nothing_have_a_mean_of_exactly_zero():
    days = pd.to_datetime(["2025-01-01", "2025-01-02", "2025-01-03"])
    rows = pd.DataFrame({"customer_id": "z", "occurred_at": days, "amount": [0.1, 0.0, 0.0]})
    assert rfm_summary(rows, "2025-02-01")["monetary_value"].tolist() == [0.0]


def test_one_customer_and_nobody_who_came_back_are_summaries_too():
    rows = TINY[TINY["customer_id"] == "ben"]
    summary = rfm_summary(rows, "2025-01-08")
    assert summary[["frequency", "recency", "T"]].to_numpy().tolist() == [[0, 0, 0]]
    assert len(activity_by_period(rows, "2025-01-08")) == 1


def test_periods_counted_by_hand():
    rows = pd.DataFrame(
        [
            ("a", "2025-01-01", 10.0),
            ("a", "2025-01-31 23:59", 5.0),
            ("b", "2025-01-15", 2.0),
            ("a", "2025-03-01", 1.0),
            ("c", "2025-03-31", 8.0),
            ("b", "2025-03-02", -2.0),
            ("d", "2025-03-05", -0.5),
        ],
        columns=["customer_id", "occurred_at", "amount"],
    ).assign(occurred_at=lambda t: pd.to_datetime(t["occurred_at"], format="mixed"))
    activity = activity_by_period(rows, "2025-04-10")
    assert activity["start"].dt.strftime("%Y-%m-%d").tolist() == [
        "2025-01-01",
        "2025-02-01",
        "2025-03-01",
        "2025-04-01",
    ]
    assert activity["end"].dt.strftime("%d").tolist() == ["31", "28", "31", "30"]
    assert activity["complete"].tolist() == [True, True, True, False]
    assert activity["active_customers"].tolist() == [2, 0, 2, 0]
    assert activity["new_customers"].tolist() == [2, 0, 1, 0]
    assert activity["returning_customers"].tolist() == [0, 0, 1, 0]
    assert activity["purchases"].tolist() == [3, 0, 2, 0]
    assert activity["revenue"].tolist() == [17.0, 0.0, 6.5, 0.0]
    assert activity["revenue_new"].tolist() == [17.0, 0.0, 8.0, 0.0]
    # b's refund and that of d, who never bought, are not a new customer's.
    assert activity["revenue_returning"].tolist() == [0.0, 0.0, -1.5, 0.0]


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("week", "2025-01-06", "2025-01-12"),
        ("quarter", "2025-01-01", "2025-03-31"),
        ("year", "2025-01-01", "2025-12-31"),
    ],
)
def test_calendar_periods(period, start, end):
    first = activity_by_period(TINY, "2025-01-12", period).iloc[0]
    assert (str(first["start"].date()), str(first["end"].date())) == (start, end)
    # The data begin on the 6th, a Monday: the week is covered, the longer ones are not.
    assert bool(first["complete"]) is (period == "week")


def test_a_period_that_began_before_the_data_is_not_complete():
    activity = activity_by_period(TINY, "2025-02-28")
    assert activity["complete"].tolist() == [False, True]  # the data begin on January 6th


# Exact sums: 0.1 added ten times is 1, and not 0.9999999999999999.
def test_sums_are_exact_to_a_millionth():
    rows = pd.DataFrame(
        {"customer_id": "a", "occurred_at": pd.Timestamp("2025-01-01"), "amount": [0.1] * 10}
    )
    assert rfm_summary(rows, "2025-01-01")["total_spend"].tolist() == [1.0]


# A second implementation, in plain pandas over customer-days


def by_hand(rows: pd.DataFrame, as_of: str, grain: str) -> pd.DataFrame:
    day = pd.Timestamp(as_of)
    rows = rows[rows["occurred_at"] < day + pd.Timedelta(days=1)]
    if grain == "week":
        age = (day - rows["occurred_at"].dt.normalize()).dt.days // 7
        grains, end = -7 * age, 0
    else:
        grains = (rows["occurred_at"].dt.normalize() - pd.Timestamp(0)).dt.days
        end = (day - pd.Timestamp(0)).days
    totals = rows.assign(grain=grains).groupby(["customer_id", "grain"], as_index=False)
    cells = totals["amount"].sum()
    first = cells.groupby("customer_id")["grain"].transform("min")
    repeats = cells[cells["grain"] > first]
    born = cells.groupby("customer_id")["grain"].min()
    return pd.DataFrame(
        {
            "frequency": repeats.groupby("customer_id").size().reindex(born.index, fill_value=0),
            "recency": (cells.groupby("customer_id")["grain"].max() - born).astype(float),
            "T": (end - born).astype(float),
            "monetary_value": repeats.groupby("customer_id")["amount"].mean().reindex(born.index),
            "purchases": rows.groupby("customer_id").size(),
            "total_spend": rows.groupby("customer_id")["amount"].sum(),
        }
    ).reset_index()


@pytest.mark.parametrize("as_of", ["1998-06-30", "1997-09-30", "1997-01-05"])
@pytest.mark.parametrize("grain", ["day", "week"])
def test_cdnow_equals_a_plain_pandas_version(cdnow, cdnow_frame, as_of, grain):
    summary = rfm_summary(cdnow.transactions, as_of, grain=grain)
    expected = by_hand(cdnow_frame, as_of, grain)
    exact = ["customer_id", "frequency", "recency", "T", "purchases"]
    pd.testing.assert_frame_equal(summary[exact], expected[exact], check_dtype=False)
    for column in ("monetary_value", "total_spend"):
        np.testing.assert_allclose(summary[column], expected[column], rtol=1e-9)


# Days without a time of day are instants at midnight, so three grains must agree.
def test_days_hours_and_instants_agree_where_there_are_only_days(cdnow):
    day, hour, exact = (
        rfm_summary(cdnow.transactions, "1998-06-30", grain=grain)
        for grain in ("day", "hour", "exact")
    )
    for other in (hour, exact):
        assert other["frequency"].equals(day["frequency"])
        assert other["recency"].equals(day["recency"])
        assert other["monetary_value"].equals(day["monetary_value"])
    np.testing.assert_allclose(hour["T"], day["T"] + 23 / 24, rtol=1e-12)
    np.testing.assert_allclose(exact["T"], day["T"] + 1, rtol=1e-12)


def test_cdnow_months_add_up(cdnow, cdnow_frame):
    activity = activity_by_period(cdnow.transactions, "1998-06-30")
    months = cdnow_frame.groupby(cdnow_frame["occurred_at"].dt.to_period("M"))
    assert activity["active_customers"].tolist() == months["customer_id"].nunique().tolist()
    assert activity["purchases"].tolist() == months.size().tolist()
    np.testing.assert_allclose(activity["revenue"], months["amount"].sum(), rtol=1e-12)
    np.testing.assert_allclose(
        activity["revenue_new"] + activity["revenue_returning"], activity["revenue"], rtol=1e-12
    )
    assert activity["new_customers"].sum() == 23570
    assert activity["complete"].all()
    assert len(activity) == 18


def test_unique_rows_stand_for_all_customers(cdnow):
    summary = rfm_summary(cdnow.transactions, "1998-06-30", "week")
    unique = count_unique_rows(summary)
    assert not unique.duplicated(["frequency", "recency", "T"]).any()
    assert unique["customers"].sum() == 23570
    assert (unique["customers"] * unique["frequency"]).sum() == summary["frequency"].sum()
    assert unique.attrs["unit"] == "week"


def test_a_summary_of_cdnow_takes_less_than_half_a_second(cdnow):
    took = []
    for _ in range(3):
        start = time.perf_counter()
        rfm_summary(cdnow.transactions, "1998-06-30")
        took.append(time.perf_counter() - start)
    assert min(took) < 0.5


# Properties

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "d"]),
        st.datetimes(dt.datetime(2024, 12, 25), dt.datetime(2025, 1, 20)),
        st.decimals(-20, 50, places=2).map(float),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=8, deadline=None)
@given(ROWS, st.randoms(use_true_random=False), st.sampled_from(["exact", "hour", "day", "week"]))
def test_neither_row_order_nor_the_index_matters(rows, random, grain):
    frame = pd.DataFrame(
        [("e", dt.datetime(2025, 1, 1), 1.0), *rows],
        columns=["customer_id", "occurred_at", "amount"],
    )
    order = list(range(len(frame)))
    random.shuffle(order)
    mixed = frame.iloc[order].set_axis([0] * len(frame), axis="index")
    once, again = (rfm_summary(t, "2025-01-15", "week", grain) for t in (frame, mixed))
    pd.testing.assert_frame_equal(once, again, check_exact=True)
    activity = [activity_by_period(t, "2025-01-15", "week") for t in (frame, mixed)]
    pd.testing.assert_frame_equal(*activity, check_exact=True)


@settings(max_examples=15, deadline=None)
@given(ROWS, st.sampled_from(["exact", "hour", "day", "week"]))
def test_what_always_holds(rows, grain):
    frame = pd.DataFrame(
        [("e", dt.datetime(2025, 1, 1), 1.0), *rows],
        columns=["customer_id", "occurred_at", "amount"],
    )
    summary = rfm_summary(frame, "2025-01-15", grain=grain)
    assert ((summary["recency"] >= 0) & (summary["recency"] <= summary["T"])).all()
    assert ((summary["frequency"] > 0) == (summary["recency"] > 0)).all()
    assert summary["monetary_value"].notna().equals(summary["frequency"] > 0)
    assert (summary["frequency"] < summary["purchases"]).all()
    until = frame[frame["occurred_at"] < "2025-01-16"]
    assert summary["purchases"].sum() == (until["amount"] >= 0).sum()
    bought = until[until["customer_id"].isin(summary["customer_id"])]
    assert summary["total_spend"].sum() == pytest.approx(bought["amount"].sum(), abs=1e-6)


# Faults


def test_parameters_that_cannot_be_meant():
    with pytest.raises(ParameterError, match=r"grain='days' must be one of .* 'day'\?"):
        rfm_summary(TINY, "2025-01-13", grain="days")
    with pytest.raises(ParameterError, match="unit='weeks' must be one of"):
        rfm_summary(TINY, "2025-01-13", unit="weeks")
    with pytest.raises(ParameterError, match="as_of='13.1.2025' must be a day"):
        rfm_summary(TINY, "13.1.2025")
    with pytest.raises(ParameterError, match="as_of=None must be a day"):
        rfm_summary(TINY, None)
    with pytest.raises(ParameterError, match="period='months' must be one of"):
        activity_by_period(TINY, "2025-01-13", "months")


@pytest.mark.parametrize("summarise", [rfm_summary, activity_by_period])
def test_no_purchase_to_summarise(summarise):
    with pytest.raises(ParameterError, match="before the first purchase, 2025-01-06"):
        summarise(TINY, "2025-01-05")
    with pytest.raises(DataError, match="no purchase; at least one is required"):
        summarise(TINY[TINY["amount"] < 0], "2025-01-13")


@pytest.mark.parametrize("nothing", [None, [1, 2], {"customer_id": ["a"]}, "assignments"])
@pytest.mark.parametrize("which", ["assignments", "outcomes", "covariate"])
def test_experiment_sums_of_no_table(which, nothing):
    at = pd.Timestamp("2025-01-01")
    given = {
        "assignments": pd.DataFrame({"customer_id": ["a"], "arm": ["x"], "assigned_at": [at]}),
        "outcomes": pd.DataFrame({"customer_id": ["a"], "occurred_at": [at], "value": [2.0]}),
        "covariate": pd.DataFrame({"customer_id": ["a"], "x": [3.0]}),
    }
    if which == "covariate" and nothing is None:
        # Frames do as well as tables.
        found = experiment_sums(**given, as_of="2025-01-31", weeks=1)
        assert found.iloc[0, 3:].tolist() == [1, 2, 4, 3, 9, 6]
        return
    with pytest.raises(DataError, match=f"{which} must be a frame, or a table of a source"):
        experiment_sums(**given | {which: nothing}, as_of="2025-01-31", weeks=1)


def test_a_frame_without_what_is_needed():
    with pytest.raises(DataError, match="did you mean 'customer_ids'"):
        rfm_summary(TINY.rename(columns={"customer_id": "customer_ids"}), "2025-01-13")
    with pytest.raises(DataError, match="amount is empty in 1 row;"):
        rfm_summary(TINY.assign(amount=[1.0, None, 1, 1, 1, 1]), "2025-01-13")
