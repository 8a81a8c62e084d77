"""Clusters: what they look like, and how stable they are beside shuffled columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from relkit.errors import DataError
from relkit.report import theme
from relkit.report.blocks import label_text
from relkit.report.language import current
from relkit.report.plots.drawing import described, heat_map
from relkit.report.rule_words import plain_words
from relkit.report.statements import Statement, say, term

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relkit.segments.clusters import Clusters

_LABELS = {
    "frequency": "label.repeat_purchases",
    "total_spend": "label.past_spend",
    "days_since_last": "label.days_since_last",
    "clv": "label.clv",
    "probability_alive": "label.probability_alive",
    "expected_purchases": "label.expected_purchases",
}


def cluster_profiles(found: Clusters, ax: Axes | None = None) -> Axes:
    """The median of each column in each cluster; colour ranks the clusters in a column."""
    profiles = found.profiles()
    medians = profiles[list(found.columns)]
    # The columns have units of their own, so colours compare within a column only.
    ranks = medians.rank() - 1
    shade = ranks / max(len(profiles) - 1, 1)
    language = current()
    shade.index = pd.Index(
        [
            f"{cluster} · {language.percent(share, 0)}"
            for cluster, share in zip(profiles["cluster"], profiles["share"], strict=True)
        ]
    )
    shade.columns = pd.Index([label_text(_LABELS.get(name, name)) for name in found.columns])
    shade, shown = shade.iloc[::-1], medians.to_numpy(float)[::-1]

    def words(row: int, column: int) -> str:
        value = shown[row, column]
        return language.number(value, 0 if abs(value) >= 100 or float(value).is_integer() else 1)

    ax = heat_map(ax or theme.new_axes("full"), shade, words, limits=(0, 1))
    ax.set_ylabel(term("clusters.axis"))
    largest = profiles.iloc[0]
    values = {
        "k": found.k,
        "n": found.n,
        "share": float(largest["share"]),
        "column": _column_words(found.columns[0]),
        "median": float(largest[found.columns[0]]),
    }
    return described(ax, "alt.cluster_profiles", values, profiles)


def _column_words(name: str) -> Statement:
    """What readers of either language call a column."""
    return say(_LABELS[name]) if name in _LABELS else plain_words({"en": name, "zh": name})


def cluster_stability(found: Clusters, ax: Axes | None = None) -> Axes:
    """The stability of the clusters as a line, that of each shuffle as a dot.

    Raises:
        DataError: the stability was not measured.
    """
    if found.stability is None:
        raise DataError(
            f"{found.n:,} customers are too few to measure stability; leave the chart out"
        )
    ax = ax or theme.new_axes("half")
    shuffled = np.sort(found.stability.shuffled)
    ax.plot(shuffled, np.arange(1, len(shuffled) + 1), "o", color=theme.GREY,
            label=term("clusters.shuffled"))  # fmt: skip
    ax.axvline(found.stability.observed, color=theme.ACCENT, label=term("clusters.observed"))
    ax.set_yticks([])
    ax.set_xlim(min(0.0, float(shuffled[0])), 1.02)
    ax.set_xlabel(term("clusters.index"))
    ax.legend(loc="best")
    low, high = found.stability.shuffled_range
    rows = pd.DataFrame(
        {
            "data": ["observed", *["shuffled"] * len(shuffled)],
            "index": [found.stability.observed, *shuffled],
        }
    )
    values = {"stability": found.stability.observed, "low": low, "high": high,
              "shuffles": len(shuffled)}  # fmt: skip
    return described(ax, "alt.cluster_stability", values, rows)
