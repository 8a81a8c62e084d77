"""How large a tier should be, and what relabelling does to its revenue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relkit.report import theme
from relkit.report.language import current
from relkit.report.plots.drawing import described, thinned, tick_money, word_axis
from relkit.report.plots.steps import steps_chart
from relkit.report.statements import term

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relkit.segments.relabelling import RelabelSplit
    from relkit.segments.sizing import TierSize


def tier_size(found: TierSize, ax: Axes | None = None) -> Axes:
    """Net value by the number of accounts, best ones first; pale beyond the hours."""
    ax = ax or theme.new_axes("half")
    # Far beyond the choice every account costs more than it brings, and there are many.
    far = max(4 * found.size, 20, int(found.curve["feasible"].sum()))
    curve = thinned(found.curve.head(far + 1), 301)
    fits = curve["feasible"].to_numpy(bool)
    size, net = curve["size"].to_numpy(float), curve["net"].to_numpy(float)
    ax.plot(size, net, color=theme.GREY, lw=1.5, ls="--", label=term("label.size_beyond"))
    ax.plot(size[fits], net[fits], color=theme.ACCENT, label=term("label.size_fits"))
    ax.plot([found.size], [found.net], "o", color=theme.WARNING, label=term("label.size_chosen"))
    ax.annotate(
        current().compact_money(found.net), (found.size, found.net), (10, -20),
        textcoords="offset points", weight=600, color=theme.INK,
    )  # fmt: skip
    ax.margins(y=0.14)
    ax.set_xlabel(term("label.size_tier"))
    ax.set_ylabel(term("label.size_net"))
    word_axis(ax.yaxis, tick_money)
    word_axis(ax.xaxis, lambda x: current().count(x))
    ax.legend(loc="best")
    values = {"net": found.net, "size": found.size, "n": len(found.accounts)}
    return described(ax, "alt.tier_size", values, curve)


def relabel_split(split: RelabelSplit, ax: Axes | None = None) -> Axes:
    """The tier's revenue before and after: accounts taken out and put in, then growth."""
    frame = split.to_frame()
    amounts = {str(part): float(amount) for part, amount in frame[["part", "amount"]].to_numpy()}
    steps = [(term(f"relabel_part.{part}"), amount) for part, amount in amounts.items()]
    ends = (term("move.before"), term("move.after"))
    ax = steps_chart(split.revenue_before, steps, split.revenue_after, ends, ax)
    ax.set_ylabel(term("label.revenue"))
    values = {"before": split.revenue_before, "after": split.revenue_after, **amounts}
    return described(ax, "alt.relabel_split", values, frame)
