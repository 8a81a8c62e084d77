"""Value and who still buys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from relkit.privacy import shown_id
from relkit.report import theme
from relkit.report.language import current
from relkit.report.plots.drawing import (
    described,
    heat_map,
    thinned,
    word_axis,
)
from relkit.report.statements import term
from relkit.studies.customers import alive_matrix as alive_matrix_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relkit.value.lifetime_value import LifetimeValue


def alive_matrix(clv: LifetimeValue, summary: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Mean chance to be still a customer, by repeat purchases and days since the last.

    Cells show the chance and, below it, how many repeat customers stand there.
    """
    cells = alive_matrix_of(clv, summary)
    share = cells.pivot(index="frequency", columns="days_since_last", values="probability_alive")
    customers = cells.pivot(index="frequency", columns="days_since_last", values="customers")
    chances, counts = share.to_numpy(float), customers.to_numpy(float)
    language = current()

    def words(row: int, column: int) -> str:
        chance, n = chances[row, column], counts[row, column]
        return f"{language.percent(chance, 0)}\n{language.count(n)}" if n else ""

    ax = heat_map(ax, share, words, limits=(0, 1))
    ax.set_xlabel(term("label.days_since_last"))
    ax.set_ylabel(term("label.repeat_purchases"))
    seen = cells["probability_alive"].dropna()
    values = {"low": seen.min(), "high": seen.max(), "n": int(cells["customers"].sum())}
    return described(ax, "alt.alive_matrix", values, cells.astype({"frequency": str}))


def concentration(clv: LifetimeValue, ax: Axes | None = None) -> Axes:
    """Share of the value to come that the best share of customers holds."""
    held = clv.concentration()
    ax = ax or theme.new_axes("half")
    curve = held.to_frame()
    ax.plot([0, 1], [0, 1], color=theme.GREY, linewidth=1.5, linestyle=(0, (4, 3)))
    ax.annotate(
        term("label.equal_line"), (0.72, 0.72), (8, -14), textcoords="offset points",
        color=theme.MUTED, va="top",
    )  # fmt: skip
    ax.plot(curve["customer_share"], curve["value_share"], color=theme.ACCENT)
    for share in (0.1, 0.2, 0.5):
        value = held.share_of_top(share)
        ax.plot([share], [value], "o", color=theme.ACCENT)
        ax.annotate(
            current().percent(value, 0), (share, value), (10, -6), textcoords="offset points",
            color=theme.INK, weight=600, va="top",
        )  # fmt: skip
    for axis in (ax.xaxis, ax.yaxis):
        word_axis(axis, lambda x: current().percent(x, 0))
    ax.set_xlabel(term("label.share_of_customers"))
    ax.set_ylabel(term("label.share_of_value"))
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.04)
    tops = {
        name: held.share_of_top(x) for name, x in [("ten", 0.1), ("twenty", 0.2), ("half", 0.5)]
    }
    return described(ax, "alt.concentration", tops, thinned(curve))


def win_back(chosen: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Value at risk of the silent customers that are worth a call, largest first."""
    ax = ax or theme.new_axes("half")
    rows = chosen.iloc[::-1]
    ax.barh(range(len(rows)), rows["value_at_risk"], 0.66, color=theme.WARNING)
    for place, amount in enumerate(rows["value_at_risk"]):
        ax.annotate(
            current().money(amount), (amount, place), (5, 0), textcoords="offset points",
            va="center", color=theme.INK, size=theme.TEXT_SIZE - 2,
        )  # fmt: skip
    ax.set_yticks(range(len(rows)), [shown_id(each) for each in rows["customer_id"]])
    ax.set_xticks([])
    ax.grid(False)
    ax.set_xlim(0, float(rows["value_at_risk"].max()) * 1.2)
    ax.set_xlabel(term("label.value_at_risk"))
    values = {
        "n": len(rows),
        "high": float(rows["value_at_risk"].max()),
        "low": float(rows["value_at_risk"].min()),
    }
    return described(ax, "alt.win_back", values, chosen)
