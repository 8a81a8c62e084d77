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
from relkit.units import check_annual_discount_rate, days_per
from relkit.value.concentration import Concentration
from relkit.value.discounting import PurchaseFlow, continuous_rate
from relkit.value.futures import draw_futures, prediction
from relkit.value.gamma_gamma import GammaGamma, GammaGammaFit, spend_given
from relkit.value.inputs import (
    FloatArray,
    read_history,
    read_horizon,
    read_spend,
)
from relkit.value.purchase_fit import PurchaseFit
from relkit.value.purchase_model import PurchaseModel


@dataclass(frozen=True, slots=True, eq=False)
class LifetimeValue:
    """Discounted value of every customer over one horizon.

    Attributes:
        purchases: The purchase model.
        spend: The spend model.
        horizon: How far ahead, in ``unit``.
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
    _gradient: FloatArray
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
        of having left; exactly 0 where probability_alive is 1.
        """
        return self._frame.copy()

    @property
    def total(self) -> Estimate:
        """Expected value of all customers together.

        The interval is that of the expectation: it knows the uncertainty of the
        parameters of both models (delta method, in the logarithm), not the chance
        in what customers will do. With known parameters it has no width.
        """
        return self._sum_of(np.ones(self.n, dtype=bool))

    def predicted_total(self, draws: int = 400, seed: int = 0, level: float = 0.95) -> Estimate:
        """What the customers will really be worth: a prediction interval.

        Parameters drawn from their uncertainty, then purchases and spend of every
        customer simulated, discounted as in ``total``.

        Args:
            draws: Simulated futures.
            seed: Seed of the random generator.
            level: Nominal coverage.

        Raises:
            ParameterError: fewer than 2 draws, or a level outside (0, 1).
        """
        normal_quantile(level)
        futures = draw_futures(
            self.purchases,
            self.spend,
            self._histories,
            horizon=self.horizon,
            discount=continuous_rate(self.annual_discount_rate, self.unit),
            draws=draws,
            seed=seed,
        )
        return prediction(self.margin * futures.spend, self.total.value, self.n, level)

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
            first = self._frame["customer_id"][column.isna().to_numpy()].iloc[0]
            raise DataError(
                f"labels: {int(column.isna().sum()):,} customers have none (first: {first}); "
                "name a group for them"
            )
        rows = []
        everything = math.fsum(self._frame["clv"])
        for label in column.drop_duplicates():
            members = (column == label).to_numpy()
            total = self._sum_of(members)
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

    def _sum_of(self, members: np.ndarray, level: float = 0.95) -> Estimate:
        """Sum over some customers with its interval."""
        value = math.fsum(self._frame["clv"].to_numpy()[members])
        slope = self._gradient[members].sum(axis=0)
        error = math.sqrt(max(float(slope @ self._covariance @ slope), 0.0))
        widen = math.exp(normal_quantile(level) * error / value) if value > 0 else 1.0
        return Estimate(value, value / widen, value * widen, int(members.sum()), level)


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
        horizon: How far ahead, in the unit of the purchase model.
        annual_discount_rate: Share a year, 0.10 for 10 %; compounds yearly.
        unit: Unit of times, where neither the model nor the summary says it.
        margin: Share of spend that counts as value, in (0, 1].

    Raises:
        ParameterError: the unit is unknown or units differ; horizon, rate or
            margin out of range.
        DataError: no customers, values that cannot be a history, a customer twice.
        FitError: a model that has no answer for these data.

    Source: Fader, Hardie & Lee (2005), "RFM and CLV: using iso-value curves for
        customer base analysis", Journal of Marketing Research 42, with the
        purchase model for the flow of purchases and discounting at the time of each.
    """
    length, rate = read_horizon(horizon), check_annual_discount_rate(annual_discount_rate)
    if not isinstance(margin, (int, float)) or not 0 < margin <= 1:
        raise ParameterError(f"margin={margin} must be in (0, 1]; give 30 % as 0.30")
    agreed = _time_unit(purchases.unit, summary, unit)
    history = read_history(summary, None, None, None, unit=agreed)
    money = read_spend(summary, None, None)
    if not len(history.T):
        raise DataError("the summary has no customers, so there is no value to be said")
    x, t_x, T, mean = history.frequency, history.recency, history.T, money.monetary_value
    flow = PurchaseFlow(x, t_x, T, length, continuous_rate(rate, agreed))
    model = purchases.model
    chance, discounted = flow.alive(model), flow.discounted(model)
    each = margin * spend_given(spend.params, x, mean)
    value_if_active = discounted * each
    frame = pd.DataFrame(
        {
            "customer_id": _customer_ids(summary),
            "probability_alive": chance,
            "expected_purchases": chance * flow.purchases(model),
            "expected_spend": each / margin,
            "clv": chance * value_if_active,
            "value_at_risk": (1 - chance) * value_if_active,
        }
    )
    covariance = np.zeros((7, 7))
    covariance[:4, :4], covariance[4:, 4:] = purchases.log_covariance, spend.log_covariance
    slopes = [
        flow.slopes(model, np.diag(covariance)[:4]) * each[:, None],
        _spend_slopes(spend, x, mean) * (margin * chance * discounted)[:, None],
    ]
    return LifetimeValue(
        purchases=purchases,
        spend=spend,
        horizon=length,
        unit=agreed,
        annual_discount_rate=rate,
        margin=float(margin),
        _frame=frame,
        _histories=(x, t_x, T, mean),
        _gradient=np.hstack(slopes),
        _covariance=covariance,
    )


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
            f"summary: {len(twice):,} rows repeat a customer_id (first: {twice.iloc[0]}); "
            "one row a customer is required"
        )
    return ids


def _spend_slopes(spend: GammaGamma | GammaGammaFit, x: FloatArray, mean: FloatArray) -> FloatArray:
    """Derivatives of expected spend in log p, log q and log v; (n, 3)."""
    p, q, v = spend.params
    expected = spend_given(spend.params, x, mean)
    shape = p * x + q - 1
    return np.column_stack([expected * (q - 1) / shape, -expected * q / shape, p * v / shape])


@dataclass(frozen=True, slots=True, eq=False)
class ValueChange:
    """The same customers' base valued on two days by the same models.

    Attributes:
        before: Value on the earlier day.
        now: Value on the later day.
        change: now minus before. Both share the parameters, so their uncertainty
            largely cancels: this is the interval of a paired difference.
        change_share: The change as a share of the earlier value.
    """

    before: LifetimeValue
    now: LifetimeValue
    change: Estimate
    change_share: float
    _parts: pd.DataFrame

    @property
    def horizon(self) -> float:
        """How far ahead both days look, in ``unit``."""
        return self.now.horizon

    @property
    def unit(self) -> str:
        """Unit of the horizon."""
        return self.now.unit

    @property
    def verdict(self) -> str:
        """'gaining', 'losing', or 'unclear' where the interval holds 0."""
        if not self.change.sign_is_clear:
            return "unclear"
        return "gaining" if self.change.value > 0 else "losing"

    def to_frame(self) -> pd.DataFrame:
        """part ('new', 'grew', 'shrank'), customers, amount.

        New customers were first seen after the earlier day; of the others 'shrank'
        are those worth less than before, 'grew' the rest. Customers sum to those
        of the later day, amounts to the change.
        """
        return self._parts.copy()


def value_change(before: LifetimeValue, now: LifetimeValue) -> ValueChange:
    """How the value of a customer base changed between two days, and through whom.

    Args:
        before: Values on the earlier day.
        now: Values on the later day, by the same models.

    Raises:
        ParameterError: the two were not made alike (models, horizon, unit, rate,
            margin), so that their difference would be one of methods.
        DataError: customers of the earlier day are missing on the later one, or
            the earlier value is 0.
    """
    _check_alike(before, now)
    earlier = pd.Series(before._frame["clv"].to_numpy(), index=before._frame["customer_id"])
    later = pd.Series(now._frame["clv"].to_numpy(), index=now._frame["customer_id"])
    lost = earlier.index.difference(later.index)
    if len(lost):
        raise DataError(
            f"{len(lost):,} customers of the earlier day are missing on the later one (first: "
            f"{lost[0]}); both summaries must come from one source, the earlier day first"
        )
    there = later.index.isin(earlier.index)
    difference = later[there] - earlier.reindex(later.index[there])
    new, fell = later[~there], difference < 0
    amounts = [math.fsum(new), math.fsum(difference[~fell]), math.fsum(difference[fell])]
    parts = pd.DataFrame(
        {
            "part": ["new", "grew", "shrank"],
            "customers": [len(new), int((~fell).sum()), int(fell.sum())],
            "amount": amounts,
        }
    )
    was = before.total.value
    if was <= 0:
        raise DataError("the earlier value is 0, so no share of it can be said; take a later day")
    slope = now._gradient.sum(axis=0) - before._gradient.sum(axis=0)
    half = normal_quantile(0.95) * math.sqrt(max(float(slope @ now._covariance @ slope), 0.0))
    value = math.fsum(amounts)
    return ValueChange(
        before=before,
        now=now,
        change=Estimate(value, value - half, value + half, now.n),
        change_share=value / was,
        _parts=parts,
    )


def _check_alike(before: LifetimeValue, now: LifetimeValue) -> None:
    faults = [
        f"{name}: {getattr(before, name)} before, {getattr(now, name)} now"
        for name in ("horizon", "unit", "annual_discount_rate", "margin")
        if getattr(before, name) != getattr(now, name)
    ]
    for name in ("purchases", "spend"):
        one, other = getattr(before, name), getattr(now, name)
        if (
            type(one.model) is not type(other.model)
            or one.params != other.params
            or not np.array_equal(one.log_covariance, other.log_covariance)
        ):
            faults.append(f"the {name} models differ: fit once and use the fit for both days")
    if faults:
        raise ParameterError("the two values were not made alike and cannot be compared", faults)
