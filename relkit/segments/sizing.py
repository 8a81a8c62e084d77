"""How many accounts a tier should hold, and what a smaller tier does to its revenue by itself.

Care by an owner costs hours and brings a share of an account's value. An account belongs
in the tier if what the care adds is more than the hours cost, and if no other account
would use the hours better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from relkit.errors import DataError, ParameterError
from relkit.privacy import shown_id
from relkit.segments.knapsack import pack

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TierSize:
    """The accounts that should have an owner's care, and what one more or less would do.

    Attributes:
        accounts: One row an account, most net value per owner hour first: customer_id,
            clv, uplift, gain (clv × uplift), hours, cost, net (gain − cost), chosen.
        size: Accounts chosen.
        hours: Hours they take.
        capacity: Hours there are.
        net: What their care brings, less its cost.
        upper_bound: What no choice within the capacity can exceed (hours divisible at
            will), so ``upper_bound − net`` is the most that could be missed.
        bound_by: 'capacity' where more accounts would pay if there were hours, else
            'value': nobody is left out for whom the care pays.
        curve: size 0, 1, 2, … accounts in the order above, with hours, net (both summed)
            and feasible (whether the hours suffice).
    """

    accounts: pd.DataFrame
    size: int
    hours: float
    capacity: float
    net: float
    upper_bound: float
    bound_by: str
    curve: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        return self.accounts.copy()

    @property
    def hour_worth(self) -> float:
        """What one more owner hour would bring; 0 where capacity does not bind."""
        if self.bound_by != "capacity":
            return 0.0
        left_out = self.accounts[~self.accounts["chosen"] & (self.accounts["net"] > 0)]
        return float((left_out["net"] / left_out["hours"]).max())

    def net_of(self, customer_id: Sequence[str] | pd.Series) -> float:
        """What care of another choice would bring, say of today's tier; capacity not asked.

        Raises:
            DataError: accounts that are not among those that were sized, or stand twice.
        """
        chosen = pd.Series(list(customer_id), dtype="str")
        known = pd.Series(self.accounts["net"].to_numpy(), index=self.accounts["customer_id"])
        strangers = chosen[~chosen.isin(known.index)]
        if len(strangers) or chosen.duplicated().any():
            raise DataError(
                f"{len(strangers):,} accounts were not sized and {chosen.duplicated().sum():,} "
                "stand twice; choose among those given to rk.tier_size, each once"
            )
        return float(known.loc[chosen.to_numpy()].sum())


def tier_size(
    customer_id: Sequence[str] | pd.Series,
    clv: ArrayLike,
    uplift: ArrayLike,
    hours: ArrayLike,
    capacity: float,
    hour_cost: float,
) -> TierSize:
    """Chooses the accounts whose care brings most, within the owners' hours.

    What care brings is clv × uplift − hour_cost × hours. The choice is the best there is
    for these inputs, to a millionth (``knapsack``); accounts that are equal in everything
    are taken by their ids.

    Args:
        customer_id: Shape (n,), unique.
        clv: Value to come without care, shape (n,).
        uplift: Share that care adds to it, 0.08 for 8 %, shape (n,) or one for all; it must
            come from an experiment or a judgement, never from comparing tiers.
        hours: Owner hours the care takes in the time that ``clv`` covers, shape (n,) or one
            for all; above 0.
        capacity: Hours that the owners have in that time.
        hour_cost: Cost of an owner hour, in the currency of ``clv``.

    Raises:
        ParameterError: capacity or hour_cost is negative or no number.
        DataError: no accounts, repeated ids, lengths that differ, or values that cannot be.
    """
    _check_scalars(capacity, hour_cost)
    frame = _accounts(customer_id, clv, uplift, hours, hour_cost)
    gain, need = frame["net"].to_numpy(), frame["hours"].to_numpy()
    packed = pack(gain, need, float(capacity))
    chosen = packed.chosen
    left_out = (gain > 0) & ~chosen
    used = np.concatenate([[0.0], np.cumsum(need)])
    curve = pd.DataFrame(
        {
            "size": np.arange(len(frame) + 1),
            "hours": used,
            "net": np.concatenate([[0.0], np.cumsum(gain)]),
            "feasible": used <= capacity * (1 + 1e-12),
        }
    )
    return TierSize(
        accounts=frame.assign(chosen=chosen),
        size=int(chosen.sum()),
        hours=float(need[chosen].sum()),
        capacity=float(capacity),
        net=packed.worth,
        upper_bound=packed.upper_bound,
        bound_by="capacity" if left_out.any() else "value",
        curve=curve,
    )


def _check_scalars(capacity: float, hour_cost: float) -> None:
    faults = [
        f"{name}={value!r} must be 0 or more"
        for name, value in (("capacity", capacity), ("hour_cost", hour_cost))
        if isinstance(value, bool)
        or not isinstance(value, (int, float, np.number))
        or not 0 <= float(value) < np.inf
    ]
    if faults:
        raise ParameterError("a tier cannot be sized with these", faults)


def _accounts(
    customer_id: Sequence[str] | pd.Series,
    clv: ArrayLike,
    uplift: ArrayLike,
    hours: ArrayLike,
    hour_cost: float,
) -> pd.DataFrame:
    """The accounts in the order in which they should be cared for."""
    ids = pd.Series(list(customer_id), dtype="str")
    if len(ids) == 0:
        raise DataError("no accounts; at least one is required")
    columns: dict[str, Floats] = {}
    faults = []
    for name, values in (("clv", clv), ("uplift", uplift), ("hours", hours)):
        given = np.asarray(values, dtype=float)
        if given.ndim > 1 or given.size not in (1, len(ids)):
            faults.append(f"{name}: {given.size} values for {len(ids)} accounts; one each, or one")
            continue
        column = columns[name] = np.broadcast_to(given.reshape(-1), (len(ids),)).astype(float)
        low = {"clv": -np.inf, "uplift": -1.0, "hours": 0.0}[name]
        bad = ~np.isfinite(column) | ((column <= low) if name == "hours" else (column < low))
        if bad.any():
            needs = {"clv": "a number", "uplift": "a share, -1 or more", "hours": "above 0"}[name]
            faults.append(
                f"{name} of {bad.sum():,} accounts must be {needs} (first: "
                f"{shown_id(ids[bad.argmax()])}: {column[bad.argmax()]})"
            )
    repeated = ids[ids.duplicated()]
    if len(repeated):
        faults.append(
            f"customer_id is repeated in {len(repeated):,} rows (first: "
            f"{shown_id(repeated.iloc[0])})"
        )
    if faults:
        raise DataError("accounts that cannot be sized", faults)
    gain = columns["clv"] * columns["uplift"]
    cost = hour_cost * columns["hours"]
    frame = pd.DataFrame({"customer_id": ids, **columns, "gain": gain, "cost": cost})
    frame = frame.assign(net=frame["gain"] - frame["cost"])
    frame = frame.assign(_per_hour=frame["net"] / frame["hours"])
    ordered = frame.sort_values(["_per_hour", "customer_id"], ascending=[False, True])
    ordered = ordered[["customer_id", "clv", "uplift", "gain", "hours", "cost", "net"]]
    return ordered.reset_index(drop=True)
