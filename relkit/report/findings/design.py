"""Whether an experiment can answer, with whom, and what would do if it cannot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from relkit.frequency.design import YES
from relkit.report.statements import Statement, listed, say, statement

if TYPE_CHECKING:
    from relkit.frequency.arm_proposal import ArmProposal
    from relkit.frequency.assignment import Assignment
    from relkit.frequency.claim_sizes import ClaimSize
    from relkit.frequency.design import ExperimentDesign, TierAnswer
    from relkit.frequency.operating_characteristics import OperatingCharacteristics, WorldOutcome
    from relkit.studies.experiment_design import BeforeStart


def _tier_names(names: Sequence[str]) -> Statement:
    return listed([statement("{tier:text}", "{tier:text}", tier=name) for name in names])


def design_answer(design: ExperimentDesign) -> Statement:
    """How many tiers can answer in time, and which cannot."""
    can = [one.tier for one in design.answers if one.answer == YES]
    short = [one for one in design.answers if one.answer != YES]
    values = {
        "weeks": design.plan.window_weeks,
        "customers": design.customers,
        "arms": max(one.arms for one in design.answers),
    }
    if not short:
        return say("design.all_can", n=len(can), **values)
    if can:
        missing = _tier_names([one.tier for one in short])
        names = {"can": _tier_names(can), "cannot": missing}
        return say("design.some_can", yes=len(can), n=len(design.answers), **names, **values)
    nearest = _nearest(short)
    if nearest is None:
        return say("design.cannot_say", **values)
    return say(
        "design.cannot", tier=nearest.tier, times=nearest.times, own=nearest.customers, **values
    )


def _nearest(answers: Sequence[TierAnswer]) -> TierAnswer | None:
    """The tier that needs the fewest times its customers; None where none can be said."""
    known = [one for one in answers if math.isfinite(one.times)]
    return min(known, key=lambda one: one.times) if known else None


def design_means(design: ExperimentDesign) -> Statement:
    """What it takes that a tier can answer."""
    return say("design.answer_means", power=design.power, worth=design.worth)


def design_left_out(before: BeforeStart) -> Statement | None:
    """Customers in no tier of the plan; None where there are none."""
    return say("design.nobody", n=before.without_tier) if before.without_tier else None


def design_seen(design: ExperimentDesign, metric: str = "retained") -> Statement:
    """From how many points a fall of a share is seen, in the worst and the best placed tier."""
    falls = [
        (abs(one.detectable.difference), one.tier)
        for one in design.effects
        if one.metric == metric and one.detectable.detectable
    ]
    name = f"design.metric.{metric}"
    if not falls:
        return say("design.seen_not", metric=name)
    (least, best), (most, worst) = min(falls), max(falls)
    if len(falls) == 1:
        return say("design.seen_one", metric=name, tier=best, least=100 * least)
    return say(
        "design.seen", metric=name, tier=best, least=100 * least, worst=worst, most=100 * most
    )


def design_seen_method(design: ExperimentDesign) -> Statement:
    """With which chance, and adjusted by what."""
    return say(
        "design.seen_method",
        power=design.power,
        alpha=design.alpha,
        weeks=design.plan.covariate_weeks,
    )


def design_remedy(design: ExperimentDesign) -> Statement:
    """What would let the others answer: fewer arms, or how many customers."""
    short = [one for one in design.answers if one.answer != YES]
    if not short:
        return say("design.remedy_none")
    saved = [one.tier for one in short if one.arms_kept]
    if saved:
        return say("design.remedy_arms", saved=len(saved), short=len(short), can=_tier_names(saved))
    nearest = _nearest(short)
    if nearest is None:
        return say("design.remedy_unknown")
    return say(
        "design.remedy_customers",
        tier=nearest.tier,
        needed=nearest.customers_needed,
        own=nearest.customers,
    )


def design_claims(sizes: Sequence[ClaimSize]) -> Statement:
    """How many claims could be tested in any tier, and one that could in none."""
    keys = list(dict.fromkeys(one.key for one in sizes))
    if not keys:
        return say("design.claims_none")
    possible = [one for one in sizes if one.needed_per_arm is not None]
    testable = {one.key for one in possible if (one.needed_per_arm or 0) <= one.n_arm}
    left = [one for one in possible if one.key not in testable]
    if not left:
        return say("design.claims_all", n=len(keys))
    # Of the claims that cannot be tested, the one farthest away, where it is nearest.
    easiest = {
        key: min(
            (one for one in left if one.key == key), key=lambda one: one.needed_per_arm or math.inf
        )
        for key in {one.key for one in left}
    }
    worst = max(easiest.values(), key=lambda one: (one.needed_per_arm or 0, one.key))
    return say(
        "design.claims",
        testable=len(testable),
        n=len(keys),
        claim=f"claim.{worst.key}",
        needed=worst.needed_per_arm,
        tier=worst.tier,
        have=worst.n_arm,
    )


def design_claims_note(design: ExperimentDesign) -> Statement:
    """That claims are no evidence, and what the sizes are for."""
    return say("design.claims_note", power=design.power)


def design_load(proposal: ArmProposal) -> Statement:
    """Contacts a week of the proposed arms against what can be sent."""
    customers = sum(proposal.customers.values())
    if proposal.capacity is None:
        return say(
            "design.load_free",
            load=proposal.load,
            today=proposal.todays_load,
            customers=customers,
        )
    values = {"load": proposal.load, "capacity": proposal.capacity, "customers": customers}
    if proposal.equal_load > proposal.capacity:
        return say("design.load_cut", equal=proposal.equal_load, **values)
    return say("design.load_fits", **values)


def design_arms_left_out(proposal: ArmProposal) -> Statement | None:
    """Arms that a tier does not get; None where each gets all."""
    if not proposal.over_cap and not proposal.over_capacity:
        return None
    return say("design.left_out", cap=len(proposal.over_cap), capacity=len(proposal.over_capacity))


def design_simulated(found: OperatingCharacteristics) -> Statement:
    """How often the design makes a wrong switch, in the world where it does so most."""
    worst = max(found.worlds, key=lambda one: one.false_switch.value)
    return say(
        "design.simulated",
        runs=worst.runs,
        worst=worst.false_switch,
        world=f"design.world_name.{worst.world}",
    )


def _with_a_best(found: OperatingCharacteristics) -> WorldOutcome:
    """The smooth world, or the first where it was not simulated."""
    smooth = [one for one in found.worlds if one.world == "smooth"]
    return (smooth or list(found.worlds))[0]


def design_captured(found: OperatingCharacteristics) -> Statement:
    """What the rule catches of the gain, and whether its range holds the best frequency."""
    one = _with_a_best(found)
    if one.captured is None:
        name = f"design.world_name.{one.world}"
        return say("design.captured_none", world=name, covered=one.covered, runs=one.runs)
    return say("design.captured", captured=one.captured, covered=one.covered, runs=one.runs)


def design_simulated_note(found: OperatingCharacteristics) -> Statement:
    """What a wrong switch is, and what was assumed."""
    return say("design.simulated_note")


def design_not_simulated(found: OperatingCharacteristics) -> Statement | None:
    """Guardrails that took no part; None where all did."""
    if not found.not_simulated:
        return None
    names = listed([f"design.metric.{name}" for name in found.not_simulated])
    return say("design.not_simulated", names=names)


def design_assigned(assignment: Assignment) -> Statement:
    """How many are assigned, and how near the sizes are to the plan."""
    sizes = assignment.sizes()
    gap = float((sizes["units"] - sizes["planned_units"]).abs().max())
    return say(
        "design.assigned",
        customers=len(assignment.customers),
        tiers=int(sizes["tier"].nunique()),
        gap=gap,
        unit=f"design.unit.{assignment.unit}",
    )


def design_balance(balance: pd.DataFrame) -> Statement:
    """The largest difference between an arm and its tier before the start."""
    gaps = balance["standardised_difference"].abs().to_numpy(float)
    worst = balance.iloc[int(gaps.argmax())]
    return say(
        "design.balanced",
        gap=abs(float(worst["standardised_difference"])),
        covariate=f"design.covariate.{worst['covariate']}",
        tier=str(worst["tier"]),
        arm=str(worst["arm"]),
        n=int(worst["customers"]),
    )


def design_collisions(others: pd.DataFrame) -> Statement:
    """Customers who are in other experiments too."""
    both = others[others["customers"] > 0]
    if both.empty:
        return say("design.no_collisions")
    return say("design.collisions", customers=int(both["customers"].sum()), n=len(both))
