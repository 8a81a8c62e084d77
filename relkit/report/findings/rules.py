"""What tier rules leave open, give twice, and never use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relkit.report.rule_words import box_words, plain_words, tier_words
from relkit.report.statements import Statement, say

if TYPE_CHECKING:
    from relkit.segments.contact_drop import FalseAlarms
    from relkit.segments.named_segments import RfmSegments
    from relkit.segments.rule_health import RulesHealth

# A target is met where the share is within half a point: shares are planned in whole ones.
SHARE_TOLERANCE = 0.005


def rules_coverage(health: RulesHealth) -> Statement:
    """How many customers, with how much revenue, are in no tier and in several."""
    none, several, proof = health.in_none, health.in_several, health.proof
    if none["customers"] + several["customers"] > 0:
        return say(
            "rules.gaps",
            none=float(none["share"]),
            none_revenue=float(none["revenue_share"]),
            several=float(several["share"]),
            several_revenue=float(several["revenue_share"]),
        )
    n = len(health.assignment.customers)
    if not proof.proved:
        return say("rules.whole_unproved", n=n)
    if proof.covers_everybody and proof.overlaps_nowhere:
        return say("rules.whole", n=n)
    overlaps = sum(len(overlap.cover.boxes) for overlap in proof.overlaps)
    return say("rules.whole_here", n=n, holes=len(proof.holes.boxes), overlaps=overlaps)


def rules_holes(health: RulesHealth) -> Statement:
    """The hole that most customers fall into, or that there is none."""
    if not health.proof.proved:
        return _unproved(health)
    if health.proof.covers_everybody:
        return say("rules.no_hole", cells=health.proof.cells)
    first = health.holes.iloc[0]
    return say(
        "rules.holes" if health.proof.holes.complete else "rules.holes_many",
        n=len(health.holes),
        where=box_words(first["box"]),
        customers=int(first["customers"]),
        revenue=float(first["revenue_share"]),
    )


def rules_overlaps(health: RulesHealth) -> Statement:
    """The two tiers that share most customers, or that no two share any."""
    if not health.proof.proved:
        return _unproved(health)
    if health.proof.overlaps_nowhere:
        return say("rules.no_overlap")
    pairs = health.overlaps.groupby(["tier", "other"], sort=False)["added"].sum()
    tier, other = pairs.index[int(pairs.to_numpy().argmax())]
    rules = health.assignment.rules
    return say(
        "rules.overlaps",
        n=len(pairs),
        customers=int(pairs.max()),
        tier=tier_words(rules, tier),
        other=tier_words(rules, other),
    )


def _unproved(health: RulesHealth) -> Statement:
    return say("rules.unproved", cells=health.proof.cells, limit=health.proof.limit)


def rules_shares(health: RulesHealth) -> Statement | None:
    """The tier that is furthest from its target; None where no tier has one."""
    targeted = health.shares[health.shares["target_share"].notna()]
    if targeted.empty:
        return None
    off = targeted["difference"].abs()
    if off.max() <= SHARE_TOLERANCE:
        return say("rules.shares_met")
    furthest = targeted.iloc[int(off.to_numpy().argmax())]
    return say(
        "rules.share_off",
        tier=tier_words(health.assignment.rules, str(furthest["tier"])),
        target=float(furthest["target_share"]),
        share=float(furthest["share"]),
        unassigned=float(health.in_none["share"]),
    )


def rules_clauses(health: RulesHealth) -> Statement:
    """How many clauses decide about nobody."""
    statuses = health.clauses["status"]
    idle, n = int((statuses != "fires").sum()), len(statuses)
    if idle == 0:
        return say("rules.all_fire", n=n)
    return say("rules.idle", idle=idle, n=n, shadowed=int((statuses == "shadowed").sum()))


def rules_missing(health: RulesHealth) -> Statement:
    """The variable that most customers lack a value for."""
    missing = health.assignment.missing
    if missing.empty:
        return say("rules.missing_none")
    most = missing.iloc[int(missing["customers"].to_numpy().argmax())]
    return say(
        "rules.missing",
        variable=str(most["variable"]),
        column=str(most["column"]),
        customers=int(most["customers"]),
        unassigned=int(most["unassigned"]),
    )


def false_alarms(found: FalseAlarms) -> Statement:
    """How often contacts fall by chance, for customers with few and with many of them."""
    few, many = found.volumes.iloc[0], found.volumes.iloc[-1]
    return say(
        "rules.false_alarms",
        drop=found.drop,
        few=float(few["contacts"]),
        few_rate=float(few["false_alarm_rate"]),
        many=float(many["contacts"]),
        many_rate=float(many["false_alarm_rate"]),
    )


def named_segments(segments: RfmSegments) -> Statement:
    """The RFM segment with most customers, and the one that brought most revenue."""
    sizes = segments.sizes()
    largest = sizes.iloc[int(sizes["customers"].to_numpy().argmax())]
    said = {
        "segment": _segment(segments, str(largest["segment"])),
        "n": len(sizes),
        "customers": float(largest["share"]),
    }
    if sizes["spend_share"].isna().any():
        return say("rules.named_largest", **said)
    best = sizes.iloc[int(sizes["total_spend"].to_numpy().argmax())]
    return say(
        "rules.named_segments",
        **said,
        best=_segment(segments, str(best["segment"])),
        revenue=float(best["spend_share"]),
    )


def _segment(segments: RfmSegments, name: str) -> Statement:
    label = segments.names.label.get(name, {})
    return plain_words({code: label.get(code, name) for code in ("en", "zh")})
