"""What customers may really do next: whole futures drawn from the fitted models.

An expectation is sure of itself long before the future is. Here each draw takes
one set of parameters from their uncertainty and then lets every customer live:
still active or not, a rate, a chance to leave, purchase times, amounts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relkit.errors import ParameterError
from relkit.intervals import Estimate
from relkit.value.gamma_gamma import GammaGamma, GammaGammaFit, believed
from relkit.value.gamma_gamma_likelihood import GammaGammaParams
from relkit.value.inputs import FloatArray
from relkit.value.purchase_fit import PurchaseFit
from relkit.value.purchase_model import PurchaseModel


@dataclass(frozen=True, slots=True)
class Futures:
    """Totals over all customers, one a draw.

    Attributes:
        purchases: Purchases within the horizon, shape (draws,).
        spend: Their discounted amounts, shape (draws,); zeros without a spend model.
    """

    purchases: FloatArray
    spend: FloatArray


def draw_futures(
    purchases: PurchaseModel[Any] | PurchaseFit[Any],
    spend: GammaGamma | GammaGammaFit | None,
    histories: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    *,
    horizon: float,
    discount: float,
    draws: int,
    seed: int,
) -> Futures:
    """Totals of simulated futures.

    Args:
        purchases: Purchase model; its parameter uncertainty is drawn from.
        spend: Spend model, or None to count purchases only.
        histories: frequency, recency, T and monetary_value, each (n,).
        horizon: Length of the future, in the unit of T.
        discount: Continuous discount rate per unit of T; 0 for none.
        draws: How many futures.
        seed: Seed of the random generator; the same seed gives the same futures.

    Raises:
        ParameterError: fewer than 2 draws.
    """
    if isinstance(draws, bool) or not isinstance(draws, (int, np.integer)) or draws < 2:
        raise ParameterError(f"draws={draws} must be a whole number of at least 2; 400 is usual")
    rng = np.random.default_rng(seed)
    # In one order, so that the result does not depend on that of the rows.
    order = np.lexsort(histories)
    x, t_x, T, mean = (column[order] for column in histories)
    counts, amounts = np.zeros(draws), np.zeros(draws)
    bought = _parameters(rng, np.log(purchases.params), purchases.log_covariance, draws)
    paid = None
    if spend is not None:
        paid = _parameters(rng, np.log(spend.params), spend.log_covariance, draws)
    for draw, drawn in enumerate(bought):
        who, when = purchases.model.at(drawn).draw_purchases(rng, x, t_x, T, horizon)
        counts[draw] = len(who)
        if paid is not None and len(who):
            given = GammaGammaParams(*next(paid).tolist())
            each = _amounts(rng, given, x, mean, who)
            amounts[draw] = float(np.sum(each * np.exp(-discount * when)))
    return Futures(counts, amounts)


def prediction(totals: FloatArray, expected: float, n: int, level: float) -> Estimate:
    """An expected total with the interval of its simulated futures."""
    low, high = np.quantile(totals, [0.5 - level / 2, 0.5 + level / 2]).tolist()
    return Estimate(expected, min(low, expected), max(high, expected), n, level, "prediction")


def _parameters(
    rng: np.random.Generator, log_point: FloatArray, covariance: FloatArray, draws: int
) -> Iterator[FloatArray]:
    """Parameters drawn from the normal approximation in their logarithms."""
    variance, axes = np.linalg.eigh(covariance)
    root = axes * np.sqrt(np.maximum(variance, 0.0))
    standard = rng.standard_normal((draws, len(log_point)))
    return iter(np.exp(log_point + standard @ root.T))


def _amounts(
    rng: np.random.Generator,
    params: GammaGammaParams,
    x: FloatArray,
    mean: FloatArray,
    who: NDArray[np.intp],
) -> FloatArray:
    """What is paid at each purchase; who is sorted by customer."""
    p, q, v = params
    buyers, place = np.unique(who, return_inverse=True)
    scale = v + x[buyers] * believed(mean[buyers])
    inverse = rng.standard_gamma(q + p * x[buyers]) / scale
    amounts: FloatArray = rng.standard_gamma(p, len(who)) / inverse[place]
    return amounts
