"""Counts of contact practice against pandas on the world, and by hand."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.errors import DataError, ParameterError

START, END = "2024-01-01", "2024-06-30"


@pytest.fixture(scope="module")
def world():
    return rk.simulate_world(customers=400, seed=3, faults=None)


@pytest.fixture(scope="module")
def tiers(world):
    return world.truth["consumers"].rename(columns={"class": "tier"})[["customer_id", "tier"]]


@pytest.fixture(scope="module")
def counts(world, tiers):
    return rk.practice_counts(world.tables, tiers, START, END)


@pytest.fixture(scope="module")
def sent(world, tiers):
    """The same touches by pandas."""
    rows = world.tables["touches"]
    rows = rows if isinstance(rows, pd.DataFrame) else rows.to_pandas()
    day = rows["occurred_at"].dt.date
    rows = rows[(day >= dt.date(2024, 1, 1)) & (day <= dt.date(2024, 6, 30))]
    rows = rows.merge(tiers, on="customer_id")
    return rows[(rows["direction"] == "outbound") & rows["delivered"].astype(bool)]


def test_sums_by_tier(counts, sent, tiers):
    assert counts.months == pytest.approx(182 / 30.4375)
    for tier, row in counts.tiers.set_index("tier").iterrows():
        each = sent[sent["tier"] == tier].groupby("customer_id").size()
        assert row["customers"] == (tiers["tier"] == tier).sum()
        assert row["contacted"] == len(each)
        assert row["contacts"] == each.sum()
        assert row["sum_contacts2"] == (each**2).sum()
        automated = sent[sent["tier"] == tier]["automated"].astype(bool)
        assert row["automated"] == automated.sum()
        own = automated.groupby(sent["customer_id"]).sum()
        assert row["sum_automated2"] == (own**2).sum()


def test_touches_by_month_channel_and_content(counts, sent):
    table = counts.touches.assign(sent=lambda t: t["touches"] - t["failed"])
    for column in ("channel", "content_type", "depth"):
        ours = table.groupby(column)["sent"].sum().to_dict()
        assert ours == sent.groupby(column).size().to_dict()
    months = table.groupby("month")["sent"].sum()
    assert (
        months.to_dict() == sent.groupby(sent["occurred_at"].dt.strftime("%Y-%m")).size().to_dict()
    )
    # Touches of accounts, which are in no tier.
    assert counts.outside > 0


def test_responses_with_their_sums_over_customers(counts, sent):
    mail = counts.responses.set_index(["split", "value", "response"])
    for value, rows in sent.groupby("content_type"):
        heard = rows[rows["opened"].notna()]
        each = heard.groupby("customer_id")["opened"].agg(
            k=lambda o: o.astype(bool).sum(), n="size"
        )
        row = mail.loc[("content_type", value, "opened")]
        assert row["contacts"] == len(heard)
        assert row["answered"] == each["k"].sum()
        assert row["sum_answered_contacts"] == (each["k"] * each["n"]).sum()
        any_ = rows[["opened", "clicked", "replied"]].fillna(False).astype(bool).any(axis=1)
        assert mail.loc[("content_type", value, "interaction"), "answered"] == any_.sum()
    # Nobody can say whether a call was opened.
    assert ("channel", "phone", "opened") not in mail.index


def test_customers_by_band_with_what_they_did(counts, sent, world, tiers):
    each = tiers["customer_id"].map(sent.groupby("customer_id").size()).fillna(0) / counts.months
    bought = world.tables["transactions"]
    day = bought["occurred_at"].dt.date
    inside = bought[(day >= dt.date(2024, 1, 1)) & (day <= dt.date(2024, 6, 30))]
    who = tiers["customer_id"].isin(inside["customer_id"])
    assert counts.outcomes == ("bought", "complainers", "unsubscribed")
    assert counts.doses["customers"].sum() == len(tiers)
    for row in counts.doses.itertuples():
        member = (tiers["tier"] == row.tier) & (each <= row.high)
        member &= (each > row.low) if row.high > 0 else True
        assert row.customers == member.sum()
        assert row.bought == (member & who).sum()


def test_by_hand_with_what_is_missing_said():
    touches = pd.DataFrame(
        {
            "customer_id": ["a", "a", "b", "x"],
            "occurred_at": pd.to_datetime(
                ["2024-01-05", "2024-02-05T23:59", "2024-01-01", "2024-01-02"], format="ISO8601"
            ),
            "channel": ["email", "phone", "email", "email"],
        }
    )
    people = pd.DataFrame({"customer_id": ["a", "b", "c"], "tier": ["high", "high", "low"]})
    found = rk.practice_counts({"touches": touches}, people, "2024-01-01", "2024-02-05")
    high = found.tiers.set_index("tier").loc["high"]
    assert (high["customers"], high["contacts"], high["sum_contacts2"], high["known"]) == (
        2,
        3,
        5,
        0,
    )
    assert found.tiers.set_index("tier").loc["low", "contacts"] == 0
    assert set(found.touches["automated"]) == {"not said"}
    assert found.responses.empty
    assert found.outcomes == ("unsubscribed",)
    assert found.outside == 1


def test_faults():
    people = pd.DataFrame({"customer_id": ["a", "a"], "tier": ["high", "low"]})
    touches = pd.DataFrame({"customer_id": ["a"], "occurred_at": pd.to_datetime(["2024-01-01"])})
    with pytest.raises(DataError, match="1 customers stand twice"):
        rk.practice_counts({"touches": touches.assign(channel="email")}, people, START, END)
    with pytest.raises(DataError, match="no column 'channel'"):
        rk.practice_counts({"touches": touches}, people[:1], START, END)
    with pytest.raises(DataError, match="not supplied: touches"):
        rk.practice_counts({}, people[:1], START, END)
    with pytest.raises(ParameterError, match="must not lie before"):
        rk.practice_counts({}, people, END, START)
    with pytest.raises(ParameterError, match="must ascend from 0"):
        rk.practice_counts({}, people, START, END, bands=(1, 2))


# F10: the records say daily calls, the customers say pressure.
def test_a_planted_disagreement_of_records_and_customers_is_found():
    from sklearn.metrics import cohen_kappa_score

    said = ["too often"] * 8 + ["good"] * 2 + ["good"] * 6 + ["never hear"] * 3 + ["what?"]
    ids = [f"c{i:02d}" for i in range(20)]
    touches = pd.DataFrame({
        "customer_id": np.repeat(ids[:10], 30),
        "occurred_at": list(pd.date_range("2024-01-01", periods=30, freq="D")) * 10,
    })  # fmt: skip
    survey = pd.DataFrame({
        "customer_id": ids, "field": "contact_frequency", "value": said,
        "answered_at": pd.Timestamp("2024-02-01"),
    })  # fmt: skip
    feelings = {"Too often": "pressed", "good": "cared_for", "never hear": "too_little"}
    tables = {
        "touches": touches,
        "survey_values": survey,
        "customers": pd.DataFrame({"customer_id": ids}),
    }
    found = rk.contact_opinions(tables, "2024-01-01", "2024-01-30", feelings, often_from=20)
    counts = found.counts.set_index(["often", "felt"])["customers"].to_dict()
    assert counts == {
        (True, "cared_for"): 2, (True, "pressed"): 8, (True, "too_little"): 0,
        (False, "cared_for"): 6, (False, "pressed"): 0, (False, "too_little"): 3,
    }  # fmt: skip
    assert found.pressed.value == 0.8
    assert found.agree.value == pytest.approx(5 / 19)
    often, cared = [1] * 10 + [0] * 9, [0] * 8 + [1] * 8 + [0] * 3
    assert found.kappa.value == pytest.approx(cohen_kappa_score(often, cared))
    assert found.kappa.high < 0  # less than chance: the records say the opposite
    assert (found.customers, found.unread) == (19, 1)
    with pytest.raises(DataError, match="nobody answered"):
        rk.contact_opinions(tables, "2024-01-01", "2024-01-30", {"x": "pressed"}, 20)
    with pytest.raises(ParameterError) as caught:
        rk.contact_opinions(tables, "2024-01-30", "2024-01-01", {"x": "presed"}, 0)
    assert len(caught.value.faults) == 3


def test_issues_by_half_and_month_by_hand():
    tickets = pd.DataFrame(
        [
            ("a", "2024-01-05", "login"), ("a", "2024-01-06", "login"), ("a", "2024-01-07", "bill"),
            ("b", "2024-01-08", "bill"), ("a", "2024-02-20", "login"), ("c", "2024-02-21", "app"),
        ],
        columns=["customer_id", "opened_at", "kind"],
    )  # fmt: skip
    tickets["opened_at"] = pd.to_datetime(tickets["opened_at"])
    found = rk.issue_counts({"tickets": tickets}, "2024-01-01", "2024-02-29")
    assert found.middle == dt.date(2024, 1, 31)
    cells = found.periods.set_index(["issue", "half"])
    names = ["tickets", "all_tickets", "customers", "sum_issue2", "sum_issue_all", "sum_all2"]
    # The earlier half: a has 2 of 3 about login, b has 1 ticket.
    assert cells.loc[("login", "earlier"), names].tolist() == [2, 4, 1, 4, 6, 10]
    assert cells.loc[("app", "earlier"), names].tolist() == [0, 4, 0, 0, 0, 10]
    assert cells.loc[("app", "later"), names].tolist() == [1, 2, 1, 1, 1, 2]
    assert found.repeated.set_index("issue").loc["login"].tolist() == [1, 1]
    with pytest.raises(DataError, match="no ticket between"):
        rk.issue_counts({"tickets": tickets}, "2023-01-01", "2023-02-28")
