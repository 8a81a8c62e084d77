"""RFM scores by rank, where ties share a score and row order never matters.

Quantile cuts break on ties (half of all customers bought once), and breaking
the ties by row order changes a third of the scores when a file is sorted
differently. A mid-rank has neither fault: everyone with the same value stands
in the middle of the places that they share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from relkit.errors import DataError, ParameterError
from relkit.units import days_per


def mid_rank(values: np.ndarray) -> np.ndarray:
    """Where each value stands among all, ties in the middle of their places.

    Args:
        values: Shape (n,), finite.

    Returns:
        Shape (n,), in (0, 1): the share of smaller values plus half the share
        of equal ones, itself included.
    """
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, side="left")
    not_above = np.searchsorted(ordered, values, side="right")
    return (below + not_above) / (2 * len(values))


def band(values: np.ndarray, bands: int) -> np.ndarray:
    """Scores 1 (lowest) to ``bands`` (highest) of roughly equal size, shape (n,)."""
    return 1 + np.floor(mid_rank(values) * bands).astype(int)


@dataclass(frozen=True, slots=True)
class RfmScores:
    """Recency, frequency and monetary scores of every customer.

    Attributes:
        customers: One row a customer: customer_id, days_since_last, frequency,
            total_spend, r, f, m (1 to ``bands``, higher is better), rfm_sum.
        bands: Number of bands per score.
    """

    customers: pd.DataFrame
    bands: int

    def to_frame(self) -> pd.DataFrame:
        return self.customers.copy()

    def grid(self) -> pd.DataFrame:
        """Customers and spend in every cell of r × f, empty cells included.

        Returns:
            Columns r, f, customers, total_spend; bands² rows; the sums equal
            those over all customers.
        """
        cells = pd.MultiIndex.from_product([range(1, self.bands + 1)] * 2, names=["r", "f"])
        grouped = self.customers.groupby(["r", "f"])
        counted = pd.DataFrame(
            {"customers": grouped.size(), "total_spend": grouped["total_spend"].sum()}
        )
        return counted.reindex(cells, fill_value=0).reset_index()

    @property
    def high_sum(self) -> int:
        """From which RFM sum on a customer counts as scoring high: four fifths of the most."""
        return round(0.8 * 3 * self.bands)

    def share_of_spend(self, least_sum: int) -> tuple[float, float]:
        """Share of customers, and of spend, with an RFM sum of at least ``least_sum``."""
        chosen = self.customers["rfm_sum"] >= least_sum
        spend = self.customers["total_spend"]
        if spend.sum() <= 0:
            raise DataError(
                f"refunds outweigh purchases: all customers together spent {spend.sum():,.2f}, "
                "and only a positive total has shares; look whether the amounts of purchases are "
                "complete, and whether refunds are mapped as such"
            )
        return float(chosen.mean()), float(spend[chosen].sum() / spend.sum())


def rfm_scores(summary: pd.DataFrame, bands: int = 5, unit: str | None = None) -> RfmScores:
    """Score every customer on recency, frequency and spend.

    Args:
        summary: Frame with customer_id, frequency, recency, T, total_spend; recency
            and T in ``unit``.
        bands: Number of bands, 2 to 10; 5 gives the usual quintile scores.
        unit: Unit of recency and T; taken from ``summary.attrs`` where it is not given.

    Raises:
        DataError: no customers, a column is missing, or a value is not finite.
        ParameterError: bands or unit.
    """
    if not 2 <= bands <= 10:
        raise ParameterError(f"bands={bands} must be 2 to 10; 5 gives quintiles")
    unit = unit or summary.attrs.get("unit")
    if unit is None:
        raise ParameterError(
            "the summary does not say its unit; give unit='day', 'week' or 'month'"
        )
    customers = pd.DataFrame(
        {
            "customer_id": _column(summary, "customer_id"),
            "days_since_last": (_column(summary, "T") - _column(summary, "recency"))
            * days_per(unit),
            "frequency": _column(summary, "frequency"),
            "total_spend": _column(summary, "total_spend"),
        }
    ).reset_index(drop=True)
    _check_finite(customers, ["days_since_last", "frequency", "total_spend"])
    # Rounding, because equal days reached by different fractions must stay equal.
    customers["r"] = band(-customers["days_since_last"].to_numpy(float).round(9), bands)
    customers["f"] = band(customers["frequency"].to_numpy(float), bands)
    customers["m"] = band(customers["total_spend"].to_numpy(float).round(9), bands)
    customers["rfm_sum"] = customers[["r", "f", "m"]].sum(axis=1)
    return RfmScores(customers, bands)


def _column(summary: pd.DataFrame, name: str) -> pd.Series:
    if name not in summary:
        raise DataError(f"summary: column '{name}' is missing; make it with rk.rfm_summary")
    if summary.empty:
        raise DataError("summary: no customers; at least one is required")
    return summary[name]


def _check_finite(frame: pd.DataFrame, names: Sequence[str]) -> None:
    faults = []
    for name in names:
        bad = ~np.isfinite(frame[name].to_numpy(float))
        if bad.any():
            faults.append(
                f"{name} is not a finite number in {bad.sum():,} rows (first: row {bad.argmax()})"
            )
    if faults:
        raise DataError("summary: values that cannot be ranked", faults)
