"""Results to axes: every picture that a report shows.

A plot computes nothing that a table does not show too. It takes a result and an
optional ``ax``, draws in the current language, says in its alt text what can be
seen, and returns the ``ax``.
"""

from relkit.report.plots.review import activity, value_bridge
from relkit.report.plots.segments import rfm_grid, rfm_spend, tier_against_rfm, tier_worth
from relkit.report.plots.validation import by_frequency, tracking
from relkit.report.plots.value import alive_matrix, concentration, win_back

__all__ = [
    "activity",
    "alive_matrix",
    "by_frequency",
    "concentration",
    "rfm_grid",
    "rfm_spend",
    "tier_against_rfm",
    "tier_worth",
    "tracking",
    "value_bridge",
    "win_back",
]
