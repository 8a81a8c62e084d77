"""CDNOW as customer histories, built by plain pandas and nothing of relkit."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

CALIBRATION_END = pd.Timestamp("1997-09-30")
OBSERVATION_END = pd.Timestamp("1998-06-30")


def _datasets() -> Path:
    spec = importlib.util.find_spec("lifetimes")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "datasets"


def histories(transactions: pd.DataFrame, end: pd.Timestamp, days: int) -> pd.DataFrame:
    """frequency, recency, T and monetary_value by the definition, a row a customer."""
    seen = transactions[transactions["date"] <= end]
    by_day = seen.groupby(["customer_id", "date"], as_index=False)["amount"].sum()
    by_customer = by_day.groupby("customer_id")
    first, last = by_customer["date"].min(), by_customer["date"].max()
    later = by_day[by_day["date"] > by_day["customer_id"].map(first)]
    spend = later.groupby("customer_id")["amount"].mean()
    return pd.DataFrame(
        {
            "customer_id": first.index,
            "frequency": by_customer["date"].nunique().to_numpy() - 1,
            "recency": (last - first).dt.days.to_numpy() / days,
            "T": (end - first).dt.days.to_numpy() / days,
            "monetary_value": spend.reindex(first.index).fillna(0.0).to_numpy(),
        }
    )


@pytest.fixture(scope="session")
def sample_transactions() -> pd.DataFrame:
    """The published 1/10 sample: 2,357 customers."""
    return pd.read_csv(
        _datasets() / "CDNOW_sample.txt",
        sep=r"\s+",
        header=None,
        names=["master_id", "customer_id", "date", "quantity", "amount"],
        parse_dates=["date"],
    )


@pytest.fixture(scope="session")
def sample(sample_transactions: pd.DataFrame) -> pd.DataFrame:
    """The sample in weeks, calibration to 1997-09-30."""
    summary = histories(sample_transactions, CALIBRATION_END, days=7)
    summary.attrs["unit"] = "week"
    return summary


@pytest.fixture(scope="session")
def sample_later(sample_transactions: pd.DataFrame) -> pd.DataFrame:
    """The sample in weeks, to 1998-06-30."""
    summary = histories(sample_transactions, OBSERVATION_END, days=7)
    summary.attrs["unit"] = "week"
    return summary


@pytest.fixture(scope="session")
def master() -> pd.DataFrame:
    """All 23,570 customers in days, to 1998-06-30."""
    transactions = pd.read_csv(
        _datasets() / "CDNOW_master.txt",
        sep=r"\s+",
        header=0,
        names=["customer_id", "date", "quantity", "amount"],
        dtype={"date": str},
    )
    transactions["date"] = pd.to_datetime(transactions["date"], format="%Y%m%d")
    summary = histories(transactions, OBSERVATION_END, days=1)
    summary.attrs["unit"] = "day"
    return summary


@pytest.fixture(scope="session")
def holdout_parts(
    sample: pd.DataFrame, sample_transactions: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Calibration with its outcomes, births, and weekly repeat purchases of the sample."""
    by_day = sample_transactions.groupby(["customer_id", "date"], as_index=False)["amount"].sum()
    after = by_day[by_day["date"] > CALIBRATION_END].groupby("customer_id")["amount"]
    calibration = sample.assign(
        holdout_frequency=after.size().reindex(sample["customer_id"]).fillna(0).to_numpy(),
        holdout_spend=after.sum().reindex(sample["customer_id"]).fillna(0.0).to_numpy(),
    )
    calibration.attrs["unit"] = "week"
    first = by_day.groupby("customer_id")["date"].min()
    start = first.min()
    births = ((first - start).dt.days / 7).value_counts().rename_axis("age")
    repeats = by_day[by_day["date"] > by_day["customer_id"].map(first)]
    week = (repeats["date"] - start).dt.days // 7 + 1
    tracking = pd.DataFrame({"period": range(1, 79)})
    # Both ends of T are days; the last day of a week is one day short of its end.
    tracking["elapsed"] = tracking["period"] - 1 / 7
    tracking["actual"] = tracking["period"].map(week.value_counts()).fillna(0)
    return calibration, births.reset_index(name="customers"), tracking


@pytest.fixture(scope="session")
def simulate() -> Callable[..., pd.DataFrame]:
    """Customers who live by the model, one purchase after the other."""
    return lived


def lived(
    rng: np.random.Generator, n: int, r: float, alpha: float, a: float, b: float, T: float
) -> pd.DataFrame:
    """Histories in continuous time; first purchases spread over the first 40 % of T."""
    end = rng.uniform(0.6 * T, T, n)
    rate, leave = rng.gamma(r, 1 / alpha, n), rng.beta(a, b, n)
    frequency, recency = np.zeros(n), np.zeros(n)
    now, active = np.zeros(n), np.ones(n, dtype=bool)
    while active.any():
        now[active] += rng.exponential(1 / rate[active])
        active &= now <= end
        frequency[active] += 1
        recency[active] = now[active]
        active &= rng.random(n) >= leave
    return pd.DataFrame({"frequency": frequency, "recency": recency, "T": end})
