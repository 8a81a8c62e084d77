"""A bridge: from one amount to another, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from relkit.report import theme
from relkit.report.language import current
from relkit.report.plots.drawing import tick_money, word_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def steps_chart(
    before: float,
    steps: Sequence[tuple[str, float]],
    after: float,
    ends: tuple[str, str],
    ax: Axes | None = None,
) -> Axes:
    """Bars from ``before`` over each step's amount to ``after``.

    Args:
        before: Where the bridge begins.
        steps: Word and amount of each step; before and the amounts sum to after.
        after: Where it ends.
        ends: The words of the two ends.
    """
    ax = ax or theme.new_axes("full")
    bars = [(ends[0], 0.0, before, theme.GREY)]
    level = before
    for word, amount in steps:
        bars.append((word, level, amount, theme.WARNING if amount < 0 else theme.CATEGORICAL[2]))
        level += amount
    bars.append((ends[1], 0.0, after, theme.ACCENT))
    tops = [max(start, start + height, 0.0) for _, start, height, _ in bars]
    digits = current().money_digits(max(abs(top) for top in tops))
    for place, (_, start, height, colour) in enumerate(bars):
        ax.bar(place, height, 0.62, start, color=colour)
        inner = 0 < place < len(bars) - 1
        # In full, not to three digits: the bars must add up for whoever checks.
        text = ("+" if inner and height > 0 else "") + current().money(height, digits)
        ax.annotate(
            text, (place, tops[place]), (0, 5), textcoords="offset points", ha="center",
            weight=600, color=theme.INK, size=theme.TEXT_SIZE - 2,
        )  # fmt: skip
        if place + 1 < len(bars):
            ax.plot([place + 0.31, place + 0.69], [start + height] * 2, color=theme.GREY, lw=1)
    ax.set_xticks(range(len(bars)), [word for word, *_ in bars])
    lowest = min(0.0, *(min(start, start + height) for _, start, height, _ in bars))
    highest = max(*tops, 1e-9)
    ax.set_ylim(lowest * 1.12, highest + 0.12 * (highest - lowest))
    word_axis(ax.yaxis, tick_money)
    return ax
