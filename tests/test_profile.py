"""A customer's facts and profile against plain loops over the same tables."""

import datetime as dt

import pandas as pd
import pytest

import relkit as rk
from relkit.errors import DataError, ParameterError
from relkit.privacy import WITHHELD, Privacy, showing
from relkit.studies.customer_facts import customer_facts
from relkit.studies.profile import KNOWN, NOT_SUPPLIED, NOTHING, customer_profile

AS_OF = dt.date(2024, 12, 29)
END = pd.Timestamp("2024-12-30")


@pytest.fixture(scope="module")
def world():
    return rk.simulate_world(customers=120, seed=4, accounts=20, faults=None)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    written = rk.write_world(
        tmp_path_factory.mktemp("world"), customers=120, seed=4, accounts=20, faults=None
    )
    return rk.open_source(written.source, as_of=AS_OF, later_rows="set_aside", max_set_aside=0.05)


@pytest.fixture(scope="module")
def summary(source):
    return rk.rfm_summary(source.transactions, as_of=AS_OF, unit="week")


@pytest.fixture(scope="module")
def clv(summary):
    model = rk.BGNBD(r=0.9, alpha=9.0, a=0.8, b=2.5, unit="week")
    spend = rk.GammaGamma(p=6.0, q=4.0, v=350.0)
    return rk.customer_lifetime_value(model, spend, summary, horizon=52, annual_discount_rate=0.1)


@pytest.fixture(scope="module")
def facts(source):
    return customer_facts(source)


def before(frame, column):
    return frame[frame[column] < END]


def test_facts_equal_a_loop_over_the_tables(world, facts):
    table = facts.to_frame().set_index("customer_id")
    tables = world.tables
    touches = before(tables["touches"], "occurred_at")
    tickets = before(tables["tickets"], "opened_at")
    bought = before(tables["transactions"], "occurred_at")
    assert set(table.index) >= set(touches["customer_id"])
    checked = 0
    for customer_id, row in table.iterrows():
        theirs = touches[touches["customer_id"] == customer_id].sort_values("occurred_at")
        year = theirs[theirs["occurred_at"] >= END - pd.Timedelta(days=365)]
        assert row["touches_year"] == len(year)
        assert row["inbound_year"] == (year["direction"] == "inbound").sum()
        if len(theirs):
            assert row["last_touch_at"] == theirs["occurred_at"].iloc[-1]
            assert row["last_channel"] == theirs["channel"].iloc[-1]
            last = theirs["occurred_at"].iloc[-1].normalize()
            assert row["days_since_touch"] == (pd.Timestamp(AS_OF) - last).days
        else:
            assert pd.isna(row["last_touch_at"])
        mine = tickets[tickets["customer_id"] == customer_id]
        is_open = ~(mine["resolved_at"] < END) | (
            (mine["reopened_at"] < END) & (mine["reopened_at"] > mine["resolved_at"])
        )
        assert row["tickets"] == len(mine)
        assert row["open_tickets"] == is_open.sum()
        assert row["open_complaints"] == (is_open & (mine["kind"] == "complaint")).sum()
        at = bought.loc[bought["customer_id"] == customer_id, "occurred_at"]
        if len(at):
            assert row["last_purchase_at"] == at.max()
            checked += 1
    assert checked > 50


def test_answers_and_contracts_equal_a_loop(world, facts):
    table = facts.to_frame().set_index("customer_id")
    asked = before(world.tables["feedback"], "asked_at")
    contracts = world.tables["contracts"]
    day = pd.Timestamp(AS_OF)
    seen = {"nps": 0, "contracts": 0}
    for customer_id, row in table.iterrows():
        mine = asked[asked["customer_id"] == customer_id]
        answered = mine[mine["answered_at"] < END].sort_values("answered_at")
        assert (row["asked"], row["answered"]) == (len(mine), len(answered))
        nps = answered[answered["kind"] == "nps"]
        if len(nps):
            assert row["last_nps"] == nps["score"].iloc[-1]
            assert row["last_nps_at"] == nps["answered_at"].iloc[-1]
            seen["nps"] += 1
        else:
            assert pd.isna(row["last_nps"])
        theirs = contracts[(contracts["customer_id"] == customer_id)
                           & (contracts["starts_on"] <= day)].sort_values("ends_on")  # fmt: skip
        assert row["contracts"] == len(theirs)
        if len(theirs):
            assert row["contract_ends_on"] == theirs["ends_on"].iloc[-1]
            assert row["contract_status"] == theirs["status"].iloc[-1]
            running = theirs[theirs["ends_on"] >= day]["annual_value"]
            assert pd.isna(row["annual_value"]) or row["annual_value"] == running.sum()
            seen["contracts"] += 1
    assert min(seen.values()) > 5


def test_one_customer_alone_has_the_same_facts(source, facts):
    whole = facts.to_frame()
    for customer_id in whole["customer_id"].iloc[[0, 25, 60]]:
        alone = customer_facts(source, customer_id).to_frame()
        row = whole[whole["customer_id"] == customer_id].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, row, check_dtype=False)


def test_ages_of_tables_are_those_of_their_last_days(facts):
    assert set(facts.data_until) >= {"transactions", "touches", "tickets", "contracts"}
    assert max(facts.data_until.values()) <= AS_OF
    assert facts.missing == ()


def test_every_value_of_a_profile_is_that_of_the_tables(source, summary, clv, facts):
    scores = rk.rfm_scores(summary)
    tiers = rk.rank_tiers(summary["customer_id"], clv.to_frame()["clv"]).to_frame()
    table = facts.to_frame().set_index("customer_id")
    customer_id = summary["customer_id"].iloc[3]
    profile = customer_profile(source, summary, clv, customer_id, tiers=tiers, scores=scores)
    mine = summary.set_index("customer_id").loc[customer_id]
    worth = clv.to_frame().set_index("customer_id").loc[customer_id]
    score = scores.to_frame().set_index("customer_id").loc[customer_id]
    for name in ("first_at", "last_at", "purchases", "total_spend"):
        assert profile[name].value == mine[name]
    for name in ("clv", "probability_alive", "expected_purchases", "value_at_risk"):
        assert profile[name].value == worth[name]
    for name in ("touches_year", "tickets", "asked", "last_touch_at", "region"):
        assert profile[name].value == table.loc[customer_id, name]
    assert profile["tier"].value == tiers.set_index("customer_id").loc[customer_id, "tier"]
    assert profile["rfm"].value == f"{score['r']:.0f}-{score['f']:.0f}-{score['m']:.0f}"
    assert profile["clv_low"].value <= profile["clv"].value <= profile["clv_high"].value
    assert profile["contracts"].value == 0  # consumers have none, the table is there
    assert profile["contract_status"].state == NOTHING
    kinds = profile.events["kind"].value_counts()
    assert kinds["purchase"] == mine["purchases"]


def test_personal_data_are_masked_unless_they_may_be_shown(source, summary, world):
    customers = world.tables["customers"].set_index("customer_id")
    account = next(i for i in customers.index if "-A" in i)
    profile = customer_profile(source, summary, None, account)
    name = customers.loc[account, "name"]
    masked = profile.to_frame().set_index("fact")
    assert masked.loc["name", "value"] == masked.loc["decision_maker", "value"] == WITHHELD
    assert masked.loc["owner_name", "value"] == WITHHELD
    assert name not in repr(profile)
    assert account not in repr(profile)
    with showing(Privacy(show_personal=True)):
        assert profile.to_frame().set_index("fact").loc["name", "value"] == name
    assert profile["clv"].state == NOT_SUPPLIED
    assert profile["last_at"].state == NOTHING  # accounts buy by contract
    assert profile["contracts"].state == KNOWN


def test_tables_that_are_not_there_are_not_supplied(tmp_path, summary, clv):
    written = rk.write_world(
        tmp_path / "bare", customers=120, seed=4, faults=None, tables=["transactions"]
    )
    bare = rk.open_source(written.source, as_of=AS_OF, later_rows="set_aside", max_set_aside=0.05)
    profile = customer_profile(bare, summary, clv, summary["customer_id"].iloc[0])
    for name in ("name", "owner_id", "touches_year", "tickets", "last_nps", "contracts", "tier"):
        assert profile[name].state == NOT_SUPPLIED, name
        assert profile[name].value is None
    assert profile["purchases"].state == KNOWN
    assert "touches" in profile.missing
    assert set(profile.events["kind"]) == {"purchase"}


def test_a_stranger_is_refused_without_being_named(source, summary, clv):
    with pytest.raises(DataError, match="no table has a customer") as raised:
        customer_profile(source, summary, clv, "nobody-77")
    assert "nobody-77" not in str(raised.value)


def test_an_unknown_fact_is_said(source, summary):
    profile = customer_profile(source, summary, None, summary["customer_id"].iloc[0])
    with pytest.raises(ParameterError, match="no fact 'clvs'"):
        profile["clvs"]


def test_tags_travel_with_their_state(source, summary, clv, facts):
    from relkit.segments.tags import tag_customers, tags_from

    said = {
        "touched": {
            "name": {"en": "Touched", "zh": "有互动"},
            "formula": "touches_year >= 1",
            "data": "touches",
            "owner": "care",
            "fresh_days": "7",
            "yes": {"touches_year": "1"},
            "no": {"touches_year": "0"},
        }
    }
    frame = facts.to_frame()
    for until, state in ((AS_OF, "current"), (dt.date(2024, 12, 1), "stale")):
        tags = tag_customers(tags_from(said), frame, as_of=AS_OF, data_until={"touches": until})
        customer_id = summary["customer_id"].iloc[3]
        profile = customer_profile(source, summary, clv, customer_id, tags=tags)
        touched = frame.set_index("customer_id").loc[customer_id, "touches_year"] >= 1
        assert profile.tags[0].state == state
        assert profile.tags[0].value is (bool(touched) if state == "current" else None)
