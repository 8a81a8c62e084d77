"""A policy as a matrix of tier and channel, and its contacts a month against cap and optimum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from relkit.report import theme
from relkit.report.language import current
from relkit.report.plots.drawing import described, heat_map, word_axis
from relkit.report.policy_words import channel_words, tier_label, type_words
from relkit.report.statements import say, term

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from relkit.frequency.policy_linter import PolicyLint

TYPES = ("strategic", "deep", "message")
COLOURS = (theme.CATEGORICAL[3], theme.ACCENT, theme.SEQUENTIAL[1])


def policy_matrix(lint: PolicyLint, ax: Axes | None = None) -> Axes:
    """Contacts a month by tier and channel; cells that wait for an occasion say so."""
    policy = lint.policy
    tiers = [tier.name for tier in policy.tiers][::-1]
    channels = list(dict.fromkeys(cell.channel for cell in policy.cells))
    sums = lint.touches.pivot_table(
        index="tier", columns="channel", values="per_month", aggfunc="sum"
    )
    sums = sums.reindex(index=tiers, columns=channels).astype(float)
    counts = sums.to_numpy(float)
    waits = {(cell.tier, cell.channel) for cell in policy.cells if cell.rhythm is None}

    def words(row: int, column: int) -> str:
        n, place = float(counts[row, column]), (tiers[row], channels[column])
        lines = [] if np.isnan(n) else [say("policy.mark", n=n).text()]
        if place in waits:
            lines.append(("+ " if lines else "") + term("policy.mark_occasion"))
        return "\n".join(lines)

    most = float(np.nanmax(counts)) if np.isfinite(counts).any() else 0.0
    ax = heat_map(ax or theme.new_axes("full"), sums, words, (0, max(most, 1.0)))
    ax.set_xticks(
        np.arange(len(channels)) + 0.5, [channel_words(channel).text() for channel in channels]
    )
    ax.set_yticks(np.arange(len(tiers)) + 0.5, [tier_label(policy, t).text() for t in tiers])
    ax.set_title(term("label.policy_matrix"))
    if not most:
        return described(ax, "alt.policy_matrix_occasions", {}, policy.to_frame())
    row, column = np.unravel_index(int(np.nanargmax(counts)), counts.shape)
    values = {
        "channel": channel_words(channels[int(column)]),
        "tier": tier_label(policy, tiers[int(row)]),
        "most": most,
    }
    return described(ax, "alt.policy_matrix", values, lint.touches)


def policy_touches(lint: PolicyLint, ax: Axes | None = None) -> Axes:
    """Contacts a month per tier by type, with the cap and the best frequency as marks."""
    ax = ax or theme.new_axes("full")
    totals = lint.totals.iloc[::-1].reset_index(drop=True)
    places = np.arange(len(totals))
    sums = lint.touches.pivot_table(
        index="tier", columns="type", values="per_month", aggfunc="sum"
    ).reindex(totals["tier"])
    left = np.zeros(len(totals))
    for kind, colour in zip(TYPES, COLOURS, strict=True):
        if kind in sums:
            width = sums[kind].fillna(0.0).to_numpy()
            ax.barh(places, width, 0.55, left, color=colour, label=type_words(kind).text())
            left += width
    for place, total in zip(places, left, strict=True):
        ax.annotate(
            current().number(total, 2), (total, place), (6, 0), textcoords="offset points",
            va="center", weight=600, color=theme.INK,
        )  # fmt: skip
    _marks(ax, totals, places)
    reach = np.nanmax([left.max(), totals["cap"].max(), totals["optimum_high"].max(), 0.1])
    ax.set_xlim(0, reach * 1.12)
    # One or two tiers do not fill the height: bars that thick say nothing more.
    room = max(0.0, (3 - len(totals)) / 2)
    ax.set_ylim(-0.6 - room, len(totals) - 0.4 + room)
    ax.set_yticks(places, [tier_label(lint.policy, t).text() for t in totals["tier"]])
    ax.grid(False, axis="y")
    ax.set_xlabel(term("label.per_month"))
    word_axis(ax.xaxis, lambda x: current().number(x, 1))
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=5)
    comma = "；" if current().code == "zh" else "; "
    parts = comma.join(_part(lint, row) for row in lint.totals.to_dict("records"))
    return described(ax, "alt.policy_touches", {"parts": parts}, lint.totals)


def _marks(ax: Axes, totals: pd.DataFrame, places: np.ndarray) -> None:
    """A line at the cap, a band over the best frequency, each named once."""
    named: set[str] = set()

    def label(key: str) -> str:
        word = "_" if key in named else term(key)
        named.add(key)
        return word

    for place, row in zip(places, totals.to_dict("records"), strict=True):
        if not np.isnan(row["cap"]):
            ax.vlines(
                row["cap"], place - 0.38, place + 0.38, color=theme.WARNING, linewidth=3,
                label=label("label.policy_cap"),
            )  # fmt: skip
        if row["optimum_kind"] is not None:
            low, high = row["optimum_low"], row["optimum_high"]
            ax.plot(
                [low, high], [place, place], color=theme.INK, linewidth=3, marker="D",
                markersize=8, linestyle="-" if high > low else "none",
                label=label("label.policy_optimum"),
            )  # fmt: skip


def _part(lint: PolicyLint, row: dict[Any, Any]) -> str:
    values = {"tier": tier_label(lint.policy, str(row["tier"])), "month": float(row["per_month"])}
    if not np.isnan(row["cap"]):
        return say("alt.policy_part_cap", **values, cap=row["cap"]).text()
    if row["optimum_kind"] is not None:
        return say("alt.policy_part_best", **values, best=row["optimum_high"]).text()
    return say("alt.policy_part", **values).text()
