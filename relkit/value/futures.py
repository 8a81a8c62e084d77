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
    """Totals over all customers, one a draw; or those of each customer.

    Attributes:
        purchases: Purchases within the horizon, shape (draws,) or (draws, n).
        spend: Their discounted amounts, same shape; zeros without a spend model.
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
    counts, amounts = np.zeros(check_draws(draws)), np.zeros(draws)
    # In one order, so that the result does not depend on that of the rows.
    order = np.lexsort(histories)
    columns = tuple(column[order] for column in histories)
    futures = _futures(purchases, spend, columns, horizon, draws, seed)
    for draw, (who, when, each) in enumerate(futures):
        counts[draw] = len(who)
        amounts[draw] = float(np.sum(each * np.exp(-discount * when)))
    return Futures(counts, amounts)


def draw_each(
    purchases: PurchaseModel[Any] | PurchaseFit[Any],
    spend: GammaGamma | GammaGammaFit,
    histories: tuple[FloatArray, ...],
    *,
    horizon: float,
    discount: float,
    draws: int,
    seed: int,
) -> Futures:
    """Simulated futures customer by customer; arguments as for ``draw_futures``.

    Returns:
        Purchases and spend of shape (draws, n), in the order of the histories; they
        take 16 bytes a draw and customer.

    Raises:
        ParameterError: fewer than 2 draws.
    """
    n = len(histories[0])
    counts, amounts = np.zeros((check_draws(draws), n)), np.zeros((draws, n))
    order = np.lexsort(histories)
    columns = tuple(column[order] for column in histories)
    futures = _futures(purchases, spend, columns, horizon, draws, seed)
    for draw, (who, when, each) in enumerate(futures):
        counts[draw, order] = np.bincount(who, minlength=n)
        amounts[draw, order] = np.bincount(who, each * np.exp(-discount * when), n)
    return Futures(counts, amounts)


def check_draws(draws: int) -> int:
    """The number of draws itself, if there can be so many.

    Raises:
        ParameterError: not a whole number, or fewer than 2.
    """
    if isinstance(draws, bool) or not isinstance(draws, (int, np.integer)) or draws < 2:
        raise ParameterError(f"draws={draws} must be a whole number of at least 2; 400 is usual")
    return int(draws)


def _futures(
    purchases: PurchaseModel[Any] | PurchaseFit[Any],
    spend: GammaGamma | GammaGammaFit | None,
    histories: tuple[FloatArray, ...],
    horizon: float,
    draws: int,
    seed: int,
) -> Iterator[tuple[NDArray[np.intp], FloatArray, FloatArray]]:
    """Who buys, when and for how much, draw after draw; amounts are 0 without a spend model."""
    rng = np.random.default_rng(seed)
    x, t_x, T, mean = histories
    bought = _parameters(rng, np.log(purchases.params), purchases.log_covariance, draws)
    paid = None
    if spend is not None:
        paid = _parameters(rng, np.log(spend.params), spend.log_covariance, draws)
    for drawn in bought:
        who, when = purchases.model.at(drawn).draw_purchases(rng, x, t_x, T, horizon)
        amounts = np.zeros(len(who))
        if paid is not None:
            given = GammaGammaParams(*next(paid).tolist())
            if len(who):
                amounts = _amounts(rng, given, x, mean, who)
        yield who, when, amounts


def prediction(totals: FloatArray, expected: float, n: int, level: float) -> Estimate:
    """An expected total with the interval of its simulated futures."""
    # Ranks of draws + 1: the next future is as likely to fall into any of their gaps.
    ends = [0.5 - level / 2, 0.5 + level / 2]
    low, high = np.quantile(totals, ends, method="weibull").tolist()
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
