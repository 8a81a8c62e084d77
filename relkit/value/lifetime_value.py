"""Customer lifetime value: expected purchases times expected spend, discounted.

A purchase at time t from now is worth margin * spend * (1 + rate) ** -(t in years),
each at its own time: there is no counting period, so the value is the same in days,
weeks and months.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from relkit.errors import DataError, ParameterError
from relkit.intervals import Estimate, normal_quantile
from relkit.privacy import shown_id
from relkit.units import check_annual_discount_rate, days_per
from relkit.value.concentration import Concentration
from relkit.value.customer_intervals import (
    check_end,
    customer_intervals,
    customer_predictions,
    purchases_column,
)
from relkit.value.discounting import PurchaseFlow, continuous_rate
from relkit.value.futures import Futures, draw_futures, prediction
from relkit.value.gamma_gamma import GammaGamma, GammaGammaFit, spend_given
from relkit.value.inputs import (
    FloatArray,
    read_history,
    read_horizon,
    read_spend,
)
from relkit.value.purchase_fit import PurchaseFit
from relkit.value.purchase_model import PurchaseModel
from relkit.value.value_change import ValueChange, value_change

# The change between two days is asked for here too.
__all__ = ["LifetimeValue", "ValueChange", "customer_lifetime_value", "value_change"]


@dataclass(frozen=True, slots=True, eq=False)
class LifetimeValue:
    """Discounted value of every customer over one horizon.

    Attributes:
        purchases: The purchase model.
        spend: The spend model.
        horizon: How far ahead, in ``unit``; ``math.inf`` for the residual value.
        unit: Unit of the horizon and of the summary's times.
        annual_discount_rate: Share a year.
        margin: Share of spend that counts as value.
    """

    purchases: PurchaseModel[Any] | PurchaseFit[Any]
    spend: GammaGamma | GammaGammaFit
    horizon: float
    unit: str
    annual_discount_rate: float
    margin: float
    _frame: pd.DataFrame
    _histories: tuple[FloatArray, FloatArray, FloatArray, FloatArray]
    _flow: PurchaseFlow
    _covariance: FloatArray

    @property
    def n(self) -> int:
        """Customers."""
        return len(self._frame)

    def to_frame(self) -> pd.DataFrame:
        """One row a customer, in the order of the summary.

        customer_id, probability_alive, expected_purchases (in the horizon, not
        discounted), expected_spend (per purchase), clv (discounted), value_at_risk:
        what the customer would be worth for sure still active, times the probability
        of having left; exactly 0 where probability_alive is 1. Without end the
        plain number of purchases may have no bound; discounted_purchases stands in
        its place.
        """
        return self._frame.copy()

    @property
    def total(self) -> Estimate:
        """Expected value of all customers together.

        The interval is that of the expectation: it knows the uncertainty of the
        parameters of both models (delta method, in the logarithm), not the chance
        in what customers will do. With known parameters it has no width.
        """
        clv, risk = (self._frame[name].to_numpy() for name in ("clv", "value_at_risk"))
        expected = self._frame["expected_spend"].to_numpy()
        x, _, _, mean = self._histories
        paid = clv / expected
        slope = [
            *self._flow.slope_of_sum(self.margin * expected, clv + risk),
            *(paid @ column for column in _spend_slopes(self.spend, x, mean)),
        ]
        return self._estimate(float(clv.sum()), np.array(slope), self.n)

    @property
    def discount(self) -> float:
        """Continuous discount rate per ``unit``."""
        return continuous_rate(self.annual_discount_rate, self.unit)

    def predicted_total(self, draws: int = 400, seed: int = 0, level: float = 0.95) -> Estimate:
        """What the customers will really be worth: a prediction interval.

        Parameters drawn from their uncertainty, then purchases and spend of every
        customer simulated, discounted as in ``total``.

        Args:
            draws: Simulated futures.
            seed: Seed of the random generator.
            level: Nominal coverage.

        Raises:
            ParameterError: fewer than 2 draws, a level outside (0, 1), or a horizon
                without end, which no simulation reaches.
        """
        normal_quantile(level)
        futures = self._futures(draws, seed)
        return prediction(self.margin * futures.spend, self.total.value, self.n, level)

    def predicted_purchases(self, draws: int = 400, seed: int = 0, level: float = 0.95) -> Estimate:
        """What the customers will really buy in the horizon: a prediction interval.

        The futures are those of ``predicted_total``, purchases counted, not discounted.

        Args:
            draws: Simulated futures.
            seed: Seed of the random generator.
            level: Nominal coverage.

        Raises:
            ParameterError: as for ``predicted_total``.
        """
        normal_quantile(level)
        futures = self._futures(draws, seed)
        expected = math.fsum(self._frame["expected_purchases"])
        return prediction(futures.purchases, expected, self.n, level)

    def customer_intervals(self, level: float = 0.95) -> pd.DataFrame:
        """Expected purchases and value of every customer, each with its interval.

        Confidence intervals of the expectation: they know how well the parameters
        are known (delta method, in the logarithm), not what chance will do. What a
        customer will really buy lies far more widely: ``customer_predictions``. With
        known parameters they have no width.

        Args:
            level: Nominal coverage.

        Returns:
            One row a customer, in the order of the summary: customer_id,
            expected_purchases (not discounted), purchases_low, purchases_high, clv,
            clv_low, clv_high. Without end discounted_purchases stands in the place
            of expected_purchases.

        Raises:
            ParameterError: a level outside (0, 1).
        """
        return customer_intervals(self, level)

    def customer_predictions(
        self, customer_ids: Any, level: float = 0.95, draws: int = 1000, seed: int = 0
    ) -> pd.DataFrame:
        """What chosen customers will really buy and be worth, with prediction intervals.

        Quantiles of simulated futures: parameters, whether the customer is still
        there, purchases and amounts are all drawn. Purchases are whole numbers and
        most customers may buy nothing, so the intervals hold at least what they
        promise.

        Args:
            customer_ids: Whom to predict, each once; one id or several.
            level: Nominal coverage.
            draws: Simulated futures.
            seed: Seed of the random generator.

        Returns:
            One row a customer, in the order asked for: customer_id,
            expected_purchases, purchases_low, purchases_high (whole numbers), clv,
            clv_low, clv_high, buys (chance of at least one purchase).

        Raises:
            ParameterError: fewer than 2 draws, a level outside (0, 1), or a horizon
                without end.
            DataError: customers that are not in the summary, nobody, or one twice.
        """
        return customer_predictions(self, customer_ids, level, draws, seed)

    def total_by(self, labels: Any) -> pd.DataFrame:
        """Totals by group, most valuable first; they sum to the total.

        Args:
            labels: One label a customer, in the order of the summary, shape (n,).

        Returns:
            Columns label, customers, clv, low, high (95 % interval of the expected
            sum), share (of the whole). In the categories' order, if labels are
            categorical.

        Raises:
            ParameterError: not one label a customer.
            DataError: a label is missing.
        """
        column = pd.Series(labels).reset_index(drop=True)
        if len(column) != self.n:
            raise ParameterError(f"labels: {len(column):,} for {self.n:,} customers; one is needed")
        if column.isna().any():
            first = shown_id(self._frame["customer_id"][column.isna().to_numpy()].iloc[0])
            raise DataError(
                f"labels: {int(column.isna().sum()):,} customers have none (first: {first}); "
                "name a group for them"
            )
        rows = []
        clv, gradient = self._frame["clv"].to_numpy(), self._gradient
        everything = math.fsum(clv)
        for label in column.drop_duplicates():
            members = (column == label).to_numpy()
            slope = gradient[members].sum(axis=0)
            total = self._estimate(math.fsum(clv[members]), slope, int(members.sum()))
            share = total.value / everything if everything > 0 else math.nan
            rows.append((label, total.n, total.value, total.low, total.high, share))
        frame = pd.DataFrame(rows, columns=["label", "customers", "clv", "low", "high", "share"])
        if isinstance(column.dtype, pd.CategoricalDtype):
            frame["label"] = frame["label"].astype(column.dtype)
            return frame.sort_values("label", ignore_index=True)
        return frame.sort_values("clv", ascending=False, kind="stable", ignore_index=True)

    def concentration(self) -> Concentration:
        """How unevenly the value lies among customers.

        Raises:
            DataError: no customers, or none of any value.
        """
        held = np.sort(self._frame["clv"].to_numpy(float))[::-1]
        if not held.size or held[0] <= 0:
            raise DataError("no customer has any value, so it cannot be concentrated on some")
        cumulative = np.concatenate([[0.0], np.cumsum(held)])
        return Concentration(np.linspace(0, 1, self.n + 1), cumulative / cumulative[-1])

    def _futures(self, draws: int, seed: int) -> Futures:
        """Simulated totals of everybody."""
        return draw_futures(
            self.purchases,
            self.spend,
            self._histories,
            horizon=check_end(self.horizon),
            discount=self.discount,
            draws=draws,
            seed=seed,
        )

    @property
    def _gradient(self) -> FloatArray:
        """Derivatives of every value in the log parameters of both models, (n, k)."""
        x, _, _, mean = self._histories
        each = self.margin * self._frame["expected_spend"].to_numpy()
        paid = self._frame["clv"].to_numpy() / self._frame["expected_spend"].to_numpy()
        gradient = np.empty((self.n, len(self._covariance)))
        of_spend = _spend_slopes(self.spend, x, mean)
        np.multiply(self._flow.slopes(), each[:, None], out=gradient[:, : -len(of_spend)])
        for i, column in enumerate(of_spend, len(self._covariance) - len(of_spend)):
            np.multiply(column, paid, out=gradient[:, i])
        return gradient

    def _estimate(self, value: float, slope: FloatArray, n: int, level: float = 0.95) -> Estimate:
        """A sum over n customers with its interval; slope in the log parameters, (k,)."""
        error = math.sqrt(max(float(slope @ self._covariance @ slope), 0.0))
        widen = math.exp(normal_quantile(level) * error / value) if value > 0 else 1.0
        return Estimate(value, value / widen, value * widen, n, level)


def customer_lifetime_value(
    purchases: PurchaseModel[Any] | PurchaseFit[Any],
    spend: GammaGamma | GammaGammaFit,
    summary: pd.DataFrame,
    *,
    horizon: float,
    annual_discount_rate: float,
    unit: str | None = None,
    margin: float = 1.0,
) -> LifetimeValue:
    """Discounted value that each customer is expected to bring within the horizon.

    Args:
        purchases: Fitted or known purchase model: BG/NBD, MBG/NBD or Pareto/NBD.
        spend: Fitted or known spend model.
        summary: Frame with customer_id, frequency, recency, T and monetary_value.
        horizon: How far ahead, in the unit of the purchase model; ``math.inf`` for
            all that is still to come, the residual value.
        annual_discount_rate: Share a year, 0.10 for 10 %; compounds yearly.
        unit: Unit of times, where neither the model nor the summary says it.
        margin: Share of spend that counts as value, in (0, 1].

    Raises:
        ParameterError: the unit is unknown or units differ; horizon, rate or
            margin out of range; no end and no discount rate.
        DataError: no customers, values that cannot be a history, a customer twice.
        FitError: a model that has no answer for these data.

    Source: Fader, Hardie & Lee (2005), "RFM and CLV: using iso-value curves for
        customer base analysis", Journal of Marketing Research 42, with the
        purchase model for the flow of purchases and discounting at the time of each;
        without end it is their discounted expected residual transactions times spend.
    """
    _check_models(purchases, spend)
    rate = check_annual_discount_rate(annual_discount_rate)
    length = _read_length(horizon, rate)
    if not isinstance(margin, (int, float)) or not 0 < margin <= 1:
        raise ParameterError(f"margin={margin} must be in (0, 1]; give 30 % as 0.30")
    agreed = _time_unit(purchases.unit, summary, unit)
    history = read_history(summary, None, None, None, unit=agreed)
    money = read_spend(summary, None, None)
    if not len(history.T):
        raise DataError("the summary has no customers, so there is no value to be said")
    x, t_x, T, mean = history.frequency, history.recency, history.T, money.monetary_value
    histories = x, t_x, T, mean
    model = purchases.model
    covariance = np.zeros((7, 7))
    covariance[:4, :4], covariance[4:, 4:] = purchases.log_covariance, spend.log_covariance
    variances = np.diag(covariance)[:4]
    flow = PurchaseFlow.of(model, variances, histories, length, continuous_rate(rate, agreed))
    plain, discounted = flow.while_active()
    chance = flow.chance
    each = margin * spend_given(spend.params, x, mean)
    value_if_active = discounted * each
    frame = pd.DataFrame(
        {
            "customer_id": _customer_ids(summary),
            "probability_alive": chance,
            purchases_column(length): chance * plain,
            "expected_spend": each / margin,
            "clv": chance * value_if_active,
            "value_at_risk": (1 - chance) * value_if_active,
        }
    )
    return LifetimeValue(
        purchases=purchases,
        spend=spend,
        horizon=length,
        unit=agreed,
        annual_discount_rate=rate,
        margin=float(margin),
        _frame=frame,
        _histories=histories,
        _flow=flow,
        _covariance=covariance,
    )


def _check_models(purchases: Any, spend: Any) -> None:
    faults = []
    if not isinstance(purchases, PurchaseModel | PurchaseFit):
        faults.append(f"purchases is {_kind(purchases)}; give rk.fit_bgnbd(…) or rk.BGNBD(…)")
    if not isinstance(spend, GammaGamma | GammaGammaFit):
        faults.append(f"spend is {_kind(spend)}; give rk.fit_gamma_gamma(…) or rk.GammaGamma(…)")
    if faults:
        raise ParameterError(
            "a purchase model and a spend model are required, in this order", faults
        )


def _kind(given: Any) -> str:
    return "None" if given is None else f"of type {type(given).__name__}"


def _read_length(horizon: Any, rate: float) -> float:
    """The horizon as a float, infinity where the discount rate bounds the value."""
    if not (isinstance(horizon, (int, float, np.floating)) and math.isinf(horizon) and horizon > 0):
        return read_horizon(horizon)
    if rate == 0:
        raise ParameterError(
            "horizon=inf with annual_discount_rate=0: value without end and without discount has "
            "no bound; give an annual_discount_rate above 0, such as 0.10, or a finite horizon"
        )
    return math.inf


def _time_unit(of_model: str | None, summary: pd.DataFrame, given: str | None) -> str:
    """The one unit that model, summary and caller agree on."""
    of_summary = summary.attrs.get("unit") if isinstance(summary, pd.DataFrame) else None
    said = {
        where: unit
        for where, unit in (
            ("the purchase model", of_model),
            ("the summary", of_summary),
            ("the argument unit", given),
        )
        if unit is not None
    }
    for unit in said.values():
        days_per(unit)
    if not said:
        raise ParameterError(
            "the unit of time is unknown, and discounting needs it; give unit='day', 'week', "
            "'month' or 'year', or fit with a unit"
        )
    if len(set(said.values())) > 1:
        told = ", ".join(f"{where} has unit '{unit}'" for where, unit in said.items())
        raise ParameterError(f"units of time differ: {told}; make the summary in the model's unit")
    return next(iter(said.values()))


def _customer_ids(summary: pd.DataFrame) -> pd.Series:
    """The ids, or row numbers where the summary has none; each once."""
    if "customer_id" not in summary.columns:
        return pd.Series(np.arange(len(summary)))
    ids = summary["customer_id"].reset_index(drop=True)
    twice = ids[ids.duplicated()]
    if len(twice):
        raise DataError(
            f"summary: {len(twice):,} rows repeat a customer_id "
            f"(first: {shown_id(twice.iloc[0])}); one row a customer is required"
        )
    return ids


def _spend_slopes(
    spend: GammaGamma | GammaGammaFit, x: FloatArray, mean: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Derivatives of expected spend in log p, log q and log v; each (n,)."""
    p, q, v = spend.params
    expected = spend_given(spend.params, x, mean)
    shape = p * x + q - 1
    share = expected / shape
    return share * (q - 1), share * -q, p * v / shape
