"""Results to axes: every picture that a report shows.

A plot computes nothing that a table does not show too. It takes a result and an
optional ``ax``, draws in the current language, says in its alt text what can be
seen, and returns the ``ax``.
"""

from relkit.report.plots.clusters import cluster_profiles, cluster_stability
from relkit.report.plots.design import (
    design_actions,
    design_needed,
    design_reach,
)
from relkit.report.plots.frequency import (
    frequency_effects,
    frequency_guardrails,
    frequency_looks,
    frequency_response,
    frequency_steps,
)
from relkit.report.plots.migration import (
    flapping,
    hysteresis_price,
    tier_bridge,
    tier_moves,
)
from relkit.report.plots.policy import (
    policy_matrix,
    policy_touches,
)
from relkit.report.plots.practice import (
    practice_cadence,
    practice_responses,
)
from relkit.report.plots.profile import profile_events
from relkit.report.plots.quality import (
    quality_coverage,
    quality_funnel,
    quality_maturity,
    quality_timeline,
    quality_usable,
)
from relkit.report.plots.quality_people import (
    agreement,
    repeat_share,
    survey_answers,
    survey_scores,
)
from relkit.report.plots.review import activity, value_bridge
from relkit.report.plots.rules import rules_grid, rules_shares
from relkit.report.plots.segments import rfm_grid, rfm_spend, tier_against_rfm, tier_worth
from relkit.report.plots.sizing import (
    relabel_split,
    tier_size,
)
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
    "agreement",
    "alive_matrix",
    "by_frequency",
    "by_recency",
    "cluster_profiles",
    "cluster_stability",
    "concentration",
    "customer_history",
    "design_actions",
    "design_needed",
    "design_reach",
    "flapping",
    "frequency_effects",
    "frequency_guardrails",
    "frequency_looks",
    "frequency_response",
    "frequency_steps",
    "history_matrix",
    "hysteresis_price",
    "policy_matrix",
    "policy_touches",
    "practice_cadence",
    "practice_responses",
    "profile_events",
    "quality_coverage",
    "quality_funnel",
    "quality_maturity",
    "quality_timeline",
    "quality_usable",
    "relabel_split",
    "repeat_share",
    "rfm_grid",
    "rfm_spend",
    "rules_grid",
    "rules_shares",
    "survey_answers",
    "survey_scores",
    "tier_against_rfm",
    "tier_bridge",
    "tier_moves",
    "tier_size",
    "tier_worth",
    "tracking",
    "tracking_by_period",
    "value_bridge",
    "win_back",
]
