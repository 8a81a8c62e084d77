"""What must hold before an experiment starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from relkit.frequency.balance import SAMPLE_RATIO_THRESHOLD, sample_ratio_test
from relkit.report.blocks import Gate, gate
from relkit.report.statements import say

if TYPE_CHECKING:
    from relkit.frequency.arm_proposal import ArmProposal
    from relkit.frequency.assignment import Assignment
    from relkit.frequency.freezing import PlanState
    from relkit.studies.experiment_design import BeforeStart

LIMIT = SAMPLE_RATIO_THRESHOLD


def plan_frozen(state: PlanState) -> Gate:
    """The plan was frozen before the first day and is as it was."""
    day, start = state.frozen_on, state.starts_on
    if day is None:
        return gate(say("design.gate.not_frozen", start=start), False)
    if state.status == "changed":
        return gate(say("design.gate.changed", n=len(state.changes), day=day), False)
    if state.status == "frozen_late":
        return gate(say("design.gate.frozen_late", day=day, start=start), False)
    return gate(say("design.gate.frozen", day=day), True)


def nothing_later(before: BeforeStart, state: PlanState) -> Gate:
    """Nothing of the experiment itself was seen."""
    if before.late:
        return gate(say("design.gate.late", day=before.as_of, start=state.starts_on), False)
    return gate(say("design.gate.early", day=before.as_of), True)


def planned_sizes(assignment: Assignment) -> Gate:
    """Arms have the sizes that were planned, in the tier where they are farthest off."""
    sizes = assignment.sizes()
    p_value = 1.0
    for tier, rows in sizes.groupby("tier"):
        counted = dict(zip(rows["arm"], rows["units"].astype(int), strict=True))
        shares = {arm: share for arm, share in assignment.shares[str(tier)].items() if share > 0}
        observed = {arm: counted[arm] for arm in shares}
        p_value = min(p_value, sample_ratio_test(observed, shares).p_value)
    key = "design.gate.ratio" if p_value >= LIMIT else "design.gate.ratio_off"
    return gate(say(key, p=p_value, limit=LIMIT), p_value >= LIMIT)


def balanced(balance: pd.DataFrame) -> Gate:
    """Arms were alike before the start; many tests share one chance of a false alarm."""
    tests = balance.drop_duplicates(["tier", "covariate"])
    p_value, n = float(tests["p_value"].min()), len(tests)
    # Šidák: the smallest of n independent p-values, as one.
    whole = -((1 - p_value) ** n) + 1
    key = "design.gate.balance" if whole >= LIMIT else "design.gate.balance_off"
    return gate(say(key, p=p_value, n=n, limit=LIMIT), whole >= LIMIT)


def alone(others: pd.DataFrame) -> Gate:
    """No other experiment hands its customers unevenly to these arms."""
    if others.empty or others["p_value"].min() >= LIMIT:
        return gate(say("design.gate.alone", n=len(others)), True)
    worst = others.iloc[int(others["p_value"].to_numpy(float).argmin())]
    return gate(
        say("design.gate.leaning", name=str(worst["experiment_id"]), p=float(worst["p_value"])),
        False,
    )


def capacity(proposal: ArmProposal) -> Gate:
    """The contacts can be made; not measurable where no limit is stated."""
    if proposal.capacity is None:
        return gate(say("design.gate.no_capacity", load=proposal.load), None)
    return gate(say("design.gate.capacity", load=proposal.load, capacity=proposal.capacity), True)
