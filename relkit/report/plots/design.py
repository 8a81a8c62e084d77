"""What an experiment can see, what it would need, and what its rule would say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from relkit.frequency.decision import ACTIONS
from relkit.report import theme
from relkit.report.language import current
from relkit.report.plots.drawing import described, heat_map, word_axis
from relkit.report.statements import term

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relkit.frequency.design import ExperimentDesign
    from relkit.frequency.operating_characteristics import OperatingCharacteristics

_COLOURS = (theme.ACCENT, "#6fa6c8", theme.GREY, "#c99a2e", theme.LINE)


def design_reach(design: ExperimentDesign, ax: Axes | None = None) -> Axes:
    """By tier: the chance to see a change of value, and to pass each guardrail if harmless."""
    columns = {
        term("design.metric.net_value"): {one.tier: one.value_power for one in design.answers}
    }
    for one in design.guardrails:
        name = term(f"design.guardrail.{one.guardrail.metric}")
        columns.setdefault(name, {})[one.tier] = one.power
    table = pd.DataFrame(columns).loc[list(reversed(design.plan.tiers))]
    numbers = table.to_numpy(float)

    def words(*cell: int) -> str:
        chance = numbers[cell]
        if math.isnan(chance):
            return term("design.not_measured")
        return current().percent(chance, 0)

    ax = heat_map(ax or theme.new_axes("wide"), table, words, limits=(0, 1))
    low, high = np.nanargmin(numbers), np.nanmax(numbers)
    tier = str(table.index[int(np.unravel_index(low, numbers.shape)[0])])
    values = {"low": float(np.nanmin(numbers)), "high": float(high), "tier": tier}
    data = table.rename_axis("tier").reset_index()
    return described(ax, "alt.design_reach", values | {"power": design.power}, data)


def design_needed(design: ExperimentDesign, ax: Axes | None = None) -> Axes | None:
    """Customers there and customers needed by tier; None where none can be said."""
    known = [one for one in design.answers if math.isfinite(one.customers_needed)]
    if not known:
        return None
    ax = ax or theme.new_axes("wide")
    places = np.arange(len(known))[::-1]
    series = (
        ("label.design_needed", theme.ACCENT_SOFT, [one.customers_needed for one in known], 0.8),
        ("label.design_have", theme.ACCENT, [one.customers for one in known], 0.4),
    )
    least = min(min(one.customers, one.customers_needed) for one in known)
    start = 10.0 ** math.floor(math.log10(max(least, 2) / 2))
    for label, colour, widths, height in series:
        # From the edge of the axis: there is no 0 among powers of ten.
        lengths = [width - start for width in widths]
        ax.barh(places, lengths, height, left=start, color=colour, label=term(label))
    for place, one in zip(places, known, strict=True):
        ax.annotate(
            current().count(one.customers_needed), (one.customers_needed, place), (6, 0),
            textcoords="offset points", va="center", weight=600, color=theme.INK,
        )  # fmt: skip
    ax.set_yticks(places, [one.tier for one in known])
    ax.set_xscale("log")
    ax.set_xlim(start, max(one.customers_needed for one in known) * 8)
    word_axis(ax.xaxis, lambda x: current().count(x))
    ax.minorticks_off()
    ax.set_xlabel(term("label.customers"))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    most = max(known, key=lambda one: one.customers_needed)
    values = {
        "n": len(known),
        "have": sum(one.customers for one in known),
        "tier": most.tier,
        "needed": most.customers_needed,
    }
    data = design.to_frame()[["tier", "customers", "customers_needed"]]
    return described(ax, "alt.design_needed", values, data)


def design_actions(found: OperatingCharacteristics, ax: Axes | None = None) -> Axes:
    """What the rule says in each world, as shares of the tiers of all experiments."""
    ax = ax or theme.new_axes("wide")
    frame = found.to_frame()
    places = np.arange(len(frame))[::-1]
    left = np.zeros(len(frame))
    for action, colour in zip(ACTIONS, _COLOURS, strict=True):
        widths = frame[action].to_numpy(float)
        ax.barh(places, widths, 0.6, left=left, color=colour, label=term(f"design.action.{action}"))
        for place, start, width in zip(places, left, widths, strict=True):
            if width >= 0.06:
                dark = colour == theme.ACCENT
                ax.annotate(
                    current().percent(width, 0), (start + width / 2, place), ha="center",
                    va="center", weight=600, color=theme.PAPER if dark else theme.INK,
                )  # fmt: skip
        left = left + widths
    ax.set_yticks(places, [term(f"design.world.{world}") for world in frame["world"]])
    word_axis(ax.xaxis, lambda x: current().percent(x, 0))
    ax.set_xlim(0, 1)
    ax.set_xlabel(term("label.design_actions"))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(ACTIONS))
    values = {
        "no_verdict": float(frame["no_verdict"].iloc[0]),
        "switch": float(frame["switch"].iloc[-1]),
        "runs": int(frame["runs"].iloc[0]),
    }
    return described(ax, "alt.design_actions", values, frame[["world", "runs", *ACTIONS]])
