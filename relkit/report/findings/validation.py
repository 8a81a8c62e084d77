"""Whether the model predicts, said as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relkit.report.statements import Statement, say
from relkit.studies.validation import Untested

if TYPE_CHECKING:
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
