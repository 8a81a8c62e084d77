"""Purchases that fall together by chance: a purchase process lived by all customers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from relkit.units import days_per
from relkit.value.inputs import FloatArray
from relkit.value.purchase_fit import PurchaseFit

LIVES = 12
# A sample says as much; counts are scaled up.
MOST_CUSTOMERS = 50_000
_HOURS = {"hour": 1.0, "day": 24.0, "week": 168.0}


@dataclass(frozen=True, slots=True)
class Together:
    """Repeat purchases that a purchase process lets fall together.

    Attributes:
        merged: By grain, repeats in one stretch with an earlier purchase; 0 for 'exact'.
        gaps_below_hour: Purchases less than an hour after the one before.
        gaps_below_day: Purchases less than 24 hours after the one before.
        error_of_day: Standard deviation of merged['day'] from life to life, chance and
            parameters together.
    """

    merged: dict[str, float]
    gaps_below_hour: float
    gaps_below_day: float
    error_of_day: float


def simulate_together(
    fit: PurchaseFit[Any], exact: pd.DataFrame, grains: Iterable[str], seed: int
) -> Together:
    """What falls together when these customers live by the fitted model.

    Args:
        fit: A purchase model with a fit.
        exact: Summary by grain 'exact': first_at and T, in the fit's unit.
        grains: Grains to count by.
        seed: Of the random generator.
    """
    rng = np.random.default_rng(seed)
    n = len(exact)
    rows = np.sort(rng.permutation(n)[:MOST_CUSTOMERS])
    T = exact["T"].to_numpy(float)[rows]
    first_at = exact["first_at"].to_numpy("datetime64[us]")[rows]
    # Hours since a midnight; a Monday, which for chance is as good as any day.
    born = (first_at - np.datetime64("1970-01-05", "us")) / np.timedelta64(1, "h")
    counts = np.array([_life(rng, fit, T, born, list(grains)) for _ in range(LIVES)])
    counts *= n / max(len(rows), 1)
    mean, spread = counts.mean(axis=0), counts.std(axis=0, ddof=1)
    names = list(grains)
    merged = dict(zip(names, mean[:-2].tolist(), strict=True))
    return Together(
        merged=merged,
        gaps_below_hour=float(mean[-2]),
        gaps_below_day=float(mean[-1]),
        error_of_day=float(spread[names.index("day")]),
    )


def _life(
    rng: np.random.Generator,
    fit: PurchaseFit[Any],
    T: FloatArray,
    born: FloatArray,
    grains: list[str],
) -> list[float]:
    """Merged repeats by grain, and short gaps, of one life of everybody."""
    variance, axes = np.linalg.eigh(fit.covariance)
    moved = axes @ (np.sqrt(np.maximum(variance, 0.0)) * rng.standard_normal(len(variance)))
    model = fit.model.at(np.exp(np.log(fit.params) + moved))
    new = np.zeros(len(T))
    who, when = model.draw_purchases(rng, new, new, new, float(T.max()))
    seen = when <= T[who]
    who, hours = who[seen], when[seen] * days_per(fit.unit or "day") * 24
    everyone = np.concatenate([np.arange(len(T)), who])
    at = np.concatenate([born, born[who] + hours])
    order = np.lexsort((at, everyone))
    everyone, at = everyone[order], at[order]
    same = everyone[1:] == everyone[:-1]
    counts = []
    for grain in grains:
        cell = np.floor(at / _HOURS[grain]) if grain in _HOURS else None
        counts.append(0.0 if cell is None else float((same & (cell[1:] == cell[:-1])).sum()))
    gap = np.diff(at)
    return [*counts, float((same & (gap < 1)).sum()), float((same & (gap < 24)).sum())]
