"""Gamma-Gamma: what a customer spends per purchase.

A customer's purchases are gamma distributed (shape p) around a personal mean; the
inverse scale of customers is gamma distributed in turn (q, v). A mean over many
purchases is believed, one over few is drawn towards the population.

Source: Fader & Hardie (2013), "The Gamma-Gamma model of monetary value"; Fader,
Hardie & Lee (2005), "RFM and CLV", Journal of Marketing Research 42.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from relkit.errors import DataError, FitError, ParameterError
from relkit.intervals import Estimate, normal_quantile
from relkit.value.gamma_gamma_likelihood import GammaGammaParams, Likelihood
from relkit.value.inputs import FloatArray, SpendHistory, customers, read_spend
from relkit.value.newton import maximise
from relkit.value.purchase_fit import information_criterion

FEWEST_REPEATERS = 10
# Sides of the box, mean spend scaled to 1.
LOWEST = np.log([1e-4, 1e-4, 1e-8])
HIGHEST = np.log([1e5, 1e5, 1e7])

CONVERGED = "converged"
NO_HETEROGENEITY = "no heterogeneity identified"
NO_VARIATION = "no variation within customers identified"
TOO_FEW_REPEATERS = "too few repeaters"


def spend_given(params: GammaGammaParams, x: FloatArray, mean: FloatArray) -> FloatArray:
    """Expected spend per purchase of checked arrays, shape (n,).

    Raises:
        FitError: p x + q <= 1 for some customer: that mean is infinite.
    """
    p, q, v = params
    shape = p * x + q
    without = shape <= 1
    if without.any():
        raise FitError(
            f"Gamma-Gamma: p={p:.4g} and q={q:.4g} give no finite mean spend for "
            f"{int(without.sum()):,} customers",
            [
                "p * frequency + q must be above 1; spend is too uneven for this model: look "
                "for outlying amounts, or value repeat customers only"
            ],
        )
    expected: FloatArray = p * (v + x * believed(mean)) / (shape - 1)
    return expected


def believed(mean: FloatArray) -> FloatArray:
    """Mean spend as evidence: net refunds count as having spent nothing.

    A repeat customer whose mean is 0 is left out of the fit, where 0 has no
    likelihood, but not of the evidence: as a mean falls towards 0 so does what is
    expected of its owner, and it does not jump up at 0 itself.
    """
    return np.maximum(mean, 0.0)


@dataclass(frozen=True, slots=True)
class GammaGamma:
    """The model with known parameters.

    Attributes:
        p: Shape of a customer's spend around the personal mean.
        q: Shape of the inverse scales between customers.
        v: Scale of them, in the currency.

    Raises:
        ParameterError: a parameter is not positive and finite.
    """

    p: float
    q: float
    v: float

    def __post_init__(self) -> None:
        faults = [
            f"{name}={value} must be positive and finite"
            for name, value in self.params._asdict().items()
            if not (isinstance(value, Real) and 0 < float(value) < math.inf)
        ]
        if faults:
            raise ParameterError("Gamma-Gamma cannot have these parameters", faults)

    @property
    def params(self) -> GammaGammaParams:
        """The three parameters by name."""
        return GammaGammaParams(self.p, self.q, self.v)

    @property
    def log_covariance(self) -> FloatArray:
        """Covariance of the log parameters, (3, 3): zero, for they are given as known."""
        return np.zeros((3, 3))

    @property
    def population_mean(self) -> float:
        """Mean spend per purchase over all customers: p v / (q - 1).

        Raises:
            FitError: q <= 1, so that the mean is infinite.
        """
        return float(spend_given(self.params, np.zeros(1), np.zeros(1))[0])

    def expected_spend(
        self,
        summary: pd.DataFrame | None = None,
        *,
        frequency: Any = None,
        monetary_value: Any = None,
    ) -> Any:
        """Expected spend per future purchase.

        Args:
            summary: Frame with frequency and monetary_value; or give arrays or numbers:
            frequency: Repeat purchase periods.
            monetary_value: Mean spend of these.

        Returns:
            Shape (n,), or a number for numbers, in the currency. The population
            mean where frequency is 0. A repeat customer whose mean is 0 or
            negative counts as having spent 0: evidence of low spend.

        Raises:
            DataError: values that cannot be a history; all faults are named.
            FitError: p * frequency + q <= 1 for some customer: no finite mean.

        Source: Fader & Hardie (2013), equation 5.
        """
        history = read_spend(summary, frequency, monetary_value)
        return history.answer(spend_given(self.params, history.frequency, history.monetary_value))


@dataclass(frozen=True, slots=True, eq=False)
class GammaGammaFit:
    """A fitted Gamma-Gamma.

    Attributes:
        status: 'converged'; 'no heterogeneity identified', where all customers
            spend alike, and 'no variation within customers identified', where a
            mean says all (predictions hold, parameters that run to a limit have no
            finite error); 'too few repeaters', where predictions raise FitError.
        n: Customers in the fit: with a repeat purchase and positive mean spend.
        left_out: Repeat customers with mean spend of 0 or less, left out of the
            fit, which cannot hold them; they are predicted as having spent 0.
        evaluations: How often the likelihood was computed.
    """

    status: str
    n: int
    left_out: int
    evaluations: int = 0
    _correlation: Estimate | None = None
    _model: GammaGamma | None = None
    _log_likelihood: float | None = None
    _covariance: FloatArray = field(default_factory=lambda: np.zeros((3, 3)), repr=False)
    _unbounded: tuple[bool, ...] = (False,) * 3
    _reason: str = ""

    @property
    def model(self) -> GammaGamma:
        """The model at the fitted parameters.

        Raises:
            FitError: the status is one without parameters.
        """
        if self._model is None:
            raise FitError(f"Gamma-Gamma: {self.status}", [self._reason])
        return self._model

    @property
    def frequency_spend_correlation(self) -> Estimate:
        """Pearson correlation of frequency and mean spend, interval by Fisher's z.

        Over the n customers of the fit; the model takes it to be near 0.

        Raises:
            FitError: fewer than 4 customers, or all with the same figures.
        """
        if self._correlation is None:
            raise FitError(
                f"frequency and spend: {self.n:,} repeat customers with positive spend show no "
                "correlation; at least 4 that differ in both are required"
            )
        return self._correlation

    @property
    def params(self) -> GammaGammaParams:
        """The fitted parameters. FitError where there are none."""
        return self.model.params

    @property
    def log_likelihood(self) -> float | None:
        """Log-likelihood at the fit; None where none was made."""
        return self._log_likelihood

    @property
    def aic(self) -> float:
        """Akaike's criterion, 2 k - 2 log-likelihood, k = 3. FitError where there is no fit."""
        return information_criterion(2.0, len(self.model.params), self._log_likelihood)

    @property
    def bic(self) -> float:
        """Schwarz's criterion, 3 log n - 2 log-likelihood. FitError where there is no fit."""
        return information_criterion(math.log(self.n), len(self.model.params), self._log_likelihood)

    @property
    def covariance(self) -> FloatArray:
        """Covariance of the logarithms of the parameters, shape (3, 3)."""
        return self._covariance if self.model else np.zeros((3, 3))

    @property
    def log_covariance(self) -> FloatArray:
        """The same as ``covariance``, under the name that known models share."""
        return self.covariance

    @property
    def standard_errors(self) -> GammaGammaParams:
        """Standard error of each parameter (delta method); inf where unbounded."""
        spread = np.sqrt(np.diag(self.covariance)) * np.array(self.params)
        return GammaGammaParams(*np.where(self._unbounded, math.inf, spread).tolist())

    @property
    def population_mean(self) -> float:
        """As ``GammaGamma.population_mean``. FitError where it does not exist."""
        return self.model.population_mean

    def expected_spend(
        self,
        summary: pd.DataFrame | None = None,
        *,
        frequency: Any = None,
        monetary_value: Any = None,
    ) -> Any:
        """As ``GammaGamma.expected_spend``. FitError where there is no fit."""
        return self.model.expected_spend(
            summary, frequency=frequency, monetary_value=monetary_value
        )

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """One row a parameter: parameter, estimate, standard_error, low, high, status.

        The interval is symmetric in the logarithm. Without a fit the figures are
        missing and the status says why.
        """
        z = normal_quantile(level)
        frame = pd.DataFrame({"parameter": GammaGammaParams._fields})
        if self._model is None:
            frame[["estimate", "standard_error", "low", "high"]] = math.nan
        else:
            estimate = np.array(self.params)
            half = np.where(self._unbounded, math.inf, z * np.sqrt(np.diag(self.covariance)))
            frame["estimate"] = estimate
            frame["standard_error"] = list(self.standard_errors)
            frame["low"], frame["high"] = estimate * np.exp(-half), estimate * np.exp(half)
        return frame.assign(status=self.status)


def fit_gamma_gamma(
    summary: pd.DataFrame | None = None,
    *,
    frequency: Any = None,
    monetary_value: Any = None,
    weights: Any = None,
) -> GammaGammaFit:
    """Gamma-Gamma by maximum likelihood over repeat customers.

    Args:
        summary: Frame with frequency and monetary_value; or give arrays:
        frequency: Repeat purchase periods, shape (n,); those with 0 are not used.
        monetary_value: Mean spend of the repeat periods, shape (n,).
        weights: How many customers each row stands for, shape (n,).

    Returns:
        The fit; look at ``status`` and ``left_out`` before its numbers.

    Raises:
        ParameterError: neither or both forms given.
        DataError: no customers, or values that cannot be a history.
        FitError: the search found no maximum.

    Source: Fader & Hardie (2013), equation 1a, in logarithms.
    """
    history = read_spend(summary, frequency, monetary_value, weights=weights)
    if customers(history.weights) == 0:
        raise DataError("Gamma-Gamma: there are no customers; at least one row is required")
    again = history.frequency > 0
    use = again & (history.monetary_value > 0) & (history.weights > 0)
    left_out = customers(history.weights[again & ~use])
    n = customers(history.weights[use])
    correlation = _correlation(history, use)
    if n < FEWEST_REPEATERS:
        reason = (
            f"{n:,} customers have a repeat purchase with positive spend; at least "
            f"{FEWEST_REPEATERS} are required; take a longer period or more customers"
        )
        return GammaGammaFit(
            TOO_FEW_REPEATERS, n, left_out, _correlation=correlation, _reason=reason
        )
    x, mean = history.frequency[use], history.monetary_value[use]
    statistic = Likelihood.of(x, mean, history.weights[use])
    best = maximise(statistic, np.log([2.0, 2.0, 1.0]), LOWEST, HIGHEST)
    if not best.converged:
        raise FitError(
            f"Gamma-Gamma: no maximum found in {best.evaluations} steps over {n:,} customers; "
            "look for outlying amounts"
        )
    p, q, v = np.exp(best.point).tolist()
    held = best.held_low | best.held_high
    status = NO_VARIATION if held[0] else NO_HETEROGENEITY if held.any() else CONVERGED
    return GammaGammaFit(
        status=status,
        n=n,
        left_out=left_out,
        evaluations=best.evaluations,
        _correlation=correlation,
        _model=GammaGamma(p, q, v * statistic.scale),
        _log_likelihood=best.value,
        _covariance=best.covariance,
        # p or q at a limit takes v along, in inverse or in equal measure.
        _unbounded=(bool(held[0]), bool(held[1]), bool(held.any())),
    )


def _correlation(history: SpendHistory, use: np.ndarray) -> Estimate | None:
    """Pearson's correlation with Fisher's interval; None where undefined."""
    w = history.weights[use]
    n = customers(w)
    if n <= 3:
        return None
    x = history.frequency[use] - w @ history.frequency[use] / w.sum()
    spend = history.monetary_value[use] - w @ history.monetary_value[use] / w.sum()
    spread = math.sqrt(float(w @ x**2) * float(w @ spend**2))
    if spread <= 0:
        return None
    correlation = float(w @ (x * spend)) / spread
    if abs(correlation) >= 1:
        return None
    middle, half = math.atanh(correlation), normal_quantile(0.95) / math.sqrt(n - 3)
    return Estimate(correlation, math.tanh(middle - half), math.tanh(middle + half), n)
