"""What became of the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from relkit.report.statements import Statement, say

if TYPE_CHECKING:
    from relkit.data.sources import Source


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
