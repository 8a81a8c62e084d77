"""Results to statements: the headline that the numbers support.

A headline is chosen here and nowhere else, by the numbers, so that a report on
other data says another thing. The words stand in ``texts/findings.yaml``; the
values travel inside each statement, so a test can recompute every one.
"""

from relkit.report.findings.review import (
    activity,
    answer,
    base_value,
    change_parts,
    how_sure,
    period_name,
    why,
)
from relkit.report.findings.segments import (
    keep_first,
    rfm_grid,
    rfm_spread,
    tier_against_rfm,
    tier_gap,
    tier_worth,
    tiers_complete,
)
from relkit.report.findings.sources import refunds, rows
from relkit.report.findings.validation import (
    holdout,
    holdout_by_frequency,
    holdout_note,
    holdout_top,
    status_term,
    untested,
)
from relkit.report.findings.value import (
    alive,
    concentration,
    one_time,
    purchase_model,
    purchases,
    spend_left_out,
    spend_model,
    top_customers,
    value_prediction,
    value_total,
    win_back,
    win_back_first,
    win_back_share,
)

__all__ = [
    "activity",
    "alive",
    "answer",
    "base_value",
    "change_parts",
    "concentration",
    "holdout",
    "holdout_by_frequency",
    "holdout_note",
    "holdout_top",
    "how_sure",
    "keep_first",
    "one_time",
    "period_name",
    "purchase_model",
    "purchases",
    "refunds",
    "rfm_grid",
    "rfm_spread",
    "rows",
    "spend_left_out",
    "spend_model",
    "status_term",
    "tier_against_rfm",
    "tier_gap",
    "tier_worth",
    "tiers_complete",
    "top_customers",
    "untested",
    "value_prediction",
    "value_total",
    "why",
    "win_back",
    "win_back_first",
    "win_back_share",
]
