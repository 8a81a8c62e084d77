"""One customer's history, and what the model says of every history there could be."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from relkit.data.grains import (
    as_table,
    by_customer_and_grain,
    check_day,
    check_grain,
    last_grain,
    rows_until,
)
from relkit.errors import DataError, ParameterError
from relkit.privacy import shown_id
from relkit.units import days_per
from relkit.value.inputs import FloatArray, PurchaseHistory, read_history, read_horizon
from relkit.value.purchase_fit import PurchaseFit
from relkit.value.purchase_model import PurchaseModel
from relkit.value.value_change import check_value

if TYPE_CHECKING:
    Table = Any  # an Ibis table; Ibis itself is at home in data/ only

    from relkit.value.lifetime_value import LifetimeValue

_DAY = dt.timedelta(days=1)
# What a matrix shows: beyond it stand so few that the rest would be squeezed.
SHARE_SHOWN = 0.99
FEWEST_ROWS, MOST_ROWS = 5, 30
STEPS_OF_SILENCE = 40


@dataclass(frozen=True, slots=True, eq=False)
class CustomerHistory:
    """What a customer bought, and what was to be thought of it at each moment.

    Attributes:
        customer_id: Whose history.
        first_at: First purchase.
        as_of: Last day that counts.
        unit: Unit of recency and T in the path.
        grain: What one buying occasion is.
        probability_alive: On the last day of the path.
        purchases: A row a purchase, in order of time: occurred_at, amount.
    """

    customer_id: str
    first_at: pd.Timestamp
    as_of: dt.date
    unit: str
    grain: str
    purchases: pd.DataFrame
    _path: pd.DataFrame

    @property
    def probability_alive(self) -> float:
        """At the end of the path."""
        return float(self._path["probability_alive"].iloc[-1])

    @property
    def total_spend(self) -> float:
        """All purchases together; refunds are not subtracted."""
        return math.fsum(self.purchases["amount"])

    def to_frame(self) -> pd.DataFrame:
        """The path, a row a step and one at each purchase.

        at (end of the observation that is judged from), frequency, recency, T as they
        were known then, purchased (whether a purchase was made in that grain),
        probability_alive.
        """
        return self._path.copy()


def customer_history(
    transactions: Table,
    customer_id: str,
    purchases: PurchaseModel[Any] | PurchaseFit[Any],
    *,
    as_of: str | dt.date,
    grain: str = "day",
    step_days: int = 1,
) -> CustomerHistory:
    """A customer's purchases, and the path of P(alive) from the first to ``as_of``.

    Each point of the path knows what was known on that day and nothing later: with
    the model's parameters, P(alive) of the frequency, recency and T of that day. In
    silence it falls, at a purchase it jumps.

    Args:
        transactions: Table or frame with customer_id, occurred_at and amount.
        customer_id: Compared as text.
        purchases: A purchase model with a unit, fitted or known.
        as_of: Last day that counts.
        grain: What one buying occasion is; that of the fit's summary. 'day' or 'exact'.
        step_days: Days from one point of the path to the next; purchases have points
            of their own.

    Raises:
        ParameterError: a model without a unit; a grain other than 'day' and 'exact';
            steps that are not whole days.
        DataError: no purchase of this customer up to ``as_of``.
        FitError: a fit that has no answer.

    Source: Fader, Hardie & Lee (2008), "Computing P(alive) using the BG/NBD model", at
        each moment in turn.
    """
    _check_model(purchases)
    unit, day = _unit_of(purchases), check_day(as_of, "as_of")
    check_grain(grain)
    if grain not in ("day", "exact"):
        raise ParameterError(f"grain={grain!r} must be 'day' or 'exact' for a path by day")
    whole = isinstance(step_days, (int, np.integer)) and not isinstance(step_days, bool)
    if not whole or step_days < 1:
        raise ParameterError(f"step_days={step_days!r} must be a whole number of days, at least 1")
    table = rows_until(as_table(transactions), day)
    theirs = table.filter((table.customer_id == str(customer_id)) & (table.kind == "purchase"))
    bought = theirs.order_by("occurred_at", "amount").to_pandas()
    if bought.empty:
        raise DataError(
            f"customer {shown_id(customer_id)} has no purchase up to {day}; ids are compared as "
            "text, zeros in front included: take one from the summary's customer_id"
        )
    cells = by_customer_and_grain(theirs, grain, anchor=day).order_by("grain_at").to_pandas()
    occasions = pd.DatetimeIndex(cells["grain_at"])
    moments = _moments(occasions, pd.Timestamp(last_grain(grain, day)), step_days)
    counted = np.searchsorted(occasions.to_numpy(), moments.to_numpy(), side="right")
    length = days_per(unit)
    recency = _days(occasions[counted - 1] - occasions[0]) / length
    T = _days(moments - occasions[0]) / length
    path = pd.DataFrame(
        {
            "at": moments,
            "frequency": counted - 1,
            "recency": recency,
            "T": T,
            "purchased": moments.isin(occasions),
            "probability_alive": purchases.probability_alive(
                frequency=counted - 1, recency=recency, T=T
            ),
        }
    )
    amounts = bought[["occurred_at", "amount"]].astype({"amount": float})
    return CustomerHistory(
        customer_id=str(customer_id),
        first_at=pd.Timestamp(bought["occurred_at"].iloc[0]),
        as_of=day,
        unit=unit,
        grain=grain,
        purchases=amounts.reset_index(drop=True),
        _path=path,
    )


def _moments(occasions: pd.DatetimeIndex, end: pd.Timestamp, step_days: int) -> pd.DatetimeIndex:
    """Steps from the first occasion to the end, the end and every occasion."""
    steps = pd.date_range(occasions[0], end, freq=f"{step_days}D")
    return pd.DatetimeIndex(steps.union(occasions).union(pd.DatetimeIndex([end])))


def _days(lengths: pd.TimedeltaIndex) -> FloatArray:
    return np.asarray(lengths / pd.Timedelta(_DAY), dtype=float)


def _unit_of(purchases: PurchaseModel[Any] | PurchaseFit[Any]) -> str:
    if purchases.unit is None:
        raise ParameterError(
            "the purchase model does not say its unit of time; fit with unit='day' or 'week', or "
            "give it to the model"
        )
    return purchases.unit


@dataclass(frozen=True, slots=True, eq=False)
class HistoryMatrix:
    """One figure for every frequency and recency there could be.

    Attributes:
        quantity: 'expected_purchases' or 'probability_alive'.
        T: First purchase to now of the customers in the matrix, in ``unit``.
        horizon: How far ahead purchases are expected; None for P(alive).
        unit: Unit of recency, T and horizon, if it is known.
        customers: All customers of the base.
        customers_beyond: Those outside the grid: too frequent or too long silent.
    """

    quantity: str
    T: float
    horizon: float | None
    unit: str | None
    customers: int
    customers_beyond: int
    _frame: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """A row a cell: frequency, recency, silence (T less recency), value, customers.

        Every frequency has every recency, but for frequency 0, whose recency is 0.
        Customers stand where their frequency is theirs and their silence nearest, since
        that decides; their own T may be shorter than the matrix's.
        """
        return self._frame.copy()


def expected_purchase_matrix(
    purchases: PurchaseModel[Any] | PurchaseFit[Any],
    summary: pd.DataFrame,
    *,
    horizon: float,
    T: float | None = None,
    most_frequency: int | None = None,
) -> HistoryMatrix:
    """Purchases expected within the horizon, by frequency and recency.

    Args:
        purchases: A purchase model, fitted or known.
        summary: Frame with frequency, recency and T, whose customers are counted.
        horizon: How far ahead, in the unit of T.
        T: First purchase to now in the matrix; the longest in the base if not given.
        most_frequency: Last row; if not given the 99th percentile of those who came
            back, 5 at least and 30 at most.

    Raises:
        ParameterError: a horizon, T or most_frequency that cannot be; units that differ.
        DataError: no customers, or values that cannot be a history.
        FitError: a fit that has no answer.
    """
    length, customers = read_horizon(horizon), _customers(purchases, summary)
    grid = _grid(customers, T, most_frequency)
    value = purchases.expected_purchases(
        frequency=grid["frequency"],
        recency=grid["recency"],
        T=grid["recency"] + grid["silence"],
        horizon=length,
    )
    return _matrix("expected_purchases", purchases, customers, grid.assign(value=value), length)


def probability_alive_matrix(
    purchases: PurchaseModel[Any] | PurchaseFit[Any],
    summary: pd.DataFrame,
    *,
    T: float | None = None,
    most_frequency: int | None = None,
) -> HistoryMatrix:
    """P(alive) by frequency and recency; arguments as for ``expected_purchase_matrix``.

    Raises:
        ParameterError, DataError, FitError: as there.
    """
    customers = _customers(purchases, summary)
    grid = _grid(customers, T, most_frequency)
    value = purchases.probability_alive(
        frequency=grid["frequency"], recency=grid["recency"], T=grid["recency"] + grid["silence"]
    )
    return _matrix("probability_alive", purchases, customers, grid.assign(value=value), None)


def _check_model(purchases: Any) -> None:
    """Refuses what is no purchase model, such as a spend model.

    Raises:
        ParameterError: neither a known nor a fitted purchase model.
    """
    if not isinstance(purchases, (PurchaseModel, PurchaseFit)):
        raise ParameterError(
            f"purchases must be a purchase model, such as rk.fit_purchase_model(summary) or "
            f"rk.BGNBD(...), not {type(purchases).__name__}"
        )


def _customers(
    purchases: PurchaseModel[Any] | PurchaseFit[Any], summary: pd.DataFrame
) -> PurchaseHistory:
    """The customers of a matrix, in the unit of its model."""
    _check_model(purchases)
    return read_history(summary, None, None, None, unit=purchases.unit)


def _grid(customers: PurchaseHistory, T: float | None, most: int | None) -> pd.DataFrame:
    """Every cell of the matrix, by frequency and then by recency."""
    if not len(customers.T):
        raise DataError("the summary has no customers, so there is no matrix to be shown")
    end = read_horizon(float(customers.T.max()) if T is None else T, "T")
    if most is None:
        back = customers.frequency[customers.frequency > 0]
        high = float(np.quantile(back, SHARE_SHOWN)) if len(back) else 0
        most = int(np.clip(math.ceil(high), FEWEST_ROWS, MOST_ROWS))
    if isinstance(most, bool) or not isinstance(most, (int, np.integer)) or most < 1:
        raise ParameterError(f"most_frequency={most!r} must be a whole number, at least 1")
    recency = np.linspace(0.0, end, STEPS_OF_SILENCE + 1)
    again = pd.DataFrame(
        {
            "frequency": np.repeat(np.arange(1, most + 1), len(recency)),
            "recency": np.tile(recency, most),
        }
    )
    never = pd.DataFrame({"frequency": [0], "recency": [0.0]})
    grid = pd.concat([never, again], ignore_index=True)
    return grid.assign(silence=end - grid["recency"])


def _matrix(
    quantity: str,
    purchases: PurchaseModel[Any] | PurchaseFit[Any],
    customers: PurchaseHistory,
    grid: pd.DataFrame,
    horizon: float | None,
) -> HistoryMatrix:
    """The matrix with the customers in its cells."""
    end = float(grid["silence"].max())
    frequency, silence = customers.frequency, customers.T - customers.recency
    step = end / STEPS_OF_SILENCE
    place = STEPS_OF_SILENCE - np.rint(silence / step)
    most = int(grid["frequency"].max())
    inside = (frequency <= most) & ((frequency == 0) | (place >= 0))
    cell = np.where(frequency == 0, 0, 1 + (frequency - 1) * (STEPS_OF_SILENCE + 1) + place)
    counts = np.bincount(cell[inside].astype(np.intp), minlength=len(grid))
    return HistoryMatrix(
        quantity=quantity,
        T=end,
        horizon=horizon,
        unit=purchases.unit,
        customers=len(frequency),
        customers_beyond=int((~inside).sum()),
        _frame=grid.assign(customers=counts),
    )


@dataclass(frozen=True, slots=True)
class PickedCustomer:
    """A customer chosen by rule, never by hand.

    Attributes:
        customer_id: Who.
        purchases: Buying occasions, the first one included.
        in_the_balance: Expected value times the chance of having left, in the currency:
            large where much is worth and little is sure.
        at_least: Purchases that were required; fewer than asked for where nobody had
            as many.
        among: How many customers had them.
    """

    customer_id: str
    purchases: int
    in_the_balance: float
    at_least: int
    among: int


def pick_customer(
    clv: LifetimeValue, summary: pd.DataFrame, *, min_purchases: int = 5
) -> PickedCustomer:
    """The customer that tells a report's reader most: of those with a story the least settled.

    Ranked by expected value times the chance of having left. Value at risk alone would
    pick somebody who left long ago, of whom there is nothing more to say.

    Args:
        clv: Values of the same customers.
        summary: Frame with customer_id and frequency.
        min_purchases: How many buying occasions make a story; lowered to the most that
            anybody has where nobody has as many. Of equals the first by id.

    Raises:
        ParameterError: no values of customers, no summary, or min_purchases below 2.
        DataError: nobody bought twice, no customer is in both, or one twice.
    """
    check_value(clv, "clv")
    whole = isinstance(min_purchases, (int, np.integer)) and not isinstance(min_purchases, bool)
    if not whole or min_purchases < 2:
        raise ParameterError(f"min_purchases={min_purchases!r} must be a whole number, at least 2")
    values = clv.to_frame()
    balance = values["clv"] * (1 - values["probability_alive"])
    facts = values[["customer_id"]].assign(
        in_the_balance=balance, frequency=_frequency_of(values["customer_id"], summary)
    )
    facts = facts[facts["frequency"].notna()]
    if facts.empty:
        raise DataError(
            f"none of the {clv.n:,} customers of clv is in the summary; both must come from one "
            "source, and their ids be of one type"
        )
    if facts["frequency"].max() < 1:
        raise DataError(
            f"none of {len(facts):,} customers bought twice, so no history has a path to show"
        )
    at_least = min(min_purchases, int(facts["frequency"].max()) + 1)
    able = facts[facts["frequency"] + 1 >= at_least]
    best = able.sort_values(["in_the_balance", "customer_id"], ascending=[False, True]).iloc[0]
    return PickedCustomer(
        customer_id=str(best["customer_id"]),
        purchases=int(best["frequency"]) + 1,
        in_the_balance=float(best["in_the_balance"]),
        at_least=at_least,
        among=len(able),
    )


def _frequency_of(customer_ids: pd.Series, summary: pd.DataFrame) -> FloatArray:
    """Repeat purchases of these customers, nan of those whom the summary does not have.

    Raises:
        ParameterError: no summary.
        DataError: a customer twice, or values that cannot be counts.
    """
    x = read_history(summary, None, None, None).frequency
    if "customer_id" not in summary.columns:
        raise DataError("summary: column customer_id is missing; it says who is who")
    known = pd.Index(summary["customer_id"])
    if known.has_duplicates:
        twice = known[known.duplicated()]
        raise DataError(
            f"summary: {len(twice):,} rows repeat a customer_id (first: {shown_id(twice[0])}); one "
            "row a customer is required"
        )
    rows = known.get_indexer(pd.Index(customer_ids))
    return np.where(rows >= 0, x[rows] if len(x) else math.nan, math.nan)
