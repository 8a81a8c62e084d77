"""How often tiers are contacted, and which channel or content is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from relkit.frequency.practice_responses import INTERACTION
from relkit.report import theme
from relkit.report.findings.practice import Labels, tier_named, value_named
from relkit.report.language import current
from relkit.report.plots.drawing import described, word_axis
from relkit.report.statements import say, term

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relkit.frequency.practice import PracticeAudit
    from relkit.frequency.practice_responses import ResponseRates


def practice_cadence(
    audit: PracticeAudit, labels: Labels | None = None, ax: Axes | None = None
) -> Axes:
    """Contacts per customer and month by tier, with intervals."""
    ax = ax or theme.new_axes("full")
    rows = audit.tiers
    places, heights = np.arange(len(rows)), rows["per_month"].to_numpy(float)
    ends = heights - rows["low"].to_numpy(float), rows["high"].to_numpy(float) - heights
    ax.bar(places, heights, 0.6, color=theme.ACCENT)
    ax.errorbar(
        places, heights, np.array(ends), fmt="none", ecolor=theme.INK, elinewidth=1.8, capsize=5
    )
    for place, height, high in zip(places, heights, rows["high"], strict=True):
        ax.annotate(
            current().number(height, 2), (place, high), (0, 6), textcoords="offset points",
            ha="center", weight=600, color=theme.INK,
        )  # fmt: skip
    names = [tier_named(str(tier), labels) for tier in rows["tier"]]
    ax.set_xticks(places, [name.text() for name in names])
    ax.set_ylim(0, max(float(rows["high"].max()) * 1.15, 0.1))
    ax.grid(False, axis="x")
    ax.set_ylabel(term("label.per_month"))
    word_axis(ax.yaxis, lambda x: current().number(x, 1))
    comma = "；" if current().code == "zh" else "; "
    parts = comma.join(
        say("alt.practice_part", tier=name, month=float(height)).text()
        for name, height in zip(names, heights, strict=True)
    )
    return described(ax, "alt.practice_cadence", {"parts": parts}, rows)


def practice_responses(
    rates: ResponseRates,
    split: str = "channel",
    response: str = INTERACTION,
    ax: Axes | None = None,
) -> Axes:
    """Share of contacts answered by channel or content, with intervals."""
    ax = ax or theme.new_axes("full")
    rows = rates.of(split, response).iloc[::-1].reset_index(drop=True)
    places = np.arange(len(rows))
    ax.hlines(places, rows["low"], rows["high"], color=theme.ACCENT, linewidth=3, alpha=0.6)
    ax.plot(rows["rate"], places, "o", color=theme.ACCENT, markersize=10)
    for place, rate in zip(places, rows["rate"], strict=True):
        ax.annotate(
            current().percent(rate, 1), (rate, place), (0, 10), textcoords="offset points",
            ha="center", weight=600, color=theme.INK,
        )  # fmt: skip
    names = [value_named(split, str(value)) for value in rows["value"]]
    ax.set_yticks(places, [name.text() for name in names])
    ax.set_ylim(-0.6, len(rows) - 0.3)
    ax.set_xlim(0, float(rows["high"].max()) * 1.08)
    ax.grid(True, axis="x")
    ax.grid(False, axis="y")
    word_axis(ax.xaxis, lambda x: current().percent(x, 0))
    ax.set_xlabel(term("label.answer_rate"))
    values = {
        "best": names[-1], "rate": float(rows["rate"].iloc[-1]),
        "worst": names[0], "worst_rate": float(rows["rate"].iloc[0]),
    }  # fmt: skip
    return described(ax, "alt.practice_responses", values, rows)
