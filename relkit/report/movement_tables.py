"""Tiers over time, their review and their size as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from relkit.report.blocks import Table, Tiles, table, tile, tiles
from relkit.report.statements import say, term
from relkit.segments.bridge import NO_TIER
from relkit.segments.migration import ENTERED, LEFT
from relkit.segments.rules import UNASSIGNED
from relkit.studies.tier_review import NotShown

if TYPE_CHECKING:
    from relkit.segments.bridge import TierBridge
    from relkit.segments.hysteresis import HeldTiers, HysteresisPrice
    from relkit.segments.migration import TierMigration
    from relkit.segments.relabelling import RelabelSplit
    from relkit.segments.review_queue import ReviewQueue
    from relkit.segments.sizing import TierSize
    from relkit.segments.staleness import StaleTiers

MOST_ROWS = 20
_WORDS = {
    ENTERED: "move.entered",
    LEFT: "move.left",
    "total": "move.total",
    NO_TIER: "move.none",
    UNASSIGNED: "rules.unassigned",
}


def _tier(name: str) -> str:
    return term(_WORDS[name]) if name in _WORDS else name


def tier_moves(migration: TierMigration) -> Table:
    """Customers from tier to tier; rows and columns end in their totals."""
    return _matrix(migration, "customers", "count", "table.tier_moves", "tier_moves")


def tier_moves_value(migration: TierMigration) -> Table | None:
    """The same in change of value; None where the tiers came without values."""
    if not migration.has_value:
        return None
    return _matrix(migration, "value_change", "money", "table.tier_moves_value", "tier_moves_value")


def _matrix(migration: TierMigration, measure: str, word: str, caption: str, name: str) -> Table:
    frame = migration.matrix(measure).reset_index()
    frame["before"] = [_tier(tier) for tier in frame["before"]]
    columns: dict[str, Any] = {"before": ("label.move_from", "text")}
    columns |= {str(tier): (_tier(str(tier)), word) for tier in frame.columns[1:]}
    return table(frame, columns, caption=say(caption), name=name)


def tier_bridge(bridge: TierBridge) -> Table:
    """Every part of the change of revenue with its customers; amounts sum to the change."""
    frame = bridge.to_frame()
    frame["part"] = [term(f"move.{part}") for part in frame["part"]]
    total = {
        "part": [term("move.total")],
        "customers": [int(frame["customers"].sum())],
        "before": [bridge.before],
        "after": [bridge.after],
        "amount": [bridge.change],
    }
    frame = pd.concat([frame, pd.DataFrame(total)], ignore_index=True)
    columns = {
        "part": ("label.move_part", "text"),
        "customers": ("label.customers", "count"),
        "before": ("label.move_before", "money"),
        "after": ("label.move_after", "money"),
        "amount": ("label.move_amount", "money"),
    }
    return table(
        frame,
        columns,
        caption=say("table.tier_bridge"),
        note=say("note.tier_bridge"),
        name="tier_bridge",
    )


def tier_losses(bridge: TierBridge) -> Table | None:
    """What customers who stopped had brought, by tier; None where nobody stopped."""
    frame = bridge.by_tier()
    frame = frame[frame["part"] == "lapsed"]
    if frame.empty:
        return None
    frame = frame.assign(tier=[_tier(tier) for tier in frame["tier"]], lost=-frame["amount"])
    columns = {
        "tier": ("label.tier", "text"),
        "customers": ("label.customers", "count"),
        "lost": ("label.move_lost", "money"),
    }
    return table(frame, columns, caption=say("table.tier_losses"), name="tier_losses")


def flapping(tiers: HeldTiers) -> Table:
    """Customers who change tier a review, computed and held."""
    frame = tiers.flapping()
    frame["tiers"] = [term(f"tiers_are.{name}") for name in frame["tiers"]]
    columns = {
        "tiers": ("label.held_tiers", "text"),
        "changes": ("label.held_changes", "percent"),
        "there_and_back": ("label.held_back", "percent"),
        "differs": ("label.held_differs", "percent"),
    }
    return table(frame, columns, caption=say("table.flapping"), name="flapping")


def hysteresis_price(price: HysteresisPrice) -> Table:
    """What the best tiers catch of the revenue that follows, day by day."""
    columns = {
        "as_of": ("label.held_day", "date"),
        "revenue": ("label.held_revenue", "compact_money"),
        "captured_computed": ("label.held_computed", "percent"),
        "captured_held": ("label.held_held", "percent"),
    }
    return table(
        price.to_frame(), columns, caption=say("table.hysteresis_price"), name="hysteresis_price"
    )


def stale_tiers(found: StaleTiers, n: int = MOST_ROWS) -> Table | None:
    """The n most pressing customers; None where every tier fits."""
    if found.listed.empty:
        return None
    frame = found.to_frame()
    frame["reasons"] = [
        ", ".join(term(f"stale_reason.{reason}") for reason in reasons.split(", "))
        for reasons in frame["reasons"]
    ]
    columns = {
        "customer_id": ("label.customer", "text"),
        "tier_in_use": ("label.stale_in_use", "text"),
        "tier_computed": ("label.stale_computed", "text"),
        "spend_before": ("label.move_before", "money"),
        "spend_now": ("label.move_after", "money"),
        "growth": ("label.stale_growth", "percent0"),
        "reasons": ("label.stale_reasons", "text"),
    }
    return table(
        frame,
        columns,
        caption=say("table.stale_tiers"),
        note=say("note.stale_tiers"),
        name="stale_tiers",
        max_rows=n,
    )


def review_queue(queue: ReviewQueue | NotShown) -> Table | None:
    """How many verdicts say what of which tag; None where there are none."""
    if isinstance(queue, NotShown):
        return None
    seen = queue.reviewed
    if seen.empty:
        return None
    frame = seen.groupby(["suggested", "label"]).size().rename("customers").reset_index()
    frame["share"] = frame["customers"] / frame["customers"].sum()
    columns = {
        "suggested": ("label.queue_tag", "text"),
        "label": ("label.queue_verdict", "text"),
        "customers": ("label.customers", "count"),
        "share": ("label.queue_share", "percent"),
    }
    return table(frame, columns, caption=say("table.queue"), name="review_queue")


def tier_size(found: TierSize, n: int = MOST_ROWS) -> Table | None:
    """The accounts to hold, best first, n of them shown; None where there are none."""
    if found.size == 0:
        return None
    frame = found.to_frame()
    columns = {
        "customer_id": ("label.customer", "text"),
        "clv": ("label.clv", "money"),
        "uplift": ("label.size_uplift", "percent"),
        "gain": ("label.size_gain", "money"),
        "hours": ("label.size_hours", "length"),
        "cost": ("label.size_cost", "money"),
        "net": ("label.size_net", "money"),
    }
    return table(
        frame[frame["chosen"]],
        columns,
        caption=say("table.tier_size"),
        note=say("note.tier_size"),
        name="tier_size",
        max_rows=n,
    )


def tier_size_tiles(found: TierSize) -> Tiles:
    """Accounts to hold, their net value, the hours they take."""
    return tiles(
        tile("tile.size", found.size, "count", n=len(found.accounts)),
        tile("tile.size_net", found.net, "compact_money"),
        tile("tile.size_hours", found.hours, "length"),
    )


def relabel_split(split: RelabelSplit) -> Table:
    """The parts of the change of the tier's revenue; they sum to it."""
    frame = split.to_frame()
    frame["part"] = [term(f"relabel_part.{part}") for part in frame["part"]]
    # Accounts of the parts overlap (put in counts twice), so they have no sum of their own.
    total = {"part": [term("move.total")], "accounts": [float("nan")], "amount": [split.change]}
    frame = pd.concat([frame, pd.DataFrame(total)], ignore_index=True)
    columns = {
        "part": ("label.size_part", "text"),
        "accounts": ("label.size_accounts", "count"),
        "amount": ("label.size_amount", "money"),
    }
    return table(
        frame,
        columns,
        caption=say("table.relabel_split"),
        note=say("note.relabel_split"),
        name="relabel_split",
    )
