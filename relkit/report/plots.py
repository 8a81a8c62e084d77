"""Results to axes: every picture that a report shows.

A plot computes nothing that a table does not show too. It takes a result and an
optional ``ax``, draws in the current language, says in its alt text what can be
seen, and returns the ``ax``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from relkit.report import theme
from relkit.report.blocks import describe
from relkit.report.language import current, say, term
from relkit.studies.customers import alive_matrix as alive_matrix_of
from relkit.studies.validation import Untested

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relkit.segments.scores import RfmScores
    from relkit.segments.tiers import Tiers
    from relkit.value.holdout import HoldoutValidation
    from relkit.value.lifetime_value import LifetimeValue, ValueChange


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
    short = [_period_tick(start, period) for start in periods["start"]]
    ax.set_xticks(places[::every], short[::every])
    _axis(ax.yaxis, _tick_money)
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
    return _described(ax, "alt.activity", values, periods)


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

    ax = _heat_map(ax, share, words, limits=(0, 1))
    ax.set_xlabel(term("label.days_since_last"))
    ax.set_ylabel(term("label.repeat_purchases"))
    seen = cells["probability_alive"].dropna()
    values = {"low": seen.min(), "high": seen.max(), "n": int(cells["customers"].sum())}
    return _described(ax, "alt.alive_matrix", values, cells.astype({"frequency": str}))


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
        _axis(axis, lambda x: current().percent(x, 0))
    ax.set_xlabel(term("label.share_of_customers"))
    ax.set_ylabel(term("label.share_of_value"))
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.04)
    tops = {
        name: held.share_of_top(x) for name, x in [("ten", 0.1), ("twenty", 0.2), ("half", 0.5)]
    }
    return _described(ax, "alt.concentration", tops, _thinned(curve))


def tracking(check: HoldoutValidation | Untested, ax: Axes | None = None) -> Axes | None:
    """Repeat purchases made and expected, added up; to the right, time that was not seen."""
    if isinstance(check, Untested):
        return None
    ax = ax or theme.new_axes("half")
    rows = check.tracking
    ends = rows["elapsed"].to_numpy(float)
    border = check.calibration_length
    ax.axvspan(border, ends[-1], color=theme.ACCENT_SOFT, alpha=0.6, linewidth=0)
    lines = [
        ("actual", theme.INK, "-"),
        ("expected", theme.WARNING, (0, (5, 2))),
    ]
    for name, colour, style in lines:
        ax.plot(ends, rows[f"{name}_cumulative"], color=colour, linestyle=style)
    lasts = {name: float(rows[f"{name}_cumulative"].iloc[-1]) for name, *_ in lines}
    top = float(rows[["actual_cumulative", "expected_cumulative"]].to_numpy().max())
    # Beside the ends of the lines, and kept a line of text apart.
    apart = max(0.0, 0.11 * top - abs(lasts["actual"] - lasts["expected"])) / 2
    for name, colour, _ in lines:
        shift = apart if lasts[name] == max(lasts.values()) else -apart
        ax.annotate(
            f"{term(f'label.{name}')}\n{current().count(lasts[name])}",
            (ends[-1], lasts[name] + shift), (8, 0), textcoords="offset points",
            color=colour, weight=600, ha="left", va="center", linespacing=1.1,
            annotation_clip=False,
        )  # fmt: skip
    ax.set_ylim(0, top * 1.16)
    ax.set_xlim(0, ends[-1])
    for text, place, side in (("learned", border, "right"), ("unseen", border, "left")):
        ax.annotate(
            term(f"label.{text}"), (place, top * 1.15), (-8 if side == "right" else 8, 0),
            textcoords="offset points", ha=side, va="top", color=theme.MUTED,
        )  # fmt: skip
    _axis(ax.yaxis, current().count)
    ax.set_xlabel(term(f"label.{check.unit}s_since_start"))
    ax.set_ylabel(term("label.cumulative_purchases"))
    seen = rows[~rows["in_holdout"]]
    values = {
        "actual": float(rows["actual_cumulative"].iloc[-1]),
        "expected": float(rows["expected_cumulative"].iloc[-1]),
        "calibration": float(seen["actual_cumulative"].iloc[-1]) if len(seen) else 0.0,
    }
    return _described(ax, "alt.tracking", values, rows)


def by_frequency(check: HoldoutValidation | Untested, ax: Axes | None = None) -> Axes | None:
    """Purchases per customer in the unseen time, by repeat purchases before it."""
    if isinstance(check, Untested):
        return None
    ax = ax or theme.new_axes("half")
    rows = check.by_frequency
    pairs = [("actual", theme.INK), ("expected", theme.WARNING)]
    _paired_bars(ax, rows["frequency"], [(rows[n], c, f"label.mean_{n}") for n, c in pairs])
    ax.set_xlabel(term("label.past_frequency"))
    ax.set_ylabel(term("label.later_purchases"))
    first, last = rows.iloc[0], rows.iloc[-1]
    values = {
        "first": str(first["frequency"]),
        "last": str(last["frequency"]),
        "low": float(first["actual"]),
        "low_expected": float(first["expected"]),
        "high": float(last["actual"]),
        "high_expected": float(last["expected"]),
    }
    return _described(ax, "alt.by_frequency", values, rows)


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
    _axis(ax.yaxis, _tick_money)
    ax.set_ylabel(term("label.clv"))
    values = {
        "before": before,
        "now": now,
        "shrank": abs(amounts["shrank"]),
        "grew": amounts["grew"],
        "new": amounts["new"],
    }
    return _described(ax, "alt.value_bridge", values, change.to_frame())


def rfm_grid(scores: RfmScores, ax: Axes | None = None) -> Axes:
    """How many customers stand in each cell of recency × frequency scores."""
    grid = scores.grid()
    table = grid.pivot(index="f", columns="r", values="customers")
    counts = table.to_numpy(float)
    ax = ax or theme.new_axes("full")
    ax = _heat_map(ax, table, lambda *cell: current().count(counts[cell]), limits=(0, None))
    ax.set_xlabel(term("label.recency_score"))
    ax.set_ylabel(term("label.frequency_score"))
    largest = grid.iloc[int(grid["customers"].to_numpy().argmax())]
    values = {
        "r": int(largest["r"]),
        "f": int(largest["f"]),
        "largest": int(largest["customers"]),
        "n": int(grid["customers"].sum()),
    }
    return _described(ax, "alt.rfm_grid", values, grid)


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
    _paired_bars(ax, rows["rfm_sum"], series)
    _axis(ax.yaxis, lambda x: current().percent(x, 0))
    ax.set_xlabel("RFM")
    middle = int(rows["rfm_sum"].median())
    low = float(rows.loc[rows["rfm_sum"] <= middle, "spend_share"].sum())
    values = {"middle": middle, "low_share": low, "high_share": 1 - low}
    return _described(ax, "alt.rfm_spend", values, rows)


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

    ax = _heat_map(ax or theme.new_axes("full"), share, words, limits=(0, None))
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
    return _described(ax, "alt.tier_against_rfm", values, cells)


def tier_worth(worth: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Share of customers beside share of future value, per tier."""
    ax = ax or theme.new_axes("half")
    series = [
        (worth["customer_share"], theme.GREY, "label.share_of_customers"),
        (worth["clv_share"], theme.ACCENT, "label.share_of_value"),
    ]
    _paired_bars(ax, worth["tier"], series, lambda x: current().percent(x, 0))
    ax.set_yticks([])
    ax.grid(False)
    ax.set_xlabel(term("label.tier"))
    pairs = [
        say("alt.tier_pair", tier=str(t), customers=float(c), value=float(v)).text()
        for t, c, v in worth[["tier", "customer_share", "clv_share"]].itertuples(index=False)
    ]
    comma = "；" if current().code == "zh" else ", "
    return _described(ax, "alt.tier_worth", {"pairs": comma.join(pairs)}, worth)


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
    ax.set_yticks(range(len(rows)), rows["customer_id"])
    ax.set_xticks([])
    ax.grid(False)
    ax.set_xlim(0, float(rows["value_at_risk"].max()) * 1.2)
    ax.set_xlabel(term("label.value_at_risk"))
    values = {
        "n": len(rows),
        "high": float(rows["value_at_risk"].max()),
        "low": float(rows["value_at_risk"].min()),
    }
    return _described(ax, "alt.win_back", values, chosen)


# ---- drawing ---------------------------------------------------------------------


def _described(ax: Axes, key: str, values: dict[str, Any], data: pd.DataFrame) -> Axes:
    describe(ax, say(key, **values), data)
    return ax


def _tick_money(amount: float) -> str:
    """An amount on an axis: $50 k, where a sentence would say $50.0 k."""
    return re.sub(r"\.0+(?!\d)|(?<=\.\d)0+(?!\d)", "", current().compact_money(amount))


def _axis(axis: Any, words: Callable[[float], str]) -> None:
    """Let an axis say its numbers as the current language does."""
    axis.set_major_formatter(lambda x, _: words(x))


def _thinned(curve: pd.DataFrame, rows: int = 101) -> pd.DataFrame:
    """A curve that can be downloaded: evenly chosen rows, both ends kept."""
    chosen = np.unique(np.linspace(0, len(curve) - 1, min(rows, len(curve))).round().astype(int))
    return curve.iloc[chosen].reset_index(drop=True)


def _period_tick(start: Any, period: str) -> str:
    day = pd.Timestamp(start)
    if period == "year":
        return str(day.year)
    if period == "quarter":
        return f"{day.year} Q{day.quarter}"
    return f"{day.year}-{day.month:02d}" if period == "month" else f"{day:%Y-%m-%d}"


def _paired_bars(
    ax: Axes,
    names: Sequence[Any] | pd.Series,
    series: Sequence[tuple[pd.Series, str, str]],
    words: Callable[[float], str] | None = None,
) -> None:
    """Bars side by side per name, with their words on top where they are given."""
    places = np.arange(len(names))
    width = 0.8 / len(series)
    for which, (heights, colour, label) in enumerate(series):
        shift = (which - (len(series) - 1) / 2) * width
        ax.bar(places + shift, heights, width * 0.94, color=colour, label=term(label))
        if words:
            for place, height in zip(places, heights, strict=True):
                ax.annotate(
                    words(height), (place + shift, height), (0, 4), textcoords="offset points",
                    ha="center", weight=600, color=theme.INK,
                )  # fmt: skip
    ax.set_xticks(places, [str(name) for name in names])
    ax.margins(y=0.14)
    ax.legend(loc="best")


def _is_dark(colour: Sequence[float]) -> bool:
    """Whether white reads better than ink on a colour (WCAG 2.1, relative luminance)."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    luminance = float(np.dot([0.2126, 0.7152, 0.0722], channels))
    # Ink has a luminance of about .02: equal contrast to both where (l + .05)² = 1.05 · .07.
    return luminance < 0.22


def _heat_map(
    ax: Axes | None,
    table: pd.DataFrame,
    words: Callable[[int, int], str],
    limits: tuple[float, float | None],
) -> Axes:
    """Coloured cells with their words; light words on dark cells."""
    from matplotlib.colors import LinearSegmentedColormap

    ax = ax or theme.new_axes("half")
    values = table.to_numpy(float)
    low, high = limits[0], limits[1] if limits[1] is not None else np.nanmax(values)
    colours = LinearSegmentedColormap.from_list("relkit", theme.SEQUENTIAL)
    colours.set_bad(theme.WASH)
    ax.pcolormesh(
        np.ma.masked_invalid(values), cmap=colours, vmin=low, vmax=high,
        edgecolors=theme.PAPER, linewidth=3,
    )  # fmt: skip
    for row, column in np.ndindex(values.shape):
        level = (values[row, column] - low) / (high - low)
        dark = np.isfinite(level) and _is_dark([float(part) for part in colours(level)])
        ax.text(
            column + 0.5, row + 0.5, words(row, column), ha="center", va="center",
            color=theme.PAPER if dark else theme.INK, size=theme.TEXT_SIZE - 2, linespacing=1.15,
        )  # fmt: skip
    ax.set_xticks(np.arange(values.shape[1]) + 0.5, [str(name) for name in table.columns])
    ax.set_yticks(np.arange(values.shape[0]) + 0.5, [str(name) for name in table.index])
    ax.grid(False)
    ax.spines["bottom"].set_visible(False)
    return ax
