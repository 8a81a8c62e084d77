"""Who gets which cadence: drawn by a salted hash, even within tier and activity."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.frequency.plan import ExperimentPlan
from relkit.privacy import shown_id

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """One arm for every customer.

    Attributes:
        experiment: Its id.
        unit: What was randomised: customer, household or account.
        shares: Tier → arm → planned share of the tier's units; each sums to 1.
        customers: One row a customer, sorted: customer_id, unit_id, tier, band (of
            activity within the tier, from 1), arm.
        left_out: Customers in no tier of the plan.
    """

    experiment: str
    unit: str
    shares: Mapping[str, Mapping[str, float]]
    customers: pd.DataFrame
    left_out: int

    def to_frame(self, assigned_at: dt.date | str) -> pd.DataFrame:
        """The assignment file: experiment_id, customer_id, arm, assigned_at, stratum."""
        import pandas as pd

        return pd.DataFrame(
            {
                "experiment_id": self.experiment,
                "customer_id": self.customers["customer_id"],
                "arm": self.customers["arm"],
                "assigned_at": pd.Timestamp(assigned_at),
                "stratum": self.customers["tier"],
            }
        )

    def sizes(self) -> pd.DataFrame:
        """Units and customers by tier and arm: tier, arm, units, customers, planned_units."""
        import pandas as pd

        grouped = self.customers.groupby(["tier", "arm"])
        counted = grouped.agg(units=("unit_id", "nunique"), customers=("unit_id", "size"))
        rows = [
            (tier, arm, share) for tier, arms in self.shares.items() for arm, share in arms.items()
        ]
        frame = pd.DataFrame(rows, columns=["tier", "arm", "share"])
        frame = frame.merge(counted.reset_index(), on=["tier", "arm"], how="left")
        frame[["units", "customers"]] = frame[["units", "customers"]].fillna(0).astype("int64")
        totals = frame.groupby("tier")["units"].transform("sum")
        frame["planned_units"] = frame["share"] * totals
        return frame[["tier", "arm", "units", "customers", "planned_units"]]


def assign_arms(
    customers: pd.DataFrame,
    plan: ExperimentPlan,
    shares: Mapping[str, Mapping[str, float]] | None = None,
    activity_bands: int = 4,
) -> Assignment:
    """Draw an arm for every customer, the same one whenever and wherever it is asked.

    Units are put in the order of a hash of salt, experiment and unit within bands of
    activity of their tier, and dealt out in the planned shares. So each tier has its
    shares to within one unit, each band nearly so, and nobody can pick an arm.

    Args:
        customers: customer_id, tier, and where there are any activity (any number that
            says how much a customer does, before the start) and unit_id (household or
            account; asked for if the plan randomises those). Order never matters.
        plan: Its arms, tiers, unit and salt.
        shares: Tier → arm → share of units; equal shares of all arms under the tier's
            fatigue cap if None.
        activity_bands: Bands of activity within a tier; 1 for none.

    Raises:
        DataError: a customer twice, an empty id, or no unit where the plan needs one.
        ParameterError: shares of unknown arms or that do not sum to 1.
    """
    frame, left_out = _checked(customers, plan)
    planned = _shares(plan, shares)
    if activity_bands < 1:
        raise ParameterError(f"activity_bands={activity_bands} must be at least 1")
    units = _units(frame, plan, activity_bands)
    units["arm"] = ""
    for tier, rows in units.groupby("tier"):
        ordered = rows.sort_values(["band", "draw"])
        shares_of_tier = planned[str(tier)]
        phases = draw(plan.salt, plan.experiment, [f"{tier}|{arm}" for arm in shares_of_tier])
        units.loc[ordered.index, "arm"] = _dealt(len(ordered), shares_of_tier, phases / 2.0**64)
    columns = ["unit_id", "tier", "band", "arm"]
    dealt = frame[["customer_id", "unit_id"]].merge(units[columns], on="unit_id")
    dealt = dealt.sort_values("customer_id", ignore_index=True)
    return Assignment(plan.experiment, plan.unit, planned, dealt, left_out)


def allowed_arms(plan: ExperimentPlan, tier: str) -> tuple[str, ...]:
    """Arms that stay under the tier's fatigue cap, by dose."""
    cap = plan.fatigue_cap.get(tier)
    return tuple(
        name for name, arm in plan.arms.items() if cap is None or arm.per_month <= cap * (1 + 1e-12)
    )


def draw(salt: str, experiment: str, units: Sequence[str]) -> NDArray[np.uint64]:
    """One number a unit, by SHA-256; nothing but salt, experiment and id decides it."""
    lead = f"{len(salt)}:{salt}|{len(experiment)}:{experiment}|".encode()
    digests = b"".join(hashlib.sha256(lead + unit.encode()).digest()[:8] for unit in units)
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def _checked(customers: pd.DataFrame, plan: ExperimentPlan) -> tuple[pd.DataFrame, int]:
    """Customers of the plan's tiers with a unit each, and how many have no such tier."""
    needed = ["customer_id", "tier"] + (["unit_id"] if plan.unit != "customer" else [])
    faults = [
        f"no column '{name}'{did_you_mean(name, customers.columns)}"
        + (f"; the plan randomises by {plan.unit}" if name == "unit_id" else "")
        for name in needed
        if name not in customers.columns
    ]
    if faults:
        raise DataError("customers to assign", faults)
    frame = customers[[c for c in (*needed, "activity") if c in customers.columns]].copy()
    for name in needed:
        empty = int(frame[name].isna().sum()) if name != "tier" else 0
        if empty:
            faults.append(f"{name} is empty in {empty:,} rows; fill it in or leave them out")
    twice = frame.loc[frame["customer_id"].duplicated(), "customer_id"].dropna().unique()
    if len(twice):
        shown = ", ".join(shown_id(str(name)) for name in twice[:3])
        faults.append(f"{len(twice):,} customers stand twice (first: {shown}); one row each")
    if "activity" in frame.columns and frame["activity"].isna().any():
        count = int(frame["activity"].isna().sum())
        faults.append(f"activity is empty in {count:,} rows; 0 where nothing was done")
    inside = frame["tier"].isin(plan.tiers)
    if not inside.any():
        found = ", ".join(sorted(frame["tier"].dropna().astype(str).unique())[:5]) or "none"
        faults.append(f"no customer is in a tier of the plan ({', '.join(plan.tiers)}): {found}")
    if faults:
        raise DataError("customers to assign", faults)
    frame["customer_id"] = frame["customer_id"].astype(str)
    frame["unit_id"] = frame["unit_id" if "unit_id" in frame.columns else "customer_id"].astype(str)
    return frame[inside].reset_index(drop=True), int((~inside).sum())


def _units(frame: pd.DataFrame, plan: ExperimentPlan, bands: int) -> pd.DataFrame:
    """One row a unit: unit_id, tier, band, draw. A unit of several tiers is in its highest."""
    order = {tier: place for place, tier in enumerate(plan.tiers)}
    ranked = frame.assign(place=frame["tier"].map(order))
    if "activity" not in ranked.columns:
        ranked["activity"] = 0.0
    units = ranked.groupby("unit_id", as_index=False).agg(
        place=("place", "min"), activity=("activity", "sum")
    )
    units["tier"] = units["place"].map(dict(enumerate(plan.tiers)))
    # Mid-ranks, so that equal activity is one band whatever the order of rows.
    share = units.groupby("tier")["activity"].rank(method="average")
    share = (share - 0.5) / units.groupby("tier")["activity"].transform("size")
    units["band"] = np.minimum((share * bands).astype("int64") + 1, bands)
    units["draw"] = draw(plan.salt, plan.experiment, units["unit_id"].tolist())
    return units


def _dealt(n: int, shares: Mapping[str, float], phases: NDArray[np.float64]) -> list[str]:
    """Arms in the order in which they are dealt: evenly spread, whole numbers near n × share.

    Without the drawn phases the first places, which are the least active customers,
    would always go to the same arms.
    """
    names = list(shares)
    exact = np.array([shares[name] for name in names]) * n
    counts = np.floor(exact + 1e-9).astype(int)
    # Largest remainders; the draw decides between equal ones.
    order = np.lexsort((phases, -np.round(exact - counts, 9)))
    counts[order[: n - counts.sum()]] += 1
    arm = np.repeat(np.arange(len(names)), counts)
    within = np.concatenate(
        [(np.arange(m) + phase) / max(m, 1) for m, phase in zip(counts, phases, strict=True)]
    )
    return [names[i] for i in arm[np.lexsort((arm, within))]]


def _shares(
    plan: ExperimentPlan, shares: Mapping[str, Mapping[str, float]] | None
) -> dict[str, dict[str, float]]:
    if shares is None:
        allowed = {tier: allowed_arms(plan, tier) for tier in plan.tiers}
        return {tier: dict.fromkeys(arms, 1 / len(arms)) for tier, arms in allowed.items()}
    faults = []
    for tier in plan.tiers:
        given = shares.get(tier)
        if given is None:
            faults.append(f"no shares for tier '{tier}'")
            continue
        for arm, share in given.items():
            if arm not in plan.arms:
                faults.append(f"{tier}: no arm '{arm}'{did_you_mean(arm, plan.arms)}")
            elif arm not in allowed_arms(plan, tier) and share > 0:
                faults.append(f"{tier}: arm '{arm}' is above the fatigue cap of the tier")
            if not 0 <= share <= 1:
                faults.append(f"{tier}: share {share} of arm '{arm}' must be between 0 and 1")
        if abs(sum(given.values()) - 1) > 1e-9:
            faults.append(f"{tier}: the shares sum to {sum(given.values()):.6g}, not to 1")
    if faults:
        raise ParameterError("shares of the arms", faults)
    return {tier: {arm: float(s) for arm, s in shares[tier].items()} for tier in plan.tiers}
