"""What a review shows: activity over time, the bridge from one value to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from relkit.report import theme
from relkit.report.language import current
from relkit.report.plots.drawing import (
    described,
    tick_money,
    tick_period,
    word_axis,
)
from relkit.report.statements import term

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relkit.value.lifetime_value import ValueChange


def activity(periods: pd.DataFrame, period: str, ax: Axes | None = None) -> Axes:
    """Revenue per period, new customers on top of returning ones.

    Args:
        periods: As made by ``rk.activity_by_period``; an incomplete period is drawn pale.
        period: What the rows are: week, month, quarter, year.
    """
    from relkit.report.findings import period_name

    ax = ax or theme.new_axes("full")
    places = np.arange(len(periods))
    alpha = np.where(periods["complete"], 1.0, 0.45)
    layers = [
        ("revenue_returning", theme.ACCENT, np.zeros(len(periods))),
        ("revenue_new", theme.CATEGORICAL[2], periods["revenue_returning"].to_numpy(float)),
    ]
    for column, colour, floor in layers:
        heights = periods[column].to_numpy(float)
        for place, height, bottom, strength in zip(places, heights, floor, alpha, strict=True):
            ax.bar(place, height, 0.72, bottom, color=colour, alpha=strength)
        ax.plot([], [], "s", color=colour, label=term(f"label.{column}"))
    every = max(1, int(np.ceil(len(periods) / 9)))
    short = [tick_period(start, period) for start in periods["start"]]
    ax.set_xticks(places[::every], short[::every])
    word_axis(ax.yaxis, tick_money)
    ax.set_ylabel(term("label.revenue"))
    # Above the tallest bar, wherever that stands.
    ax.set_ylim(0, max(float(periods["revenue"].max()), 1e-9) * 1.14)
    ax.legend(loc="upper right", ncols=2)
    revenue = periods["revenue"].reset_index(drop=True)
    ends = {"first": 0, "last": len(periods) - 1, "top": int(revenue.to_numpy().argmax())}
    values: dict[str, Any] = {name: float(revenue[row]) for name, row in ends.items()}
    values |= {
        f"{name}_period": period_name(periods["start"].iloc[row], period)
        for name, row in ends.items()
    }
    return described(ax, "alt.activity", values, periods)


def value_bridge(change: ValueChange, ax: Axes | None = None) -> Axes:
    """From the earlier value to the later one, by what customers did."""
    ax = ax or theme.new_axes("half")
    amounts = change.to_frame().set_index("part")["amount"].astype(float)
    before, now = change.before.total.value, change.now.total.value
    steps = [
        ("before", 0.0, before, theme.GREY),
        ("shrank", before, amounts["shrank"], theme.WARNING),
        ("grew", before + amounts["shrank"], amounts["grew"], theme.CATEGORICAL[2]),
        ("new", before + amounts["shrank"] + amounts["grew"], amounts["new"], theme.CATEGORICAL[2]),
        ("now", 0.0, now, theme.ACCENT),
    ]
    digits = current().money_digits(max(before, now))
    for place, (name, start, height, colour) in enumerate(steps):
        ax.bar(place, height, 0.62, start, color=colour)
        # In full, not to three digits: the bars must add up for whoever checks.
        text = current().money(height, digits)
        sign = "+" if height > 0 and name in ("grew", "new") else ""
        ax.annotate(
            sign + text, (place, max(start, start + height)), (0, 5), textcoords="offset points",
            ha="center", weight=600, color=theme.INK,
        )  # fmt: skip
        if place + 1 < len(steps):
            ax.plot([place + 0.31, place + 0.69], [start + height] * 2, color=theme.GREY, lw=1)
    ax.set_xticks(range(len(steps)), [term(f"label.{name}") for name, *_ in steps])
    ax.set_ylim(0, max(before, now, before + amounts[amounts > 0].sum()) * 1.12)
    word_axis(ax.yaxis, tick_money)
    ax.set_ylabel(term("label.clv"))
    values = {
        "before": before,
        "now": now,
        "shrank": abs(amounts["shrank"]),
        "grew": amounts["grew"],
        "new": amounts["new"],
    }
    return described(ax, "alt.value_bridge", values, change.to_frame())
