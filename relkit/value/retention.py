"""What one more point of yearly retention would be worth.

Retention is the share of the customers active now who will still be active after a
year, everybody weighted by P(alive). The what-if changes the future alone: each
leaving that would come is prevented with the same probability delta, so a chance p
to leave after a purchase becomes p (1 - delta), a rate mu of leaving mu (1 - delta),
and delta is what lifts retention by the points asked for.

In all three models a customer who leaves more slowly lives the same life at another
pace. With c = 1 - delta, L the chance of having left and X the expected purchases,

    L_then(t) = L(c t)        X_then(t) = X(c t) / c

since p enters both only as p t, but for one division by p.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from relkit.errors import ParameterError
from relkit.intervals import Estimate, normal_quantile
from relkit.units import periods_per_year
from relkit.value.discounting import discounted_while_active, time_rule, weighted_purchases
from relkit.value.history_grid import HistoryGrid
from relkit.value.inputs import FloatArray
from relkit.value.leaving import buying_rate, leaving_rate, left_by
from relkit.value.purchase_model import PurchaseModel
from relkit.value.purchase_slopes import STEP, moved
from relkit.value.value_change import check_value

if TYPE_CHECKING:
    from relkit.value.lifetime_value import LifetimeValue

MOST_STEPS = 100


@dataclass(frozen=True, slots=True, eq=False)
class RetentionValue:
    """What lifting yearly retention by some points would be worth.

    Attributes:
        points: What retention is lifted by, 0.01 for one percentage point.
        retention_now: Share of the customers active now who will be active after a
            year, with its interval (delta method, symmetric in the log odds).
        delta: Probability with which each future leaving is prevented.
        gained: Value of all customers then, minus now. Its interval is that of the
            expectation, of a what-if that is certain to work (delta method, in the
            logarithm; delta is found anew for every set of parameters).
        share: What is gained as a share of the value now.
        derivative: Value per unit of retention, exactly, at no change at all; times
            ``points`` it is close to ``gained``, the more the fewer the points.
        horizon: How far ahead the value looks, in ``unit``.
        unit: Unit of the horizon.
    """

    points: float
    retention_now: Estimate
    delta: float
    gained: Estimate
    share: float
    derivative: float
    horizon: float
    unit: str
    _frame: pd.DataFrame

    @property
    def retention_then(self) -> float:
        """Retention with the leavings prevented."""
        return self.retention_now.value + self.points

    def to_frame(self) -> pd.DataFrame:
        """One row a customer: customer_id, probability_alive, retention, clv, clv_then, gained.

        ``retention`` is the chance of being active after a year, given active now.
        """
        return self._frame.copy()


def retention_value(value: LifetimeValue, points: float = 0.01) -> RetentionValue:
    """What the customers would be worth more if more of them stayed.

    Args:
        value: Values of the customers; the gain is over its horizon.
        points: What yearly retention is lifted by, 0.01 for one percentage point.

    Raises:
        ParameterError: no values of customers; points negative, or so many that nobody
            would leave any more; a purchase model that does not say when customers leave.
    """
    check_value(value)
    case = _Case.of(value)
    now = case.at(case.model)
    stay = 1 - now.left(1.0)
    pace = _pace(now, _check_points(points, stay))
    gain = now.worth(pace) - now.worth(1.0)
    slope, of_retention = _slopes(case, now, pace)
    error = _error(slope, value._covariance)
    of_odds = _error(of_retention, value._covariance) / (stay * (1 - stay))
    return RetentionValue(
        points=float(points),
        retention_now=_in_log_odds(stay, of_odds, value.n),
        delta=1 - pace,
        gained=_in_logarithm(gain, error, value.n),
        share=gain / now.worth(1.0),
        derivative=now.worth_slope(1.0) / now.left_slope(1.0),
        horizon=value.horizon,
        unit=value.unit,
        _frame=_by_customer(case, pace),
    )


@dataclass(frozen=True, slots=True)
class NothingToGain:
    """Why retention cannot be lifted by so many points: nearly everybody stays as it is.

    Attributes:
        points: What was asked for.
        retention_now: Share of the customers active now who will be active after a year.
    """

    points: float
    retention_now: float


def try_retention(value: LifetimeValue, points: float = 0.01) -> RetentionValue | NothingToGain:
    """``retention_value`` for a report that goes on where there are not so many points to gain.

    Args: as of ``retention_value``.

    Raises:
        ParameterError: points negative, or 1 and more.
    """
    now = _Case.of(value).at(value.purchases.model)
    stay = 1 - now.left(1.0)
    if _is_share(points) and points >= 1 - stay:
        return NothingToGain(float(points), stay)
    return retention_value(value, points)


def _is_share(points: object) -> bool:
    number = isinstance(points, (int, float)) and not isinstance(points, bool)
    return number and 0 <= float(points) < 1  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """Customers, grid and prices, which are the same under every set of parameters."""

    value: LifetimeValue
    model: PurchaseModel[Any]
    grid: HistoryGrid
    year: float
    each: FloatArray

    @classmethod
    def of(cls, value: LifetimeValue) -> _Case:
        model = value.purchases.model
        x, _, T, _ = value._histories
        each = value.margin * value._frame["expected_spend"].to_numpy()
        grid = HistoryGrid.of(x, T, model.time_scale)
        return cls(value, model, grid, periods_per_year(value.unit), each)

    def at(self, model: PurchaseModel[Any], prices: FloatArray | None = None) -> _Sums:
        """The sums over all customers, at these parameters and prices."""
        each = self.each if prices is None else prices
        chance = model.alive(*self.value._histories[:3])
        weights = self.grid.gather(np.column_stack([chance, chance * each]))
        return _Sums(self, model, weights[:, 0] / chance.sum(), weights[:, 1])

    def worth_while_active(self, model: PurchaseModel[Any], pace: float) -> FloatArray:
        """Discounted purchases given active, leaving at this pace, at the points (m,)."""
        horizon, rate = self.value.horizon * pace, self.value.discount / pace
        x, T = self.grid.x, self.grid.T
        return discounted_while_active(model, x, T, horizon, rate) / pace


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """Retention and value as functions of the pace c at which customers leave."""

    case: _Case
    model: PurchaseModel[Any]
    of_active: FloatArray
    of_value: FloatArray

    def left(self, pace: float) -> float:
        """Share of those active now who will have left after a year."""
        grid = self.case.grid
        return float(self.of_active @ left_by(self.model, grid.x, grid.T, self.case.year * pace))

    def left_slope(self, pace: float) -> float:
        """Derivative of ``left`` in the pace."""
        grid, year = self.case.grid, self.case.year
        return float(self.of_active @ leaving_rate(self.model, grid.x, grid.T, year * pace)) * year

    def worth(self, pace: float) -> float:
        """Value of all customers."""
        return float(self.of_value @ self.case.worth_while_active(self.model, pace))

    def worth_slope(self, pace: float) -> float:
        """Minus the derivative of ``worth`` in the pace.

        With X'(c t) the purchases at t, the worth is the integral of
        exp(-rate t) X'(c t) dt. Its derivative in c holds t X''(c t), which twice by
        parts leaves X at the points of the rule and X' at the horizon.
        """
        grid, value = self.case.grid, self.case.value
        horizon, rate = value.horizon, value.discount
        worth = self.worth(pace)
        lost = np.zeros(len(grid.x))
        if math.isfinite(horizon):
            then = buying_rate(self.model, grid.x, grid.T, horizon * pace)
            lost += math.exp(-rate * horizon) * horizon * then
        if rate > 0:
            times, shares = time_rule(horizon, rate)
            weights = -(1 - rate * times) * shares
            if math.isfinite(horizon):
                weights[-1] = rate * horizon * shares[-1]
            lost += weighted_purchases(self.model, grid.x, grid.T, times * pace, weights) / pace
        return (worth - float(self.of_value @ lost)) / pace


def _check_points(points: float, stay: float) -> float:
    if isinstance(points, bool) or not isinstance(points, (int, float)) or not points >= 0:
        raise ParameterError(f"points={points!r} must be 0 or more; give one point as 0.01")
    if not points < 1 - stay:
        raise ParameterError(
            f"points={points} would lift a yearly retention of {stay:.4f} to 1 or more; give "
            f"less than {1 - stay:.4f}, one point as 0.01"
        )
    return float(points)


def _pace(sums: _Sums, points: float) -> float:
    """The pace at which so many points fewer leave within the year.

    Newton's method, kept between the ends: ``left`` rises and bends down in the pace.
    """
    if points == 0:
        return 1.0
    wanted = sums.left(1.0) - points
    low, high, pace = 0.0, 1.0, 1.0
    for _ in range(MOST_STEPS):
        miss = sums.left(pace) - wanted
        step = miss / sums.left_slope(pace)
        # Asked before the ends are moved: at the answer one of them is the pace itself.
        if abs(step) <= 1e-15 + 1e-13 * pace:
            break
        low, high = (low, pace) if miss > 0 else (pace, high)
        pace = pace - step if low < pace - step < high else (low + high) / 2
    return pace


def _slopes(case: _Case, now: _Sums, pace: float) -> tuple[FloatArray, FloatArray]:
    """Derivatives of the gain and of retention in the seven log parameters.

    The pace answers to the parameters too: retention rises by the same points.
    """
    value = case.value
    k = len(case.model.params)
    gain, retention = np.zeros(len(value._covariance)), np.zeros(len(value._covariance))
    per_point = -now.worth_slope(pace) / now.left_slope(pace)
    for i in np.flatnonzero(np.diag(value.purchases.log_covariance) > 0).tolist():
        ends = []
        for step in (STEP, -STEP):
            there = case.at(moved(case.model, i, step))
            left = there.left(1.0)
            ends.append((there.worth(pace) - there.worth(1.0), left - there.left(pace), left))
        more, points, left = ((a - b) / (2 * STEP) for a, b in zip(*ends, strict=True))
        # The points must stay: their change is undone by a change of the pace.
        gain[i] = more + per_point * points
        retention[i] = -left
    if value.spend.log_covariance.any():
        gain[k:] = value._gradient[:, k:].T @ _relative_gain(case, pace)
    return gain, retention


def _relative_gain(case: _Case, pace: float) -> FloatArray:
    """What each customer gains as a share of the value now: prices move both alike."""
    columns = [case.worth_while_active(case.model, c) for c in (pace, 1.0)]
    then, now = case.grid.spread(np.column_stack(columns)).T
    return np.divide(then, now, out=np.ones(len(now)), where=now > 0) - 1


def _by_customer(case: _Case, pace: float) -> pd.DataFrame:
    """One row a customer, now and then."""
    grid, known = case.grid, case.value._frame
    stays = 1 - left_by(case.model, grid.x, grid.T, case.year)
    columns = np.column_stack([stays, case.worth_while_active(case.model, pace)])
    retention, worth = grid.spread(columns).T
    frame = known[["customer_id", "probability_alive"]].copy()
    frame["retention"] = retention
    frame["clv"] = known["clv"]
    frame["clv_then"] = known["probability_alive"].to_numpy() * case.each * worth
    frame["gained"] = frame["clv_then"] - frame["clv"]
    return frame


def _error(slope: FloatArray, covariance: FloatArray) -> float:
    return math.sqrt(max(float(slope @ covariance @ slope), 0.0))


def _in_logarithm(value: float, error: float, n: int) -> Estimate:
    """A positive figure with its interval; 0 is known for certain."""
    widen = math.exp(normal_quantile(0.95) * error / value) if value > 0 else 1.0
    return Estimate(value, value / widen, value * widen, n)


def _in_log_odds(share: float, error: float, n: int) -> Estimate:
    """A share with its interval, which stays between 0 and 1."""
    odds, half = math.log(share / (1 - share)), normal_quantile(0.95) * error
    low, high = (1 / (1 + math.exp(-(odds + side))) for side in (-half, half))
    return Estimate(share, min(low, share), max(high, share), n)
