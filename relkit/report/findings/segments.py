"""What RFM scores and tiers show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from relkit.report.rule_words import plain_words
from relkit.report.statements import Statement, say
from relkit.report.vocabulary import all_texts

if TYPE_CHECKING:
    from relkit.segments.scores import RfmScores
    from relkit.segments.sizing import TierSize
    from relkit.segments.tags import CustomerTags
    from relkit.segments.tiers import Tiers
    from relkit.studies.history import PickedCustomer
    from relkit.studies.tier_review import NotShown, TierReview


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


def not_shown(found: NotShown) -> Statement:
    """What is missing, and why."""
    return say(
        "absent",
        topic=f"absent_topic.{found.topic}",
        why=say(f"absent_why.{found.why}", **({"what": found.what} if found.what else {})),
    )


def not_shown_gives(found: NotShown) -> Statement | None:
    """What would stand there; None where the headline says all."""
    key = f"absent_gives.{found.topic}"
    return say(key) if key in all_texts() else None


def review_best(review: TierReview) -> Statement:
    """Which tier is spoken of, and which two periods are compared."""
    return say("review.best", tier=review.best, periods=review_periods(review))


def review_periods(review: TierReview) -> Statement:
    """Which two periods are compared."""
    return say("review.periods", start=review.start, then=review.compare_to, now=review.as_of)


def tag_states(tags: CustomerTags) -> Statement:
    """How many tags can be told and hold for anybody, and the one that most have."""
    held = [each for each in tags.states if each.customers]
    if not held:
        return say("tags.held_none", n=len(tags.states))
    most = max(held, key=lambda each: each.customers or 0)
    return say(
        "tags.held",
        held=len(held),
        n=len(tags.states),
        tag=plain_words(most.tag.name),
        customers=int(most.customers or 0),
    )


def tag_states_rest(tags: CustomerTags) -> Statement:
    """How many tags could not be told, and why."""
    states = [each.state for each in tags.states]
    return say("tags.rest", absent=states.count("not_supplied"), stale=states.count("stale"))


def profile_chosen(picked: PickedCustomer) -> Statement:
    """By which rule the customer of the profile was chosen."""
    return say(
        "profile.chosen",
        n=picked.among,
        least=picked.at_least,
        balance=picked.in_the_balance,
    )


def tier_size_assumed(found: TierSize) -> Statement:
    """What the size rests on, of the account that comes first."""
    first = found.accounts.iloc[0]
    return say(
        "review.size_assumed",
        uplift=float(first["uplift"]),
        hours=float(first["hours"]),
        cost=float(first["cost"] / first["hours"]),
    )
