"""The answer of a review: gaining or losing, why, how sure, what first."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pandas as pd

from relkit.errors import DataError
from relkit.report.findings.segments import keep_first
from relkit.report.findings.validation import untested
from relkit.report.findings.value import win_back_first
from relkit.report.statements import Statement, say
from relkit.studies.validation import Untested

if TYPE_CHECKING:
    from relkit.value.holdout import HoldoutValidation
    from relkit.value.lifetime_value import ValueChange


def base_value(change: ValueChange, before: date | str) -> Statement:
    """Is the customer base gaining or losing value: the headline of a review."""
    return say(
        f"answer.{change.verdict}",
        horizon=change.horizon,
        unit=f"unit.{change.unit}",
        now=change.now.total.value,
        share=abs(change.change_share),
        before=before,
    )


def answer(
    change: ValueChange,
    check: HoldoutValidation | Untested,
    chosen: pd.DataFrame,
    worth: pd.DataFrame,
) -> Statement:
    """Why, how sure, what to do first, what to keep: the text under the headline."""
    return say(
        "answer.points",
        why=why(change),
        sure=how_sure(change, check),
        first=win_back_first(chosen),
        keep=keep_first(worth),
    )


def how_sure(change: ValueChange, check: HoldoutValidation | Untested) -> Statement:
    """The interval of the change, and how well the model has done before."""
    if isinstance(check, Untested):
        return say("answer.sure_untested", change=change.change, **untested(check))
    return say(
        "answer.sure",
        change=change.change,
        error=abs(check.error),
        direction="direction.fewer" if check.error < 0 else "direction.more",
    )


def why(change: ValueChange) -> Statement:
    """What the change is made of; the parts sum to it."""
    return say("answer.why", **_parts(change))


def change_parts(change: ValueChange) -> Statement:
    """The headline over the bridge from the earlier value to the later one."""
    parts = _parts(change)
    key = "change.gaining" if change.change.value > 0 else "change.losing"
    return say(key, shrank=parts["shrank"], gained=parts["grew"] + parts["new"])


def _parts(change: ValueChange) -> dict[str, float]:
    amounts = change.to_frame().set_index("part")["amount"]
    return {
        "shrank": abs(float(amounts["shrank"])),
        "grew": float(amounts["grew"]),
        "new": float(amounts["new"]),
    }


def period_name(start: date | pd.Timestamp, period: str) -> Statement:
    """A period as a sentence says it: June 1998, quarter 2 of 1998."""
    day = pd.Timestamp(start)
    return say(f"period.named.{period}", start=day, quarter=day.quarter, year=str(day.year))


def activity(periods: pd.DataFrame, period: str) -> Statement:
    """The last full period against the one before.

    Args:
        periods: As made by ``rk.activity_by_period``.
        period: What the rows are: week, month, quarter, year.

    Raises:
        DataError: not one period is complete.
    """
    full = periods[periods["complete"]]
    if full.empty:
        raise DataError(
            f"the data hold no full {period}; choose a shorter period, or a later as_of"
        )
    last = full.iloc[-1]
    revenue = float(last["revenue"])
    values = {
        "period": period_name(last["start"], period),
        "revenue": revenue,
        "new": int(last["new_customers"]),
        "active": int(last["active_customers"]),
    }
    with_new = periods.loc[periods["new_customers"] > 0, "end"]
    if last["new_customers"] == 0 and last["active_customers"] > 0 and len(with_new):
        return say(
            "activity.no_new",
            last_new=with_new.iloc[-1],
            returning=int(last["returning_customers"]),
            **values,
        )
    if len(full) < 2:
        return say("activity.first", **values)
    before = float(full["revenue"].iloc[-2])
    if before <= 0:  # a change has no share of it
        return say("activity.from_nothing", before=before, **values)
    change = revenue / before - 1
    return say("activity.up" if change >= 0 else "activity.down", change=abs(change), **values)
