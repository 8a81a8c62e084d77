"""What every picture is drawn with: bars, heat maps, axes that speak the language."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from relkit.report import theme
from relkit.report.blocks import describe
from relkit.report.language import current
from relkit.report.statements import say, term

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def described(ax: Axes, key: str, values: dict[str, Any], data: pd.DataFrame) -> Axes:
    describe(ax, say(key, **values), data)
    return ax


def tick_money(amount: float) -> str:
    """An amount on an axis: $50 k, where a sentence would say $50.0 k."""
    return re.sub(r"\.0+(?!\d)|(?<=\.\d)0+(?!\d)", "", current().compact_money(amount))


def word_axis(axis: Any, words: Callable[[float], str]) -> None:
    """Let an axis say its numbers as the current language does."""
    axis.set_major_formatter(lambda x, _: words(x))


def thinned(curve: pd.DataFrame, rows: int = 101) -> pd.DataFrame:
    """A curve that can be downloaded: evenly chosen rows, both ends kept."""
    chosen = np.unique(np.linspace(0, len(curve) - 1, min(rows, len(curve))).round().astype(int))
    return curve.iloc[chosen].reset_index(drop=True)


def tick_period(start: Any, period: str) -> str:
    day = pd.Timestamp(start)
    if period == "year":
        return str(day.year)
    if period == "quarter":
        return f"{day.year} Q{day.quarter}"
    return f"{day.year}-{day.month:02d}" if period == "month" else f"{day:%Y-%m-%d}"


def paired_bars(
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


def sequential_colours() -> Any:
    """The colour map of one hue, light to dark; what is missing is the page's own grey."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("relkit", theme.SEQUENTIAL)
    return colours.with_extremes(bad=theme.WASH)


def heat_map(
    ax: Axes | None,
    table: pd.DataFrame,
    words: Callable[[int, int], str],
    limits: tuple[float, float | None],
) -> Axes:
    """Coloured cells with their words; light words on dark cells."""
    ax = ax or theme.new_axes("half")
    values = table.to_numpy(float)
    low, high = limits[0], limits[1] if limits[1] is not None else np.nanmax(values)
    colours = sequential_colours()
    ax.pcolormesh(
        np.ma.masked_invalid(values), cmap=colours, vmin=low, vmax=high,
        edgecolors=theme.PAPER, linewidth=3,
    )  # fmt: skip
    # A deck shows charts smaller than they are drawn; few cells have room for larger words.
    size = theme.TEXT_SIZE if values.shape[1] <= 7 else theme.TEXT_SIZE - 2
    for row, column in np.ndindex(values.shape):
        level = (values[row, column] - low) / (high - low)
        dark = np.isfinite(level) and _is_dark([float(part) for part in colours(level)])
        ax.text(
            column + 0.5, row + 0.5, words(row, column), ha="center", va="center",
            color=theme.PAPER if dark else theme.INK, size=size, linespacing=1.15,
        )  # fmt: skip
    ax.set_xticks(np.arange(values.shape[1]) + 0.5, [str(name) for name in table.columns])
    ax.set_yticks(np.arange(values.shape[0]) + 0.5, [str(name) for name in table.index])
    ax.grid(False)
    ax.spines["bottom"].set_visible(False)
    return ax
