"""What a plan can say with its customers: against numpy, statsmodels, scipy and simulation."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats
from statsmodels.stats.power import NormalIndPower

from relkit.errors import DataError, ParameterError
from relkit.frequency.arm_proposal import WEEKS_PER_MONTH, propose_arms
from relkit.frequency.claim_sizes import claim_sizes, claims_frame
from relkit.frequency.claims import published_claims
from relkit.frequency.design import design_experiment
from relkit.frequency.plan import Guardrail
from relkit.frequency.plan_file import read_plan
from relkit.frequency.power import Baseline
from relkit.frequency.tier_baseline import baseline_of_totals

PLAN = read_plan(Path(__file__).parents[2] / "params" / "experiments" / "world.yaml")
SUPPLIED = ("revenue", "retained", "repurchase", "complaints")


def outcomes(n, seed, complaints=0.1):
    """Customers with a common cause behind what they do before and in the window."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(2.0, 1.0, n)
    bought = rng.poisson(rate)
    return {
        "x": rng.poisson(rate) * 90.0,
        "revenue": bought * rng.gamma(3.0, 40.0, n),
        "retained": (bought > 1).astype(float),
        "repurchase": (bought > 0).astype(float),
        "complaints": rng.poisson(complaints, n).astype(float),
    }


def totals_of(y):
    found = {"n": len(y["x"]), "sum_x": y["x"].sum(), "sum_x2": (y["x"] ** 2).sum()}
    for i, name in enumerate(SUPPLIED):
        found[f"sum_{name}"] = y[name].sum()
        found[f"sum_x_{name}"] = (y["x"] * y[name]).sum()
        for other in SUPPLIED[i:]:
            found[f"sum_{name}_{other}"] = (y[name] * y[other]).sum()
    return found


def baselines(customers, n=6_000, plan=PLAN, arrivals=10.0, complaints=0.1):
    return [
        baseline_of_totals(
            plan, tier, totals_of(outcomes(n, place, complaints)), SUPPLIED, customers, arrivals
        )
        for place, tier in enumerate(plan.tiers)
    ]


def test_baselines_are_means_variances_and_squared_correlations():
    y = outcomes(6_000, 0)
    one = baselines(1_000)[0]
    value = (
        PLAN.margin_share * y["revenue"]
        - PLAN.complaint_cost * y["complaints"]
        + PLAN.residual_value["high"] * y["retained"]
    )
    columns = y | {"net_value": value, "margin": PLAN.margin_share * y["revenue"]}
    for name in ("net_value", "margin", "revenue", "retained", "repurchase", "complaints"):
        b = one.metrics[name]
        assert b.mean == pytest.approx(columns[name].mean())
        expected = np.corrcoef(columns[name], y["x"])[0, 1] ** 2
        assert b.explained == pytest.approx(expected, abs=1e-9)
        if b.kind != "binary":
            assert b.variance == pytest.approx(columns[name].var(ddof=1))
    assert one.measured == 6_000
    assert one.unmeasured == {"unsubscribes": "not_supplied", "engagement": "not_supplied"}


def test_what_never_happened_has_no_baseline():
    y = outcomes(500, 1) | {"complaints": np.zeros(500)}
    one = baseline_of_totals(PLAN, "high", totals_of(y), SUPPLIED, 500, 1.0)
    assert one.unmeasured["complaints"] == "never_happened"
    assert "complaints" not in one.metrics


def test_too_few_customers_or_no_complaints_table_are_refused():
    with pytest.raises(DataError, match=r"12 customers(?s:.)*30"):
        baseline_of_totals(PLAN, "high", totals_of(outcomes(12, 1)), SUPPLIED, 12, 0.0)
    with pytest.raises(DataError, match="complaints was not counted"):
        baseline_of_totals(PLAN, "high", totals_of(outcomes(99, 1)), SUPPLIED[:3], 99, 0.0)


def test_smallest_effects_are_those_that_statsmodels_finds_in_four_of_five():
    design = design_experiment(PLAN, baselines(6_000))
    level = 1 - (1 - 0.05) ** (1 / 5)  # Šidák over the five arms beside today's
    for one in design.effects:
        if one.baseline.kind != "mean":
            continue
        spread = math.sqrt(one.baseline.variance * (1 - one.baseline.explained))
        effect = abs(one.detectable.difference) / spread
        theirs = NormalIndPower().power(effect, 1_000, level, 1.0, "two-sided")
        assert theirs == pytest.approx(0.80, abs=1e-4)
    assert {one.n_arm for one in design.effects} == {1_000}


def test_harms_and_value_are_looked_for_upwards_and_the_rest_downwards():
    for one in design_experiment(PLAN, baselines(6_000)).effects:
        upwards = one.metric in ("complaints", "net_value")
        assert (one.detectable.difference > 0) == upwards


def test_a_guardrail_passes_as_often_as_said():
    # A simulated harmless arm: the interval of the log ratio, as the guardrail is tested.
    rng = np.random.default_rng(5)
    design = design_experiment(PLAN, baselines(60_000, complaints=0.2))
    one = next(g for g in design.guardrails if g.guardrail.metric == "complaints")
    assert one.n_arm == 10_000
    # Counts whose variance is a multiple of their mean, as measured.
    b = design.tiers[0].metrics["complaints"]
    multiple = b.variance / b.mean
    arm, today = rng.poisson(b.mean * 10_000 / multiple, (2, 20_000))
    z = (math.log(1.10) - np.log(arm / today)) / np.sqrt(1 / arm + 1 / today)
    assert one.power == pytest.approx((z > stats.norm.ppf(0.95)).mean(), abs=0.01)


def test_times_the_customers_is_enough_and_no_less():
    few = design_experiment(PLAN, baselines(3_000))
    for place, one in enumerate(few.answers):
        assert one.answer == "no"
        assert one.customers_needed == math.ceil(one.times * 3_000 - 1e-6)
        enough = baselines(int(one.customers_needed))
        assert design_experiment(PLAN, enough).answers[place].answer == "yes"
        short = baselines(int(0.99 * one.customers_needed))
        assert design_experiment(PLAN, short).answers[place].answer != "yes"
        assert one.weeks_of_arrivals == pytest.approx((one.customers_needed - 3_000) / 10)


def test_weeks_stand_in_for_customers_where_events_are_counted_only():
    for one in design_experiment(PLAN, baselines(3_000)).guardrails:
        if one.guardrail.metric == "complaints":
            assert one.weeks_of_window == pytest.approx(26 * one.times)
            assert one.needed_per_arm == pytest.approx(one.times * 500)
        else:
            assert one.weeks_of_window is None


def test_the_fewest_arms_that_help_are_those_next_to_todays():
    # Six arms are too many for so many customers, fewer are not.
    with_all = design_experiment(PLAN, baselines(3_000)).answers[0].customers_needed
    found = design_experiment(PLAN, baselines(int(0.7 * with_all))).answers[0]
    assert found.answer != "yes"
    assert 2 <= len(found.arms_kept) < 6
    assert PLAN.today["high"] == "4"
    assert set(found.arms_kept) <= {"4", "8", "2", "1"}
    fewer = dict.fromkeys(found.arms_kept, 1 / len(found.arms_kept))
    others = {t: dict.fromkeys(PLAN.arms, 1 / 6) for t in PLAN.tiers[1:]}
    again = design_experiment(
        PLAN, baselines(int(0.7 * with_all)), {"high": fewer, **others}
    ).answers[0]
    assert again.answer == "yes"


def test_a_guardrail_that_was_never_measured_is_no_answer():
    rails = (Guardrail("satisfaction", "difference", -0.1),)
    plan = dataclasses.replace(PLAN, guardrails=rails)
    design = design_experiment(plan, baselines(10_000_000))
    assert {one.status for one in design.guardrails} == {"not_supplied"}
    for one in design.answers:
        assert one.answer == "value_only"
        assert math.isnan(one.times)
        assert one.arms_kept == ()


def test_clusters_need_more_customers_by_their_design_effect():
    plain = baselines(6_000)
    tied = [
        dataclasses.replace(
            tier,
            metrics={
                name: dataclasses.replace(b, cluster_size=5.0, intraclass=0.2)
                for name, b in tier.metrics.items()
            },
        )
        for tier in plain
    ]
    apart, together = design_experiment(PLAN, plain), design_experiment(PLAN, tied)
    for one, other in zip(apart.guardrails, together.guardrails, strict=True):
        assert other.times == pytest.approx(one.times * 1.8, rel=1e-5)  # 1 + (5 − 1) · .2


def test_designs_that_cannot_be_are_refused_with_every_fault():
    tiers = baselines(6_000)
    with pytest.raises(ParameterError, match=r"'high' has no baseline(?s:.)*worth=10"):
        design_experiment(PLAN, tiers[1:], worth=10)
    alone = {tier: {PLAN.today[tier]: 1.0} for tier in PLAN.tiers}
    with pytest.raises(ParameterError, match=r"'occasional' needs today's arm '1' and another"):
        design_experiment(PLAN, tiers, alone)


def test_claims_take_the_size_that_the_formula_says():
    design = design_experiment(PLAN, baselines(6_000))
    sizes = claim_sizes(design, published_claims())
    one = next(s for s in sizes if s.key == "f04_daily_repurchase" and s.tier == "high")
    p0 = one.today
    p1 = p0 * 1.02
    left = 1 - design.tiers[0].metrics["repurchase"].explained
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    by_hand = z**2 * left * (p0 * (1 - p0) + p1 * (1 - p1)) / (p1 - p0) ** 2
    assert one.needed_per_arm == math.ceil(by_hand)
    keys = {s.key for s in sizes}
    # A frequency alone, a level, or an outcome that nobody measured is no test.
    assert keys == {
        "f03_quarterly_calls",
        "f04_daily_complaints",
        "f04_daily_repurchase",
        "f16_too_many",
    }
    assert len(claims_frame(sizes)) == len(sizes) == 16


def test_a_claim_beyond_every_customer_has_no_size():
    tiers = [
        dataclasses.replace(t, metrics=t.metrics | {"retained": Baseline("binary", 0.9)})
        for t in baselines(6_000)
    ]
    sizes = claim_sizes(design_experiment(PLAN, tiers), published_claims())
    beyond = [s for s in sizes if s.key == "f03_quarterly_calls"]
    assert beyond
    assert all(s.needed_per_arm is None and s.power is None for s in beyond)


CUSTOMERS = dict(zip(PLAN.tiers, (1_000, 3_000, 4_000, 2_000), strict=True))


def test_without_a_limit_arms_are_equal_and_the_load_is_what_they_send():
    found = propose_arms(PLAN, CUSTOMERS)
    for shares in found.shares.values():
        assert list(shares.values()) == pytest.approx([1 / 6] * 6)
    each = (0 + 1 / 3 + 1 + 2 + 4 + 8) / 6
    assert found.load == pytest.approx(10_000 * each / (365.25 / 84))
    assert found.load == pytest.approx(found.equal_load)
    today = 1_000 * 4 + 3_000 * 2 + 4_000 * 2 + 2_000 * 1
    assert found.todays_load == pytest.approx(today / WEEKS_PER_MONTH)
    assert found.to_frame()["contacts_per_week"].sum() == pytest.approx(found.load)


def test_favouring_today_gives_it_the_square_root_of_the_others():
    shares = propose_arms(PLAN, CUSTOMERS, favour_today=True).shares["growth"]
    for arm, share in shares.items():
        expected = math.sqrt(5) if arm == "2" else 1.0
        assert share == pytest.approx(expected / (math.sqrt(5) + 5))


def test_the_capacity_is_met_by_the_shares_with_the_least_variance():
    limit = 0.7 * propose_arms(PLAN, CUSTOMERS).load
    plan = dataclasses.replace(PLAN, contacts_per_week=limit)
    found = propose_arms(plan, CUSTOMERS)
    assert found.over_capacity == ()
    assert found.load == pytest.approx(limit, rel=1e-6)
    ours = sum(1 / s for shares in found.shares.values() for s in shares.values())
    weekly = np.array([a.per_month for a in plan.arms.values()]) / WEEKS_PER_MONTH
    cost = np.outer(list(CUSTOMERS.values()), weekly)
    # scipy's SLSQP on the same problem, knowing nothing of the formula.
    best = optimize.minimize(
        lambda s: (1 / s).sum(),
        np.full(24, 1 / 6) * 0.99,
        jac=lambda s: -1 / s**2,
        bounds=[(0.01, 1)] * 24,
        constraints=[
            {"type": "eq", "fun": lambda s: s.reshape(4, 6).sum(1) - 1},
            {"type": "ineq", "fun": lambda s: limit - (s * cost.ravel()).sum()},
        ],
        options={"maxiter": 500, "ftol": 1e-12},
    )
    assert best.success
    assert ours == pytest.approx(best.fun, rel=1e-4)
    assert min(min(s.values()) for s in found.shares.values()) < 1 / 6


def test_a_tight_capacity_drops_arms_and_never_todays():
    plan = dataclasses.replace(PLAN, contacts_per_week=1_000.0)
    found = propose_arms(plan, CUSTOMERS)
    assert found.load <= 1_000 * (1 + 1e-9)
    assert found.over_capacity
    for tier, shares in found.shares.items():
        assert plan.today[tier] in shares
        assert sum(shares.values()) == pytest.approx(1)
        assert min(shares.values()) >= 0.05
    assert not {(t, plan.today[t]) for t in plan.tiers} & set(found.over_capacity)


def test_no_capacity_at_all_is_refused_with_what_would_do():
    plan = dataclasses.replace(PLAN, contacts_per_week=10.0)
    with pytest.raises(ParameterError, match="no room for two arms a tier"):
        propose_arms(plan, CUSTOMERS)


def test_fatigue_caps_leave_arms_out_and_todays_above_one_is_a_fault():
    plan = dataclasses.replace(PLAN, fatigue_cap={**PLAN.fatigue_cap, "growth": 4})
    found = propose_arms(plan, CUSTOMERS)
    assert found.over_cap == (("growth", "8"),)
    assert list(found.shares["growth"].values()) == pytest.approx([1 / 5] * 5)
    capped = dataclasses.replace(PLAN, fatigue_cap={**PLAN.fatigue_cap, "growth": 1})
    with pytest.raises(ParameterError, match="'growth': the fatigue cap leaves 0, 1/3, 1"):
        propose_arms(capped, CUSTOMERS)
