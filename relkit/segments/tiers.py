"""Tiers by rank: every customer in exactly one, and what each tier is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

import numpy as np
import pandas as pd

from relkit.errors import DataError, ParameterError
from relkit.privacy import shown_id
from relkit.segments.scores import RfmScores, mid_rank


@dataclass(frozen=True, slots=True)
class Tiers:
    """A tier for every customer.

    Attributes:
        customers: One row a customer: customer_id, value, rank_share (0 is the
            most valuable end), tier.
        names: The tiers from the most valuable down.
        target_shares: The share of customers each tier was to hold; sums to 1.
    """

    customers: pd.DataFrame
    names: tuple[str, ...]
    target_shares: tuple[float, ...]

    def to_frame(self) -> pd.DataFrame:
        return self.customers.copy()

    def sizes(self) -> pd.DataFrame:
        """Customers per tier beside the target, most valuable tier first.

        Returns:
            Columns tier, customers, share, target_share. Shares differ from their
            targets where customers with equal value stand at a border: they stay together.
        """
        counts = self.customers["tier"].value_counts().reindex(self.names, fill_value=0)
        return pd.DataFrame(
            {
                "tier": list(self.names),
                "customers": counts.to_numpy(),
                "share": counts.to_numpy() / len(self.customers),
                "target_share": list(self.target_shares),
            }
        )

    def profile(self, columns: pd.DataFrame) -> pd.DataFrame:
        """Sums and means of other columns per tier.

        Args:
            columns: Frame with customer_id and numeric columns, one row for each
                customer that has a tier.

        Returns:
            One row a tier: tier, customers, then ``<column>`` (sum) and
            ``<column>_mean`` for each column; the sums add up to the column's total.
            In a tier that holds nobody the sums are 0 and there is no mean (nan).

        Raises:
            DataError: customers that are in one and not in the other.
        """
        joined = self.customers[["customer_id", "tier"]].merge(
            columns, on="customer_id", how="outer", indicator=True, validate="one_to_one"
        )
        strangers = joined[joined["_merge"] != "both"]
        if len(strangers):
            raise DataError(
                f"{len(strangers):,} customers are in the tiers or in the columns but not in both "
                f"(first: {shown_id(strangers['customer_id'].iloc[0])}); "
                "give both for the same as_of"
            )
        numeric = [name for name in columns.columns if name != "customer_id"]
        grouped = joined.groupby("tier")[numeric]
        means = grouped.mean().add_suffix("_mean")
        sums = grouped.sum().reindex(self.names, fill_value=0)
        together = sums.join(means).rename_axis("tier").reset_index()
        counts = joined.groupby("tier").size().reindex(self.names, fill_value=0).to_numpy()
        together.insert(1, "customers", counts)
        return together

    def by_rfm_sum(self, scores: RfmScores) -> pd.DataFrame:
        """Customers of each tier at each RFM sum.

        Args:
            scores: Of the same customers.

        Returns:
            Columns tier, rfm_sum, customers, share (of the tier); every tier with
            every sum from 3 to 3 × bands, tiers from the most valuable down.
        """
        joined = self.customers.merge(scores.customers, on="customer_id", validate="one_to_one")
        if len(joined) != len(self.customers):
            raise DataError("the tiers and the scores hold different customers; use one summary")
        sums = range(3, 3 * scores.bands + 1)
        cells = pd.MultiIndex.from_product([self.names, sums], names=["tier", "rfm_sum"])
        counted = joined.groupby(["tier", "rfm_sum"]).size().reindex(cells, fill_value=0)
        frame = counted.rename("customers").reset_index()
        held = frame.groupby("tier")["customers"].transform("sum")
        return frame.assign(share=(frame["customers"] / held).where(held > 0))


def rank_tiers(
    customer_id: Sequence[str] | pd.Series,
    value: Sequence[float] | pd.Series,
    shares: Sequence[float] = (0.10, 0.20),
    names: Sequence[str] | None = None,
) -> Tiers:
    """Put each customer in one tier by the rank of a value, usually CLV.

    Args:
        customer_id: Shape (n,), unique.
        value: Shape (n,), finite; higher is better.
        shares: Share of customers in each tier from the top; the rest, 1 minus
            their sum, is the last tier. (0.10, 0.20) gives top 10 %, next 20 %, rest.
        names: One more than shares; A, B, C, … where they are not given.

    Raises:
        ParameterError: shares outside (0, 1), or 1 and more together; wrong number of names.
        DataError: no customers, repeated ids, or values that cannot be ranked.
    """
    cuts = _cuts(shares)
    names = tuple(names) if names is not None else tuple(ascii_uppercase[: len(cuts) + 1])
    if len(names) != len(cuts) + 1 or len(set(names)) != len(names):
        raise ParameterError(
            f"{len(cuts)} shares make {len(cuts) + 1} tiers; {len(names)} names were given, "
            "each tier needs one of its own"
        )
    # A column of text is taken as it is: making a million ids anew takes a second.
    given = customer_id if isinstance(customer_id, pd.Series) else pd.Series(list(customer_id))
    ids = given.reset_index(drop=True).astype("str")
    values = np.asarray(value, dtype=float)
    _check_values(ids, values)
    # Customers of equal value share a mid-rank, so no border runs between them.
    from_top = mid_rank(-values)
    which = np.searchsorted(np.asarray(cuts), from_top, side="left")
    customers = pd.DataFrame(
        {
            "customer_id": ids,
            "value": values,
            "rank_share": from_top,
            "tier": np.asarray(names, dtype=object)[which],
        }
    )
    targets = (*(float(share) for share in shares), 1 - float(sum(shares)))
    return Tiers(customers, names, targets)


def _cuts(shares: Sequence[float]) -> list[float]:
    faults = [f"share {share} must be in (0, 1)" for share in shares if not 0 < share < 1]
    if not faults and sum(shares) >= 1:
        faults.append(f"they sum to {sum(shares):.4g}, and must leave a rest: less than 1")
    if not shares:
        faults.append("at least one share is required")
    if faults:
        raise ParameterError(f"tier shares {list(shares)}", [*faults, "give 10 % as 0.10"])
    return [float(cut) for cut in np.cumsum(shares)]


def _check_values(ids: pd.Series, values: np.ndarray) -> None:
    if len(ids) == 0 or len(ids) != len(values):
        raise DataError(
            f"tiers: {len(ids)} customers and {len(values)} values; as many of both are required, "
            "and at least one"
        )
    faults = []
    if ids.isna().any():
        faults.append(f"customer_id is empty in {ids.isna().sum():,} rows")
    repeated = ids[ids.duplicated() & ids.notna()]
    if len(repeated):
        faults.append(
            f"customer_id is repeated in {len(repeated):,} rows (first: "
            f"{shown_id(repeated.iloc[0])})"
        )
    bad = ~np.isfinite(values)
    if bad.any():
        faults.append(
            f"the value of {bad.sum():,} customers is not finite (first: "
            f"{shown_id(ids[bad.argmax()])})"
        )
    if faults:
        raise DataError("tiers: customers that cannot be ranked", faults)
