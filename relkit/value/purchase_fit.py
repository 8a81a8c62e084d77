"""A fitted purchase model: what it says, how sure it is, and when it says nothing.

Every purchase model nests the same simpler one, in which nobody leaves. So all are
fitted alike, and all say so where the data do not show that anybody left.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
import pandas as pd

from relkit.errors import DataError, FitError
from relkit.intervals import normal_quantile
from relkit.value.inputs import SAMPLE, FloatArray, PurchaseHistory, customers
from relkit.value.newton import Optimum, maximise
from relkit.value.purchase_model import ParamsT, PurchaseModel
from relkit.value.purchase_predictions import PurchasePredictions

# The parameters are read from repeat behaviour; below this the search would end
# somewhere, but the interval of every parameter spans orders of magnitude.
FEWEST_REPEATERS = 10
# Half the 5 % point of chi-squared with one degree: what allowing customers to
# leave must add to the log-likelihood before the data can be said to show it.
LEAST_GAIN_OF_DROP_OUT = 1.92
# So many rows spend more on one step than the whole search on a sample takes.
ROWS_WORTH_A_SAMPLE = 10 * SAMPLE
# Sides of the box, T scaled to 1. At 1e5 a gamma or beta distribution is a
# constant for every practical purpose: the data show no heterogeneity.
LOWEST = np.log([1e-6, 1e-9, 1e-6, 1e-6])
HIGHEST = np.log([1e5, 1e14, 1e5, 1e6])

CONVERGED = "converged"
NO_DROP_OUT = "no drop-out identified"
NO_HETEROGENEITY = "no heterogeneity identified"
AT_ONCE_OR_NEVER = "drop-out at once or never"
TOO_FEW_REPEATERS = "too few repeaters"


@dataclass(frozen=True, slots=True, eq=False)
class PurchaseFit(PurchasePredictions, Generic[ParamsT]):
    """A fitted purchase model; every prediction of the model is a method of it.

    Attributes:
        status: 'converged'; 'no heterogeneity identified', where customers are so
            alike that a pair of parameters runs to infinity together, and
            'drop-out at once or never', where a and b run to 0 together
            (predictions hold in both, these parameters have no finite error);
            'no drop-out identified' and 'too few repeaters', where the data do not
            carry the model and every prediction raises FitError.
        n: Customers.
        n_repeaters: Customers with a repeat purchase.
        unit: Unit of the scale parameters and of every horizon, if it is known.
        evaluations: How often the likelihood of all customers was computed.
    """

    kind: ClassVar[type[PurchaseModel[Any]]]
    box: ClassVar[tuple[FloatArray, FloatArray]] = (LOWEST, HIGHEST)

    status: str
    n: int
    n_repeaters: int
    unit: str | None
    evaluations: int = 0
    _model: PurchaseModel[ParamsT] | None = None
    _log_likelihood: float | None = None
    _covariance: FloatArray = field(default_factory=lambda: np.zeros((4, 4)), repr=False)
    _unbounded: tuple[bool, ...] = (False,) * 4
    _reason: str = ""

    @property
    def model(self) -> PurchaseModel[ParamsT]:
        """The model at the fitted parameters.

        Raises:
            FitError: the status is one without parameters.
        """
        if self._model is None:
            raise FitError(f"{self.kind.name}: {self.status}", [self._reason])
        return self._model

    @property
    def params(self) -> ParamsT:
        """The fitted parameters, in ``unit``. FitError where there are none."""
        return self.model.params

    @property
    def log_likelihood(self) -> float | None:
        """Log-likelihood at the fit; None where too few repeaters left nothing to fit.

        Where no drop-out is identified it is that of customers who never leave.
        """
        return self._log_likelihood

    @property
    def aic(self) -> float:
        """Akaike's criterion, 2 k - 2 log-likelihood; smaller is better.

        k counts every parameter, those at a limit too. FitError where there is no fit.

        Source: Akaike (1974), IEEE Transactions on Automatic Control 19.
        """
        return information_criterion(2.0, len(self.model.params), self._log_likelihood)

    @property
    def bic(self) -> float:
        """Schwarz's criterion, k log n - 2 log-likelihood, n in customers.

        Comparable between models of the same customers and the same events only.
        FitError where there is no fit.

        Source: Schwarz (1978), Annals of Statistics 6.
        """
        return information_criterion(math.log(self.n), len(self.model.params), self._log_likelihood)

    @property
    def covariance(self) -> FloatArray:
        """Covariance of the logarithms of the parameters, shape (4, 4)."""
        return self._covariance if self.model else np.zeros((4, 4))

    @property
    def log_covariance(self) -> FloatArray:
        """The same as ``covariance``, under the name that known models share."""
        return self.covariance

    @property
    def standard_errors(self) -> ParamsT:
        """Standard error of each parameter (delta method); inf where unbounded."""
        spread = np.sqrt(np.diag(self.covariance)) * np.array(self.params)
        return type(self.params)(*np.where(self._unbounded, math.inf, spread).tolist())

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """One row a parameter: parameter, estimate, standard_error, low, high, status.

        The interval is symmetric in the logarithm, so it stays positive. Without
        a fit the figures are missing and the status says why.
        """
        z = normal_quantile(level)
        frame = pd.DataFrame({"parameter": self.kind.fields})
        if self._model is None:
            frame[["estimate", "standard_error", "low", "high"]] = math.nan
        else:
            estimate = np.array(self.params)
            half = np.where(self._unbounded, math.inf, z * np.sqrt(np.diag(self.covariance)))
            frame["estimate"] = estimate
            frame["standard_error"] = list(self.standard_errors)
            frame["low"], frame["high"] = estimate * np.exp(-half), estimate * np.exp(half)
        return frame.assign(status=self.status)


def information_criterion(price: float, k: int, log_likelihood: float | None) -> float:
    """What k parameters cost at a price each, less twice the log-likelihood.

    Raises:
        FitError: there is no log-likelihood.
    """
    if log_likelihood is None:
        raise FitError("without a fit there is no criterion to compare it by; look at its status")
    return price * k - 2 * log_likelihood


class Statistic(Protocol):
    """A log-likelihood of log parameters, time scaled, that nests the NBD."""

    @property
    def scale(self) -> float:
        """What times were divided by."""

    @property
    def constant(self) -> float:
        """What scaling time took from the log-likelihood."""

    def buying(self, log_params: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """The NBD of the first two, in which nobody leaves."""

    def __call__(self, log_params: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Value, gradient (4,) and Hessian (4, 4)."""


FitT = TypeVar("FitT", bound=PurchaseFit[Any])


def fit_purchases(
    fit: type[FitT],
    statistic_of: Callable[[PurchaseHistory], Statistic],
    model_at: Callable[[FloatArray, float, str | None], PurchaseModel[Any]],
    start: FloatArray,
    history: PurchaseHistory,
    unit: str | None,
) -> FitT:
    """The maximum of a purchase model's likelihood, with what can be said of it.

    Args:
        fit: The class of the fit.
        statistic_of: Histories to the likelihood of the four log parameters.
        model_at: Log parameters, scale of time and unit to the model there.
        start: The third and fourth log parameter to begin with, scaled, shape (2,).
        history: Checked histories.
        unit: Unit of their times.

    Raises:
        DataError: no customers.
        FitError: the search found no maximum.
    """
    name = fit.kind.name
    n = customers(history.weights)
    if n == 0:
        raise DataError(f"{name}: there are no customers to fit; at least one row is required")
    n_repeaters = customers(history.weights[history.frequency > 0])
    if n_repeaters < FEWEST_REPEATERS:
        reason = (
            f"{n_repeaters:,} of {n:,} customers came back; at least {FEWEST_REPEATERS} are "
            "required; take a longer period or more customers"
        )
        return fit(TOO_FEW_REPEATERS, n, n_repeaters, unit, _reason=reason)
    statistic = statistic_of(history)
    stay = maximise(statistic.buying, np.zeros(2), LOWEST[:2], HIGHEST[:2])
    lowest, highest = fit.box
    begin = _near(statistic_of, fit.box, start, history)
    if begin is None:
        begin = np.append(stay.point, start)
    best = maximise(statistic, begin, lowest, highest)
    gain = best.value - stay.value
    if gain < LEAST_GAIN_OF_DROP_OUT:
        known = ", ".join(fit.kind.fields)
        reason = (
            f"allowing customers to leave raises the log-likelihood by {max(gain, 0):.2f}, less "
            f"than the {LEAST_GAIN_OF_DROP_OUT} of a 5 % test; observe these {n:,} customers "
            f"longer or take more of them, or use {fit.kind.__name__}({known}) with known "
            "parameters"
        )
        return fit(
            NO_DROP_OUT,
            n,
            n_repeaters,
            unit,
            best.evaluations,
            _log_likelihood=stay.value + statistic.constant,
            _reason=reason,
        )
    if not best.converged:
        raise FitError(
            f"{name}: no maximum found in {best.evaluations} steps over {n:,} customers; "
            "look for customers with impossible histories"
        )
    status, unbounded = _limits(best)
    return fit(
        status=status,
        n=n,
        n_repeaters=n_repeaters,
        unit=unit,
        evaluations=best.evaluations,
        _model=model_at(best.point, statistic.scale, unit),
        _log_likelihood=best.value + statistic.constant,
        _covariance=best.covariance,
        _unbounded=unbounded,
    )


def _near(
    statistic_of: Callable[[PurchaseHistory], Statistic],
    box: tuple[FloatArray, FloatArray],
    start: FloatArray,
    history: PurchaseHistory,
) -> FloatArray | None:
    """Log parameters near the optimum: that of a sample, if it has one inside the box.

    The sample takes rows at even distances and the longest T, which is the unit of time.
    """
    n = len(history.T)
    if n < ROWS_WORTH_A_SAMPLE:
        return None
    rows = np.append(np.arange(0, n, n // SAMPLE), int(history.T.argmax()))
    x, t_x, T = (column[rows] for column in (history.frequency, history.recency, history.T))
    if customers(history.weights[rows][x > 0]) < FEWEST_REPEATERS:
        return None
    statistic = statistic_of(
        PurchaseHistory(x, t_x, T, history.weights[rows], history.unit, is_scalar=False)
    )
    stay = maximise(statistic.buying, np.zeros(2), LOWEST[:2], HIGHEST[:2])
    best = maximise(statistic, np.append(stay.point, start), *box)
    inside = best.converged and not (best.held_low | best.held_high).any()
    return best.point if inside else None


def _limits(best: Optimum) -> tuple[str, tuple[bool, ...]]:
    """The status of an optimum and which parameters have no finite error."""
    held = best.held_low | best.held_high
    # Those of buying, like those of leaving, run away together; neither has an error alone.
    unbounded = (bool(held[:2].any()),) * 2 + (bool(held[2:].any()),) * 2
    status = NO_HETEROGENEITY if held.any() else CONVERGED
    if best.held_low[2:].any() and not best.held_high[2:].any():
        status = AT_ONCE_OR_NEVER
    return status, unbounded
