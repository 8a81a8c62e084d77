"""RFM scores by rank or by thresholds; ties share a score and row order never matters.

Quantile cuts break on ties (half of all customers bought once), and breaking
the ties by row order changes a third of the scores when a file is sorted
differently. A mid-rank has neither fault: everyone with the same value stands
in the middle of the places that they share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.privacy import shown_id
from relkit.units import days_per

# More bands than a hundred tell nobody apart who is not told apart by the value itself.
MOST_BANDS = 100
LETTERS = ("r", "f", "m")


def mid_rank(values: np.ndarray) -> np.ndarray:
    """Where each value stands among all, ties in the middle of their places.

    Args:
        values: Shape (n,), finite.

    Returns:
        Shape (n,), in (0, 1): the share of smaller values plus half the share
        of equal ones, itself included.
    """
    return _twice_mid_place(values) / (2 * len(values))


def _twice_mid_place(values: np.ndarray) -> np.ndarray:
    """Twice the middle of the places that equals share, a whole number; shape (n,)."""
    order = np.argsort(values)
    ordered = values[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    ends = np.r_[first[1:], len(ordered)]
    # Written back by the order: looking each value up takes as long as sorting again.
    place = np.empty(len(values), dtype=np.int64)
    place[order] = np.repeat(first + ends, ends - first)
    return place


def band(values: np.ndarray, bands: int) -> np.ndarray:
    """Scores 1 (lowest) to ``bands`` (highest) of roughly equal size, shape (n,)."""
    # In whole numbers: .29 × 100 is 28.999999999999996 on a computer, and a band too low.
    return 1 + _twice_mid_place(values) * bands // (2 * len(values))


def band_by(values: np.ndarray, thresholds: Sequence[float]) -> np.ndarray:
    """Scores by thresholds: 1 below all of them, one more for each that is reached.

    Args:
        values: Shape (n,), finite, higher is better.
        thresholds: Ascending; a value equal to one has reached it.
    """
    return 1 + np.searchsorted(np.asarray(thresholds, dtype=float), values, side="right")


@dataclass(frozen=True, slots=True)
class RfmScores:
    """Recency, frequency and monetary scores of every customer.

    Attributes:
        customers: One row a customer: customer_id, days_since_last, frequency,
            total_spend, r, f, m (1 to ``bands``, higher is better), rfm_sum.
        bands: Number of bands per score.
        thresholds: Letter → its thresholds as they were given, where a score does not go
            by rank.
    """

    customers: pd.DataFrame
    bands: int
    thresholds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

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


def rfm_scores(
    summary: pd.DataFrame,
    bands: int | None = None,
    unit: str | None = None,
    thresholds: Mapping[str, Sequence[float]] | None = None,
) -> RfmScores:
    """Score every customer on recency, frequency and spend.

    Args:
        summary: Frame with customer_id, frequency, recency, T, total_spend; recency
            and T in ``unit``.
        bands: Number of bands, 2 to 100; 5, the usual quintile scores, unless thresholds
            say otherwise.
        unit: Unit of recency and T; taken from ``summary.attrs`` where it is not given.
        thresholds: Letter (r, f, m) → bands − 1 ascending limits, for scores that mean the
            same in every run: r in days since the last purchase, f in repeat purchases, m
            in money. Who stands on a limit gets the better score: with r: (30, 90) 30 days
            score 3 and 31 score 2, with f: (3, 8) 8 score 3 and 7 score 2. Letters
            without thresholds go by rank.

    Raises:
        DataError: no customers, a column is missing, or a value is not finite.
        ParameterError: bands, unit or thresholds.
    """
    limits = _thresholds(thresholds)
    bands = _bands(bands, limits)
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
    _check_customers(customers)
    # Rounding, because equal days reached by different fractions must stay equal.
    values = {
        "r": -customers["days_since_last"].to_numpy(float).round(6),
        "f": customers["frequency"].to_numpy(float),
        "m": customers["total_spend"].to_numpy(float).round(6),
    }
    for letter, numbers in values.items():
        if letter in limits:
            # Fewer days are better: the limits of silence are those of its negative, turned.
            cuts = [-cut for cut in reversed(limits[letter])] if letter == "r" else limits[letter]
            customers[letter] = band_by(numbers, cuts)
        else:
            customers[letter] = band(numbers, bands)
    customers["rfm_sum"] = customers[list(LETTERS)].sum(axis=1)
    return RfmScores(customers, bands, limits)


def _thresholds(
    thresholds: Mapping[str, Sequence[float]] | None,
) -> dict[str, tuple[float, ...]]:
    found: dict[str, tuple[float, ...]] = {}
    faults = []
    for name, given in (thresholds or {}).items():
        letter = str(name).lower()
        try:
            limits = tuple(float(cut) for cut in given)
        except (TypeError, ValueError):
            limits = ()
        if letter not in LETTERS:
            faults.append(f"'{name}' is none of r, f, m{did_you_mean(letter, LETTERS)}")
        elif not limits or not np.isfinite(limits).all() or (np.diff(limits) <= 0).any():
            faults.append(f"{letter}: {given!r} must be one or more numbers, ascending")
        found[letter] = limits
    lengths = {letter: len(limits) for letter, limits in found.items()}
    if not faults and len(set(lengths.values())) > 1:
        counts = ", ".join(f"{letter} {count}" for letter, count in lengths.items())
        faults.append(f"all letters need as many limits, found {counts}")
    if faults:
        raise ParameterError("thresholds that cannot be scored by", faults)
    return found


def _bands(bands: int | None, limits: Mapping[str, tuple[float, ...]]) -> int:
    implied = {len(cuts) + 1 for cuts in limits.values()}
    if bands is None:
        bands = implied.pop() if implied else 5
    elif implied and implied != {bands}:
        raise ParameterError(
            f"bands={bands} needs {bands - 1} limits a letter, found {implied.pop() - 1}; "
            "leave bands out"
        )
    if isinstance(bands, bool) or bands != int(bands) or not 2 <= bands <= MOST_BANDS:
        raise ParameterError(f"bands={bands} must be 2 to {MOST_BANDS}; 5 gives quintiles")
    return int(bands)


def _column(summary: pd.DataFrame, name: str) -> pd.Series:
    if name not in summary:
        raise DataError(f"summary: column '{name}' is missing; make it with rk.rfm_summary")
    if summary.empty:
        raise DataError("summary: no customers; at least one is required")
    return summary[name]


def _check_customers(frame: pd.DataFrame) -> None:
    faults = []
    for name in ("days_since_last", "frequency", "total_spend"):
        bad = ~np.isfinite(frame[name].to_numpy(float))
        if bad.any():
            faults.append(
                f"{name} is not a finite number in {bad.sum():,} rows (first: row {bad.argmax()})"
            )
    twice = frame["customer_id"].duplicated()
    if twice.any():
        faults.append(
            f"customer_id is repeated in {twice.sum():,} rows (first: "
            f"{shown_id(frame['customer_id'][twice].iloc[0])}); one row a customer is required"
        )
    if faults:
        raise DataError("summary: values that cannot be ranked", faults)
