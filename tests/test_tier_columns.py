"""The columns of tier rules, counted by hand."""

import itertools
import math

import pandas as pd
import pytest

import relkit as rk
from relkit.errors import DataError, ParameterError

ROWS = [
    # a: two purchases on the first day, the next 30 days later, one refund, one after as_of
    ("a", "2023-03-01 09:00", 10.0, "purchase"),
    ("a", "2023-03-01 18:00", 20.0, "purchase"),
    ("a", "2023-03-31 23:59", 40.0, "purchase"),
    ("a", "2024-02-01 10:00", 80.0, "purchase"),
    ("a", "2024-02-02 10:00", -5.0, "refund"),
    ("a", "2024-03-01 00:00", 160.0, "purchase"),
    # b: once; c: the second purchase 31 days later; d: refund within the year alone
    ("b", "2024-02-29 12:00", 7.0, "purchase"),
    ("c", "2023-01-01 12:00", 1.0, "purchase"),
    ("c", "2023-02-01 12:00", 2.0, "purchase"),
    ("d", "2023-01-01 12:00", 50.0, "purchase"),
    ("d", "2023-06-01 12:00", -50.0, "refund"),
]


def transactions():
    frame = pd.DataFrame(ROWS, columns=["customer_id", "occurred_at", "amount", "kind"])
    return frame.assign(occurred_at=pd.to_datetime(frame["occurred_at"]))


@pytest.fixture(scope="module")
def summary():
    return rk.rfm_summary(transactions(), as_of="2024-02-29", unit="week")


def test_the_columns_by_hand(summary):
    found = rk.tier_columns(transactions(), summary).set_index("customer_id")
    # From 1 February and from 29 February to 29 February 2024, from 1 February and 1 January 2023.
    assert found["days_since_last"].tolist() == [28, 0, 393, 424]
    assert found["days_to_second_purchase"].tolist()[0::2] == [30, 31]
    assert all(math.isnan(found.loc[c, "days_to_second_purchase"]) for c in "bd")
    assert found["repurchased_within_30_days"].tolist() == [True, False, False, False]
    # The twelve months from 1 March 2023 on, as_of included.
    assert found["purchases_last_12_months"].tolist() == [4, 1, 0, 0]
    assert found["spend_last_12_months"].tolist() == [145, 7, 0, -50]
    assert "clv" not in found
    wider = rk.tier_columns(transactions(), summary, repurchase_days=31)
    assert wider["repurchased_within_31_days"].tolist() == [True, False, True, False]


def test_the_order_of_the_rows_moves_nobody_over_a_limit():
    # In cents exactly 10,000; added up as floats it is that or a little less.
    amounts = [1111.1, 2222.2, 3333.3, 0.1, 0.2, 0.3, 1111.7, 2221.1]
    assert sum(round(100 * amount) for amount in amounts) == 1_000_000
    assert len({sum(order) for order in itertools.permutations(amounts[2:])}) > 1
    at = pd.date_range("2024-02-10", periods=8)
    rows = pd.DataFrame({"customer_id": "a", "occurred_at": at, "amount": amounts})
    rows["kind"] = "purchase"
    rules = rk.read_tier_rules("params/tiers/four_tiers_limits.yaml")
    for seed in range(12):
        shuffled = rows.sample(frac=1, random_state=seed, ignore_index=True)
        summary = rk.rfm_summary(shuffled, as_of="2024-02-29", unit="week")
        columns = rk.tier_columns(shuffled, summary)
        assert columns["spend_last_12_months"].tolist() == [10_000.0]
        tiers = rk.assign_tiers(columns, rules, currency="CNY").to_frame()
        assert tiers["tier"].tolist() == ["high"]


def test_values_to_come_are_joined(summary):
    fits = rk.BGNBD(r=0.3, alpha=5.0, a=0.8, b=2.4), rk.GammaGamma(p=6.0, q=4.0, v=15.0)
    clv = rk.customer_lifetime_value(*fits, summary, horizon=26, annual_discount_rate=0.1)
    found = rk.tier_columns(transactions(), summary.sample(frac=1, random_state=1), clv)
    expected = clv.to_frame().set_index("customer_id")["clv"]
    assert found.set_index("customer_id")["clv"].to_dict() == expected.to_dict()
    with pytest.raises(DataError, match="the summary has 3 customers and the values 4"):
        rk.tier_columns(transactions(), summary.head(3), clv)


def test_what_cannot_be_meant(summary):
    with pytest.raises(ParameterError, match="repurchase_days=0 must be a positive number"):
        rk.tier_columns(transactions(), summary, repurchase_days=0)
    bare = summary.copy()
    bare.attrs = {}
    with pytest.raises(ParameterError, match="does not say its unit or its as_of"):
        rk.tier_columns(transactions(), bare)
