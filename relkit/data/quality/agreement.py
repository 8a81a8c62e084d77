"""Agreement beyond chance: Cohen's kappa of two, Fleiss' kappa of several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from relkit.errors import DataError
from relkit.intervals import Estimate, normal_quantile, wilson_interval

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def cohen_kappa(
    first: Sequence[Any], second: Sequence[Any], level: float = 0.95
) -> Estimate | None:
    """How far two sources agree beyond chance: 1 always, 0 as often as chance.

    Args:
        first: A category a case, shape (n,).
        second: That of the other source, shape (n,).
        level: Of the interval, which is the large-sample one, cut at -1 and 1. Where that
            has no width, as when all agree, it is made of the Wilson interval of the
            observed agreement.

    Returns:
        None where it cannot be computed: both give everybody the one same category, so
        that chance alone agrees always.

    Raises:
        DataError: no case, or shapes that differ.

    Source: Cohen (1960), "A coefficient of agreement for nominal scales"; its standard
        error from Fleiss, Cohen & Everitt (1969), "Large sample standard errors of kappa
        and weighted kappa", equation 13.
    """
    if len(first) != len(second) or not len(first):
        raise DataError(
            f"agreement needs two values a case, found {len(first)} and {len(second)} values"
        )
    n = len(first)
    place = {value: i for i, value in enumerate(dict.fromkeys([*first, *second]))}
    counts = np.zeros((len(place), len(place)))
    np.add.at(counts, ([place[v] for v in first], [place[v] for v in second]), 1)
    agree, table = round(np.trace(counts)), counts / n
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    # From the whole numbers, so that full agreement is exactly 1.
    observed, chance = agree / n, float(rows @ columns)
    if len(place) == 1:
        return None
    kappa = max((observed - chance) / (1 - chance), -1.0)
    same = np.diag(table) * (1 - (rows + columns) * (1 - kappa)) ** 2
    others = table * (columns[:, None] + rows[None, :]) ** 2
    np.fill_diagonal(others, 0)
    spread = same.sum() + (1 - kappa) ** 2 * others.sum() - (kappa - chance * (1 - kappa)) ** 2
    error = math.sqrt(max(spread, 0.0) / n) / (1 - chance)
    if agree == n or error < 1e-9:
        share = wilson_interval(agree, n, level)
        low, high = ((end - chance) / (1 - chance) for end in (share.low, share.high))
        return Estimate(kappa, max(min(low, kappa), -1.0), min(max(high, kappa), 1.0), n, level)
    half = normal_quantile(level) * error
    return Estimate(kappa, max(kappa - half, -1.0), min(kappa + half, 1.0), n, level)


def fleiss_kappa(counts: ArrayLike) -> float | None:
    """How far several sources agree beyond chance.

    Args:
        counts: Sources that gave each case each category, shape (cases, categories);
            every row sums to the number of sources, 2 or more.

    Returns:
        None where all gave every case the one same category.

    Raises:
        DataError: no case, or rows of different sums.

    Source: Fleiss (1971), "Measuring nominal scale agreement among many raters".
    """
    table = np.asarray(counts, float)
    sums = table.sum(axis=1) if table.ndim == 2 else np.empty(0)
    if not len(sums) or sums.min() != sums.max() or sums[0] < 2:
        raise DataError("agreement of several needs the same number of values, 2 or more, a case")
    raters = sums[0]
    shares = table.sum(axis=0) / table.sum()
    chance = float(shares @ shares)
    if np.count_nonzero(shares) == 1:
        return None
    observed = float(((table**2).sum(axis=1) - raters).mean() / (raters * (raters - 1)))
    return (observed - chance) / (1 - chance)
