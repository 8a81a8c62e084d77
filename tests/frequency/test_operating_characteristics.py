"""Simulated designs: what is drawn is what was said, what is judged is judged by the truth."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from relkit.errors import ParameterError
from relkit.frequency import operating_characteristics as module
from relkit.frequency.design import design_experiment
from relkit.frequency.operating_characteristics import operating_characteristics
from relkit.frequency.plan import Guardrail
from relkit.frequency.plan_file import read_plan
from relkit.frequency.tier_baseline import TierBaseline, baseline_of_totals

PLAN = read_plan(Path(__file__).parents[2] / "params" / "experiments" / "world.yaml")
SUPPLIED = ("revenue", "retained", "complaints")


def tiers(customers):
    found = []
    for place, tier in enumerate(PLAN.tiers):
        rng = np.random.default_rng(place)
        rate = rng.gamma(2.0, 1.0, 4_000)
        bought = rng.poisson(rate)
        y = {
            "revenue": bought * 120.0,
            "retained": (bought > 1) * 1.0,
            "complaints": rng.poisson(0.1, 4_000) * 1.0,
        }
        x = rng.poisson(rate) * 100.0
        totals = {"n": 4_000, "sum_x": x.sum(), "sum_x2": (x * x).sum()}
        for name in SUPPLIED:
            totals |= {f"sum_{name}": y[name].sum(), f"sum_x_{name}": (x * y[name]).sum()}
            totals |= {f"sum_{name}_{k}": (y[name] * y[k]).sum() for k in SUPPLIED}
        found.append(baseline_of_totals(PLAN, tier, totals, SUPPLIED, customers, 1.0))
    return found


@pytest.fixture(scope="module")
def design():
    return design_experiment(PLAN, tiers(5_000))


@pytest.fixture(scope="module")
def found(design):
    return operating_characteristics(design, runs=25, seed=3)


def group_of(design):
    return module._Group(design, design.tiers, design.plan.guardrails)


def test_drawn_sums_have_the_moments_that_were_measured(design):
    group, rng = group_of(design), np.random.default_rng(1)
    means = [group._means(t, "flat", group.doses, 1.0) for t in range(4)]
    draws = [group._draw(means, rng) for _ in range(300)]
    n = draws[0].n[0, 0]
    assert n == round(5_000 / 6)
    for k, metric in enumerate(group.metrics):
        per_customer = np.array([one.sum_y[k, 0, 0] for one in draws]) / n
        b = design.tiers[0].metrics[metric]
        variance = b.mean * (1 - b.mean) if b.kind == "binary" else b.variance
        error = math.sqrt(variance / n)
        assert per_customer.mean() == pytest.approx(b.mean, abs=4 * error / math.sqrt(300))
        assert per_customer.std() == pytest.approx(error, rel=0.2)
    explained = np.mean([one.means("margin").explained[0] for one in draws])
    assert explained == pytest.approx(design.tiers[0].metrics["margin"].explained, abs=0.01)


def test_todays_cadence_is_in_every_world_what_it_was_before(design):
    group = group_of(design)
    for world in module.WORLDS:
        for t, tier in enumerate(design.tiers):
            today = group._means(t, world, group.doses, 1.7)[group.today[t]]
            expected = [tier.metrics[name].mean for name in group.metrics]
            assert today == pytest.approx(expected)


def test_worlds_do_what_their_names_say(design):
    group = group_of(design)
    flat = group._means(0, "flat", group.doses, 1.0)
    assert np.allclose(flat, flat[0])
    harm = group._means(0, "harmful", group.doses, 1.0)
    margin, complaints, retained = (
        harm[:, group.metrics.index(m)] for m in ("margin", "complaints", "retained")
    )
    assert (np.diff(margin) < 0).all()
    assert (np.diff(complaints) > 0).all()
    assert (np.diff(retained) < 0).all()
    peak = group._means(0, "smooth", np.linspace(0.1, 8, 200), 2.0)
    best = np.linspace(0.1, 8, 200)[peak[:, group.metrics.index("margin")].argmax()]
    assert best == pytest.approx(2.0, abs=0.05)


def test_the_flat_world_gives_nothing_to_gain_but_the_cost_of_contacts(design):
    group = group_of(design)
    means = group._means(0, "flat", group.doses, 1.0)
    net = group._net(0, means, group.costs)
    # 1.5 a contact over 26 weeks.
    expected = -1.5 * np.array([0, 1 / 3, 1, 2, 4, 8]) * 26 * 7 / (365.25 / 12)
    assert net - net[0] == pytest.approx(expected)


def test_a_broken_guardrail_is_told_from_one_that_holds(design):
    group = group_of(design)
    today, other = group.today[0], 0
    means = np.array(group._means(0, "flat", group.doses, 1.0))
    assert not group._breaks(0, means, other)
    complaints, retained = (group.metrics.index(m) for m in ("complaints", "retained"))
    for place, factor, add, broken in [
        (complaints, 1.11, 0.0, True),
        (complaints, 1.09, 0.0, False),
        (retained, 1.0, -0.021, True),
        (retained, 1.0, -0.019, False),
        (retained, 1.0, 0.5, False),
    ]:
        moved = means.copy()
        moved[other, place] = means[today, place] * factor + add
        assert group._breaks(0, moved, other) is broken


def test_shares_are_what_the_rows_say():
    row = module._Row("a", "switch", False, True, 10.0, 6.0, 8.0)
    wrong = dataclasses.replace(row, false=True, by_rule=-2.0, covered=False)
    stay = dataclasses.replace(row, tier="b", action="keep", by_rule=0.0)
    one = module._summed("flat", [[row, stay], [wrong, stay], [row, stay], [row, stay]])
    assert one.false_switch.value == 1 / 4
    assert one.false_by_tier["a"].value == 1 / 4
    assert one.false_by_tier["b"].value == 0
    assert one.switched.value == 1 / 2
    assert one.covered.value == 7 / 8
    assert one.captured.value == pytest.approx((3 * 6 - 2) / 80)
    assert one.by_curve.value == pytest.approx(8 / 10)
    assert one.actions["keep"] == 1 / 2
    nothing = dataclasses.replace(row, attainable=0.0, by_rule=0.0, by_curve=0.0)
    assert module._summed("flat", [[nothing], [nothing]]).captured is None


def test_the_rule_holds_in_every_world(found):
    assert [one.world for one in found.worlds] == ["flat", "smooth", "harmful"]
    # At most 5 %: more than four of 25 would be a chance of 1 in 100.
    for one in found.worlds:
        assert one.false_switch.value * 25 <= 4
        assert sum(one.actions.values()) == pytest.approx(1)
        assert one.false_switch.n == 25
        assert one.covered.value >= 0.9
    assert found.of("flat").actions["switch"] < 0.2
    assert found.of("harmful").actions["switch"] > 0.3
    assert found.of("smooth").captured.value > 0.6
    assert len(found.to_frame()) == 3


def test_more_customers_catch_more():
    few, many = (
        operating_characteristics(
            design_experiment(PLAN, tiers(n)), runs=12, seed=1, worlds=["smooth"]
        ).of("smooth")
        for n in (600, 60_000)
    )
    assert many.captured.value > few.captured.value
    assert many.actions["extend"] < few.actions["extend"] + few.actions["no_verdict"]


def test_the_same_seed_gives_the_same_and_another_does_not(design):
    first, again, other = (
        operating_characteristics(design, runs=3, seed=s, worlds=["smooth"]).to_frame()
        for s in (1, 1, 2)
    )
    assert first.equals(again)
    assert not first.equals(other)


def test_tiers_with_other_arms_are_read_apart(design):
    shares = {t: dict(s) for t, s in design.shares.items()}
    shares["occasional"] = {"0": 0.5, "1": 0.5}
    apart = design_experiment(PLAN, design.tiers, shares)
    one = operating_characteristics(apart, runs=3, worlds=["flat"]).of("flat")
    assert set(one.false_by_tier) == set(PLAN.tiers)


def test_what_cannot_be_simulated_is_said(design):
    with pytest.raises(ParameterError, match=r"no world 'smoth'.*'smooth'(?s:.)*runs=1 must"):
        operating_characteristics(design, runs=1, worlds=["smoth"])
    tiny = design_experiment(PLAN, tiers(7))
    with pytest.raises(ParameterError, match="tier high, arm 0: 1 customers; at least 2"):
        operating_characteristics(tiny, runs=2)
    rails = (*PLAN.guardrails, Guardrail("satisfaction", "difference", -0.1))
    plan = dataclasses.replace(PLAN, guardrails=rails)
    left = operating_characteristics(design_experiment(plan, tiers(5_000)), runs=2, worlds=["flat"])
    assert left.not_simulated == ("satisfaction",)
    only = dataclasses.replace(PLAN, guardrails=rails[-1:])
    with pytest.raises(ParameterError, match="no guardrail of the plan was measured"):
        operating_characteristics(design_experiment(only, tiers(5_000)), runs=2)


def test_clustered_customers_count_for_fewer(design):
    tied = [
        dataclasses.replace(
            tier,
            metrics={
                name: dataclasses.replace(b, cluster_size=3.0, intraclass=0.5)
                for name, b in tier.metrics.items()
            },
        )
        for tier in design.tiers
    ]
    assert all(isinstance(tier, TierBaseline) for tier in tied)
    group = group_of(design_experiment(PLAN, tied))
    assert group.n[0, 0] == round(5_000 / 6 / 2)  # design effect 1 + (3 − 1) · .5
