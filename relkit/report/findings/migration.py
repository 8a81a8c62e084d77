"""What tiers did over time: moves, the bridge of revenue, holding, tiers that no longer fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from relkit.report.statements import Statement, say

if TYPE_CHECKING:
    from relkit.segments.bridge import TierBridge
    from relkit.segments.hysteresis import HeldTiers, HysteresisPrice
    from relkit.segments.migration import TierMigration
    from relkit.segments.staleness import StaleTiers


def tier_moves(migration: TierMigration) -> Statement:
    """How many customers changed tier, came in and left."""
    counts = migration.counts
    moving = {name: counts[name] for name in ("entered", "left")}
    if counts["up"] + counts["same"] + counts["down"] == 0:
        return say("moves.nobody_stayed", **moving)
    return say(
        "moves.changed",
        share=migration.moved_share,
        up=counts["up"],
        down=counts["down"],
        **moving,
    )


def tier_bridge(bridge: TierBridge) -> Statement:
    """The change of revenue, through whom; its three parts sum to it."""
    amounts = bridge.to_frame().set_index("part")["amount"]
    others = ["up", "same", "down", "untiered", "inactive"]
    key = "rose" if bridge.change > 0 else "fell" if bridge.change < 0 else "level"
    return say(
        f"bridge.{key}",
        change=abs(bridge.change),
        after=bridge.after,
        won=_whole_cents(amounts, ["new", "reactivated"]),
        lapsed=abs(float(amounts["lapsed"])),
        rest=_whole_cents(amounts, others),
    )


def _whole_cents(amounts: pd.Series, parts: list[str]) -> float:
    return round(float(amounts[parts].sum()), 2)


def tier_losses(bridge: TierBridge) -> Statement:
    """The tier whose customers stopped with most revenue; the tiers' losses sum to the bar."""
    lost = bridge.by_tier()
    lost = lost[(lost["part"] == "lapsed") & (lost["amount"] < 0)]
    if lost.empty:
        return say("bridge.no_losses")
    worst = lost.iloc[int(lost["amount"].to_numpy().argmin())]
    return say(
        "bridge.losses",
        tier=str(worst["tier"]),
        customers=int(worst["customers"]),
        amount=-float(worst["amount"]),
        share=float(worst["amount"] / lost["amount"].sum()),
    )


def tier_flapping(tiers: HeldTiers) -> Statement:
    """How much calmer held tiers are."""
    before, back = tiers.computed.flapping()
    after, held_back = tiers.held.flapping()
    values = {"before": before, "after": after, "back": back, "held_back": held_back}
    calmer = after < before
    return say("held.calmer" if calmer else "held.no_calmer", **values)


def hysteresis_price(price: HysteresisPrice) -> Statement:
    """What the calm costs, in revenue to come that the best tiers no longer catch."""
    # From the shares as they are shown, so that the reader can subtract them.
    lost = round(100 * price.captured_computed, 1) - round(100 * price.captured_held, 1)
    return say(
        "held.price" if price.lost > 0 else "held.free",
        held=price.captured_held,
        computed=price.captured_computed,
        lost=max(round(lost, 1), 0.0),
    )


def hysteresis_sizes(tiers: HeldTiers, price: HysteresisPrice) -> Statement:
    """How large the best tiers are when held, and how many stand elsewhere than computed."""
    return say(
        "held.sizes",
        size=float(price.days["size_held"].mean()),
        computed_size=float(price.days["size_computed"].mean()),
        differs=float(tiers.to_frame()["differs"].mean()),
    )


def stale_tiers(found: StaleTiers) -> Statement:
    """How many tiers in use no longer fit."""
    if found.listed.empty:
        return say("stale.none", compared=found.compared)
    return say(
        "stale.found",
        n=len(found.listed),
        compared=found.compared,
        rose=found.count("rose"),
        rise=found.rise,
    )


def stale_missing(found: StaleTiers) -> Statement | None:
    """Customers that only one of the two lists holds; None where both hold the same."""
    if not found.without_tier_in_use and not found.unknown:
        return None
    return say("stale.missing", without=found.without_tier_in_use, unknown=found.unknown)
