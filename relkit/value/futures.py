"""What customers may really do next: whole futures drawn from the fitted models.

An expectation is sure of itself long before the future is. Here each draw takes
one set of parameters from their uncertainty and then lets every customer live:
still active or not, a rate, a chance to leave, purchase times, amounts.

Of a large base only some customers live in each draw, others every time. What n
customers do beyond their expectation is a sum of n independent terms; such a sum over
m of them, drawn evenly, times sqrt(n / m) has the same mean, which is 0, and the same
variance. What the parameters do moves all customers together and is not shrunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relkit.errors import ParameterError
from relkit.intervals import Estimate
from relkit.value.discounting import PurchaseFlow
from relkit.value.gamma_gamma import GammaGamma, GammaGammaFit, believed, spend_given
from relkit.value.gamma_gamma_likelihood import GammaGammaParams
from relkit.value.inputs import FloatArray
from relkit.value.purchase_fit import PurchaseFit
from relkit.value.purchase_model import PurchaseModel

# Up to so many customers everybody lives in every draw; of more so many do.
MOST_WHOLE = 50_000
SAMPLED = 20_000
# With q of Gamma-Gamma at 2 or below a purchase's amount has no variance to be scaled …
LEAST_Q = 2.0
# … and fewer purchases than these among the sampled are too grainy to be.
FEWEST_PURCHASES = 200.0
# Step of a central difference in a log parameter.
STEP = 1e-5
# Farthest that a drawn parameter may lie from 1, in logarithms: a factor of 8e13.
LOG_LIMIT = 32.0


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

    Above ``MOST_WHOLE`` customers each draw lets ``SAMPLED`` of them live, unless
    amounts have no variance or purchases are rare. The totals then scatter as those
    of everybody do, but are not whole numbers.

    Raises:
        ParameterError: fewer than 2 draws, or a seed that is none.
    """
    counts, amounts = np.zeros(check_draws(draws)), np.zeros(draws)
    # In one order, so that the result does not depend on that of the rows.
    order = np.lexsort(histories)
    columns = tuple(column[order] for column in histories)
    if len(order) > MOST_WHOLE and (spend is None or spend.params.q > LEAST_Q):
        base = _Base.of(purchases, spend, columns, horizon, discount)
        if base.bought.sum() * SAMPLED >= FEWEST_PURCHASES * len(order):
            return _of_many(base, draws, seed)
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
        ParameterError: fewer than 2 draws, or a seed that is none.
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


def check_seed(seed: int) -> int:
    """The seed itself, if it makes a random generator that can be made again.

    Raises:
        ParameterError: not a whole number, or negative.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ParameterError(f"seed={seed!r} must be a whole number, 0 or more")
    return int(seed)


def _futures(
    purchases: PurchaseModel[Any] | PurchaseFit[Any],
    spend: GammaGamma | GammaGammaFit | None,
    histories: tuple[FloatArray, ...],
    horizon: float,
    draws: int,
    seed: int,
) -> Iterator[tuple[NDArray[np.intp], FloatArray, FloatArray]]:
    """Who buys, when and for how much, draw after draw; amounts are 0 without a spend model."""
    rng = np.random.default_rng(check_seed(seed))
    x, t_x, T, mean = histories
    bought = drawn_parameters(rng, np.log(purchases.params), purchases.log_covariance, draws)
    paid = None
    if spend is not None:
        paid = drawn_parameters(rng, np.log(spend.params), spend.log_covariance, draws)
    for drawn in bought:
        who, when = purchases.model.at(drawn).draw_purchases(rng, x, t_x, T, horizon)
        amounts = np.zeros(len(who))
        if paid is not None:
            given = GammaGammaParams(*next(paid).tolist())
            if len(who):
                amounts = _amounts(rng, given, x, mean, who)
        yield who, when, amounts


@dataclass(frozen=True, slots=True, eq=False)
class _Base:
    """A large base, what is expected of it, and how that answers to the log parameters.

    Attributes:
        bought: Expected purchases of each customer, shape (n,).
        spent: Expected discounted spend of each customer, shape (n,).
        slopes: Derivatives of the logarithms of both totals in the log parameters of
            the purchase model and, of spend, of the spend model.
    """

    purchases: PurchaseModel[Any] | PurchaseFit[Any]
    spend: GammaGamma | GammaGammaFit | None
    histories: tuple[FloatArray, ...]
    horizon: float
    discount: float
    bought: FloatArray
    spent: FloatArray
    slopes: tuple[FloatArray, FloatArray, FloatArray]

    @classmethod
    def of(
        cls,
        purchases: PurchaseModel[Any] | PurchaseFit[Any],
        spend: GammaGamma | GammaGammaFit | None,
        histories: tuple[FloatArray, ...],
        horizon: float,
        discount: float,
    ) -> _Base:
        x, mean = histories[0], histories[3]
        variances = np.diag(purchases.log_covariance)
        asked = horizon, discount
        flow = PurchaseFlow.of(purchases.model, np.zeros_like(variances), histories, *asked)
        bought, discounted = (flow.chance * each for each in flow.while_active())
        each = np.zeros(len(x)) if spend is None else spend_given(spend.params, x, mean)
        spent = discounted * each
        # Slopes of the logarithms, which the sampled customers tell nearly as well.
        rows = _evenly(len(x), 0.5)
        few = PurchaseFlow.of(
            purchases.model, variances, tuple(column[rows] for column in histories), *asked
        )
        prices = np.ones(len(rows)) if spend is None else each[rows]
        slopes = (
            few.slopes(discounted=False).sum(axis=0) / bought[rows].sum(),
            prices @ few.slopes() / (prices @ discounted[rows]),
            _price_slopes(spend, x[rows], mean[rows], discounted[rows]),
        )
        return cls(purchases, spend, histories, *asked, bought, spent, slopes)


def _price_slopes(
    spend: GammaGamma | GammaGammaFit | None, x: FloatArray, mean: FloatArray, weights: FloatArray
) -> FloatArray:
    """Derivatives of log(weights @ expected spend) in log p, log q and log v."""
    slopes = np.zeros(3)
    if spend is None:
        return slopes
    for i in range(3):
        move = STEP * (np.arange(3) == i)
        up, down = (
            GammaGammaParams(*(np.asarray(spend.params) * np.exp(side * move)).tolist())
            for side in (1, -1)
        )
        ends = [np.log(weights @ spend_given(params, x, mean)) for params in (up, down)]
        slopes[i] = (ends[0] - ends[1]) / (2 * STEP)
    return slopes


def _of_many(base: _Base, draws: int, seed: int) -> Futures:
    """Totals of a large base: what is expected under drawn parameters, and chance.

    The first is log-linear in the log parameters, as in the delta method; chance is
    drawn at the point estimate.
    """
    rng = np.random.default_rng(check_seed(seed))
    by_bought, by_discounted, by_price = base.slopes
    x, t_x, T, mean = base.histories
    moved = _steps(rng, base.purchases.log_covariance, draws)
    counts = base.bought.sum() * np.exp(moved @ by_bought)
    amounts = base.spent.sum() * np.exp(moved @ by_discounted)
    if base.spend is not None:
        amounts *= np.exp(_steps(rng, base.spend.log_covariance, draws) @ by_price)
    wider = np.sqrt(len(x) / SAMPLED)
    for draw in range(draws):
        rows = _evenly(len(x), rng.random())
        who, when = base.purchases.model.draw_purchases(
            rng, x[rows], t_x[rows], T[rows], base.horizon
        )
        counts[draw] += wider * (len(who) - base.bought[rows].sum())
        if base.spend is not None:
            each = _amounts(rng, base.spend.params, x[rows], mean[rows], who)
            worth = float(np.sum(each * np.exp(-base.discount * when)))
            amounts[draw] += wider * (worth - base.spent[rows].sum())
    return Futures(np.maximum(counts, 0.0), np.maximum(amounts, 0.0))


def _evenly(n: int, start: float) -> NDArray[np.intp]:
    """``SAMPLED`` of n rows, equally far apart; each as likely as any if start is drawn."""
    return np.floor((np.arange(SAMPLED) + start) * (n / SAMPLED)).astype(np.intp)


def prediction(totals: FloatArray, expected: float, n: int, level: float) -> Estimate:
    """An expected total with the interval of its simulated futures."""
    # Ranks of draws + 1: the next future is as likely to fall into any of their gaps.
    ends = [0.5 - level / 2, 0.5 + level / 2]
    low, high = np.quantile(totals, ends, method="weibull").tolist()
    return Estimate(expected, min(low, expected), max(high, expected), n, level, "prediction")


def drawn_parameters(
    rng: np.random.Generator, log_point: FloatArray, covariance: FloatArray, draws: int
) -> Iterator[FloatArray]:
    """Parameters drawn from the normal approximation in their logarithms, (k,) a draw."""
    # Where the data hardly hold a parameter, its normal interval knows no end. Beyond the
    # limit a gamma or beta distribution is a constant, and figures would only overflow.
    logs = log_point + _steps(rng, covariance, draws)
    return iter(np.exp(np.clip(logs, -LOG_LIMIT, LOG_LIMIT)))


def _steps(rng: np.random.Generator, covariance: FloatArray, draws: int) -> FloatArray:
    """Deviations of log parameters from their estimate, shape (draws, k)."""
    variance, axes = np.linalg.eigh(covariance)
    root = axes * np.sqrt(np.maximum(variance, 0.0))
    deviations: FloatArray = rng.standard_normal((draws, len(variance))) @ root.T
    return deviations


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
