"""An experiment read by its plan: the sums are the customers', the prices the plan's."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from relkit.errors import DataError
from relkit.frequency.plan_file import read_plan
from relkit.frequency.plan_reading import planned_sums, read_planned_experiment, terms_of
from relkit.frequency.sums import ArmSums

PLAN = read_plan(Path(__file__).parents[2] / "params" / "experiments" / "world.yaml")
METRICS = ("revenue", "retained", "complaints")


def units(n=6_000, seed=2):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "tier": rng.choice(PLAN.tiers, n),
            "arm": rng.choice(list(PLAN.arms), n),
            "x": rng.gamma(2, 50, n),
            "revenue": rng.gamma(1, 100, n),
            "retained": (rng.random(n) < 0.4).astype(float),
            "complaints": rng.poisson(0.1, n).astype(float),
        }
    )


def totals(frame):
    """Sums by hand, as the engine gives them."""
    rows = []
    for (tier, arm), own in frame.groupby(["tier", "arm"]):
        row = {"tier": tier, "arm": arm, "n": len(own)}
        row |= {"sum_x": own["x"].sum(), "sum_x2": (own["x"] ** 2).sum()}
        for i, one in enumerate(METRICS):
            row |= {f"sum_{one}": own[one].sum(), f"sum_x_{one}": (own["x"] * own[one]).sum()}
            for other in METRICS[i:]:
                row[f"sum_{one}_{other}"] = (own[one] * own[other]).sum()
        rows.append(row)
    return pd.DataFrame(rows)


def test_sums_by_plan_are_those_of_the_customers():
    frame = units()
    ours = planned_sums(PLAN, totals(frame), METRICS)
    frame["margin"] = 0.35 * frame["revenue"]
    theirs = ArmSums.of_units(frame, [*METRICS, "margin"], covariate="x")
    assert ours.metrics == theirs.metrics
    assert ours.tiers == PLAN.tiers  # from the most valuable, as planned; theirs are sorted
    for name in ("revenue", "margin", "complaints"):
        one, other = ours.means(name).to_frame(), theirs.means(name).to_frame()
        keys = ["tier", "arm"]
        joined = one.merge(other, on=keys, suffixes=("", "_theirs"), validate="one_to_one")
        np.testing.assert_allclose(joined["mean"], joined["mean_theirs"], rtol=1e-9)
        np.testing.assert_allclose(
            joined["standard_error"], joined["standard_error_theirs"], rtol=1e-9
        )


def test_the_value_is_margin_less_complaints_plus_those_who_stay():
    frame = units()
    out = read_planned_experiment(PLAN, planned_sums(PLAN, totals(frame), METRICS), {})
    own = frame[(frame["tier"] == "growth") & (frame["arm"] == "2")]
    value = 0.35 * own["revenue"] - 120 * own["complaints"] + 2400 * own["retained"]
    at = PLAN.tiers.index("growth"), list(PLAN.arms).index("2")
    assert out.value.gross.raw_mean[at] == pytest.approx(value.mean())
    # 26 weeks of 2 contacts a month at 1.5 each.
    assert out.value.cost[at[1]] == pytest.approx(2 * 1.5 * 26 * 7 / (365.25 / 12))
    assert out.decisions.to_frame().set_index("tier").loc["high", "current"] == "4"


def test_prices_are_the_plans():
    terms = terms_of(PLAN)
    assert terms.complaint_cost == 120
    assert terms.contact_cost == {("message", "any"): 1.5}
    assert terms.weeks == 26


def test_data_that_are_not_what_was_planned():
    frame = units()
    frame.loc[:9, "arm"] = "3"
    frame.loc[10:19, "tier"] = "hihg"
    frame = frame[~((frame["tier"] == "growth") & (frame["arm"] == "8"))]
    with pytest.raises(DataError) as caught:
        planned_sums(PLAN, totals(frame), METRICS)
    said = "\n".join(caught.value.faults)
    assert "tier 'hihg' is not in the plan; did you mean 'high'?" in said
    assert "arm '3' is not in the plan" in said
    assert "tier 'growth': nobody got '8', which the plan has" in said


def test_totals_without_a_metric():
    with pytest.raises(DataError, match="no column 'sum_engagement_engagement'"):
        planned_sums(PLAN, totals(units()), ["engagement"])


def test_a_step_down_arm_is_not_on_the_curve():
    arms = dict(PLAN.arms)
    arms["8"] = dataclasses.replace(arms["8"], step_down_to="1")
    plan = dataclasses.replace(PLAN, arms=arms)
    out = read_planned_experiment(plan, planned_sums(plan, totals(units()), METRICS), {})
    assert out.value.arms == ("0", "1/3", "1", "2", "4")
