"""Trust gates: green on a clean experiment, red on each planted fault, and rarely else."""

import dataclasses
import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from relkit.frequency.freezing import PlanState
from relkit.frequency.plan_file import read_plan
from relkit.frequency.trust import FAILED, GATES, NOT_MEASURABLE, TrustLimits, check_trust

PLAN = read_plan(Path(__file__).parents[2] / "params" / "experiments" / "world.yaml")
START, END = dt.date(2024, 9, 30), dt.date(2025, 6, 29)
FROZEN = PlanState("frozen", "a", "a", dt.date(2024, 9, 15), START, ())
ARMS = list(PLAN.arms)


@dataclass
class Counts:
    assigned: pd.DataFrame
    too_late: pd.DataFrame
    assigned_by_week: pd.DataFrame
    before: pd.DataFrame
    contacts: pd.DataFrame | None
    after_unsubscribing: pd.DataFrame | None


def clean(seed=1, per_tier=3_000):
    """An experiment without fault, as counts of customers drawn one by one."""
    rng = np.random.default_rng(seed)
    n = per_tier * len(PLAN.tiers)
    frame = pd.DataFrame(
        {
            "tier": np.repeat(PLAN.tiers, per_tier),
            "arm": rng.choice(ARMS, n),
            "week": np.minimum(rng.geometric(0.5, n) - 1, 20),
            "x": rng.gamma(0.5, 200, n),
        }
    )
    frame["late"] = rng.random(n) < 0.05
    months = PLAN.window_months
    planned = frame["arm"].map({name: arm.per_month * months for name, arm in PLAN.arms.items()})
    frame["sent"] = np.floor(planned + rng.random(n)) * (rng.random(n) < 0.98)
    frame["delivered"] = rng.binomial(frame["sent"].astype(int), 0.97)
    frame["known"] = rng.binomial(frame["sent"].astype(int), 0.9)
    frame["contacted"] = frame["sent"] > 0
    keys = ["tier", "arm"]
    size = frame.groupby(keys).size().rename("customers").reset_index()
    window = frame[~frame["late"]]
    before = window.groupby(keys)["x"].agg(n="size", sum_x="sum", sum_x2=lambda v: (v**2).sum())
    contacts = window.groupby(keys).agg(
        customers=("x", "size"),
        contacted=("contacted", "sum"),
        sent=("sent", "sum"),
        delivered=("delivered", "sum"),
        response_known=("known", "sum"),
    )
    late = frame.groupby(keys)["late"].agg(customers="size", too_late="sum").reset_index()
    weeks = frame.groupby(["arm", "week"]).size().rename("customers").reset_index()
    contacts = contacts.astype(dict.fromkeys(("sent", "delivered", "response_known"), float))
    after = window.groupby("arm")["sent"].sum().reset_index().assign(after=0)
    return Counts(size, late, weeks, before.reset_index(), contacts.reset_index(), after)


def judge(counts, plan=PLAN, state=FROZEN, as_of=END, **more):
    return check_trust(plan, state, counts, as_of, **more)


def red(gates):
    return {gate.key for gate in gates.red}


def test_a_clean_experiment_is_green_and_every_gate_is_there():
    gates = judge(clean())
    assert red(gates) == set()
    assert {gate.name for gate in gates.gates} == set(GATES)
    assert all(gates.passed.values())
    assert not gates.hidden("high")
    assert set(gates.to_frame().columns) >= {"name", "tier", "status", "figure", "limit", "n"}


def test_clean_experiments_are_rarely_red():
    # 17 tests at 1 in 1,000 each: about one experiment in 60.
    alarms = sum(bool(judge(clean(seed, 600)).red) for seed in range(60))
    assert alarms <= 5


def lose(counts, arm, share, tier=None):
    rows = counts.assigned["arm"] == arm
    rows &= (counts.assigned["tier"] == tier) if tier else True
    frame = counts.assigned
    frame.loc[rows, "customers"] = (frame.loc[rows, "customers"] * (1 - share)).astype(int)


def test_a_loss_in_one_arm_of_one_tier_hides_that_tier_only():
    counts = clean()
    lose(counts, "8", 0.35, "growth")
    gates = judge(counts)
    assert red(gates) >= {"growth: sample_ratio"}
    assert next(g for g in gates.red if g.tier == "growth").arm == "8"
    assert gates.hidden("growth")
    assert gates.passed["high: sample_ratio"]


def test_a_small_loss_everywhere_shows_overall():
    counts = clean(per_tier=12_000)
    lose(counts, "8", 0.07)
    assert "sample_ratio" in red(judge(counts))


def test_the_sample_ratio_is_pearsons_test():
    counts = clean()
    own = counts.assigned[counts.assigned["tier"] == "high"].set_index("arm")["customers"]
    gate = next(g for g in judge(counts).gates if g.key == "high: sample_ratio")
    assert gate.figure == pytest.approx(stats.chisquare(own).pvalue)


def test_customers_who_were_not_contacted():
    counts = clean()
    frame = counts.contacts
    rows = (frame["tier"] == "high") & (frame["arm"] == "4")
    frame.loc[rows, "contacted"] = (frame.loc[rows, "contacted"] * 0.9).astype(int)
    assert red(judge(counts)) == {"high: contacted_ratio"}


def test_arms_that_differed_before_the_start():
    counts = clean()
    rows = (counts.before["tier"] == "standard") & (counts.before["arm"] == "2")
    n = counts.before.loc[rows, "n"]
    counts.before.loc[rows, "sum_x2"] += 2 * 60 * counts.before.loc[rows, "sum_x"] + n * 60**2
    counts.before.loc[rows, "sum_x"] += 60 * n
    assert red(judge(counts)) == {"standard: before_the_start"}


def test_the_test_on_the_time_before_is_an_analysis_of_variance():
    rng = np.random.default_rng(5)
    values = {arm: rng.gamma(1, 10, 40 + 5 * i) for i, arm in enumerate(ARMS)}
    counts = clean()
    rows = [("high", arm, len(v), v.sum(), (v**2).sum()) for arm, v in values.items()]
    counts.before = pd.DataFrame(rows, columns=["tier", "arm", "n", "sum_x", "sum_x2"])
    gate = next(g for g in judge(counts).gates if g.key == "high: before_the_start")
    assert gate.figure == pytest.approx(stats.f_oneway(*values.values()).pvalue, rel=1e-9)


def test_contacts_that_were_not_made():
    counts = clean()
    rows = counts.contacts["arm"] == "8"
    counts.contacts.loc[rows, ["sent", "delivered", "response_known"]] *= 0.7
    gates = judge(counts)
    assert red(gates) == {"dose"}
    assert gates.red[0].arm == "8"
    assert judge(counts, limits=TrustLimits(dose_off=0.4)).red == ()


def test_a_hold_out_that_was_contacted():
    counts = clean()
    counts.contacts.loc[counts.contacts["arm"] == "0", "contacted"] += 40
    assert red(judge(counts)) == {"hold_out"}


def test_outcomes_that_are_missing_more_in_one_arm():
    counts = clean()
    counts.too_late.loc[counts.too_late["arm"] == "2", "too_late"] *= 2
    assert red(judge(counts)) == {"too_late"}


def test_responses_that_are_seen_less_in_one_arm():
    counts = clean()
    counts.contacts.loc[counts.contacts["arm"] == "4", "response_known"] *= 0.9
    assert red(judge(counts)) == {"tracking"}


def test_contacts_after_unsubscribing():
    counts = clean()
    counts.after_unsubscribing.loc[counts.after_unsubscribing["arm"] == "8", "after"] = 400
    gates = judge(counts)
    assert red(gates) == {"after_unsubscribing"}
    assert gates.red[0].arm == "8"


def test_arms_that_did_not_run_at_the_same_time():
    counts = clean()
    weeks = counts.assigned_by_week
    weeks.loc[weeks["arm"] == "8", "week"] += 3
    assert red(judge(counts)) == {"concurrent"}


@pytest.mark.parametrize("status", ["changed", "frozen_late", "not_frozen"])
def test_a_plan_that_is_not_what_it_was(status):
    state = dataclasses.replace(FROZEN, status=status)
    gates = judge(clean(), state=state)
    assert red(gates) == {"plan_frozen"}
    assert all(gates.hidden(tier) for tier in PLAN.tiers)


def test_an_experiment_that_is_not_over():
    gates = judge(clean(), as_of=dt.date(2025, 6, 1))
    assert red(gates) == {"over"}
    assert gates.red[0].figure == 28


def test_an_arm_that_nobody_got():
    counts = clean()
    counts.assigned = counts.assigned[counts.assigned["arm"] != "2"]
    assert "sample_ratio" in red(judge(counts))


def test_without_touches_what_needs_them_is_not_measurable_and_not_green():
    counts = dataclasses.replace(clean(), contacts=None, after_unsubscribing=None)
    gates = judge(counts)
    unknown = {gate.name for gate in gates.gates if gate.status == NOT_MEASURABLE}
    assert unknown == {*("contacted_ratio", "dose", "hold_out", "tracking", "after_unsubscribing")}
    assert not unknown & set(gates.passed)
    assert FAILED not in {gate.status for gate in gates.gates}
