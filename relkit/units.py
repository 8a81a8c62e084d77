"""Time units, horizons and discount rates: one place where a week becomes days.

A model's rates are per unit of its ``T``. Mixing a rate per week with a horizon
in months is the commonest silent mistake in lifetime value, so every conversion
goes through this module and every quantity says its unit.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

from relkit.errors import ParameterError, did_you_mean

Unit = Literal["day", "week", "month", "year"]
UNITS: tuple[str, ...] = get_args(Unit)

# The Gregorian mean year without the century rule; a month is its twelfth part,
# so that a length in months never depends on which months they were.
DAYS_PER_YEAR = 365.25
DAYS_PER_UNIT: dict[str, float] = {
    "day": 1.0,
    "week": 7.0,
    "month": DAYS_PER_YEAR / 12,
    "year": DAYS_PER_YEAR,
}


def days_per(unit: str) -> float:
    """Days in one ``unit``: 1, 7, 30.4375 or 365.25.

    Raises:
        ParameterError: the unit is not one of ``UNITS``.
    """
    try:
        return DAYS_PER_UNIT[unit]
    except (KeyError, TypeError):
        hint = did_you_mean(str(unit), UNITS)
        raise ParameterError(f"unit={unit!r} must be one of {', '.join(UNITS)}{hint}") from None


def periods_per_year(unit: str) -> float:
    """How many of ``unit`` a year holds: 365.25, 52.18, 12 or 1."""
    return DAYS_PER_YEAR / days_per(unit)


def convert(length: float, unit: str, to: str) -> float:
    """A length of time in ``unit``, said in ``to``."""
    return length * days_per(unit) / days_per(to)


def check_annual_discount_rate(rate: float) -> float:
    """The rate itself, if it is a share a year.

    Raises:
        ParameterError: not in [0, 1); a rate of 10 for 10 % is the usual slip.
    """
    if not isinstance(rate, (int, float)) or not math.isfinite(rate) or not 0 <= rate < 1:
        raise ParameterError(f"annual_discount_rate={rate} must be in [0, 1); give 10 % as 0.10")
    return float(rate)


def discount_factor(time: float, unit: str, annual_discount_rate: float) -> float:
    """What 1 at ``time`` from now is worth today.

    The rate compounds yearly: (1 + rate) ** -(time in years), for fractions of a
    year too, so the factor does not depend on the unit that the time is given in.
    """
    rate = check_annual_discount_rate(annual_discount_rate)
    return (1 + rate) ** -(time / periods_per_year(unit))


def check_horizon(horizon: float, name: str = "horizon") -> float:
    """The horizon itself, if it is a positive finite length of time.

    Raises:
        ParameterError: zero, negative, nan or infinite.
    """
    if not isinstance(horizon, (int, float)) or not math.isfinite(horizon) or horizon <= 0:
        raise ParameterError(f"{name}={horizon} must be a positive, finite number of units")
    return float(horizon)
