"""What RFM scores and tiers show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from relkit.report.statements import Statement, say

if TYPE_CHECKING:
    from relkit.segments.scores import RfmScores
    from relkit.segments.tiers import Tiers


def rfm_spread(scores: RfmScores) -> Statement:
    """How much of the revenue the upper part of the RFM sums brought."""
    customers, spend = scores.share_of_spend(scores.high_sum)
    return say("rfm.spread", least=scores.high_sum, customers=customers, spend=spend)


def rfm_grid(scores: RfmScores) -> Statement:
    """The cell of recency × frequency that holds most customers."""
    grid = scores.grid()
    largest = grid.iloc[int(grid["customers"].to_numpy().argmax())]
    return say(
        "rfm.largest",
        r=int(largest["r"]),
        f=int(largest["f"]),
        customers=int(largest["customers"]),
        share=float(largest["customers"] / grid["customers"].sum()),
        spend=float(largest["total_spend"] / grid["total_spend"].sum()),
    )


def tiers_complete(tiers: Tiers) -> Statement:
    return say("tiers.complete", n=len(tiers.customers), tiers=len(tiers.names))


def tier_against_rfm(tiers: Tiers, scores: RfmScores) -> Statement:
    """How far the best tier by value to come is the best by past behaviour."""
    cells = tiers.by_rfm_sum(scores)
    high = cells["rfm_sum"] >= scores.high_sum
    first = cells["tier"] == _first_held(cells)
    return say(
        "tiers.against_rfm",
        tier=_first_held(cells),
        least=scores.high_sum,
        held=int(cells.loc[first, "customers"].sum()),
        agree=int(cells.loc[first & high, "customers"].sum()),
        missed=int(cells.loc[~first & high, "customers"].sum()),
    )


def _first_held(cells: pd.DataFrame) -> str:
    return str(cells.loc[cells["customers"] > 0, "tier"].iloc[0])


def tier_worth(worth: pd.DataFrame) -> Statement:
    """The most valuable tier that holds anyone.

    Args:
        worth: As made by ``rk.tier_worth``: tier, customers, customer_share,
            clv, clv_share, clv_mean, most valuable first.
    """
    first = _held(worth).iloc[0]
    return say(
        "tiers.worth",
        tier=str(first["tier"]),
        customers=float(first["customer_share"]),
        value=float(first["clv_share"]),
        each=float(first["clv_mean"]),
    )


def tier_gap(worth: pd.DataFrame) -> Statement | None:
    """One customer at the top in customers of the last tier; None if there is one tier."""
    held = _held(worth)
    first, last = held.iloc[0], held.iloc[-1]
    if len(held) < 2 or last["clv_mean"] <= 0:
        return None
    return say(
        "tiers.gap",
        tier=str(first["tier"]),
        last=str(last["tier"]),
        times=float(first["clv_mean"] / last["clv_mean"]),
    )


def keep_first(worth: pd.DataFrame) -> Statement:
    first = _held(worth).iloc[0]
    return say(
        "answer.keep",
        tier=str(first["tier"]),
        customers=float(first["customer_share"]),
        value=float(first["clv_share"]),
    )


def _held(worth: pd.DataFrame) -> pd.DataFrame:
    return worth[worth["customers"] > 0]
