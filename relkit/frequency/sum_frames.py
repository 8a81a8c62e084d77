"""Frames of sums read and checked: every cell there, the same customers in each metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from relkit.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
CELLS = ("n", "sum_y", "sum_yy", "sum_x", "sum_x2", "sum_xy")
COLUMNS = ("n", "sum_y", "sum_y2", "sum_x", "sum_x2", "sum_xy")


@dataclass(frozen=True, slots=True, eq=False)
class MetricSums:
    """One metric's sums, each (T, A)."""

    tiers: tuple[str, ...]
    arms: tuple[str, ...]
    n: Floats
    sum_y: Floats
    sum_y2: Floats
    sum_x: Floats
    sum_x2: Floats
    sum_xy: Floats


def read_sums(frame: pd.DataFrame, metric: str) -> MetricSums:
    """A frame of sums by tier and arm as arrays.

    Raises:
        DataError: columns are missing, cells are missing or twice, several weeks.
    """
    names = list(map(str, frame.columns))
    wanted = ["tier", "arm", *COLUMNS]
    faults = [f"no column '{c}'{did_you_mean(c, names)}" for c in wanted if c not in names]
    if faults:
        raise DataError(f"sums of {metric} need {', '.join(wanted)}", faults)
    if "week" in names and frame["week"].nunique() > 1:
        raise DataError(
            f"sums of {metric} are of {frame['week'].nunique()} weeks; sums by week do not say how "
            "a customer's total spreads: sum up the whole window as one, or take a single week"
        )
    tiers = tuple(sorted(frame["tier"].astype(str).unique()))
    arms = tuple(sorted(frame["arm"].astype(str).unique()))
    keys = list(zip(frame["tier"].astype(str), frame["arm"].astype(str), strict=True))
    faults = [
        f"tier {tier}, arm {arm}: {keys.count((tier, arm))} rows; exactly one is required"
        for tier in tiers
        for arm in arms
        if keys.count((tier, arm)) != 1
    ]
    if faults:
        hint = "an arm that nobody of a tier got needs a read-out without it"
        raise DataError(f"sums of {metric} by tier and arm", [*faults, hint])
    order = np.lexsort(([arm for _, arm in keys], [tier for tier, _ in keys]))
    shape = len(tiers), len(arms)
    cells = {c: frame[c].to_numpy(float)[order].reshape(shape) for c in COLUMNS}
    return MetricSums(tiers, arms, **cells)


def same_customers(read: Mapping[str, MetricSums]) -> None:
    """Metrics of one experiment: the same cells, counts and covariate.

    Raises:
        DataError: they are not.
    """
    (first_name, first), *others = read.items()
    faults = []
    for name, one in others:
        if (one.tiers, one.arms) != (first.tiers, first.arms):
            faults.append(f"{name} has other tiers or arms than {first_name}")
        elif not np.array_equal(one.n, first.n):
            faults.append(f"{name} counts other customers (n) than {first_name}")
        elif not np.allclose(one.sum_x, first.sum_x) or not np.allclose(one.sum_x2, first.sum_x2):
            faults.append(
                f"{name} has another covariate than {first_name}; one is required for all"
            )
    if faults:
        raise DataError("the metrics are not of the same customers", faults)
