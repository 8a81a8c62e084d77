"""How often contacts fall by half although nothing has changed.

A rule such as *interactions of three months down by 50 %* compares two small counts.
If a customer's contacts come at an unchanged rate, both are Poisson with the same
mean, and at three a quarter the rule is often true by chance alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from relkit.errors import DataError, ParameterError

# Contacts of a period, from the seldom to the daily.
VOLUMES = (3.0, 6.0, 12.0, 24.0, 48.0)


def false_alarm_rate(mean: float, drop: float = 0.5) -> float:
    """The chance that an unchanged customer's contacts fall by ``drop`` or more.

    Args:
        mean: Expected contacts of one period, the same in both.
        drop: Share, in (0, 1]; 0.5 is half.

    Returns:
        P(Y <= (1 - drop) X | X > 0), X and Y independent Poisson(mean), summed exactly.
        Without a contact in the first period there is no change to speak of.

    Raises:
        ParameterError: mean or drop out of range.
    """
    if not 0 < drop <= 1:
        raise ParameterError(f"drop={drop} must be in (0, 1]; give a fall by half as 0.5")
    if not math.isfinite(mean) or mean <= 0:
        raise ParameterError(f"mean={mean} must be positive: contacts expected in one period")
    from scipy.stats import poisson

    # Beyond 12 standard deviations (and 40) lies less than one in 10^20.
    before = np.arange(1, math.ceil(mean + 12 * math.sqrt(mean) + 40))
    # Rounded, since .1 times 10 must not fall below 1 by a hair.
    allowed = np.floor(np.round((1 - drop) * before, 9))
    joint = float(np.sum(poisson.pmf(before, mean) * poisson.cdf(allowed, mean)))
    return joint / -math.expm1(-mean)


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """False alarms of a rule on falling contacts, by how many contacts customers have.

    Attributes:
        volumes: Columns contacts (expected a period), comparable (chance of any contact
            in the first period), false_alarm_rate (of the comparable), and, where
            customers were given, customers (nearest to that volume on a log scale) and
            expected_alarms (of these, were nothing changed).
        drop: Share by which contacts must fall.
    """

    volumes: pd.DataFrame
    drop: float

    def to_frame(self) -> pd.DataFrame:
        return self.volumes.copy()


def false_alarms(
    contacts: Sequence[float] | pd.Series | np.ndarray | None = None,
    drop: float = 0.5,
    volumes: Sequence[float] = VOLUMES,
) -> FalseAlarms:
    """How often a rule on falling contacts is true by chance, per customer volume.

    Args:
        contacts: Mean contacts of each customer in one period, shape (n,); optional.
            Customers without any cannot fall and are left out.
        drop: Share, in (0, 1].
        volumes: Contacts a period to print it for, positive.

    Raises:
        ParameterError: drop or volumes out of range.
        DataError: contacts that are negative or not finite, or nobody has any.
    """
    rates = [false_alarm_rate(float(mean), drop) for mean in volumes]
    contacts_a_period = np.asarray(volumes, dtype=float)
    frame = pd.DataFrame(
        {
            "contacts": contacts_a_period,
            "comparable": -np.expm1(-contacts_a_period),
            "false_alarm_rate": rates,
        }
    )
    if contacts is None:
        return FalseAlarms(frame, drop)
    means = np.asarray(contacts, dtype=float)
    if not np.isfinite(means).all() or (means < 0).any() or not (means > 0).any():
        raise DataError(
            "contacts: a finite number of at least 0 is required of each customer, and one above 0"
        )
    some = means[means > 0]
    nearest = np.abs(np.log(some)[:, None] - np.log(frame["contacts"].to_numpy())).argmin(axis=1)
    counted = np.bincount(nearest, minlength=len(frame))
    # Each customer at the own mean, to three digits, not at the volume that stands for it.
    scale = 10.0 ** (2 - np.floor(np.log10(some)))
    unique, inverse = np.unique(np.round(some * scale) / scale, return_inverse=True)
    own = [false_alarm_rate(float(mean), drop) * -math.expm1(-mean) for mean in unique]
    alarms = np.bincount(nearest, weights=np.array(own)[inverse], minlength=len(frame))
    return FalseAlarms(frame.assign(customers=counted, expected_alarms=alarms), drop)
