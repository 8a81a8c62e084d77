"""What a review of tiers says where something is missing, and what its parts are made of."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.report.findings import not_shown
from relkit.report.rule_words import rules_in_words
from relkit.segments.rule_file import tier_rules
from relkit.studies.tier_review import (
    NotShown,
    review_days,
    tier_review,
    tiers_by_rules,
    try_review_queue,
    try_rules_health,
    try_stale_tiers,
    try_tier_size,
)


def day(text):
    return dt.date.fromisoformat(text)


def columns(n=10):
    return pd.DataFrame(
        {
            "customer_id": [f"c{number}" for number in range(n)],
            "clv": np.arange(n, 0, -1.0),
            "spend_last_12_months": 10.0,
        }
    )


RULES = {
    "currency": "CNY",
    "where": {"M": "spend, money"},
    "tiers": {
        "best": {"label": {"en": "Best", "zh": "最佳"}, "clauses": "M >= 50", "before": "rest"},
        "rest": {"label": {"en": "Rest", "zh": "其余"}, "clauses": "M >= 5"},
    },
}


def test_days_of_review_are_the_two_their_middle_and_two_before():
    found = review_days(day("2022-01-03"), day("2024-06-30"), day("2024-12-29"))
    assert [str(each) for each in found] == [
        "2023-12-31", "2024-03-31", "2024-06-30", "2024-09-29", "2024-12-29",
    ]  # fmt: skip


def test_days_with_less_than_one_step_of_data_are_left_out():
    found = review_days(day("1997-05-01"), day("1997-12-30"), day("1998-06-30"))
    # 1 July 1997 has 61 days before it, and a step is 91.
    assert [str(each) for each in found] == ["1997-09-30", "1997-12-30", "1998-03-31", "1998-06-30"]
    assert review_days(day("2024-01-01"), day("2024-01-02"), day("2024-01-03"))[0] == day(
        "2024-01-02"
    )


def test_tiers_by_rules_keep_those_in_none_as_a_tier_of_their_own():
    frame = columns(4).assign(spend=[60.0, 50.0, 7.0, 1.0])
    found = tiers_by_rules(frame, tier_rules(RULES), "CNY", nobody="in none")
    assert found.names == ("best", "rest", "in none")
    assert found.customers["tier"].tolist() == ["best", "best", "rest", "in none"]
    assert found.target_shares == (0.5, 0.25, 0.25)
    # At 7 yuan a dollar, 7 dollars are 49 yuan and 1 dollar is 7.
    dear = tiers_by_rules(frame, tier_rules(RULES), "USD", 7.0)
    assert dear.customers["tier"].tolist() == ["best", "best", "rest", "rest"]
    assert dear.names == ("best", "rest")
    # A rate that nothing needs is not used.
    same = tiers_by_rules(frame, tier_rules(RULES), "CNY", 7.0)
    assert same.customers["tier"].tolist() == ["best", "best", "rest", "unassigned"]


@pytest.mark.parametrize(("code", "names"), [("en", ("Best", "Rest")), ("zh", ("最佳", "其余"))])
def test_rules_speak_the_language_of_the_report(code, names):
    rk.set_language(code)
    rules = rules_in_words(tier_rules(RULES))
    assert rules.names == rules.precedence == names
    assert rules.ordered[0].before == (names[1],)
    alike = {**RULES, "tiers": {n: {"label": {"en": "x", "zh": "x"}, "clauses": c}
                                for n, c in (("a", "M >= 5"), ("b", "M < 5"))}}  # fmt: skip
    assert rules_in_words(tier_rules(alike)).names == ("a", "b")


def test_rules_that_cannot_be_held_against_the_customers_say_why():
    assert try_rules_health(columns(), None) == NotShown("health", "parameter", "health_rules")
    risk = try_rules_health(columns(), "params/tiers/risk.yaml", "CNY")
    assert (risk.why, risk.what.split(", ")[0]) == ("column", "interaction_change_3_months")
    full = columns().assign(days_since_last=1.0, purchases_last_12_months=1)
    limits = "params/tiers/four_tiers_limits.yaml"
    assert try_rules_health(full, limits, "USD") == NotShown("health", "currency", "USD → CNY")
    assert try_rules_health(full, limits, "USD", 7.1).in_none["customers"] == 10
    ranked = try_rules_health(columns(), "params/tiers/clv_rank.yaml", "USD")
    assert ranked.in_none["customers"] == 0


def test_what_is_missing_is_said_in_both_languages():
    found = NotShown("in_use", "parameter", "tiers_in_use")
    assert not_shown(found).text("en") == (
        "Tiers in use that no longer fit: not supplied, give tiers_in_use"
    )
    assert not_shown(found).text("zh") == "不再适合的现用层级：未提供，请设置参数 tiers_in_use"
    topics = ("health", "history", "migration", "held", "price", "bridge", "relabel", "in_use",
              "queue", "size", "segments", "clusters")  # fmt: skip
    whys = ("parameter", "column", "currency", "history", "revenue", "nobody", "bands")
    for topic in topics:
        for code in ("en", "zh"):
            said = [not_shown(NotShown(topic, why, "…")).text(code) for why in whys]
            said.append(not_shown(NotShown(topic, "alike")).text(code))
            assert len(set(said)) == len(said)


def test_size_asks_for_every_number_that_was_not_given():
    found = try_tier_size(None, care_uplift=0.1, care_hours=None, owner_hours=None, hour_cost=1.0)
    assert found == NotShown("size", "parameter", "care_hours, owner_hours")


def test_nothing_is_written_without_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert try_review_queue(None, None) == NotShown("queue", "parameter", "review_file")
    assert list(tmp_path.iterdir()) == []


# ---- a review of a base that is too young for one -----------------------------------------


@pytest.fixture(scope="module")
def young():
    """Forty customers who bought in two months: too few for a model of the first half."""
    random = np.random.default_rng(3)
    rows = pd.DataFrame(
        {
            "transaction_id": [f"t{number}" for number in range(120)],
            "customer_id": [f"c{number % 40}" for number in range(120)],
            "occurred_at": pd.Timestamp("2024-02-01")
            + pd.to_timedelta(np.r_[np.zeros(40), 33 + random.integers(0, 25, 80)], unit="D"),
            "amount": 10.0,
        }
    )
    return rows, rk.rfm_summary(rows, as_of="2024-03-31", unit="week")


def test_a_base_too_young_for_a_model_says_so_of_every_part(young):
    rows, summary = young
    rules = rk.read_tier_rules("params/tiers/clv_rank.yaml")
    review = tier_review(rows, summary, rules, compare_to="2024-02-20")
    for part in (review.history, review.migration, review.bridge, review.held, review.price):
        assert isinstance(part, NotShown)
        assert (part.why, part.what) == ("history", "2024-02-20")
    assert review.relabelled.topic == "relabel"
    assert review.in_best() == []
    assert try_stale_tiers("in_use.csv", review).why == "history"
    assert try_stale_tiers(None, review) == NotShown("in_use", "parameter", "tiers_in_use")


def test_a_day_outside_the_data_is_refused(young):
    rows, summary = young
    rules = rk.read_tier_rules("params/tiers/clv_rank.yaml")
    for wrong in ("2024-01-31", "2024-03-31"):
        with pytest.raises(rk.ParameterError, match="must lie after the first purchase"):
            tier_review(rows, summary, rules, compare_to=wrong)
