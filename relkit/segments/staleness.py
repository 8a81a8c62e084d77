"""Tiers in use that no longer fit: who grew and is still treated as small, and who shrank.

The tier in use stands in a CRM and changes when somebody changes it; the tier computed
changes with the customer. Where the two differ, somebody should look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relkit.errors import DataError, ParameterError
from relkit.segments.cents import sums_by, to_cents
from relkit.segments.tier_labels import TierLabels, on_one_list, tier_labels

REASONS = ("rose", "too_low", "too_high")


@dataclass(frozen=True, slots=True, eq=False)
class StaleTiers:
    """Customers whose tier in use does not fit them any more.

    Attributes:
        listed: One row a customer, most pressing first (see ``stale_tiers``):
            customer_id, tier_in_use, tier_computed, levels (how many tiers the one in
            use is too low; negative: too high), spend_before, spend_now, growth (share;
            nan from nothing), reasons (of ``REASONS``, joined by ", ").
        compared: Customers with a tier in use and one computed.
        agree: Those of them with the same.
        without_tier_in_use: Customers with a computed tier that no one gave a tier.
        unknown: Customers with a tier in use whom the computed tiers do not know.
        rise: From which growth on a customer of the lowest tier in use is listed.
        names_in_use: Tiers in use, from the best down.
        names_computed: Computed tiers, from the best down.
    """

    listed: pd.DataFrame
    compared: int
    agree: int
    without_tier_in_use: int
    unknown: int
    rise: float
    names_in_use: tuple[str, ...]
    names_computed: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        return self.listed.copy()

    def count(self, reason: str) -> int:
        """Customers listed for a reason; one may be listed for two.

        Raises:
            ParameterError: there is no such reason.
        """
        if reason not in REASONS:
            raise ParameterError(f"reason={reason!r} must be one of {', '.join(REASONS)}")
        return int(self.listed["reasons"].str.split(", ").map(lambda all_: reason in all_).sum())


def stale_tiers(
    in_use: Any,
    computed: Any,
    spend_before: pd.DataFrame,
    spend_now: pd.DataFrame,
    names_in_use: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    rise: float = 1.0,
) -> StaleTiers:
    """Lists the customers whose tier in use does not fit them any more.

    Reasons, of which one is enough:

    - rose: spend grew by ``rise`` or more, or from nothing, and the tier in use is still
      the lowest one;
    - too_low: the computed tier is above the one in use;
    - too_high: it is below.

    Who rose comes first, then by levels too low, then by the spend of now, then by id.

    Args:
        in_use: The tiers somebody gave: a frame with customer_id and tier, as of a CRM.
        computed: The tiers of today, from ``rk.rank_tiers``, rules or a history's day.
        spend_before: customer_id, revenue of the earlier of two periods of equal length;
            rows of one customer add up, who has none spent nothing.
        spend_now: The same of the later one, which ends today.
        names_in_use: Tiers in use from the best down, where they are called otherwise than
            the computed ones; as many, and the first stands for the first.
        names: Computed tiers from the best down; those of ``computed`` where it has them.
        rise: 1.0 lists who doubled, 3.0 who spend four times as much as before.

    Raises:
        ParameterError: rise, or as many names as there are tiers are not given.
        DataError: no customers, unknown tiers, a customer in two, no customer in both
            lists, or amounts that are no numbers.
    """
    if not isinstance(rise, (int, float)) or not 0 < rise < np.inf:
        raise ParameterError(f"rise={rise!r} must be above 0; give +300 % as 3.0")
    today = tier_labels(computed, "tiers computed", names)
    # A list of a CRM rarely says its order; without another one it has that of the computed.
    own = names_in_use if names_in_use is not None else getattr(in_use, "names", today.names)
    given = tier_labels(in_use, "tiers in use", own)
    if len(given.names) != len(today.names):
        raise ParameterError(
            f"{len(given.names)} tiers in use ({', '.join(given.names)}) stand against "
            f"{len(today.names)} computed ({', '.join(today.names)}); give names_in_use with one "
            "for each, from the best down"
        )
    everyone, places, amounts = _on_one_list(given, today, spend_before, spend_now)
    use, now = places
    both = (use >= 0) & (now >= 0)
    if not both.any():
        raise DataError(
            "no customer of the tiers in use has a computed tier; look whether both name "
            "customers by the same ids"
        )
    before, after = amounts
    rose = both & (use == len(given.names) - 1) & (after > 0) & (after >= (1 + rise) * before)
    levels = use - now
    listed = both & (rose | (levels != 0))
    order = np.flatnonzero(listed)
    order = order[np.lexsort((-after[order], -levels[order], ~rose[order]))]
    return StaleTiers(
        listed=_rows(order, everyone, given, today, places, amounts, rose),
        compared=int(both.sum()),
        agree=int((both & (levels == 0)).sum()),
        without_tier_in_use=int(((use < 0) & (now >= 0)).sum()),
        unknown=int(((use >= 0) & (now < 0)).sum()),
        rise=float(rise),
        names_in_use=given.names,
        names_computed=today.names,
    )


def _on_one_list(
    given: TierLabels, today: TierLabels, spend_before: pd.DataFrame, spend_now: pd.DataFrame
) -> tuple[pd.Index, list[NDArray[np.intp]], list[NDArray[np.int64]]]:
    spends = ((spend_before, "spend before"), (spend_now, "spend now"))
    for frame, what in spends:
        missing = [name for name in ("customer_id", "revenue") if name not in frame]
        if missing:
            raise DataError(f"{what}: column {' and '.join(missing)} is missing")
    everyone, at = on_one_list(given.ids, today.ids, *(frame["customer_id"] for frame, _ in spends))
    places = []
    for labels, where in zip((given, today), at[:2], strict=True):
        place = np.full(len(everyone), -1, dtype=np.intp)
        place[where] = labels.place
        places.append(place)
    amounts = [
        sums_by(where, to_cents(frame["revenue"], what), len(everyone))
        for (frame, what), where in zip(spends, at[2:], strict=True)
    ]
    return everyone, places, amounts


def _rows(
    order: NDArray[np.intp],
    everyone: pd.Index,
    given: TierLabels,
    today: TierLabels,
    places: list[NDArray[np.intp]],
    amounts: list[NDArray[np.int64]],
    rose: NDArray[np.bool_],
) -> pd.DataFrame:
    use, now = (place[order] for place in places)
    before, after = (cents[order] for cents in amounts)
    # From nothing, or from refunds, no share can be said.
    growth = np.divide(after - before, before, out=np.full(len(order), np.nan), where=before > 0)
    flags = zip(rose[order], use > now, use < now, strict=True)
    reasons = [", ".join(r for r, on in zip(REASONS, flag, strict=True) if on) for flag in flags]
    return pd.DataFrame(
        {
            "customer_id": everyone[order],
            "tier_in_use": np.array(given.names, dtype=object)[use],
            "tier_computed": np.array(today.names, dtype=object)[now],
            "levels": use - now,
            "spend_before": before / 100,
            "spend_now": after / 100,
            "growth": growth,
            "reasons": pd.Series(reasons, dtype="str"),
        }
    )
