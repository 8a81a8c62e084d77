"""Holes and overlaps of tier rules, target shares beside reached ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from relkit.report import theme
from relkit.report.language import current
from relkit.report.plots.drawing import described, heat_map, paired_bars
from relkit.report.rule_words import box_words, cell_words, tier_words
from relkit.report.statements import say, term
from relkit.segments.rule_cells import Box

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relkit.segments.rule_health import RulesHealth


def rules_grid(
    health: RulesHealth, x: str | None = None, y: str | None = None, ax: Axes | None = None
) -> Axes:
    """Customers in no tier, and with a plus in several, by the cells of two variables."""
    grid, axes = health.grid(x, y), health.grid_axes(x, y)
    none = grid.pivot(index="y", columns="x", values="none")
    several = grid.pivot(index="y", columns="x", values="several").to_numpy()
    counts, held = none.to_numpy(), grid.pivot(index="y", columns="x", values="customers")
    people = held.to_numpy()

    def words(*cell: int) -> str:
        if not people[cell]:
            return ""
        twice = f"\n+{current().count(several[cell])}" if several[cell] else ""
        return current().count(counts[cell]) + twice

    coloured = none.where(held > 0)  # a cell that holds nobody has no colour
    ax = heat_map(ax or theme.new_axes("full"), coloured, words, (0, max(1, counts.max())))
    across = axes[0]
    ax.set_xticks(np.arange(across.size) + 0.5, [cell_words(across, c) for c in range(across.size)])
    ax.set_xlabel(across.variable.name)
    ax.set_yticks([])
    if len(axes) > 1:
        up = axes[1]
        ax.set_yticks(np.arange(up.size) + 0.5, [cell_words(up, c) for c in range(up.size)])
        ax.set_ylabel(up.variable.name)
    ax.set_title(term("label.rules_grid"))
    most = grid.iloc[int(grid["none"].to_numpy().argmax())]
    places = [
        np.arange(axis.size) == int(most[side]) for axis, side in zip(axes, "xy", strict=False)
    ]
    bounds = (axis.bound(place) for axis, place in zip(axes, places, strict=True))
    values = {
        "x": across.variable.name,
        "none": int(grid["none"].sum()),
        "several": int(grid["several"].sum()),
        "largest": int(most["none"]),
        "where": box_words(Box(tuple(bound for bound in bounds if bound is not None))),
    }
    if not values["none"]:
        return described(ax, "alt.rules_whole", values, grid)
    if len(axes) == 1:
        return described(ax, "alt.rules_row", values, grid)
    return described(ax, "alt.rules_grid", values | {"y": axes[1].variable.name}, grid)


def rules_shares(health: RulesHealth, ax: Axes | None = None) -> Axes:
    """Share of customers per tier beside its target."""
    shares, rules = health.shares, health.assignment.rules
    names = pd.Series([tier_words(rules, tier).text() for tier in shares["tier"]])
    series = [(shares["share"], theme.ACCENT, "label.rules_reached")]
    if shares["target_share"].notna().any():
        series.insert(0, (shares["target_share"], theme.GREY, "label.rules_wanted"))
    ax = ax or theme.new_axes("full")
    paired_bars(ax, names, series, lambda x: "" if np.isnan(x) else current().percent(x, 0))
    ax.set_yticks([])
    ax.grid(False)
    ax.set_xlabel(term("label.tier"))
    parts = [
        say("alt.rules_share_alone", tier=name, share=float(share))
        if np.isnan(target)
        else say("alt.rules_share_part", tier=name, share=float(share), target=float(target))
        for name, share, target in zip(names, shares["share"], shares["target_share"], strict=True)
    ]
    comma = "；" if current().code == "zh" else ", "
    return described(
        ax, "alt.rules_shares", {"parts": comma.join(part.text() for part in parts)}, shares
    )
