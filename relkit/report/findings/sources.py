"""What became of the rows, and what was counted as one purchase."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from relkit.report.statements import Statement, say

if TYPE_CHECKING:
    from relkit.data.sources import Source
    from relkit.studies.grains import GrainEffect


def rows(source: Source, summary: pd.DataFrame) -> Statement:
    """Rows read = rows used + rows set aside, with the time they span."""
    account = source.account
    first, last = source.span
    values = {
        "read": account.read,
        "used": account.used,
        "aside": account.set_aside,
        "customers": len(summary),
        "first": first,
        "last": last,
    }
    return say("data.some_aside" if account.set_aside else "data.all_used", **values)


def refunds(share: float, summary: pd.DataFrame) -> Statement | None:
    """What refunds took back, and that values are counted before them; None if there are none.

    Args:
        share: ``rk.refund_share`` of the transactions.
        summary: As made by ``rk.rfm_summary``, which counts customers without a purchase.
    """
    without = summary.attrs.get("refund_only_customers", 0)
    if not share and not without:
        return None
    return say("data.refunds_only" if without else "data.refunds", share=share, without=without)


def grain(found: GrainEffect, used: str) -> Statement:
    """Whether purchases are counted by the occasion that the data call for.

    Args:
        found: As made by ``rk.grain_effect``.
        used: The grain of the report.
    """
    called_for = found.recommendation.grain
    key = "grain.agrees" if called_for == used else "grain.differs"
    return say(key, used=f"grain_name.{used}", grain=f"grain_name.{called_for}")


def grain_reason(found: GrainEffect) -> Statement:
    """Why the data call for it, with the figures."""
    why = found.recommendation
    values: dict[str, object] = {"without": why.without_time, "same": why.same_day}
    if not math.isnan(why.same_day_by_chance):
        values["chance"] = why.same_day_by_chance
    return say("grain_reason." + why.reason.replace(" ", "_"), **values)
