"""Results to axes: every picture that a report shows.

A plot computes nothing that a table does not show too. It takes a result and an
optional ``ax``, draws in the current language, says in its alt text what can be
seen, and returns the ``ax``.
"""

from relkit.report.plots.review import activity, value_bridge
from relkit.report.plots.segments import rfm_grid, rfm_spend, tier_against_rfm, tier_worth
from relkit.report.plots.validation import by_frequency, by_recency, tracking, tracking_by_period
from relkit.report.plots.value import (
    alive_matrix,
    concentration,
    customer_history,
    history_matrix,
    win_back,
)

__all__ = [
    "activity",
    "alive_matrix",
    "by_frequency",
    "by_recency",
    "concentration",
    "customer_history",
    "history_matrix",
    "rfm_grid",
    "rfm_spend",
    "tier_against_rfm",
    "tier_worth",
    "tracking",
    "tracking_by_period",
    "value_bridge",
    "win_back",
]
