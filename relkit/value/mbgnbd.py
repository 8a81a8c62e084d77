"""MBG/NBD: BG/NBD for customers who may already leave after their first purchase.

In BG/NBD a customer who never came back is active for certain, which nobody in
retail believes. Here every purchase, the first one included, is a chance to leave:
while active a customer buys at a rate drawn from a gamma distribution (r, alpha),
and after each purchase leaves with a probability drawn from a beta distribution
(a, b).

Source: Batislam, Denizel & Filiztekin (2007), "Empirical validation and comparison
of models for customer base analysis", International Journal of Research in
Marketing 24; Wagner & Hoppe (2008), "Erratum on the MBG/NBD model", in the same
journal, 25.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relkit.value.bgnbd_likelihood import BGNBDParams, Likelihood, left_log_odds
from relkit.value.inputs import FloatArray, PurchaseHistory, agreed_unit, read_history
from relkit.value.purchase_distribution import counts_with_chances
from relkit.value.purchase_draws import draw_purchases
from relkit.value.purchase_fit import PurchaseFit, fit_purchases
from relkit.value.purchase_integral import purchases_while_active
from relkit.value.purchase_model import PurchaseModel


@dataclass(frozen=True, slots=True)
class MBGNBD(PurchaseModel[BGNBDParams]):
    """The model with known parameters.

    The probability of being active is below 1 at frequency 0 too: of new customers
    only b / (a + b) are still there right after the first purchase.

    Attributes:
        r: Shape of the purchase rates.
        alpha: Scale of the purchase rates, in ``unit``.
        a: First shape of the drop-out probability.
        b: Second shape of the drop-out probability.
        unit: The unit of alpha, recency, T and every horizon, if it is known.

    Raises:
        ParameterError: a parameter is not positive and finite; no such unit.

    Source: Batislam, Denizel & Filiztekin (2007), with the expected
        purchases as Wagner & Hoppe (2008) correct them. They are computed as a mean
        over the drop-out probability, whose distribution given active at T is
        beta(a, b + x + 1): that of a BG/NBD with b + 1 for b.
    """

    name: ClassVar[str] = "MBG/NBD"
    fields: ClassVar[tuple[str, ...]] = BGNBDParams._fields

    r: float
    alpha: float
    a: float
    b: float
    unit: str | None = None

    @property
    def params(self) -> BGNBDParams:
        """The four parameters by name."""
        return BGNBDParams(self.r, self.alpha, self.a, self.b)

    def left_log_odds(self, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
        """Log odds of having left at T, of checked arrays, shape (n,)."""
        odds: FloatArray = left_log_odds(self.params, x, t_x, T, first_chances=1)
        return odds

    def purchases_if_alive(self, x: FloatArray, T: FloatArray, horizons: FloatArray) -> FloatArray:
        """Expected purchases given active at T; x, T (n,), horizons (m,) -> (n, m)."""
        s = horizons[None, :] / (self.alpha + T)[:, None]
        each = np.repeat(x, len(horizons))
        flat = purchases_while_active(self.r, self.a, self.b + 1, each, s.ravel())
        return flat.reshape(s.shape)

    def purchases_of_new(self, lengths: FloatArray) -> FloatArray:
        """Expected repeat purchases of a new customer by these times, (m,) -> (m,)."""
        new = np.zeros(1)
        return self.alive(new, new, new) * self.purchases_if_alive(new, new, lengths)[0]

    def counts_if_alive(
        self, x: FloatArray, T: FloatArray, horizon: FloatArray, most: int
    ) -> FloatArray:
        """Chances of 0 … most purchases given active at T; each (n,) -> (n, most + 1)."""
        ratio = horizon / (self.alpha + T)
        return counts_with_chances(self.r + x, ratio, self.a, self.b + x + 1, most)

    @property
    def time_scale(self) -> float:
        """T enters every prediction as alpha + T."""
        return float(self.alpha)

    def draw_purchases(
        self,
        rng: np.random.Generator,
        x: FloatArray,
        t_x: FloatArray,
        T: FloatArray,
        horizon: float,
    ) -> tuple[NDArray[np.intp], FloatArray]:
        """One future: who buys and when, a row a purchase, sorted by customer."""
        chance = self.alive(x, t_x, T)
        return draw_purchases(rng, self.params, x + 1, chance, x, T, horizon)

    def log_likelihood_given(self, history: PurchaseHistory) -> float:
        """Log-likelihood of checked histories."""
        statistic = _statistic(history)
        scaled = np.log([self.r, self.alpha / statistic.scale, self.a, self.b])
        return float(statistic(scaled)[0] + statistic.constant)


@dataclass(frozen=True, slots=True, eq=False)
class MBGNBDFit(PurchaseFit[BGNBDParams]):
    """A fitted MBG/NBD; every prediction of ``MBGNBD`` is a method of it.

    Status, parameters, errors and criteria are those of ``PurchaseFit``.
    """

    kind: ClassVar[type[PurchaseModel[Any]]] = MBGNBD


def fit_mbgnbd(
    summary: pd.DataFrame | None = None,
    *,
    frequency: Any = None,
    recency: Any = None,
    T: Any = None,
    weights: Any = None,
    unit: str | None = None,
) -> MBGNBDFit:
    """MBG/NBD by maximum likelihood.

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

    Source: Batislam, Denizel & Filiztekin (2007), the likelihood in
        logarithms and summed over distinct rows.
    """
    agreed = agreed_unit(unit, summary)
    history = read_history(summary, frequency, recency, T, weights=weights)
    return fit_purchases(MBGNBDFit, _statistic, _model_at, np.log([0.5, 1.5]), history, agreed)


def _statistic(history: PurchaseHistory) -> Likelihood:
    return Likelihood.of(history, first_chances=1)


def _model_at(log_params: FloatArray, scale: float, unit: str | None) -> MBGNBD:
    """The model at scaled log parameters, with time as it was before scaling."""
    r, alpha, a, b = np.exp(log_params).tolist()
    return MBGNBD(r, alpha * scale, a, b, unit)
