"""A change of revenue between two periods, by what happened to the customers and their tiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relkit.errors import DataError
from relkit.segments.cents import Cents, in_money, sums_by, to_cents
from relkit.segments.tier_labels import on_one_list, same_names, tier_labels

# In the order in which a reader walks from one period to the next.
PARTS = ("new", "reactivated", "up", "same", "down", "lapsed", "untiered", "inactive")
_NEW, _REACTIVATED, _UP, _SAME, _DOWN, _LAPSED, _UNTIERED, _INACTIVE = range(len(PARTS))
NO_TIER = "(none)"


@dataclass(frozen=True, slots=True, eq=False)
class TierBridge:
    """What the change of revenue between two periods is made of, exact to the cent.

    A customer *bought* in a period who brought more than 0 in it. Each customer stands in
    one part:

    - new: bought in the second period, in no tier before, nothing in the first;
    - reactivated: bought in the second, not in the first, but had a tier before;
    - up, same, down: bought in both, by how the tier changed;
    - lapsed: bought in the first and not in the second;
    - untiered: bought in both, but has no tier on one of the two days, so that no
      direction can be said;
    - inactive: bought in neither; what stands here are refunds.

    Attributes:
        names: Tiers from the best down.
        before: Revenue of the first period.
        after: Revenue of the second period.
        change: after minus before; the sum of all parts.
    """

    names: tuple[str, ...]
    before: float
    after: float
    change: float
    _ids: pd.Index
    _part: NDArray[np.intp]
    _was: NDArray[np.intp]
    _now: NDArray[np.intp]
    _earlier: Cents
    _later: Cents

    def to_frame(self) -> pd.DataFrame:
        """part, customers, before, after, amount (the part's change); all parts, in order.

        In whole cents the amounts sum to the change, ``before`` and ``after`` to the
        revenue of the two periods, and customers to all that were seen at all.
        """
        size = len(PARTS)
        earlier, later = (
            sums_by(self._part, cents, size) for cents in (self._earlier, self._later)
        )
        return pd.DataFrame(
            {
                "part": list(PARTS),
                "customers": np.bincount(self._part, minlength=size),
                "before": earlier / 100,
                "after": later / 100,
                "amount": (later - earlier) / 100,
            }
        )

    def by_tier(self) -> pd.DataFrame:
        """The parts by the tier before, who had none under ``NO_TIER``.

        Returns:
            tier, part, customers, amount; pairs that hold anybody, best tier first. The
            row (tier, lapsed) is the revenue that the loss of this tier's customers cost.
        """
        size = len(PARTS)
        cell = self._was * size + self._part
        cells = (len(self.names) + 1) * size
        customers = np.bincount(cell, minlength=cells)
        amounts = sums_by(cell, self._later - self._earlier, cells)
        frame = pd.DataFrame(
            {
                "tier": np.repeat([*self.names, NO_TIER], size),
                "part": list(PARTS) * (len(self.names) + 1),
                "customers": customers,
                "amount": amounts / 100,
            }
        )
        return frame[frame["customers"] > 0].reset_index(drop=True)

    def customers(self, part: str | None = None) -> pd.DataFrame:
        """Who stands behind a part, largest change first, equal ones by their ids.

        Returns:
            customer_id, part, tier_before, tier_after (None without one), before, after,
            amount.

        Raises:
            DataError: there is no such part.
        """
        if part is not None and part not in PARTS:
            raise DataError(f"part={part!r} must be one of {', '.join(PARTS)}")
        chosen = slice(None) if part is None else np.flatnonzero(self._part == PARTS.index(part))
        tiers = np.array([*self.names, None], dtype=object)
        amount = (self._later - self._earlier)[chosen]
        frame = pd.DataFrame(
            {
                "customer_id": self._ids[chosen],
                "part": np.array(PARTS, dtype=object)[self._part[chosen]],
                "tier_before": tiers[self._was[chosen]],
                "tier_after": tiers[self._now[chosen]],
                "before": self._earlier[chosen] / 100,
                "after": self._later[chosen] / 100,
                "amount": amount / 100,
            }
        )
        order = np.lexsort((np.arange(len(frame)), -np.abs(amount)))
        return frame.iloc[order].reset_index(drop=True)


def tier_bridge(
    before: Any,
    after: Any,
    revenue_before: pd.DataFrame,
    revenue_after: pd.DataFrame,
    names: Sequence[str] | None = None,
) -> TierBridge:
    """Splits a change of revenue by new, reactivated, moved, faithful and lapsed customers.

    Args:
        before: Tiers at the end of the first period: a result with ``to_frame()``, or a
            frame with customer_id and tier.
        after: Tiers at the end of the second.
        revenue_before: customer_id, revenue of the first period; several rows of one
            customer add up, and who has none brought nothing.
        revenue_after: The same of the second period.
        names: Tiers from the best down; those of ``before`` where it has them.

    Raises:
        ParameterError: nothing says which tier is above which, or both days differ in it.
        DataError: no customers, unknown tiers, a customer in two tiers, revenue that is no
            number, or no revenue at all.
    """
    earlier = tier_labels(before, "tiers before", names)
    later = tier_labels(after, "tiers after", names)
    order = same_names(earlier, later)
    rows = [
        _revenue_rows(frame, what)
        for frame, what in ((revenue_before, "revenue before"), (revenue_after, "revenue after"))
    ]
    everyone, (was_at, now_at, first_at, second_at) = on_one_list(
        earlier.ids, later.ids, rows[0][0], rows[1][0]
    )
    size = len(everyone)
    was, now = (np.full(size, len(order), dtype=np.intp) for _ in range(2))
    was[was_at], now[now_at] = earlier.place, later.place
    first, second = sums_by(first_at, rows[0][1], size), sums_by(second_at, rows[1][1], size)
    if not (first.any() or second.any()):
        raise DataError("neither period has any revenue, so there is nothing to explain")
    totals = [int(cents.sum()) for cents in (first, second)]
    return TierBridge(
        names=order,
        before=in_money(totals[0]),
        after=in_money(totals[1]),
        change=in_money(totals[1] - totals[0]),
        _ids=everyone,
        _part=_parts(was, now, first > 0, second > 0, nobody=len(order)),
        _was=was,
        _now=now,
        _earlier=first,
        _later=second,
    )


def _parts(
    was: NDArray[np.intp],
    now: NDArray[np.intp],
    bought_before: NDArray[np.bool_],
    bought_after: NDArray[np.bool_],
    nobody: int,
) -> NDArray[np.intp]:
    moved = np.select([now < was, now == was], [_UP, _SAME], _DOWN)
    moved = np.where((was == nobody) | (now == nobody), _UNTIERED, moved)
    came = np.where(was == nobody, _NEW, _REACTIVATED)
    rest = np.where(bought_before, _LAPSED, _INACTIVE)
    return np.where(bought_after, np.where(bought_before, moved, came), rest).astype(np.intp)


def _revenue_rows(frame: pd.DataFrame, what: str) -> tuple[pd.Series, Cents]:
    missing = [name for name in ("customer_id", "revenue") if name not in frame]
    if missing:
        raise DataError(f"{what}: column {' and '.join(missing)} is missing")
    empty = frame["customer_id"].isna()
    if empty.any():
        raise DataError(f"{what}: customer_id is empty in {empty.sum():,} rows")
    return frame["customer_id"], to_cents(frame["revenue"], what)
