"""What the read-out of a frequency experiment says: each branch, by hand-made results."""

import dataclasses
import datetime as dt
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from relkit.frequency.freezing import Change, PlanState
from relkit.frequency.plan_file import plan_from
from relkit.frequency.plan_reading import read_planned_experiment
from relkit.frequency.sensitivity import BreakEven, Flip
from relkit.frequency.sums import ArmSums
from relkit.frequency.trust import (
    FAILED,
    NOT_MEASURABLE,
    PASSED,
    TrustGate,
    TrustGates,
    TrustLimits,
)
from relkit.report import findings, frequency_tables, plots
from relkit.report.blocks import figure
from relkit.report.frequency_words import arm_words, compared_arm, range_words
from relkit.report.language import set_language
from relkit.studies.experiment import ExperimentStudy

EMAIL = {"type": "message", "channel": "email"}
CONTENT = {
    "experiment": "E1", "name": {"en": "One", "zh": "一"},
    "hypothesis": {"en": "Fewer {is} more", "zh": "少即是多"},
    "unit": "customer", "tiers": ["gold", "rest"], "tiers_frozen_on": "2025-01-01",
    "starts_on": "2025-01-06", "ends_on": "2025-07-06", "window_weeks": 26, "burn_in_weeks": 2,
    "covariate_weeks": 0, "retained_within_weeks": 13, "currency": "USD",
    "arms": {
        "none": {"hold_out": True},
        "monthly": {"contacts": [EMAIL | {"per_month": 1}]},
        "often": {"contacts": [EMAIL | {"per_month": 4}]},
    },
    "today": {"gold": "often", "rest": "often"}, "margin_share": "50 %",
    "residual_value": {"gold": 100, "rest": 10}, "complaint_cost": 20,
    "contact_cost": {"message": {"email": 0.1}},
    "guardrails": {"complaints": {"scale": "ratio", "margin": 1.1},
                   "retained": {"scale": "difference", "margin": -0.02}},
    "stop": {"looks": "weekly", "early": "harm"},
    "decide": {"probability": 0.9, "tolerated_loss": 5}, "salt": "s",
}  # fmt: skip
GATE = TrustGate("sample_ratio", None, PASSED, 0.4, 0.001, "p_value", "often", 6_000)


def customers(gains, seed=1, each=4_000):
    """Two tiers, three arms; revenue and staying by arm, fewer complaints with fewer contacts."""
    rng = np.random.default_rng(seed)
    rows = []
    for tier in ("gold", "rest"):
        for arm, (revenue, stays, harm) in gains.items():
            rows.append(
                pd.DataFrame(
                    {
                        "tier": tier, "arm": arm,
                        "margin": rng.gamma(4.0, revenue / 4, each),
                        "retained": rng.random(each) < stays,
                        "complaints": rng.poisson(harm, each),
                    }
                )
            )  # fmt: skip
    return pd.concat(rows).astype({"retained": float, "complaints": float})


BETTER = {"none": (60, 0.5, 0.05), "monthly": (90, 0.7, 0.05), "often": (60, 0.5, 0.30)}
SAME = {"none": (60, 0.5, 0.2), "monthly": (60, 0.5, 0.2), "often": (60, 0.5, 0.2)}
TODAY_BEST = {"none": (40, 0.4, 0.2), "monthly": (60, 0.5, 0.2), "often": (90, 0.7, 0.05)}


def study(gains=BETTER, gates=(GATE,), content=CONTENT, randomised=True, **changes):
    plan = plan_from(content)
    sums = ArmSums.of_units(customers(gains), ["margin", "retained", "complaints"])
    order = ArmSums.of_arms(sums, list(plan.arms))
    trust = TrustGates(tuple(gates), TrustLimits())
    whole = {
        "plan": plan,
        "state": PlanState("frozen", "ab" * 32, "ab" * 32, dt.date(2025, 1, 2), plan.starts_on, ()),
        "as_of": plan.ends_on,
        "outcomes": SimpleNamespace(assigned=24_000, too_late=0),
        "checks": SimpleNamespace(
            assigned=pd.DataFrame({"tier": ["gold", "rest"], "arm": "none", "customers": 12_000})
        ),
        "experiments": 1, "trust": trust, "randomised": randomised, "power": (), "effects": (),
        "missing": (), "prices": None, "time": None,
        "read_out": read_planned_experiment(plan, order, trust.passed, randomised),
    }  # fmt: skip
    return ExperimentStudy(**(whole | changes))


@pytest.fixture(autouse=True)
def english():
    set_language("en", currency="USD")
    yield
    set_language("en")


@pytest.fixture(scope="module")
def better():
    return study()


def both(statement):
    """A statement says its thing in both languages, and the English text is given back."""
    assert any("\u4e00" <= c <= "\u9fff" for c in statement.text("zh"))
    return statement.text("en")


def test_a_switch_names_the_tier_that_gains_most(better):
    said = findings.frequency_decision(better)
    assert said.key == "frequency.decide.switch"
    assert (said.values["switched"], said.values["tier"]) == (2, "gold")
    # Margin, .2 more who stay at 100, a quarter of a complaint less at 20, three fewer emails
    # of .1 a month over six months; twice a year.
    gain = 30 + 0.2 * 100 + 0.25 * 20 + 3 * 0.1 * 6
    assert said.values["gain"].value == pytest.approx(2 * gain, rel=0.06)
    assert "from 4 a month to 1 a month" in both(said)


def test_no_effect_is_no_switch():
    free = CONTENT | {"contact_cost": {"message": {"email": 0}}}
    said = findings.frequency_decision(study(SAME, content=free))
    assert said.key in ("frequency.decide.none", "frequency.decide.keep")
    assert "2 tiers" in both(said)


def test_what_is_best_today_is_kept():
    found = study(TODAY_BEST)
    actions = {one.action for one in found.read_out.decisions.tiers}
    assert actions <= {"keep", "add_arm"}
    assert compared_arm(found, "gold") == "monthly"  # the nearest in value
    card = frequency_tables.decision_card(found, review_weeks=10)
    assert [row[3] for row in card.rows] == [None, None]  # today's is not held against itself
    assert card.rows[0][-1] == "14 September 2025"


def test_the_card(better):
    card = frequency_tables.decision_card(better, review_weeks=26)
    gold = card.rows[0]
    assert gold[:3] == ("gold", "4 a month", "1 a month")
    assert gold[7:11] == ("pass", "none to often", "A", "switch")
    one = better.read_out.decisions["gold"]
    total = one.gain.value * better.read_out.decisions.windows_per_year * 12_000
    assert float(gold[4].strip("$ Mk")) == pytest.approx(total / 1e6, abs=0.01)


def test_observed_only():
    found = study(randomised=False)
    assert "Hypothesis only: 2 tiers" in both(findings.frequency_decision(found))
    assert "Evidence grade C" in both(findings.frequency_hypothesis(found))
    assert findings.frequency_hypothesis(study()) is None


def test_red_gates_of_all_and_of_one_tier():
    bad = dataclasses.replace(GATE, status=FAILED, figure=1e-9)
    unknown = TrustGate("dose", None, NOT_MEASURABLE, float("nan"), 0.2, "share")
    red = study(gates=(bad, unknown), read_out=None)
    assert "1 of 2 gates are red (Arms have" in both(findings.frequency_trust(red))
    assert "hidden" in both(findings.frequency_decision(red))
    one = study(gates=(dataclasses.replace(bad, tier="rest"), unknown))
    assert "Tiers that may not be read: 1" in both(findings.frequency_trust(one))
    assert "rest" in both(findings.frequency_why_hidden(one))
    assert "rest" not in both(findings.frequency_response(one))
    gates = frequency_tables.trust_gates(one)
    assert any(block.passed is False and "tier rest, arm often" in block.phrase.text
               for block in gates)  # fmt: skip


def test_all_gates_hold(better):
    assert "all 1 gates hold, 0 could not" in both(findings.frequency_trust(better))
    assert findings.frequency_why_hidden(better) is None
    shares = [
        TrustGate("dose", None, PASSED, 0.15, 0.2, "share", "often", 100),
        TrustGate("after_unsubscribing", None, PASSED, 0.0, 0.001, "share", None, 100),
    ]
    words = [b.phrase.text for b in frequency_tables.trust_gates(study(gates=shares), True)]
    assert any("15.0% (arm often), limit 20.0%; 100 cases" in one for one in words)
    assert sum("not measurable" in one for one in words) == 3
    days = study(gates=(TrustGate("over", None, FAILED, 12, 0, "days"),), read_out=None)
    assert "12 days to go" in " ".join(b.phrase.text for b in frequency_tables.trust_gates(days))


@pytest.mark.parametrize("status", ["frozen", "frozen_late", "changed", "not_frozen"])
def test_how_the_plan_stands(status):
    changes = (Change("complaint_cost", "20", "10"),) if status == "changed" else ()
    day = None if status == "not_frozen" else dt.date(2025, 1, 2)
    state = PlanState(status, "cd" * 32, None, day, dt.date(2025, 1, 6), changes)
    found = study(state=state)
    said = both(findings.frequency_plan(found))
    assert "cdcdcdcdcdcd" in said
    table = frequency_tables.plan_changes(found)
    assert (table is None) == (not changes)
    if changes:
        assert "places changed: 1" in said
        assert "not fixed before the data" in both(findings.frequency_plan_prices(found))
        assert table.rows == (("complaint_cost", "20", "10"),)


def test_words_of_the_plan(better):
    assert "Fewer {is} more" in both(findings.frequency_hypothesis_of(better))
    assert "26 weeks from each assignment, adjusted for 0" in both(
        findings.frequency_design(better)
    )
    rails = both(findings.frequency_plan_guardrails(better))
    assert "complaints: at most 1.10 times" in rails
    assert "retained: at most 0.020 below" in rails
    assert "$20.00" in both(findings.frequency_plan_prices(better))
    assert frequency_tables.plan_arms(better).rows[0][1] == "no contact"


def test_cadences_in_words(better):
    plan = better.plan
    assert [arm_words(plan, arm).text("en") for arm in plan.arms] == [
        "no contact", "1 a month", "4 a month",
    ]  # fmt: skip
    third = EMAIL | {"per_month": "1/3"}
    phone = third | {"channel": "phone"}
    arms = CONTENT["arms"] | {
        "mail": {"contacts": [third]}, "call": {"contacts": [phone]},
        "odd": {"contacts": [EMAIL | {"per_month": 2.718}]},
    }  # fmt: skip
    cost = {"message": {"email": 0.1, "phone": 3}}
    plan = plan_from(CONTENT | {"arms": arms, "contact_cost": cost})
    assert arm_words(plan, "mail").text("en") == "mail (0.333 a month)"
    assert arm_words(plan, "odd").text("en") == "odd (2.72 a month)"
    assert arm_words(plan, "odd").text("zh") == "odd（每月 2.72 次）"


def test_response_and_value(better):
    brackets = better.read_out.brackets.to_frame().set_index("tier")
    for tier in better.shown:
        row = brackets.loc[tier]
        said = range_words(better, tier).text("en")
        assert said == f"{row['low_arm']} to {row['high_arm']}"
    assert "shows in 2 of 2 tiers" in both(findings.frequency_response(better))
    said = findings.frequency_value(better)
    assert said.values["tier"] == "gold"
    assert "than today's 4 a month" in both(said)
    values = frequency_tables.value(better)
    assert len(values.rows) == 6
    assert "2 of 2 tiers" in both(findings.frequency_spline(better))


def test_a_best_arm_at_the_edge_is_open_above():
    assert "or more" in range_words(study(TODAY_BEST), "gold").text("en")


def test_guardrails_are_counted(better):
    rails = better.read_out.guardrails
    said = findings.frequency_guardrails(better)
    worst = [rails.of_arm(t, a) for t in range(2) for a in range(2)]  # 'often' is today's
    assert said.values["n"] == 4
    assert said.values["passed"] == worst.count("pass")
    assert "pass" in both(said)
    drawn = figure(plots.frequency_guardrails(better))
    assert f"{(rails.status[0, :, :2] == 'pass').sum()} pass" in drawn.alt.text


def test_other_prices(better):
    decided = {
        (term, factor): better.read_out.decisions
        for term in ("residual_value", "complaint_cost", "contact_cost")
        for factor in (0.0, 1.0, 4.0)
    }
    flips = (
        Flip("gold", "complaint_cost", 0.25, ("keep", "often"), ("switch", "monthly")),
        Flip("rest", "residual_value", 2.0, ("switch", "monthly"), ("switch", "none")),
    )
    even = (BreakEven("gold", "monthly", "contact_cost", None),
            BreakEven("gold", "monthly", "complaint_cost", 0.2))  # fmt: skip
    prices = SimpleNamespace(
        factors=(0.0, 1.0, 4.0), decisions=decided, flips=flips, break_even=even
    )
    found = study(prices=prices)
    # Half or double are as far; a quarter is farther than twice.
    said = findings.frequency_prices(found)
    assert (said.values["n"], said.values["tier"], said.values["at"]) == (2, "rest", 2.0)
    assert "residual value R is 2.00 times" in both(said)
    table = {(row[0], row[1]): row for row in frequency_tables.prices(found).rows}
    assert table["gold", "complaint κ"][-2:] == ("× 0.25", "× 0.20")
    assert table["gold", "contact"][-2:] == (None, None)
    assert table["gold", "R"][2] == "switch (monthly)"
    stable = study(prices=SimpleNamespace(factors=(1.0, 4.0), decisions=decided, flips=(),
                                          break_even=()))  # fmt: skip
    assert "No conclusion of 2 tiers flips within 0 to 4" in both(findings.frequency_prices(stable))


def test_reasons_have_words(better):
    from relkit.frequency.decision import ACTIONS, REASONS
    from relkit.report.vocabulary import all_texts

    texts = all_texts()
    assert not [key for key in REASONS if f"frequency.reason.{key}" not in texts]
    for part in ("action", "short", "settle"):
        assert not [key for key in ACTIONS if f"frequency.{part}.{key}" not in texts]
    rows = frequency_tables.reasons(better).rows
    assert rows[0][1:3] == ("switch", "everything a switch needs is there")


def test_claims_are_marked(better):
    table = frequency_tables.claims(better)
    assert table.columns[0].label == "Claim, not measured"
    assert len(table.rows) == findings.frequency_claims().values["n"]
    assert {row[1] for row in table.rows} <= {
        "no source given", "observational", "from a model", "randomised, elsewhere",
    }  # fmt: skip
    svg = figure(plots.frequency_response(better)).svg
    assert "F16" in svg  # 1.33 a month lies within what was tested
    assert "F14" not in svg  # 9.7 does not
