"""RFM scores and tiers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from relkit.report import theme
from relkit.report.language import current
from relkit.report.plots.drawing import (
    described,
    heat_map,
    paired_bars,
    word_axis,
)
from relkit.report.statements import say, term

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relkit.segments.scores import RfmScores
    from relkit.segments.tiers import Tiers


def rfm_grid(scores: RfmScores, ax: Axes | None = None) -> Axes:
    """How many customers stand in each cell of recency × frequency scores."""
    grid = scores.grid()
    table = grid.pivot(index="f", columns="r", values="customers")
    counts = table.to_numpy(float)
    ax = ax or theme.new_axes("full")
    ax = heat_map(ax, table, lambda *cell: current().count(counts[cell]), limits=(0, None))
    ax.set_xlabel(term("label.recency_score"))
    ax.set_ylabel(term("label.frequency_score"))
    largest = grid.iloc[int(grid["customers"].to_numpy().argmax())]
    values = {
        "r": int(largest["r"]),
        "f": int(largest["f"]),
        "largest": int(largest["customers"]),
        "n": int(grid["customers"].sum()),
    }
    return described(ax, "alt.rfm_grid", values, grid)


def rfm_spend(scores: RfmScores, ax: Axes | None = None) -> Axes:
    """Share of customers beside share of revenue, by RFM sum."""
    ax = ax or theme.new_axes("full")
    grouped = scores.to_frame().groupby("rfm_sum")["total_spend"].agg(["size", "sum"])
    rows = pd.DataFrame(
        {
            "rfm_sum": grouped.index,
            "customer_share": grouped["size"].to_numpy() / grouped["size"].sum(),
            "spend_share": grouped["sum"].to_numpy() / grouped["sum"].sum(),
        }
    )
    series = [
        (rows["customer_share"], theme.GREY, "label.share_of_customers"),
        (rows["spend_share"], theme.ACCENT, "label.past_spend_share"),
    ]
    paired_bars(ax, rows["rfm_sum"], series)
    word_axis(ax.yaxis, lambda x: current().percent(x, 0))
    ax.set_xlabel("RFM")
    middle = int(rows["rfm_sum"].median())
    low = float(rows.loc[rows["rfm_sum"] <= middle, "spend_share"].sum())
    values = {"middle": middle, "low_share": low, "high_share": 1 - low}
    return described(ax, "alt.rfm_spend", values, rows)


def tier_against_rfm(tiers: Tiers, scores: RfmScores, ax: Axes | None = None) -> Axes:
    """Share of each tier's customers at each RFM sum, with their number."""
    cells = tiers.by_rfm_sum(scores)
    share = cells.pivot(index="tier", columns="rfm_sum", values="share")
    customers = cells.pivot(index="tier", columns="rfm_sum", values="customers")
    order = list(reversed(tiers.names))  # the first row of a heat map is drawn lowest
    share, customers = share.loc[order], customers.loc[order]

    counts = customers.to_numpy(float)

    def words(*cell: int) -> str:
        return current().count(counts[cell]) if counts[cell] else ""

    ax = heat_map(ax or theme.new_axes("full"), share, words, limits=(0, None))
    ax.set_xlabel("RFM")
    ax.set_ylabel(term("label.tier"))
    held = cells[cells["customers"] > 0]
    first, last = str(held["tier"].iloc[0]), str(held["tier"].iloc[-1])
    modes = held.loc[held.groupby("tier")["customers"].idxmax()].set_index("tier")["rfm_sum"]
    values = {
        "tier": first,
        "last": last,
        "mode": int(modes[first]),
        "last_mode": int(modes[last]),
        "n": int(cells["customers"].sum()),
    }
    return described(ax, "alt.tier_against_rfm", values, cells)


def tier_worth(worth: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Share of customers beside share of future value, per tier."""
    ax = ax or theme.new_axes("half")
    series = [
        (worth["customer_share"], theme.GREY, "label.share_of_customers"),
        (worth["clv_share"], theme.ACCENT, "label.share_of_value"),
    ]
    paired_bars(ax, worth["tier"], series, lambda x: current().percent(x, 0))
    ax.set_yticks([])
    ax.grid(False)
    ax.set_xlabel(term("label.tier"))
    pairs = [
        say("alt.tier_pair", tier=str(t), customers=float(c), value=float(v)).text()
        for t, c, v in worth[["tier", "customer_share", "clv_share"]].itertuples(index=False)
    ]
    comma = "；" if current().code == "zh" else ", "
    return described(ax, "alt.tier_worth", {"pairs": comma.join(pairs)}, worth)
