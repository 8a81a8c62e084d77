"""Value and who still buys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from relkit.privacy import shown_id
from relkit.report import theme
from relkit.report.language import current
from relkit.report.plots.drawing import described, heat_map, sequential_colours, thinned, word_axis
from relkit.report.statements import term
from relkit.studies.customers import alive_matrix as alive_matrix_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relkit.studies.history import CustomerHistory, HistoryMatrix
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


def history_matrix(matrix: HistoryMatrix, ax: Axes | None = None) -> Axes:
    """One figure for every number of repeat purchases and every length of silence."""
    ax = ax or theme.new_axes("pair")
    cells = matrix.to_frame()
    cells = cells[cells["frequency"] > 0]
    table = cells.pivot(index="frequency", columns="silence", values="value")
    silence, frequency = table.columns.to_numpy(float), table.index.to_numpy(float)
    values = table.to_numpy(float)
    is_share = matrix.quantity == "probability_alive"
    limit = 1.0 if is_share else float(values.max())
    mesh = ax.pcolormesh(
        silence, frequency, values, cmap=sequential_colours(), vmin=0, vmax=limit,
        shading="nearest", rasterized=True,
    )  # fmt: skip

    def words(x: float, _: Any = None) -> str:
        return current().percent(x, 0) if is_share else current().number(x, 1 if limit < 10 else 0)

    if is_share and values.min() < 0.5 < values.max():
        ax.contour(silence, frequency, values, [0.5], colors=theme.WARNING, linewidths=1.8)
    ax.figure.colorbar(mesh, ax=ax, format=words, pad=0.02).outline.set_visible(False)
    ax.grid(False)
    ax.set_xlabel(term(f"label.{matrix.unit}s_of_silence"))
    ax.set_ylabel(term("label.repeat_purchases"))
    ax.set_title(term(f"label.grid_{matrix.quantity}"), loc="left")
    alt = {
        "fresh": float(values[-1, int(silence.argmin())]),
        "frequency": int(frequency[-1]),
        "stale": float(values[-1, int(silence.argmax())]),
        "silence": float(silence.max()),
        "unit": f"unit.{matrix.unit}",
    }
    key = "alt.alive_grid" if is_share else "alt.purchase_grid"
    return described(ax, key, alt, cells)


def customer_history(history: CustomerHistory, ax: Axes | None = None) -> Axes:
    """Purchases of one customer, and the chance to be still one as of each day."""
    ax = ax or theme.new_axes("full")
    path = history.to_frame()
    # A purchase lifts the chance at once: the line jumps there, it does not climb.
    ax.plot(path["at"], path["probability_alive"], color=theme.ACCENT, drawstyle="steps-post")
    bought = path.loc[path["purchased"], ["at", "probability_alive"]]
    ax.plot(bought["at"], bought["probability_alive"], "o", color=theme.INK,
            label=term("label.purchase"))  # fmt: skip
    ax.annotate(
        current().percent(history.probability_alive, 0),
        (path["at"].iloc[-1], history.probability_alive), (8, 0), textcoords="offset points",
        color=theme.ACCENT, weight=600, va="center", annotation_clip=False,
    )  # fmt: skip
    ax.set_ylim(0, 1.06)
    word_axis(ax.yaxis, lambda x: current().percent(x, 0))
    ax.set_ylabel(term("label.probability_alive"))
    ax.legend(loc="lower left")
    values = {
        "n": len(history.purchases),
        "first": history.first_at,
        "last": history.as_of,
        "low": float(path["probability_alive"].min()),
        "now": history.probability_alive,
    }
    return described(ax, "alt.customer_history", values, thinned(path, 400))
