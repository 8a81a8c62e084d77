"""BG/NBD: how often customers buy, and whether they still do.

While active a customer buys at a rate drawn from a gamma distribution (r, alpha);
after each repeat purchase the customer leaves with a probability drawn from a
beta distribution (a, b). Nobody reports leaving: that is what the model infers.

Source: Fader, Hardie & Lee (2005), "'Counting your customers' the easy way: an
alternative to the Pareto/NBD model", Marketing Science 24.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from relkit.value.bgnbd_likelihood import BGNBDParams, Likelihood, left_log_odds
from relkit.value.inputs import FloatArray, PurchaseHistory, agreed_unit, read_history
from relkit.value.purchase_distribution import counts_with_chances
from relkit.value.purchase_draws import draw_purchases
from relkit.value.purchase_fit import (
    AT_ONCE_OR_NEVER,
    CONVERGED,
    FEWEST_REPEATERS,
    NO_DROP_OUT,
    NO_HETEROGENEITY,
    TOO_FEW_REPEATERS,
    PurchaseFit,
    fit_purchases,
)
from relkit.value.purchase_integral import purchases_while_active
from relkit.value.purchase_model import PurchaseModel

# The statuses of a fit are those of every purchase model; they are asked for here too.
__all__ = [
    "AT_ONCE_OR_NEVER",
    "BGNBD",
    "CONVERGED",
    "FEWEST_REPEATERS",
    "NO_DROP_OUT",
    "NO_HETEROGENEITY",
    "TOO_FEW_REPEATERS",
    "BGNBDFit",
    "BGNBDParams",
    "alive",
    "fit_bgnbd",
    "purchases_if_alive",
]


def alive(params: BGNBDParams, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
    """P(alive) of checked arrays, shape (n,)."""
    chance: FloatArray = expit(-left_log_odds(params, x, t_x, T))
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
class BGNBD(PurchaseModel[BGNBDParams]):
    """The model with known parameters.

    The probability of being active is exactly 1 where frequency is 0, since in this
    model a customer can only leave right after a repeat purchase.

    Attributes:
        r: Shape of the purchase rates.
        alpha: Scale of the purchase rates, in ``unit``.
        a: First shape of the drop-out probability.
        b: Second shape of the drop-out probability.
        unit: The unit of alpha, recency, T and every horizon, if it is known.

    Raises:
        ParameterError: a parameter is not positive and finite; no such unit.

    Source: P(alive): Fader, Hardie & Lee (2008), "Computing P(alive) using the BG/NBD
        model", equation 1; purchases of a customer and of a new one: Fader, Hardie &
        Lee (2005), equations 10 and 9.
    """

    name: ClassVar[str] = "BG/NBD"
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
        odds: FloatArray = left_log_odds(self.params, x, t_x, T)
        return odds

    def purchases_if_alive(self, x: FloatArray, T: FloatArray, horizons: FloatArray) -> FloatArray:
        """Expected purchases given active at T; x, T (n,), horizons (m,) -> (n, m)."""
        return purchases_if_alive(self.params, x, T, horizons)

    def purchases_of_new(self, lengths: FloatArray) -> FloatArray:
        """Expected repeat purchases of a new customer by these times, (m,) -> (m,)."""
        new = np.zeros(1)
        return purchases_if_alive(self.params, new, new, lengths)[0]

    def counts_if_alive(
        self, x: FloatArray, T: FloatArray, horizon: FloatArray, most: int
    ) -> FloatArray:
        """Chances of 0 … most purchases given active at T; each (n,) -> (n, most + 1)."""
        ratio = horizon / (self.alpha + T)
        return counts_with_chances(self.r + x, ratio, self.a, self.b + x, most)

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
        return draw_purchases(rng, self.params, x, chance, x, T, horizon)

    def log_likelihood_given(self, history: PurchaseHistory) -> float:
        """Log-likelihood of checked histories."""
        statistic = Likelihood.of(history)
        scaled = np.log([self.r, self.alpha / statistic.scale, self.a, self.b])
        return float(statistic(scaled)[0] + statistic.constant)


@dataclass(frozen=True, slots=True, eq=False)
class BGNBDFit(PurchaseFit[BGNBDParams]):
    """A fitted BG/NBD; every prediction of ``BGNBD`` is a method of it.

    Status, parameters, errors and criteria are those of ``PurchaseFit``.
    """

    kind: ClassVar[type[PurchaseModel[Any]]] = BGNBD


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
    return fit_purchases(BGNBDFit, Likelihood.of, _model_at, np.log([0.5, 1.5]), history, agreed)


def _model_at(log_params: FloatArray, scale: float, unit: str | None) -> BGNBD:
    """The model at scaled log parameters, with time as it was before scaling."""
    r, alpha, a, b = np.exp(log_params).tolist()
    return BGNBD(r, alpha * scale, a, b, unit)
