"""BG/NBD: how often customers buy, and whether they still do.

While active a customer buys at a rate drawn from a gamma distribution (r, alpha);
after each repeat purchase the customer leaves with a probability drawn from a
beta distribution (a, b). Nobody reports leaving: that is what the model infers.

Source: Fader, Hardie & Lee (2005), "'Counting your customers' the easy way: an
alternative to the Pareto/NBD model", Marketing Science 24.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from relkit.errors import DataError, FitError, ParameterError
from relkit.intervals import normal_quantile
from relkit.units import days_per
from relkit.value.bgnbd_likelihood import BGNBDParams, Likelihood, alive_log_odds
from relkit.value.inputs import (
    FloatArray,
    agreed_unit,
    customers,
    read_history,
    read_horizon,
)
from relkit.value.newton import Optimum, maximise
from relkit.value.purchase_integral import purchases_while_active

# Four parameters are read from repeat behaviour; below this the search would
# end somewhere, but the interval of every parameter spans orders of magnitude.
FEWEST_REPEATERS = 10
# Half the 5 % point of chi-squared with one degree: what allowing customers to
# leave must add to the log-likelihood before the data can be said to show it.
LEAST_GAIN_OF_DROP_OUT = 1.92
# Sides of the box, T scaled to 1. At 1e5 a gamma or beta distribution is a
# constant for every practical purpose: the data show no heterogeneity.
LOWEST = np.log([1e-6, 1e-9, 1e-6, 1e-6])
HIGHEST = np.log([1e5, 1e14, 1e5, 1e6])

CONVERGED = "converged"
NO_DROP_OUT = "no drop-out identified"
NO_HETEROGENEITY = "no heterogeneity identified"
AT_ONCE_OR_NEVER = "drop-out at once or never"
TOO_FEW_REPEATERS = "too few repeaters"


def alive(params: BGNBDParams, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
    """P(alive) of checked arrays, shape (n,)."""
    chance: FloatArray = expit(-alive_log_odds(params, x, t_x, T))
    return chance


def purchases_if_alive(
    params: BGNBDParams, x: FloatArray, T: FloatArray, horizons: FloatArray
) -> FloatArray:
    """Expected purchases given active at T; x, T (n,), horizons (m,) -> (n, m)."""
    s = horizons[None, :] / (params.alpha + T)[:, None]
    flat = purchases_while_active(
        params.r, params.a, params.b, np.repeat(x, len(horizons)), s.ravel()
    )
    return flat.reshape(s.shape)


@dataclass(frozen=True, slots=True)
class BGNBD:
    """The model with known parameters.

    Attributes:
        r: Shape of the purchase rates.
        alpha: Scale of the purchase rates, in ``unit``.
        a: First shape of the drop-out probability.
        b: Second shape of the drop-out probability.
        unit: The unit of alpha, recency, T and every horizon, if it is known.

    Raises:
        ParameterError: a parameter is not positive and finite; no such unit.
    """

    r: float
    alpha: float
    a: float
    b: float
    unit: str | None = None

    def __post_init__(self) -> None:
        faults = [
            f"{name}={value} must be positive and finite"
            for name, value in self.params._asdict().items()
            if not (isinstance(value, Real) and 0 < float(value) < math.inf)
        ]
        if faults:
            raise ParameterError("BG/NBD cannot have these parameters", faults)
        if self.unit is not None:
            days_per(self.unit)

    @property
    def params(self) -> BGNBDParams:
        """The four parameters by name."""
        return BGNBDParams(self.r, self.alpha, self.a, self.b)

    @property
    def log_covariance(self) -> FloatArray:
        """Covariance of the log parameters, (4, 4): zero, for they are given as known."""
        return np.zeros((4, 4))

    def probability_alive(
        self,
        summary: pd.DataFrame | None = None,
        *,
        frequency: Any = None,
        recency: Any = None,
        T: Any = None,
    ) -> Any:
        """Probability that each customer is still active at T.

        Args:
            summary: Frame with frequency, recency and T; or give arrays or numbers:
            frequency: Repeat purchases; the first purchase is not one.
            recency: First to last purchase.
            T: First purchase to the end of observation.

        Returns:
            In [0, 1], shape (n,), or a number for numbers; exactly 1 where
            frequency is 0, since in this model a customer can only leave right
            after a repeat purchase.

        Raises:
            ParameterError: units differ, or no histories are given.
            DataError: values that cannot be a history; all faults are named.

        Source: Fader, Hardie & Lee (2008), "Computing P(alive) using the BG/NBD
            model", equation 1.
        """
        history = read_history(summary, frequency, recency, T, unit=self.unit)
        return history.answer(alive(self.params, history.frequency, history.recency, history.T))

    def expected_purchases(
        self,
        summary: pd.DataFrame | None = None,
        *,
        frequency: Any = None,
        recency: Any = None,
        T: Any = None,
        horizon: float,
    ) -> Any:
        """Purchases that each customer is expected to make within the horizon after T.

        Args:
            summary: Frame with frequency, recency and T; or give arrays or numbers:
            frequency: Repeat purchases.
            recency: First to last purchase.
            T: First purchase to the end of observation.
            horizon: Length of time after T, one number, in the unit of T.

        Returns:
            Shape (n,), or a number for numbers; relative error below 1e-9.

        Raises:
            ParameterError: a horizon that is not positive, units that differ.
            DataError: values that cannot be a history; all faults are named.

        Source: Fader, Hardie & Lee (2005), equation 10.
        """
        length = read_horizon(horizon)
        history = read_history(summary, frequency, recency, T, unit=self.unit)
        x, t_x, end = history.frequency, history.recency, history.T
        ahead = purchases_if_alive(self.params, x, end, np.array([length]))[:, 0]
        return history.answer(alive(self.params, x, t_x, end) * ahead)

    def expected_purchases_new(self, horizon: Any) -> Any:
        """Repeat purchases that a new customer is expected to make.

        Args:
            horizon: Time since the first purchase; a number or an array.

        Returns:
            A number for a number, else an array of the same shape.

        Raises:
            ParameterError: a horizon that is not positive and finite.

        Source: Fader, Hardie & Lee (2005), equation 9.
        """
        lengths = np.atleast_1d(np.asarray(horizon, dtype=float))
        for length in lengths[~(np.isfinite(lengths) & (lengths > 0))][:1]:
            read_horizon(float(length))
        new = np.zeros(1)
        flat = purchases_if_alive(self.params, new, new, lengths.ravel())[0]
        return float(flat[0]) if np.ndim(horizon) == 0 else flat.reshape(np.shape(horizon))

    def log_likelihood_of(
        self,
        summary: pd.DataFrame | None = None,
        *,
        frequency: Any = None,
        recency: Any = None,
        T: Any = None,
        weights: Any = None,
    ) -> float:
        """Log-likelihood of these customers under the parameters.

        Args:
            summary: Frame with frequency, recency and T; or give arrays or numbers:
            frequency: Repeat purchases.
            recency: First to last purchase.
            T: First purchase to the end of observation.
            weights: How many customers each row stands for.

        Raises:
            ParameterError: units differ, or no histories are given.
            DataError: values that cannot be a history; all faults are named.
        """
        history = read_history(summary, frequency, recency, T, weights=weights, unit=self.unit)
        statistic = Likelihood.of(history)
        scaled = np.log([self.r, self.alpha / statistic.scale, self.a, self.b])
        return float(statistic(scaled)[0] + statistic.constant)


@dataclass(frozen=True, slots=True, eq=False)
class BGNBDFit:
    """A fitted BG/NBD; every prediction of ``BGNBD`` is a method of it.

    Attributes:
        status: 'converged'; 'no heterogeneity identified', where customers are so
            alike that a pair of parameters runs to infinity together, and
            'drop-out at once or never', where a and b run to 0 together
            (predictions hold in both, these parameters have no finite error);
            'no drop-out identified' and 'too few repeaters', where the data do not
            carry the model and every prediction raises FitError.
        n: Customers.
        n_repeaters: Customers with a repeat purchase.
        unit: Unit of alpha and of every horizon, if it is known.
        evaluations: How often the likelihood was computed.
    """

    status: str
    n: int
    n_repeaters: int
    unit: str | None
    evaluations: int = 0
    _model: BGNBD | None = None
    _log_likelihood: float | None = None
    _covariance: FloatArray = field(default_factory=lambda: np.zeros((4, 4)), repr=False)
    _unbounded: tuple[bool, ...] = (False,) * 4
    _reason: str = ""

    @property
    def model(self) -> BGNBD:
        """The model at the fitted parameters.

        Raises:
            FitError: the status is one without parameters.
        """
        if self._model is None:
            raise FitError(f"BG/NBD: {self.status}", [self._reason])
        return self._model

    @property
    def params(self) -> BGNBDParams:
        """The fitted parameters; alpha in ``unit``. FitError where there are none."""
        return self.model.params

    @property
    def log_likelihood(self) -> float | None:
        """Log-likelihood at the fit; None where too few repeaters left nothing to fit.

        Where no drop-out is identified it is that of customers who never leave.
        """
        return self._log_likelihood

    @property
    def covariance(self) -> FloatArray:
        """Covariance of the logarithms of the parameters, shape (4, 4)."""
        return self._covariance if self.model else np.zeros((4, 4))

    @property
    def log_covariance(self) -> FloatArray:
        """The same as ``covariance``, under the name that known models share."""
        return self.covariance

    @property
    def standard_errors(self) -> BGNBDParams:
        """Standard error of each parameter (delta method); inf where unbounded."""
        spread = np.sqrt(np.diag(self.covariance)) * np.array(self.params)
        return BGNBDParams(*np.where(self._unbounded, math.inf, spread).tolist())

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """One row a parameter: parameter, estimate, standard_error, low, high, status.

        The interval is symmetric in the logarithm, so it stays positive. Without
        a fit the figures are missing and the status says why.
        """
        z = normal_quantile(level)
        frame = pd.DataFrame({"parameter": BGNBDParams._fields})
        if self._model is None:
            frame[["estimate", "standard_error", "low", "high"]] = math.nan
        else:
            estimate = np.array(self.params)
            half = np.where(self._unbounded, math.inf, z * np.sqrt(np.diag(self.covariance)))
            frame["estimate"] = estimate
            frame["standard_error"] = list(self.standard_errors)
            frame["low"], frame["high"] = estimate * np.exp(-half), estimate * np.exp(half)
        return frame.assign(status=self.status)

    def probability_alive(
        self,
        summary: pd.DataFrame | None = None,
        *,
        frequency: Any = None,
        recency: Any = None,
        T: Any = None,
    ) -> Any:
        """As ``BGNBD.probability_alive``. FitError where the data do not support it."""
        return self.model.probability_alive(summary, frequency=frequency, recency=recency, T=T)

    def expected_purchases(
        self,
        summary: pd.DataFrame | None = None,
        *,
        frequency: Any = None,
        recency: Any = None,
        T: Any = None,
        horizon: float,
    ) -> Any:
        """As ``BGNBD.expected_purchases``. FitError where the data do not support it."""
        return self.model.expected_purchases(
            summary, frequency=frequency, recency=recency, T=T, horizon=horizon
        )

    def expected_purchases_new(self, horizon: Any) -> Any:
        """As ``BGNBD.expected_purchases_new``. FitError where there is no fit."""
        return self.model.expected_purchases_new(horizon)

    def log_likelihood_of(
        self,
        summary: pd.DataFrame | None = None,
        *,
        frequency: Any = None,
        recency: Any = None,
        T: Any = None,
        weights: Any = None,
    ) -> float:
        """As ``BGNBD.log_likelihood_of``. FitError where there is no fit."""
        return self.model.log_likelihood_of(
            summary, frequency=frequency, recency=recency, T=T, weights=weights
        )


def fit_bgnbd(
    summary: pd.DataFrame | None = None,
    *,
    frequency: Any = None,
    recency: Any = None,
    T: Any = None,
    weights: Any = None,
    unit: str | None = None,
) -> BGNBDFit:
    """BG/NBD by maximum likelihood.

    Args:
        summary: Frame with frequency, recency and T; or give arrays:
        frequency: Repeat purchase periods, shape (n,).
        recency: First to last purchase, shape (n,).
        T: First purchase to the end of observation, shape (n,).
        weights: How many customers each row stands for, shape (n,); counted
            distinct rows give the same fit as the customers one by one.
        unit: Unit of recency and T; else ``summary.attrs["unit"]``.

    Returns:
        The fit; look at ``status`` before its numbers.

    Raises:
        ParameterError: neither or both forms given, or units that differ.
        DataError: no customers, or values that cannot be a history.
        FitError: the search found no maximum.

    Source: Fader, Hardie & Lee (2005), equation 6, in logarithms and summed over
        distinct rows.
    """
    agreed = agreed_unit(unit, summary)
    history = read_history(summary, frequency, recency, T, weights=weights)
    n = customers(history.weights)
    if n == 0:
        raise DataError("BG/NBD: there are no customers to fit; at least one row is required")
    n_repeaters = customers(history.weights[history.frequency > 0])
    if n_repeaters < FEWEST_REPEATERS:
        reason = (
            f"{n_repeaters:,} of {n:,} customers came back; at least {FEWEST_REPEATERS} are "
            "required; take a longer period or more customers"
        )
        return BGNBDFit(TOO_FEW_REPEATERS, n, n_repeaters, agreed, _reason=reason)
    statistic = Likelihood.of(history)
    stay = maximise(statistic.buying, np.zeros(2), LOWEST[:2], HIGHEST[:2])
    start = np.append(stay.point, np.log([0.5, 1.5]))
    best = maximise(statistic, start, LOWEST, HIGHEST)
    gain = best.value - stay.value
    if gain < LEAST_GAIN_OF_DROP_OUT:
        reason = (
            f"allowing customers to leave raises the log-likelihood by {max(gain, 0):.2f}, less "
            f"than the {LEAST_GAIN_OF_DROP_OUT} of a 5 % test; observe these {n:,} customers "
            "longer or take more of them, or use BGNBD(r, alpha, a, b) with known parameters"
        )
        return BGNBDFit(
            NO_DROP_OUT,
            n,
            n_repeaters,
            agreed,
            best.evaluations,
            _log_likelihood=stay.value + statistic.constant,
            _reason=reason,
        )
    if not best.converged:
        raise FitError(
            f"BG/NBD: no maximum found in {best.evaluations} steps over {n:,} customers; "
            "look for customers with impossible histories"
        )
    return _converged(best, statistic, n, n_repeaters, agreed)


def _converged(
    best: Optimum, statistic: Likelihood, n: int, n_repeaters: int, unit: str | None
) -> BGNBDFit:
    """The fit at an optimum, with time as it was before scaling."""
    r, alpha, a, b = np.exp(best.point).tolist()
    held = best.held_low | best.held_high
    # r and alpha, like a and b, run away together; neither has an error alone.
    unbounded = (bool(held[:2].any()),) * 2 + (bool(held[2:].any()),) * 2
    status = NO_HETEROGENEITY if held.any() else CONVERGED
    if best.held_low[2:].any() and not best.held_high[2:].any():
        status = AT_ONCE_OR_NEVER
    return BGNBDFit(
        status=status,
        n=n,
        n_repeaters=n_repeaters,
        unit=unit,
        evaluations=best.evaluations,
        _model=BGNBD(r, alpha * statistic.scale, a, b, unit),
        _log_likelihood=best.value + statistic.constant,
        _covariance=best.covariance,
        _unbounded=unbounded,
    )
