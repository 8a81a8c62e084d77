"""How large a tier should be, and what its revenue owes to relabelling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from relkit.report.statements import Statement, say

if TYPE_CHECKING:
    from relkit.segments.relabelling import RelabelSplit
    from relkit.segments.sizing import TierSize


def tier_size(found: TierSize) -> Statement:
    """How many accounts the tier should hold, and what limits it."""
    n = len(found.accounts)
    if found.size == 0:
        return say("sizing.nobody", n=n, capacity=found.capacity)
    values = {"size": found.size, "n": n, "net": found.net, "hours": found.hours}
    if found.bound_by == "capacity":
        return say("sizing.by_capacity", capacity=found.capacity, hour=found.hour_worth, **values)
    return say("sizing.by_value", capacity=found.capacity, **values)


def tier_size_today(found: TierSize, customer_id: Sequence[str] | pd.Series) -> Statement:
    """Today's accounts beside the best choice.

    Args:
        found: The best choice.
        customer_id: The accounts in the tier today; all among those that were sized.
    """
    today, net = len(customer_id), found.net_of(customer_id)
    if net >= found.net:
        return say("sizing.today_best", today=today, net_today=net)
    return say("sizing.today", today=today, net_today=net, net=found.net, gain=found.net - net)


def relabel_split(split: RelabelSplit) -> Statement:
    """What of the change is relabelling and what is growth."""
    return say(
        "relabel.split",
        before=split.accounts_before,
        after=split.accounts_after,
        change=split.change,
        relabelled=split.relabelled,
        like_for_like=split.like_for_like,
    )


def relabel_means(split: RelabelSplit) -> Statement | None:
    """What relabelling alone does to revenue per account; None where a tier was empty."""
    if not split.accounts_before or not split.accounts_after:
        return None
    before, relabelled, after = split.means
    return say("relabel.means", mean_before=before, mean_relabelled=relabelled, mean_after=after)
