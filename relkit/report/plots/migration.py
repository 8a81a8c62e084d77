"""Tiers over time: who moved where, the bridge of revenue, what holding costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from relkit.report import theme
from relkit.report.language import current
from relkit.report.plots.drawing import described, heat_map, paired_bars, word_axis
from relkit.report.plots.steps import steps_chart
from relkit.report.statements import Statement, statement, term
from relkit.segments.migration import ENTERED, LEFT
from relkit.segments.rules import UNASSIGNED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relkit.segments.bridge import TierBridge
    from relkit.segments.hysteresis import HeldTiers, HysteresisPrice
    from relkit.segments.migration import TierMigration


def tier_name(tier: str) -> Statement:
    """A tier, or where somebody comes from or goes who has none, as a sentence says it."""
    keys = {ENTERED: "move.entered", LEFT: "move.left", UNASSIGNED: "rules.unassigned"}
    if tier in keys:
        return statement(en="{word:term}", zh="{word:term}", word=keys[tier])
    return statement(en="{tier:text}", zh="{tier:text}", tier=tier)


def tier_moves(migration: TierMigration, ax: Axes | None = None) -> Axes:
    """Customers by tier before and after, and the change of their value where it is known.

    Colour is the share of the row, so that a large tier does not hide a small one's moves.
    """
    table = migration.matrix("customers", margins=False)
    value = migration.matrix("value_change", margins=False) if migration.has_value else None
    order = list(reversed(table.index))  # the first row of a heat map is drawn lowest
    counts = table.loc[order]
    held = counts.sum(axis=1)
    share = counts.div(held.where(held > 0), axis=0)
    numbers = counts.to_numpy(float)
    money = None if value is None else value.loc[order].to_numpy(float)

    def words(*cell: int) -> str:
        if not numbers[cell]:
            return ""
        text = current().count(numbers[cell])
        if money is None:
            return text
        sign = "+" if money[cell] > 0 else ""
        return f"{text}\n{sign}{current().compact_money(money[cell])}"

    shown = share.rename(
        index=lambda tier: tier_name(tier).text(), columns=lambda tier: tier_name(tier).text()
    )
    ax = heat_map(ax or theme.new_axes("full"), shown, words, limits=(0, 1))
    ax.set_xlabel(term("label.move_to"))
    ax.set_ylabel(term("label.move_from"))
    if money is not None:
        ax.set_title(term("label.move_cells"))
    counts_by = {name: migration.counts[name] for name in ("up", "same", "down")}
    cells = migration.to_frame()
    moves = cells[(cells["before"] != cells["after"]) & (cells["customers"] > 0)]
    if moves.empty:
        return described(ax, "alt.tier_moves_none", {"same": counts_by["same"]}, cells)
    largest = moves.iloc[int(moves["customers"].to_numpy().argmax())]
    values = {
        **counts_by,
        "start": tier_name(largest["before"]),
        "end": tier_name(largest["after"]),
        "largest": int(largest["customers"]),
    }
    return described(ax, "alt.tier_moves", values, cells)


def tier_bridge(bridge: TierBridge, ax: Axes | None = None) -> Axes:
    """From the revenue of the first period to that of the second."""
    frame = bridge.to_frame()
    amounts = {str(part): float(amount) for part, amount in frame[["part", "amount"]].to_numpy()}
    # What hardly ever holds anything is drawn only when it does; the six parts always.
    parts = [p for p in amounts if p not in ("untiered", "inactive") or amounts[p] != 0]
    ax = steps_chart(
        bridge.before,
        [(term(f"move.{part}"), amounts[part]) for part in parts],
        bridge.after,
        (term("move.before"), term("move.after")),
        ax,
    )
    ax.set_ylabel(term("label.revenue"))
    values = {name: amounts[name] for name in parts[:6]}
    other = round(amounts["untiered"] + amounts["inactive"], 2)
    ends = {"before": bridge.before, "after": bridge.after, "other": other}
    return described(ax, "alt.tier_bridge", values | ends, frame)


def flapping(tiers: HeldTiers, ax: Axes | None = None) -> Axes:
    """Customers who change tier, and who go there and back, with and without holding."""
    ax = ax or theme.new_axes("half")
    before, back = tiers.computed.flapping()
    after, held_back = tiers.held.flapping()
    series = [
        (pd.Series([before, back]), theme.GREY, "tiers_are.computed"),
        (pd.Series([after, held_back]), theme.ACCENT, "tiers_are.held"),
    ]
    names = [term("label.held_changes"), term("label.held_back")]
    paired_bars(ax, names, series, lambda x: current().percent(x, 1))
    ax.set_yticks([])
    ax.grid(False)
    values = {"before": before, "after": after, "back": back, "held_back": held_back}
    return described(ax, "alt.flapping", values, tiers.flapping())


def hysteresis_price(price: HysteresisPrice, ax: Axes | None = None) -> Axes:
    """Share of the revenue to come in the best tiers, by day of review."""
    ax = ax or theme.new_axes("half")
    days = price.to_frame()
    places = np.arange(len(days))
    for name, colour in (("computed", theme.GREY), ("held", theme.ACCENT)):
        shares = days[f"captured_{name}"].to_numpy(float)
        ax.plot(places, shares, "o-", color=colour, label=term(f"tiers_are.{name}"))
    every = max(1, int(np.ceil(len(days) / 6)))
    names = [f"{pd.Timestamp(day):%Y-%m}" for day in days["as_of"]]
    ax.set_xticks(places[::every], names[::every])
    word_axis(ax.yaxis, lambda x: current().percent(x, 0))
    ax.set_ylabel(term("label.held_captured"))
    ax.margins(y=0.2)
    ax.legend(loc="best")
    values = {
        "computed": price.captured_computed,
        "held": price.captured_held,
        "n": len(days),
    }
    return described(ax, "alt.hysteresis_price", values, days)
