"""Who is who: the chance to be still a customer, the worth of tiers, whom to win back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from relkit.units import days_per

if TYPE_CHECKING:
    from relkit.segments.tiers import Tiers
    from relkit.value.lifetime_value import LifetimeValue


# Bands a reader can name; the last of each is open.
_FREQUENCY_BANDS = ((1, "1"), (2, "2"), (3, "3–4"), (5, "5–9"), (10, "10+"))
_SILENCE_BANDS = ((0, "0–30"), (31, "31–90"), (91, "91–180"), (181, "181–365"), (366, "366+"))


def alive_matrix(clv: LifetimeValue, summary: pd.DataFrame) -> pd.DataFrame:
    """Mean chance to be still a customer, by repeat purchases and days since the last.

    Args:
        clv: Values of the same customers.
        summary: Frame with customer_id, frequency, recency, T in ``clv.unit``.

    Returns:
        Columns frequency, days_since_last (both the name of a band, in order),
        customers, probability_alive (nan where no one stands). Customers who never
        came back are left out: in this model they cannot have left.
    """
    joined = summary.merge(clv.to_frame()[["customer_id", "probability_alive"]], on="customer_id")
    joined = joined[joined["frequency"] > 0]
    # Rounded, since 30 days reached through weeks are 30.000000000000004.
    silence = ((joined["T"] - joined["recency"]) * days_per(clv.unit)).round(6)
    cells = pd.DataFrame(
        {
            "frequency": _banded(joined["frequency"], _FREQUENCY_BANDS),
            "days_since_last": _banded(silence, _SILENCE_BANDS),
            "probability_alive": joined["probability_alive"],
        }
    )
    grouped = cells.groupby(["frequency", "days_since_last"], observed=False)["probability_alive"]
    return grouped.agg(customers="size", probability_alive="mean").reset_index()


def _banded(values: pd.Series, bands: tuple[tuple[int, str], ...]) -> pd.Series:
    edges = [*(low for low, _ in bands), math.inf]
    return pd.cut(values, edges, right=False, labels=[name for _, name in bands])


def tier_worth(tiers: Tiers, clv: LifetimeValue, summary: pd.DataFrame) -> pd.DataFrame:
    """What each tier brought so far and is expected to bring.

    Args:
        tiers: A tier for every customer of ``clv``.
        clv: Values of the same customers.
        summary: Frame with customer_id and total_spend.

    Returns:
        One row a tier, most valuable first: tier, customers, customer_share,
        past_spend, past_spend_share, clv, low, high (interval of the expected
        sum), clv_share, clv_mean, probability_alive (mean). Customers, spend and
        value sum to the whole.
    """
    facts = clv.to_frame()[["customer_id", "clv", "probability_alive"]].merge(
        summary[["customer_id", "total_spend"]], on="customer_id", validate="one_to_one"
    )
    profile = tiers.profile(facts)
    labels = facts[["customer_id"]].merge(tiers.to_frame(), on="customer_id")["tier"]
    intervals = clv.total_by(labels.to_numpy()).set_index("label").reindex(profile["tier"])
    return pd.DataFrame(
        {
            "tier": profile["tier"],
            "customers": profile["customers"],
            "customer_share": profile["customers"] / profile["customers"].sum(),
            "past_spend": profile["total_spend"],
            "past_spend_share": profile["total_spend"] / profile["total_spend"].sum(),
            "clv": profile["clv"],
            "low": intervals["low"].to_numpy(),
            "high": intervals["high"].to_numpy(),
            "clv_share": profile["clv"] / profile["clv"].sum(),
            "clv_mean": profile["clv_mean"],
            "probability_alive": profile["probability_alive_mean"],
        }
    )


def win_back_list(clv: LifetimeValue, summary: pd.DataFrame, n: int) -> pd.DataFrame:
    """Silent customers with the most value at risk, most first.

    Silent means: came back before, and now more likely gone than not. Customers
    of equal value at risk are taken in the order of their ids, so that the list
    never depends on the order of the rows.

    Args:
        clv: Values of the same customers.
        summary: Frame with customer_id, frequency, last_at, total_spend.
        n: How many at most.

    Returns:
        Up to n rows: customer_id, last_at, frequency, total_spend,
        probability_alive, clv, value_at_risk.
    """
    joined = clv.to_frame().merge(summary, on="customer_id", validate="one_to_one")
    silent = joined[(joined["frequency"] > 0) & (joined["probability_alive"] < 0.5)]
    ranked = silent.sort_values(["value_at_risk", "customer_id"], ascending=[False, True]).head(n)
    columns = ["customer_id", "last_at", "frequency", "total_spend", "probability_alive", "clv"]
    return ranked[[*columns, "value_at_risk"]].reset_index(drop=True)
