"""relkit: what customers are worth, who they are, how often to contact them.

``import relkit as rk`` loads nothing heavy: a public name brings its module
along when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Public name -> the module it lives in; the one list of what the outside sees.
_HOMES = {
    "relkit.data.sources": ["open_source"],
    "relkit.data.consent": ["consent"],
    "relkit.data.contact_rates": ["contact_rates"],
    "relkit.data.practice": ["practice_counts"],
    "relkit.data.practice_voice": ["contact_opinions", "issue_counts"],
    "relkit.data.experiment_outcomes": ["experiment_outcomes"],
    "relkit.data.experiment_checks": ["experiment_checks"],
    "relkit.data.experiment_sums": ["experiment_sums"],
    "relkit.data.summaries": [
        "activity_by_period",
        "count_unique_rows",
        "default_calibration_end",
        "holdout_summary",
        "rfm_counts",
        "rfm_summary",
    ],
    "relkit.data.world": ["World", "simulate_world"],
    "relkit.data.world_parameters": ["WorldFaults"],
    "relkit.data.world_files": ["write_world"],
    "relkit.value.bgnbd": ["BGNBD", "fit_bgnbd"],
    "relkit.value.mbgnbd": ["MBGNBD", "fit_mbgnbd"],
    "relkit.value.pareto_nbd": ["ParetoNBD", "fit_pareto_nbd"],
    "relkit.value.gamma_gamma": ["GammaGamma", "fit_gamma_gamma"],
    "relkit.value.lifetime_value": ["customer_lifetime_value"],
    "relkit.value.value_change": ["value_change"],
    "relkit.value.retention": ["retention_value", "try_retention"],
    "relkit.value.holdout": ["assess_holdout"],
    "relkit.value.purchase_models": ["fit_purchase_model"],
    "relkit.value.tracking": ["tracking_dispersion"],
    "relkit.value.groups": ["fit_by_group", "fit_spend_by_group"],
    "relkit.value.interop": ["from_lifetimes", "to_lifetimes"],
    "relkit.frequency.plan_file": ["read_plan"],
    "relkit.frequency.design": ["design_experiment"],
    "relkit.frequency.arm_proposal": ["propose_arms"],
    "relkit.frequency.claim_sizes": ["claim_sizes", "claims_frame"],
    "relkit.frequency.operating_characteristics": ["operating_characteristics"],
    "relkit.frequency.assignment": ["assign_arms"],
    "relkit.frequency.balance": ["collisions", "covariate_balance", "sample_ratio_test"],
    "relkit.frequency.effects": ["arm_effects", "explored"],
    "relkit.frequency.sequential": ["confidence_sequence"],
    "relkit.frequency.plan_reading": [
        "planned_sums",
        "read_planned_experiment",
        "rule_of",
        "terms_of",
    ],
    "relkit.frequency.trust": ["TrustLimits", "check_trust"],
    "relkit.frequency.freezing": ["freeze_plan", "plan_state"],
    "relkit.segments.scores": ["rfm_scores"],
    "relkit.segments.tiers": ["rank_tiers"],
    "relkit.segments.rule_file": ["read_tier_rules", "tier_rules"],
    "relkit.segments.rules": ["assign_tiers"],
    "relkit.segments.rule_health": ["prove_rules", "rules_health"],
    "relkit.segments.named_segments": ["read_rfm_segments", "rfm_segments"],
    "relkit.segments.contact_drop": ["false_alarms"],
    "relkit.studies.tier_columns": ["tier_columns"],
    "relkit.segments.tier_history": ["tier_history"],
    "relkit.segments.migration": ["tier_migration"],
    "relkit.segments.bridge": ["tier_bridge"],
    "relkit.segments.hysteresis": ["hold_tiers"],
    "relkit.segments.staleness": ["stale_tiers"],
    "relkit.segments.review_queue": ["read_review_queue", "top_by_rfm", "update_review_queue"],
    "relkit.segments.sizing": ["tier_size"],
    "relkit.segments.relabelling": ["relabel_split"],
    "relkit.segments.clusters": ["find_clusters"],
    "relkit.segments.tags": ["read_tags", "tag_customers"],
    "relkit.segments.keywords": ["keyword_accuracy", "read_keywords", "tag_notes"],
    "relkit.frequency.sums": ["ArmSums"],
    "relkit.frequency.estimand": ["ValueTerms", "value_by_arm"],
    "relkit.frequency.shape_test": ["shape_test"],
    "relkit.frequency.response": ["fit_response"],
    "relkit.frequency.guardrails": ["check_guardrails"],
    "relkit.frequency.decision": ["DecisionRule", "decide"],
    "relkit.frequency.read_out": ["read_frequency_experiment"],
    "relkit.frequency.sensitivity": ["sensitivity"],
    "relkit.frequency.carry_over": ["early_late_effect", "step_down_effect"],
    "relkit.data.dose_history": ["dose_history"],
    "relkit.frequency.dose_frames": ["dose_groups", "observed_cadences"],
    "relkit.frequency.stopping_rule": ["contacts_without_order", "stopping_rule_test"],
    "relkit.frequency.observational": [
        "adjusted_dose_effects",
        "naive_dose_effects",
        "sums_of_effects",
    ],
    "relkit.frequency.programme": ["programme_effects"],
    "relkit.frequency.claims": ["claims_on", "published_claims"],
    "relkit.frequency.policy": ["Evidence", "Optimum", "PolicyCell"],
    "relkit.frequency.policy_file": ["read_policy"],
    "relkit.frequency.policy_linter": ["lint_policy", "policy_conflicts"],
    "relkit.frequency.policy_signing": ["policy_state", "sign_policy"],
    "relkit.frequency.policy_draft": ["write_policy"],
    "relkit.frequency.policy_calendar": ["contact_calendar"],
    "relkit.frequency.adjustment": [
        "AdjustmentRules",
        "activity_ladder",
        "activity_of",
        "adjust_cadences",
        "arms_to_test",
        "response_direction",
    ],
    "relkit.frequency.overrides": [
        "Override",
        "add_override",
        "override_audit",
        "override_cadence",
        "read_overrides",
    ],
    "relkit.frequency.practice": ["audit_practice"],
    "relkit.frequency.practice_responses": [
        "compare_contents",
        "recurring_issues",
        "response_rates",
    ],
    "relkit.studies.comparison": ["compare_models", "try_comparison"],
    "relkit.studies.experiment_design": ["before_start", "day_before", "other_experiments"],
    "relkit.studies.cohorts": ["acquisition_cohorts", "cohort_stationarity"],
    "relkit.studies.experiment": ["study_experiment"],
    "relkit.studies.profile": ["customer_profile"],
    "relkit.studies.customer_facts": ["customer_facts"],
    "relkit.studies.customer_descriptions": [
        "tag_everyone",
        "try_clusters",
        "try_rfm_segments",
    ],
    "relkit.studies.customers": ["alive_matrix", "tier_worth", "win_back_list"],
    "relkit.studies.grains": ["grain_effect"],
    "relkit.studies.history": [
        "customer_history",
        "expected_purchase_matrix",
        "pick_customer",
        "probability_alive_matrix",
    ],
    "relkit.studies.movement": ["comparison_day", "refund_share", "value_since"],
    "relkit.studies.tier_history": [
        "revenue_after",
        "revenue_between",
        "tier_change",
        "tiers_as_of",
    ],
    "relkit.studies.tier_review": [
        "tier_review",
        "tiers_by_rules",
        "try_review_queue",
        "try_rules_health",
        "try_stale_tiers",
        "try_tier_size",
    ],
    "relkit.studies.validation": ["try_holdout", "validate_holdout"],
    "relkit.privacy": ["pseudonym", "set_privacy"],
    "relkit.report.language": ["set_language"],
    "relkit.report.statements": ["say", "statement", "term"],
    "relkit.report.blocks": [
        "details",
        "figure",
        "gate",
        "provenance",
        "slide",
        "table",
        "text",
        "tile",
        "tiles",
    ],
    "relkit.report.export": ["save_table"],
    "relkit.report.profile_page": ["profile_appendix", "profile_page"],
    "relkit.report.result_slide": ["result_slide"],
    "relkit.report.rule_words": ["rules_in_words"],
    "relkit.report.tier_table": ["save_tier_table", "tier_table"],
    "relkit.intervals": ["Estimate", "wilson_interval"],
    "relkit.errors": [
        "DataError",
        "FitError",
        "NotebookError",
        "ParameterError",
        "RelkitError",
        "SourceError",
    ],
}
# Modules that read as a word of their own: rk.plots.tracking(...).
_ROOMS = {
    "contracts": "relkit.data.contracts",
    "quality": "relkit.data.quality",
    "quality_gates": "relkit.report.quality_gates",
    "quality_tables": "relkit.report.quality_tables",
    "design_tables": "relkit.report.design_tables",
    "design_gates": "relkit.report.design_gates",
    "plots": "relkit.report.plots",
    "tables": "relkit.report.tables",
    "rule_tables": "relkit.report.rule_tables",
    "movement_tables": "relkit.report.movement_tables",
    "segment_tables": "relkit.report.segment_tables",
    "people_tables": "relkit.report.people_tables",
    "policy_tables": "relkit.report.policy_tables",
    "practice_tables": "relkit.report.practice_tables",
    "findings": "relkit.report.findings",
    "frequency_tables": "relkit.report.frequency_tables",
    "gates": "relkit.report.gates",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted([*_HOME_OF, *_ROOMS])


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(_ROOMS[name])
    if name in _HOME_OF:
        return getattr(import_module(_HOME_OF[name]), name)
    from relkit.errors import did_you_mean

    raise AttributeError(f"relkit has no '{name}'{did_you_mean(name, __all__)}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
