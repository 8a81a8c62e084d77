"""Customers in dose groups: frames read and checked, groups made from contacts a month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.frequency.cadence import TYPES, Cadence, Contact
from relkit.privacy import shown_id

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class DoseFrame:
    """Customers of an observation, checked.

    Attributes:
        groups: Names of the dose groups, (A,), in order.
        reference: One of them.
        group: Place of each customer's group, (n,).
        y: Outcome, (n,).
        x: Covariates, (n, K).
        outcome: Name.
        covariates: Names, (K,).
    """

    groups: tuple[str, ...]
    reference: str
    group: NDArray[np.int64]
    y: Floats
    x: Floats
    outcome: str
    covariates: tuple[str, ...]

    @property
    def place(self) -> int:
        """Where the reference is among the groups."""
        return self.groups.index(self.reference)

    @property
    def n(self) -> NDArray[np.int64]:
        """Customers a group, (A,)."""
        return np.bincount(self.group, minlength=len(self.groups)).astype(np.int64)

    @property
    def spread(self) -> float:
        """Standard deviation of the outcome within groups, pooled."""
        n, _, variance = self.moments()
        return float(np.sqrt((variance * n * (n - 1)).sum() / (n - 1).sum()))

    def moments(self) -> tuple[NDArray[np.int64], Floats, Floats]:
        """Customers, mean and variance of the mean of each group, (A,) each."""
        n = self.n
        mean = np.bincount(self.group, self.y, len(n)) / n
        squares = np.bincount(self.group, (self.y - mean[self.group]) ** 2, len(n))
        return n, mean, squares / (n - 1) / n


def read_doses(
    frame: pd.DataFrame,
    treatment: str,
    outcome: str,
    covariates: Sequence[str],
    reference: str | None = None,
    least: int = 2,
) -> DoseFrame:
    """A frame of one row a customer, checked.

    Args:
        frame: With the columns that the others name; where it has customer_id, no
            customer may stand twice.
        treatment: Column with the dose group.
        outcome: Column with numbers.
        covariates: Columns with numbers.
        reference: A group; the first if None.
        least: Customers that a group needs.

    Raises:
        DataError: all faults at once.
        ParameterError: no such reference.
    """
    import pandas as pd

    names = [str(name) for name in frame.columns]
    wanted = [treatment, outcome, *covariates]
    faults = [f"no column '{n}'{did_you_mean(n, names)}" for n in wanted if n not in names]
    faults += [f"'{n}' stands twice" for n in sorted(set(wanted)) if wanted.count(n) > 1]
    if not faults:
        faults = [*_faults(frame, treatment, outcome, covariates)]
    if faults:
        raise DataError(f"doses and outcomes of {len(frame):,} customers", faults)
    labels = frame[treatment]
    if isinstance(labels.dtype, pd.CategoricalDtype):
        labels = labels.cat.remove_unused_categories()
        code, groups = labels.cat.codes.to_numpy(), labels.cat.categories
    else:
        code, groups = pd.factorize(labels, sort=True)
    known = tuple(str(group) for group in groups)
    count = np.bincount(code, minlength=len(known))
    faults = [f"there is one group only ({', '.join(known)})"] if len(known) < 2 else []
    faults += [
        f"group '{name}' has {size:,} customers; at least {least} are required: merge groups"
        for name, size in zip(known, count, strict=True)
        if size < least
    ]
    if faults:
        raise DataError(f"groups of '{treatment}'", faults)
    chosen = known[0] if reference is None else str(reference)
    if chosen not in known:
        raise ParameterError(
            f"no group '{chosen}' in '{treatment}'; there are {', '.join(known)}"
            f"{did_you_mean(chosen, known)}"
        )
    x = frame[list(covariates)].to_numpy(float) if covariates else np.zeros((len(frame), 0))
    y = frame[outcome].to_numpy(float)
    return DoseFrame(known, chosen, code.astype(np.int64), y, x, outcome, tuple(covariates))


def _faults(
    frame: pd.DataFrame, treatment: str, outcome: str, covariates: Sequence[str]
) -> list[str]:
    from pandas.api import types

    if frame.empty:
        return ["there are no customers"]
    faults = []
    for name in (outcome, *covariates):
        column = frame[name]
        if not (types.is_numeric_dtype(column) or types.is_bool_dtype(column)):
            faults.append(f"'{name}' is {column.dtype}; numbers are required: a column a category")
            continue
        values = column.to_numpy(float, na_value=np.nan)
        bad = int((~np.isfinite(values)).sum())
        if bad:
            faults.append(f"'{name}' is empty or infinite in {bad:,} rows; fill in or drop them")
        elif np.ptp(values) == 0:
            faults.append(f"'{name}' is the same for all customers; there is nothing to learn")
    empty = int(frame[treatment].isna().sum())
    if empty:
        faults.append(f"'{treatment}' is empty in {empty:,} rows; fill in or drop them")
    if "customer_id" in frame.columns:
        repeated = frame["customer_id"][frame["customer_id"].duplicated()]
        if len(repeated):
            first = shown_id(repeated.iloc[0])
            faults.append(f"{len(repeated):,} customers stand more than once (first: {first})")
    return faults


def dose_groups(
    per_month: pd.Series | Floats, groups: int = 4, edges: Sequence[float] | None = None
) -> pd.Series:
    """Contacts a month as groups: none at all, and so many groups of those contacted.

    Args:
        per_month: Contacts a month of each customer, from 0.
        groups: Of about the same size, of those who were contacted.
        edges: Where groups begin, ascending, above 0, in place of `groups`.

    Returns:
        An ordered category a customer with the index of `per_month`; '0', '<1', '1-2',
        '>=2' for the edges 1 and 2. Groups without customers are left out.

    Raises:
        DataError: doses that are none.
        ParameterError: edges or groups that cannot be.
    """
    import pandas as pd

    doses = pd.Series(per_month, dtype=float)
    bad = int((~np.isfinite(doses) | (doses < 0)).sum())
    if bad:
        raise DataError(f"contacts a month are empty or below 0 for {bad:,} customers")
    contacted = doses[doses > 0]
    if edges is None:
        if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1:
            raise ParameterError(f"groups={groups!r} must be a whole number from 1")
        if contacted.empty:
            raise DataError("nobody was contacted; there is no dose to compare")
        cuts = np.quantile(contacted, np.arange(1, groups) / groups)
        edges = np.unique(cuts[cuts > contacted.min()]).tolist()
    steps = [float(edge) for edge in edges]
    if any(not np.isfinite(e) or e <= 0 for e in steps) or steps != sorted(set(steps)):
        raise ParameterError(f"edges={list(edges)} must be ascending numbers above 0")
    shown = [f"{edge:.3g}" for edge in steps]
    middle = [f"{a}-{b}" for a, b in pairwise(shown)]
    names = ["0", f"<{shown[0]}", *middle, f">={shown[-1]}"] if shown else ["0", ">0"]
    place = np.where(doses > 0, 1 + np.searchsorted(steps, doses, side="right"), 0)
    found = pd.Categorical.from_codes(place.tolist(), pd.Index(names), ordered=True)
    return pd.Series(found.remove_unused_categories(), index=doses.index, name="group")


def observed_cadences(
    groups: pd.Series | Sequence[Any], per_month: pd.Series | Floats, type: str, channel: str
) -> list[Cadence]:
    """What each group got on average, as cadences that a read-out takes.

    Args:
        groups: Group of each customer, (n,).
        per_month: Contacts a month of each, (n,).
        type: Of the contacts: message, deep or strategic.
        channel: As the costs name it.

    Raises:
        ParameterError: no such type.
    """
    import pandas as pd

    if type not in TYPES:
        raise ParameterError(f"type={type!r} must be one of {', '.join(TYPES)}")
    labels = groups if isinstance(groups, pd.Series) else pd.Series(list(groups))
    doses = pd.Series(np.asarray(per_month, float), index=labels.index)
    means = doses.groupby(labels, observed=True).mean()
    return [
        Cadence(str(name), (Contact(type, channel, float(dose)),) if dose > 0 else ())
        for name, dose in means.items()
    ]
