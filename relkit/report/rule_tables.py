"""Tier rules and their health as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from relkit.report.blocks import Table, table
from relkit.report.language import current
from relkit.report.rule_words import box_words, definitions, tier_words
from relkit.report.statements import say, term

if TYPE_CHECKING:
    from relkit.segments.contact_drop import FalseAlarms
    from relkit.segments.named_segments import RfmSegments
    from relkit.segments.rule_health import RulesHealth

MOST_BOXES = 10

_PART = {
    "customers": ("label.customers", "count"),
    "share": ("label.rules_share", "percent"),
    "revenue": ("label.rules_revenue", "compact_money"),
    "revenue_share": ("label.rules_revenue_share", "percent"),
}


def rules_coverage(health: RulesHealth) -> Table:
    """Customers that match no tier, one, two and more, with their revenue."""
    columns = {"matched": ("label.rules_matched", "count"), **_PART}
    return table(
        health.coverage, columns, caption=say("table.rules_coverage"), name="rules_coverage"
    )


def rules_holes(health: RulesHealth, n: int = MOST_BOXES) -> Table | None:
    """The n holes with most customers; None where there is none, or nothing is proved."""
    if health.holes.empty:
        return None
    frame = health.holes.assign(where=[box_words(box).text() for box in health.holes["box"]])
    columns = {
        "where": ("label.rules_where", "text"),
        **_PART,
        "added": ("label.rules_added", "count"),
    }
    return _boxes(frame, columns, "rules_holes", "note.rules_boxes", n, health.proof.holes.complete)


def rules_overlaps(health: RulesHealth, n: int = MOST_BOXES) -> Table | None:
    """The n overlaps with most customers; None where there is none, or nothing is proved."""
    if health.overlaps.empty:
        return None
    rules = health.assignment.rules
    ranked = health.overlaps.sort_values("customers", ascending=False, kind="stable")
    frame = ranked.assign(
        where=[box_words(box).text() for box in ranked["box"]],
        tier=[tier_words(rules, tier).text() for tier in ranked["tier"]],
        other=[tier_words(rules, tier).text() for tier in ranked["other"]],
    )
    columns = {
        "tier": ("label.rules_wins", "text"),
        "other": ("label.rules_other", "text"),
        "where": ("label.rules_where", "text"),
        **_PART,
    }
    complete = all(overlap.cover.complete for overlap in health.proof.overlaps)
    return _boxes(frame, columns, "rules_overlaps", "note.rules_overlaps", n, complete)


def _boxes(
    frame: pd.DataFrame,
    columns: dict[str, tuple[str, str]],
    name: str,
    note_key: str,
    n: int,
    complete: bool,
) -> Table:
    note = say(note_key) if complete else say("note.rules_boxes_many", n=len(frame))
    return table(
        frame.drop(columns="box"),
        columns,
        caption=say(f"table.{name}"),
        name=name,
        note=note,
        max_rows=n,
    )


def rules_clauses(health: RulesHealth) -> Table:
    """Every clause with what it decides, and what its names stand for."""
    rules = health.assignment.rules
    clauses = health.clauses
    frame = clauses.assign(
        tier=[tier_words(rules, tier).text() for tier in clauses["tier"]],
        status=[term(f"rules.status.{status.replace(' ', '_')}") for status in clauses["status"]],
    )
    columns = {
        "tier": ("label.tier", "text"),
        "text": ("label.rules_text", "text"),
        "true_for": ("label.rules_true_for", "count"),
        "fired": ("label.rules_fired", "count"),
        "revenue": ("label.rules_revenue", "compact_money"),
        "status": ("label.rules_status", "text"),
    }
    return table(
        frame,
        columns,
        caption=say("table.rules_clauses"),
        name="rules_clauses",
        note=definitions(rules),
        max_rows=len(frame),
    )


def rules_shares(health: RulesHealth) -> Table:
    """Customers per tier, those in none last, beside the targets."""
    rules, shares = health.assignment.rules, health.shares
    frame = shares.assign(tier=[tier_words(rules, tier).text() for tier in shares["tier"]])
    columns = {
        "tier": ("label.tier", "text"),
        "customers": _PART["customers"],
        "share": _PART["share"],
        "target_share": ("label.rules_target", "percent"),
        "difference": ("label.rules_difference", "percent"),
        "revenue": _PART["revenue"],
        "revenue_share": _PART["revenue_share"],
    }
    return table(frame, columns, caption=say("table.rules_shares"), name="rules_shares")


def rules_missing(health: RulesHealth) -> Table | None:
    """Variables that customers lack a value for; None where nobody does."""
    missing = health.assignment.missing
    if missing.empty:
        return None
    columns = {
        "variable": ("label.rules_variable", "text"),
        "column": ("label.rules_column", "text"),
        "customers": ("label.rules_lacking", "count"),
        "unassigned": ("label.rules_lacking_unassigned", "count"),
    }
    return table(missing, columns, caption=say("table.rules_missing"), name="rules_missing")


def false_alarms(found: FalseAlarms) -> Table:
    """How often contacts fall by chance, per volume; customers where they were given."""
    frame = found.to_frame()
    columns = {
        "contacts": ("label.rules_contacts", "length"),
        "comparable": ("label.rules_comparable", "percent"),
        "false_alarm_rate": ("label.rules_false_alarm", "percent"),
        "customers": ("label.customers", "count"),
        "expected_alarms": ("label.rules_expected_alarms", "number"),
    }
    shown = {name: spec for name, spec in columns.items() if name in frame}
    return table(frame, shown, caption=say("table.rules_false_alarms"), name="false_alarms")


def named_segments(segments: RfmSegments) -> Table:
    """Customers and spend of every RFM segment."""
    sizes, code = segments.sizes(), current().code
    labels = segments.names.label
    frame = sizes.assign(segment=[labels.get(s, {}).get(code, s) for s in sizes["segment"]])
    columns = {
        "segment": ("label.rules_segment", "text"),
        "customers": _PART["customers"],
        "share": _PART["share"],
        "total_spend": ("label.past_spend", "compact_money"),
        "spend_share": ("label.past_spend_share", "percent"),
    }
    return table(frame, columns, caption=say("table.rules_segments"), name="rfm_segments")
