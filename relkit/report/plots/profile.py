"""One customer's purchases, contacts and tickets in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from relkit.report import theme
from relkit.report.plots.drawing import described
from relkit.report.statements import term

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relkit.studies.profile import CustomerProfile

_LANES = ("complaint", "ticket", "touch", "purchase")  # from the bottom up


def profile_events(profile: CustomerProfile, ax: Axes | None = None) -> Axes:
    """A lane each for purchases, contacts, tickets and complaints, a mark an event."""
    import pandas as pd

    ax = ax or theme.new_axes("wide")
    events = profile.events
    lanes = [kind for kind in _LANES if (events["kind"] == kind).any()]
    for place, kind in enumerate(lanes):
        at = events.loc[events["kind"] == kind, "at"]
        colour = {"purchase": theme.ACCENT, "complaint": theme.WARNING}.get(kind, theme.GREY)
        ax.plot(at, [place] * len(at), "|", markersize=18, markeredgewidth=1.8, color=colour)
    ax.set_yticks(range(len(lanes)), [term(f"profile.lane_{kind}") for kind in lanes])
    ax.set_ylim(-0.6, len(lanes) - 0.4)
    end: Any = pd.Timestamp(profile.as_of) + pd.Timedelta(days=1)
    ax.set_xlim(right=end)
    ax.grid(False)
    counts = events["kind"].value_counts()
    values = {
        "first": events["at"].min(),
        "last": profile.as_of,
        **{kind: int(counts.get(kind, 0)) for kind in _LANES},
    }
    return described(ax, "alt.profile_events", values, events[["at", "kind"]])
