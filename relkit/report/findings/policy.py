"""What a cadence policy adds up to, what stands behind it, who signed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relkit.frequency.policy_linter import FAULT, WARNING
from relkit.report.policy_words import named, tier_label, titled, type_words
from relkit.report.statements import Statement, listed, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from relkit.frequency.adjustment import Adjustment
    from relkit.frequency.overrides import OverrideAudit
    from relkit.frequency.policy import CadencePolicy
    from relkit.frequency.policy_linter import PolicyConflict, PolicyLint
    from relkit.frequency.policy_signing import PolicyState


def policy_touches(lint: PolicyLint) -> Statement:
    """How many contacts a month the policy adds up to, and whether that is too many."""
    policy = lint.policy
    title = titled(policy.title)
    for code in ("above_cap", "above_optimum"):
        found = [one for one in lint.of(code) if one.value is not None and one.limit]
        if not found:
            continue
        worst = max(found, key=lambda one: (one.value or 0) / (one.limit or 1))
        assert worst.tier is not None
        about = {"policy": title, "tier": tier_label(policy, worst.tier), "month": worst.value}
        if code == "above_cap":
            return say("policy.above_cap", **about, cap=worst.limit)
        claimed = any(one.tier == worst.tier for one in lint.of("optimum_not_measured"))
        how = "policy.claimed" if claimed else "policy.measured"
        times = (worst.value or 0) / (worst.limit or 1)
        return say("policy.above_optimum", **about, times=times, best=worst.limit, how=how)
    counted = lint.totals[lint.totals["per_month"] > 0]
    if counted.empty:
        return say("policy.uncounted", policy=title)
    low, high = (
        counted.iloc[int(at)]
        for at in (counted["per_month"].argmin(), counted["per_month"].argmax())
    )
    bounded = bool(counted[["cap", "optimum_high"]].notna().any(axis=1).all())
    return say(
        "policy.adds_up" if bounded else "policy.adds_up_unbounded",
        policy=title,
        low=float(low["per_month"]),
        low_tier=tier_label(policy, str(low["tier"])),
        high=float(high["per_month"]),
        high_tier=tier_label(policy, str(high["tier"])),
    )


def policy_lint(lint: PolicyLint) -> Statement:
    """How much the linter found."""
    if lint.passes:
        return say("policy.passes")
    count = {
        name: sum(one.severity == severity for one in lint.findings)
        for name, severity in (("faults", FAULT), ("warnings", WARNING))
    }
    return say("policy.found", **count)


def policy_evidence(policy: CadencePolicy) -> Statement:
    """How many lines rest on an experiment."""
    n = len(policy.cells)
    measured = sum(cell.evidence is not None and cell.evidence.measured for cell in policy.cells)
    if n and measured == n:
        return say("policy.evidence_whole", n=n)
    return say("policy.evidence", n=n, measured=measured)


def policy_conflict(
    conflicts: Sequence[PolicyConflict], first: CadencePolicy, second: CadencePolicy
) -> Statement:
    """Whether two policies can both be kept; the largest gap where not."""
    titles = {"first": titled(first.title), "second": titled(second.title)}
    if not conflicts:
        return say("policy.no_conflict", **titles)
    worst = max(conflicts, key=lambda one: abs(one.first - one.second))
    return say(
        "policy.conflict",
        **titles,
        tier=tier_label(first, worst.tier),
        type=type_words(worst.type),
        a=worst.first,
        b=worst.second,
    )


def policy_state(state: PolicyState) -> Statement:
    """Who signed it, and whether it still is what they signed."""
    key = f"policy.state_{state.status}"
    if state.signed_off_by is None:
        return say(key)
    signed = {"by": state.signed_off_by, "on": state.signed_off_on}
    if state.status == "signed":
        return say(key, **signed)
    places = listed([named(change.place) for change in state.changes])
    return say(key, **signed, n=len(state.changes), places=places)


def policy_overrides(audit: OverrideAudit) -> Statement:
    """How many overrides are in force, and when the next one ends."""
    active = audit.overrides[audit.overrides["status"] == "active"]
    expired = audit.count("expired")
    if active.empty:
        return say("policy.overrides_none", expired=expired)
    days = int(active["days_left"].min())
    return say("policy.overrides", active=len(active), days=days, expired=expired)


def policy_adjustment(found: Adjustment) -> Statement:
    """How many customers the rules would move."""
    step = found.customers["step"].astype(int)
    n = len(step)
    up, down = int((step > 0).sum()), int((step < 0).sum())
    return say("policy.adjustment", n=n, up=up, down=down, moved=(up + down) / n)


def policy_adjustment_note() -> Statement:
    """That such rules are an arm to test."""
    return say("policy.adjustment_note")
