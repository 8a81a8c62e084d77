"""Whether the model predicts, said as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relkit.report.statements import Statement, listed, say
from relkit.studies.validation import Untested
from relkit.value.stationarity import (
    DRIFT,
    DRIFT_WITHOUT_CONSEQUENCE,
    NOT_MEASURABLE,
    STATIONARY,
    Stationarity,
)

if TYPE_CHECKING:
    from relkit.value.comparison import ModelComparison
    from relkit.value.holdout import HoldoutValidation


def holdout(check: HoldoutValidation | Untested) -> Statement:
    """Said as it is: a total outside the prediction interval is called a miss."""
    if isinstance(check, Untested):
        return say("holdout.untested", **untested(check))
    values = {
        "expected": check.expected.value,
        "actual": check.actual,
        "error": abs(check.error),
        "length": check.holdout_length,
        "unit": f"unit.{check.unit}",
    }
    if check.within_interval:
        direction = "direction.fewer" if check.error < 0 else "direction.more"
        return say("holdout.within", direction=direction, **values)
    return say("holdout.outside", level=_level(check), **values)


def holdout_note(check: HoldoutValidation | Untested) -> Statement:
    if isinstance(check, Untested):
        return say("holdout.untested_note")
    if check.within_interval:
        return say("holdout.within_note", low=check.expected.low, high=check.expected.high)
    return say(
        "holdout.outside_note",
        low=check.expected.low,
        high=check.expected.high,
        error=abs(check.error),
        level=_level(check),
    )


def holdout_by_frequency(check: HoldoutValidation | Untested) -> Statement | None:
    if isinstance(check, Untested):
        return None
    rows = check.by_frequency
    first, last = rows.iloc[0], rows.iloc[-1]
    return say(
        "holdout.frequency",
        low=float(first["actual"]),
        high=float(last["actual"]),
        low_expected=float(first["expected"]),
        high_expected=float(last["expected"]),
    )


def holdout_by_recency(check: HoldoutValidation | Untested) -> Statement | None:
    """Who was silent for long buys less, and whether the model knows."""
    if isinstance(check, Untested):
        return None
    rows = check.by_recency
    first, last = rows.iloc[0], rows.iloc[-1]
    return say(
        "holdout.recency",
        low=float(last["actual"]),
        high=float(first["actual"]),
        low_expected=float(last["expected"]),
        high_expected=float(first["expected"]),
    )


def holdout_each(check: HoldoutValidation | Untested) -> Statement | None:
    """How many single customers did what their own prediction interval held possible."""
    if isinstance(check, Untested):
        return None
    widest = check.interval_coverage.sort_values("level").iloc[-1]
    return say("holdout.each", level=float(widest["level"]), covered=float(widest["covered"]))


def tracking(check: HoldoutValidation | Untested) -> Statement | None:
    """Whether purchases swing around the model by more than chance."""
    if isinstance(check, Untested):
        return None
    found = check.tracking_dispersion
    if not found.is_visible:
        key = "tracking.short" if found.is_visible is None else "tracking.even"
        return say(key, periods=found.periods)
    assert found.peak_ratio is not None  # it is measured
    return say(
        "tracking.waves",
        swing=found.swing,
        period=found.peak_period,
        peak=abs(found.peak_ratio - 1),
        direction="direction.more" if found.peak_ratio > 1 else "direction.fewer",
        unit=f"one.{check.unit}",
    )


def cohorts_alike(found: Stationarity) -> Statement:
    """Whether customers who came at different times buy alike, and what it would move."""
    if found.verdict == NOT_MEASURABLE:
        return say("gate.cohorts_unknown", cohorts=found.cohorts)
    key = {STATIONARY: "alike", DRIFT_WITHOUT_CONSEQUENCE: "pass", DRIFT: "fail"}[found.verdict]
    return say(
        f"gate.cohorts_{key}",
        cohorts=found.cohorts,
        moved=found.moved_share,
        limit=found.tolerance,
        p=found.p_value,
    )


def comparison(found: ModelComparison | Untested) -> Statement | None:
    """The best model beside the baselines; one that loses is said to lose."""
    if isinstance(found, Untested):
        return None
    best, loses = found.verdict.best_model, found.loses
    if best is None or loses is None:
        return say("comparison.none")
    measures = {one.measure for one in found.verdict.contests}
    values = {"model": f"model.{best}", "n": len(measures)}
    if not loses:
        return say("comparison.holds", wins=len(found.verdict.wins or ()), **values)
    return say(
        "comparison.loses",
        k=len(loses),
        measures=listed(f"measure.{measure}" for measure in loses),
        **values,
    )


def comparison_note(found: ModelComparison | Untested) -> Statement | None:
    """How the best was chosen, and to whom it loses on what."""
    if isinstance(found, Untested):
        return None
    best = found.verdict.best_model
    if best is None:
        return None
    lost = [
        say(
            "comparison.lost",
            measure=f"measure.{measure}",
            baselines=listed(f"model.{name}" for name in found.verdict.loses_to(measure)),
        )
        for measure in found.loses or ()
    ]
    chosen = say("comparison.chosen", model=f"model.{best}")
    return say("comparison.note", chosen=chosen, lost=listed(lost, "; ")) if lost else chosen


def holdout_top(check: HoldoutValidation | Untested) -> Statement | None:
    """Rank quality beside the baseline; a model that loses is said to lose."""
    if isinstance(check, Untested):
        return None
    model, past = check.top_decile.model, check.top_decile.past_spend
    key = "holdout.top_wins" if model >= past else "holdout.top_loses"
    return say(key, model=model, past=past)


def untested(check: Untested) -> dict[str, object]:
    """What statements say of a test that could not be made."""
    return {"status": status_term(check.status), "until": check.calibration_end}


def status_term(status: str) -> str:
    """The key of the words for how a fit ended."""
    return "status." + status.replace(" ", "_")


def _level(check: HoldoutValidation) -> str:
    return "level.low" if check.error < 0 else "level.high"
