"""Pareto/NBD: customers buy at a steady rate and leave at any time.

While active a customer buys at a rate drawn from a gamma distribution (r, alpha), and
leaves at a rate drawn from another (s, beta), whether or not a purchase was just made.

Source: Schmittlein, Morrison & Colombo (1987), "Counting your customers: who are they
and what will they do next?", Management Science 33.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relkit.value.inputs import FloatArray, PurchaseHistory, agreed_unit, read_history
from relkit.value.pareto_nbd_likelihood import (
    OF_A_FIT,
    Likelihood,
    ParetoNBDParams,
    left_log_odds,
)
from relkit.value.purchase_distribution import counts_with_rate
from relkit.value.purchase_fit import PurchaseFit, fit_purchases
from relkit.value.purchase_model import PurchaseModel


@dataclass(frozen=True, slots=True)
class ParetoNBD(PurchaseModel[ParetoNBDParams]):
    """The model with known parameters.

    Attributes:
        r: Shape of the purchase rates.
        alpha: Scale of the purchase rates, in ``unit``.
        s: Shape of the drop-out rates.
        beta: Scale of the drop-out rates, in ``unit``.
        unit: The unit of alpha, beta, recency, T and every horizon, if it is known.

    Raises:
        ParameterError: a parameter is not positive and finite; no such unit.

    Source: Fader & Hardie (2005), "A note on deriving the Pareto/NBD model and related
        expressions": P(alive) and the conditional and unconditional expectations.
    """

    name: ClassVar[str] = "Pareto/NBD"
    fields: ClassVar[tuple[str, ...]] = ParetoNBDParams._fields

    r: float
    alpha: float
    s: float
    beta: float
    unit: str | None = None

    @property
    def params(self) -> ParetoNBDParams:
        """The four parameters by name."""
        return ParetoNBDParams(self.r, self.alpha, self.s, self.beta)

    @property
    def time_scale(self) -> float:
        """T enters predictions as alpha + T and as beta + T."""
        return float(min(self.alpha, self.beta))

    def left_log_odds(self, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
        """Log odds of having left at T, of checked arrays, shape (n,)."""
        return left_log_odds(self.params, x, t_x, T)

    def purchases_if_alive(self, x: FloatArray, T: FloatArray, horizons: FloatArray) -> FloatArray:
        """Expected purchases given active at T; x, T (n,), horizons (m,) -> (n, m)."""
        rate = (self.r + x) / (self.alpha + T)
        active = (self.beta + T)[:, None]
        power = (self.s - 1) * np.log1p(horizons[None, :] / active)
        # (1 - exp(-power)) / (s - 1), which at s = 1 is the logarithm itself.
        small = np.abs(power) < 1e-12
        share = np.where(small, 1.0, -np.expm1(-power) / np.where(small, 1.0, power))
        spell: FloatArray = active * np.log1p(horizons[None, :] / active) * share
        return rate[:, None] * spell

    def purchases_of_new(self, lengths: FloatArray) -> FloatArray:
        """Expected repeat purchases of a new customer by these times, (m,) -> (m,)."""
        new = np.zeros(1)
        return self.purchases_if_alive(new, new, lengths)[0]

    def counts_if_alive(
        self, x: FloatArray, T: FloatArray, horizon: FloatArray, most: int
    ) -> FloatArray:
        """Chances of 0 … most purchases given active at T; each (n,) -> (n, most + 1)."""
        rates, leaving = self.alpha + T, self.beta + T
        return counts_with_rate(self.r + x, rates, self.s, leaving, horizon, most)

    def draw_purchases(
        self,
        rng: np.random.Generator,
        x: FloatArray,
        t_x: FloatArray,
        T: FloatArray,
        horizon: float,
    ) -> tuple[NDArray[np.intp], FloatArray]:
        """One future: who buys and when, a row a purchase, sorted by customer."""
        active = np.flatnonzero(rng.random(len(x)) < self.alive(x, t_x, T))
        rate = rng.standard_gamma(self.r + x[active]) / (self.alpha + T[active])
        # Time left has survival (1 + t / (beta + T)) ** -s.
        wait = np.log1p(-rng.random(len(active))) / -self.s
        left = (self.beta + T[active]) * np.expm1(np.minimum(wait, 600.0))
        spell = np.minimum(left, horizon)
        count = rng.poisson(rate * spell)
        when = np.repeat(spell, count) * rng.random(int(count.sum()))
        who = np.repeat(active, count)
        order = np.lexsort((when, who))
        return who[order], when[order]

    def log_likelihood_given(self, history: PurchaseHistory) -> float:
        """Log-likelihood of checked histories."""
        statistic = Likelihood.of(history)
        scale = statistic.scale
        scaled = np.log([self.r, self.alpha / scale, self.s, self.beta / scale])
        return float(statistic(scaled)[0] + statistic.constant)


@dataclass(frozen=True, slots=True, eq=False)
class ParetoNBDFit(PurchaseFit[ParetoNBDParams]):
    """A fitted Pareto/NBD; every prediction of ``ParetoNBD`` is a method of it.

    Status, parameters, errors and criteria are those of ``PurchaseFit``, with s and
    beta in the place of a and b.
    """

    kind: ClassVar[type[PurchaseModel[Any]]] = ParetoNBD
    box: ClassVar[tuple[FloatArray, FloatArray]] = (
        np.log([1e-6, 1e-9, 1e-6, 1e-9]),
        np.log([1e5, 1e14, 1e5, 1e14]),
    )


def fit_pareto_nbd(
    summary: pd.DataFrame | None = None,
    *,
    frequency: Any = None,
    recency: Any = None,
    T: Any = None,
    weights: Any = None,
    unit: str | None = None,
) -> ParetoNBDFit:
    """Pareto/NBD by maximum likelihood.

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

    Source: Schmittlein, Morrison & Colombo (1987), in the integral form
        of Fader & Hardie (2005), in logarithms and summed over distinct rows.
    """
    agreed = agreed_unit(unit, summary)
    history = read_history(summary, frequency, recency, T, weights=weights)
    return fit_purchases(ParetoNBDFit, _statistic, _model_at, np.log([0.5, 0.3]), history, agreed)


def _statistic(history: PurchaseHistory) -> Likelihood:
    return Likelihood.of(history, OF_A_FIT)


def _model_at(log_params: FloatArray, scale: float, unit: str | None) -> ParetoNBD:
    """The model at scaled log parameters, with time as it was before scaling."""
    r, alpha, s, beta = np.exp(log_params).tolist()
    return ParetoNBD(r, alpha * scale, s, beta * scale, unit)
