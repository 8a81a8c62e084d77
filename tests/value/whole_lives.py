"""Customers who live whole lives by a rule that is known, and cuts of them by plain pandas."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from relkit.value.baselines import EarlierWindow, EarlierWindows

BORN = 20.0  # first purchases lie in the first 20 weeks


def events(
    seed: int,
    n: int,
    weeks: float,
    *,
    leaves: str = "bg_nbd",
    r: float = 0.8,
    alpha: float = 8.0,
    season: Callable[[np.ndarray], np.ndarray] | None = None,
    highest: float = 1.0,
) -> pd.DataFrame:
    """customer_id, at (weeks since the start), amount; one row a purchase.

    ``leaves``: 'bg_nbd' after a repeat purchase, 'mbg_nbd' after the first one too,
    'pareto_nbd' at any time, 'never'. ``season`` multiplies the rate, at most by ``highest``.
    """
    rng = np.random.default_rng(seed)
    born, rate = rng.uniform(0, BORN, n), rng.gamma(r, 1 / alpha, n)
    leave = np.zeros(n) if leaves in ("never", "pareto_nbd") else rng.beta(0.6, 3.0, n)
    end = np.full(n, weeks)
    if leaves == "pareto_nbd":
        end = np.minimum(weeks, born + rng.exponential(1 / rng.gamma(0.7, 1 / 12.0, n)))
    mean = 20 * rng.gamma(6, 1 / 6, n)
    who, when = [], []
    for i in range(n):
        at, bought = born[i], [born[i]]
        active = leaves != "mbg_nbd" or rng.random() >= leave[i]
        while active:
            at += rng.exponential(1 / (rate[i] * highest))
            if at > end[i]:
                break
            if season is not None and rng.random() * highest > season(np.array(at)):
                continue
            bought.append(at)
            active = rng.random() >= leave[i]
        who += [i] * len(bought)
        when += bought
    amount = mean[who] * rng.gamma(4, 1 / 4, len(who))
    ids = [f"{i:05d}" for i in who]
    return pd.DataFrame({"customer_id": ids, "at": when, "amount": amount})


def summary(rows: pd.DataFrame, day: float, until: float) -> pd.DataFrame:
    """Histories as of a day, and what the same customers did until a later one."""
    seen = rows[rows["at"] <= day]
    first = seen.groupby("customer_id")["at"].min()
    last = seen.groupby("customer_id")["at"].max()
    later = rows[(rows["at"] > day) & (rows["at"] <= until)]
    later = later[later["customer_id"].isin(first.index)].groupby("customer_id")
    again = seen[seen["at"] > seen["customer_id"].map(first)].groupby("customer_id")["amount"]
    latest = later["at"].max().reindex(first.index)
    found = pd.DataFrame(
        {
            "customer_id": first.index,
            "frequency": again.size().reindex(first.index).fillna(0).to_numpy(float),
            "recency": (last - first).to_numpy(),
            "T": (day - first).to_numpy(),
            "monetary_value": again.mean().reindex(first.index).to_numpy(),
            "total_spend": seen.groupby("customer_id")["amount"].sum().to_numpy(),
            "holdout_frequency": later.size().reindex(first.index).fillna(0).to_numpy(float),
            "holdout_spend": later["amount"].sum().reindex(first.index).fillna(0).to_numpy(),
            "holdout_recency": (latest.fillna(last) - first).to_numpy(),
        }
    )
    found.attrs["unit"] = "week"
    return found


def windows(rows: pd.DataFrame, end: float, holdout: float) -> EarlierWindows:
    """The earlier cuts that the baselines may see, of a calibration that ends at ``end``."""
    seen = rows[rows["at"] <= end]
    half = min(holdout, end / 2)
    last = EarlierWindow(summary(seen, end - holdout, end), holdout) if holdout < end else None
    return EarlierWindows(last, EarlierWindow(summary(seen, end - half, end), half))


def parts(rows: pd.DataFrame, end: float, until: float) -> tuple[pd.DataFrame, ...]:
    """Calibration, births and weekly tracking, as ``assess_holdout`` takes them."""
    calibration = summary(rows, end, until)
    first = rows.groupby("customer_id")["at"].transform("min")
    repeats = rows[(rows["at"] > first) & (first <= end)]
    period = np.arange(1, int(until) + 1)
    made = np.bincount(np.ceil(repeats["at"]).astype(int), minlength=int(until) + 1)
    tracking = pd.DataFrame({"period": period, "elapsed": period * 1.0, "actual": made[1:]})
    births = pd.DataFrame({"age": np.sort(end - calibration["T"]), "customers": 1})
    return calibration, births, tracking
