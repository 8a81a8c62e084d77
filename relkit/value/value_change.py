"""How the value of a customer base changed between two days, and through whom."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from relkit.errors import DataError, ParameterError
from relkit.intervals import Estimate, normal_quantile
from relkit.privacy import shown_id

if TYPE_CHECKING:
    from relkit.value.lifetime_value import LifetimeValue


@dataclass(frozen=True, slots=True, eq=False)
class ValueChange:
    """The same customers' base valued on two days by the same models.

    Attributes:
        before: Value on the earlier day.
        now: Value on the later day.
        change: now minus before. Both share the parameters, so their uncertainty
            largely cancels: this is the interval of a paired difference.
        change_share: The change as a share of the earlier value.
    """

    before: LifetimeValue
    now: LifetimeValue
    change: Estimate
    change_share: float
    _parts: pd.DataFrame

    @property
    def horizon(self) -> float:
        """How far ahead both days look, in ``unit``."""
        return self.now.horizon

    @property
    def unit(self) -> str:
        """Unit of the horizon."""
        return self.now.unit

    @property
    def verdict(self) -> str:
        """'gaining', 'losing', or 'unclear' where the interval holds 0."""
        if not self.change.sign_is_clear:
            return "unclear"
        return "gaining" if self.change.value > 0 else "losing"

    def to_frame(self) -> pd.DataFrame:
        """part ('new', 'grew', 'shrank'), customers, amount.

        New customers were first seen after the earlier day; of the others 'shrank'
        are those worth less than before, 'grew' the rest. Customers sum to those
        of the later day, amounts to the change.
        """
        return self._parts.copy()


def value_change(before: LifetimeValue, now: LifetimeValue) -> ValueChange:
    """How the value of a customer base changed between two days, and through whom.

    Args:
        before: Values on the earlier day.
        now: Values on the later day, by the same models.

    Raises:
        ParameterError: no values of customers, or the two were not made alike (models,
            horizon, unit, rate, margin), so that their difference would be one of methods.
        DataError: customers of the earlier day are missing on the later one, or
            the earlier value is 0.
    """
    check_value(before, "before")
    check_value(now, "now")
    _check_alike(before, now)
    earlier = pd.Series(before._frame["clv"].to_numpy(), index=before._frame["customer_id"])
    later = pd.Series(now._frame["clv"].to_numpy(), index=now._frame["customer_id"])
    lost = earlier.index.difference(later.index)
    if len(lost):
        raise DataError(
            f"{len(lost):,} customers of the earlier day are missing on the later one (first: "
            f"{shown_id(lost[0])}); both summaries must come from one source, the earlier day first"
        )
    there = later.index.isin(earlier.index)
    difference = later[there] - earlier.reindex(later.index[there])
    new, fell = later[~there], difference < 0
    amounts = [math.fsum(new), math.fsum(difference[~fell]), math.fsum(difference[fell])]
    parts = pd.DataFrame(
        {
            "part": ["new", "grew", "shrank"],
            "customers": [len(new), int((~fell).sum()), int(fell.sum())],
            "amount": amounts,
        }
    )
    was = before.total.value
    if was <= 0:
        raise DataError("the earlier value is 0, so no share of it can be said; take a later day")
    slope = now._gradient.sum(axis=0) - before._gradient.sum(axis=0)
    half = normal_quantile(0.95) * math.sqrt(max(float(slope @ now._covariance @ slope), 0.0))
    value = math.fsum(amounts)
    return ValueChange(
        before=before,
        now=now,
        change=Estimate(value, value - half, value + half, now.n),
        change_share=value / was,
        _parts=parts,
    )


def check_value(value: Any, name: str = "value") -> None:
    """Refuses what is not the value of customers.

    Raises:
        ParameterError: another kind of thing, such as a summary or a fit.
    """
    from relkit.value.lifetime_value import LifetimeValue

    if not isinstance(value, LifetimeValue):
        raise ParameterError(
            f"{name} must be what customer_lifetime_value returns, not {type(value).__name__}"
        )


def _check_alike(before: LifetimeValue, now: LifetimeValue) -> None:
    faults = [
        f"{name}: {getattr(before, name)} before, {getattr(now, name)} now"
        for name in ("horizon", "unit", "annual_discount_rate", "margin")
        if getattr(before, name) != getattr(now, name)
    ]
    for name in ("purchases", "spend"):
        one, other = getattr(before, name), getattr(now, name)
        if (
            type(_known(one)) is not type(_known(other))
            or one.params != other.params
            or not np.array_equal(one.log_covariance, other.log_covariance)
        ):
            faults.append(f"the {name} models differ: fit once and use the fit for both days")
    if faults:
        raise ParameterError("the two values were not made alike and cannot be compared", faults)


def _known(model: Any) -> Any:
    """The model of a fit, or the known model itself."""
    return getattr(model, "model", model)
