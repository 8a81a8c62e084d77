"""Tiers from anywhere → one tier a customer, in the order of the tiers.

Ranked tiers, rule tiers, a file of a CRM: what compares two of them needs to know the
same three things, who, which tier, and which tier is above which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.privacy import shown_id
from relkit.segments.rules import UNASSIGNED


@dataclass(frozen=True, slots=True, eq=False)
class TierLabels:
    """A tier for every customer of one list.

    Attributes:
        ids: Who, shape (n,), each once.
        place: Place of the tier in ``names``, 0 is the best; shape (n,).
        names: All tiers from the best down.
        frame: The rows these were read from, one a customer, in the same order.
    """

    ids: pd.Series
    place: NDArray[np.intp]
    names: tuple[str, ...]
    frame: pd.DataFrame


def tier_labels(tiers: Any, what: str, names: Sequence[str] | None = None) -> TierLabels:
    """Reads tiers: a result of relkit, or a frame with customer_id and tier.

    A customer who stands twice with the same tier counts once.

    Args:
        tiers: A frame, or a result whose ``to_frame()`` has customer_id and tier.
        what: What they are, for the errors.
        names: Tiers from the best down; those of the result where it has them.

    Raises:
        ParameterError: nothing says which tier is above which, or a name stands twice.
        DataError: no customers, a column is missing, empty cells, unknown tiers, or a
            customer in two tiers.
    """
    frame = tiers if isinstance(tiers, pd.DataFrame) else _frame_of(tiers, what)
    missing = [name for name in ("customer_id", "tier") if name not in frame]
    if missing:
        raise DataError(f"{what}: column {' and '.join(missing)} is missing")
    if frame.empty:
        raise DataError(f"{what}: no customers; at least one is required")
    order = _names(tiers, frame, what, names)
    rows = frame.reset_index(drop=True)
    empty = rows["customer_id"].isna() | rows["tier"].isna()
    codes, found = pd.factorize(rows["tier"])
    spelled = [str(tier) for tier in found]
    # -1, no tier at all, falls on the last place, which is added for it.
    place = np.append(pd.Index(order).get_indexer(pd.Index(spelled, dtype=object)), -1)[codes]
    faults = _faults(rows["tier"], empty.to_numpy(bool), place, order)
    ids = rows["customer_id"].astype("str")
    if not faults:
        again = ids.duplicated()
        if again.any():
            # Twice with one tier is a list that was joined; with two it is a contradiction.
            first = pd.Series(place).groupby(ids.to_numpy()).transform("first").to_numpy()
            torn = first != place
            if torn.any():
                customers = ids[torn].unique()
                faults.append(
                    f"{len(customers):,} customers stand in two tiers (first: "
                    f"{shown_id(customers[0])}); each must be in exactly one"
                )
            keep = ~again.to_numpy()
            rows, ids, place = rows[keep], ids[keep], place[keep]
    if faults:
        raise DataError(f"{what}: tiers that cannot be compared", faults)
    return TierLabels(ids.reset_index(drop=True), place, order, rows.reset_index(drop=True))


def _frame_of(tiers: Any, what: str) -> pd.DataFrame:
    made = getattr(tiers, "to_frame", None)
    if made is None:
        raise ParameterError(
            f"{what} must be tiers (a frame with customer_id and tier, or what makes one), "
            f"not {type(tiers).__name__}"
        )
    frame: pd.DataFrame = made()
    return frame


def _names(
    tiers: Any, frame: pd.DataFrame, what: str, names: Sequence[str] | None
) -> tuple[str, ...]:
    if names is None:
        names = getattr(tiers, "names", None)
    if names is None and hasattr(tiers, "rules"):
        # Who matches no rule stands below the last tier.
        names = (*tiers.rules.names, UNASSIGNED)
    if names is None and isinstance(frame["tier"].dtype, pd.CategoricalDtype):
        names = [str(name) for name in frame["tier"].cat.categories]
    if names is None:
        found = ", ".join(sorted({str(tier) for tier in frame["tier"].dropna().unique()})[:9])
        raise ParameterError(
            f"{what} do not say which tier is above which; give names= from the best down, "
            f"there are {found}"
        )
    order = tuple(str(name) for name in names)
    if not order or len(set(order)) != len(order):
        raise ParameterError(f"names={list(order)} must be one or more tiers, each once")
    return order


def _faults(
    tiers: pd.Series, empty: NDArray[np.bool_], place: NDArray[np.intp], order: tuple[str, ...]
) -> list[str]:
    faults = []
    if empty.any():
        faults.append(
            f"customer_id or tier is empty in {empty.sum():,} rows (first: row {empty.argmax()})"
        )
    unknown = tiers[(place < 0) & ~empty].astype("str").value_counts().sort_index()
    for tier, rows in unknown.head(9).items():
        faults.append(
            f"unknown tier '{tier}' in {rows:,} rows; known are {', '.join(order)}"
            f"{did_you_mean(str(tier), order)}"
        )
    return faults


def same_names(before: TierLabels, after: TierLabels) -> tuple[str, ...]:
    """The tiers of two lists, which must be the same in the same order.

    Raises:
        ParameterError: they differ, so that no tier of one is above one of the other.
    """
    if before.names != after.names:
        raise ParameterError(
            "both days need the same tiers in the same order, found "
            f"{', '.join(before.names)} before and {', '.join(after.names)} after; "
            "give names= that hold both"
        )
    return before.names


def on_one_list(*ids: pd.Series) -> tuple[pd.Index, list[NDArray[np.intp]]]:
    """Everybody who stands on any of several lists, and where each row belongs.

    Returns:
        All customers, sorted, and for each list the place of its rows among them.
    """
    codes, everyone = pd.factorize(
        pd.concat([each.astype("str") for each in ids], ignore_index=True), sort=True
    )
    ends = np.cumsum([len(each) for each in ids])
    return pd.Index(everyone), [np.asarray(part) for part in np.split(codes, ends[:-1])]
