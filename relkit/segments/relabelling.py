"""What a tier's revenue owes to its accounts, and what to the list of who is in it.

Taking 35 of 120 accounts out of a tier cannot raise the tier's revenue; it can only raise
the revenue per account. So a change of a tier's revenue is split, exactly, into what the
accounts did and what the relabelling did.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from relkit.errors import DataError
from relkit.segments.cents import Cents, in_money, sums_by, to_cents
from relkit.segments.tier_labels import on_one_list

PARTS = ("taken_out", "put_in", "growth_of_kept", "growth_of_put_in")


@dataclass(frozen=True, slots=True, eq=False)
class RelabelSplit:
    """A change of a tier's revenue, split exactly; whole cents sum to the change.

    Attributes:
        parts: One row each of ``PARTS``: part, accounts, amount. taken_out and put_in
            count at the revenue of the first period (what relabelling alone moves), the
            growth of accounts that were kept or put in is second less first period.
        accounts_before: In the tier before.
        accounts_after: In the tier after.
        revenue_before: First period's revenue of those in the tier before.
        revenue_after: Second period's revenue of those in the tier after.
        total_before: First period's revenue of all accounts.
        total_after: Second period's revenue of all accounts.
    """

    parts: pd.DataFrame
    accounts_before: int
    accounts_after: int
    revenue_before: float
    revenue_after: float
    total_before: float
    total_after: float

    def to_frame(self) -> pd.DataFrame:
        return self.parts.copy()

    def _cents(self, *parts: str) -> int:
        chosen = self.parts["part"].isin(parts)
        return int((self.parts.loc[chosen, "amount"] * 100).round().astype("int64").sum())

    @property
    def change(self) -> float:
        """revenue_after less revenue_before; relabelled plus like_for_like."""
        return in_money(self._cents(*PARTS))

    @property
    def relabelled(self) -> float:
        """What the tier's revenue changed by because other accounts carry its name."""
        return in_money(self._cents("taken_out", "put_in"))

    @property
    def like_for_like(self) -> float:
        """What the accounts that now carry it brought more than before."""
        return in_money(self._cents("growth_of_kept", "growth_of_put_in"))

    @property
    def means(self) -> tuple[float, float, float]:
        """Revenue per account: before; after relabelling alone; after. This is what a
        smaller tier raises by itself.

        Raises:
            DataError: the tier held nobody before or holds nobody after.
        """
        if not self.accounts_before or not self.accounts_after:
            raise DataError("the tier held nobody on one of the two days, so there is no mean")
        relabelled = self.revenue_before + self.relabelled
        return (
            self.revenue_before / self.accounts_before,
            relabelled / self.accounts_after,
            self.revenue_after / self.accounts_after,
        )


def relabel_split(
    before: Iterable[str],
    after: Iterable[str],
    revenue_before: pd.DataFrame,
    revenue_after: pd.DataFrame,
) -> RelabelSplit:
    """Splits the change of a tier's revenue into relabelling and like-for-like growth.

    Args:
        before: customer_id of the accounts in the tier in the first period, each once.
        after: The same in the second.
        revenue_before: customer_id, revenue of the first period, of all accounts, in the
            tier or not; rows of one account add up, who has none brought nothing.
        revenue_after: The same of the second period.

    Raises:
        DataError: nobody in the tier on either day, an account twice in a list, or revenue
            that is no number.
    """
    lists = [pd.Series(list(ids), dtype="str") for ids in (before, after)]
    if not len(lists[0]) and not len(lists[1]):
        raise DataError("the tier holds nobody on either day; at least one account is required")
    faults = [
        f"{ids.duplicated().sum():,} accounts stand twice in the tier {when}"
        for ids, when in zip(lists, ("before", "after"), strict=True)
        if ids.duplicated().any()
    ]
    if faults:
        raise DataError("the tier's accounts must stand in it once", faults)
    frames = ((revenue_before, "revenue before"), (revenue_after, "revenue after"))
    for frame, what in frames:
        missing = [name for name in ("customer_id", "revenue") if name not in frame]
        if missing:
            raise DataError(f"{what}: column {' and '.join(missing)} is missing")
    everyone, at = on_one_list(*lists, *(frame["customer_id"] for frame, _ in frames))
    was, now = np.zeros((2, len(everyone)), dtype=bool)
    was[at[0]], now[at[1]] = True, True
    first, second = (
        sums_by(places, to_cents(frame["revenue"], what), len(everyone))
        for (frame, what), places in zip(frames, at[2:], strict=True)
    )
    return RelabelSplit(
        parts=_parts(was, now, first, second),
        accounts_before=int(was.sum()),
        accounts_after=int(now.sum()),
        revenue_before=in_money(first[was].sum()),
        revenue_after=in_money(second[now].sum()),
        total_before=in_money(first.sum()),
        total_after=in_money(second.sum()),
    )


def _parts(was: np.ndarray, now: np.ndarray, first: Cents, second: Cents) -> pd.DataFrame:
    out, put_in, kept = was & ~now, now & ~was, was & now
    grew = second - first
    rows = [
        ("taken_out", out.sum(), -first[out].sum()),
        ("put_in", put_in.sum(), first[put_in].sum()),
        ("growth_of_kept", kept.sum(), grew[kept].sum()),
        ("growth_of_put_in", put_in.sum(), grew[put_in].sum()),
    ]
    return pd.DataFrame(
        [(part, int(accounts), in_money(cents)) for part, accounts, cents in rows],
        columns=["part", "accounts", "amount"],
    )
