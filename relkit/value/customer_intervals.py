"""How sure one customer's figures are: of the expectation, and of what will happen.

An expectation is known about as well as the parameters are. What one customer will
really do hardly follows from it: two of three will buy nothing at all, some ten times
what was expected. The two kinds of interval are computed and named apart.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relkit.errors import DataError, ParameterError
from relkit.intervals import normal_quantile
from relkit.privacy import shown_id
from relkit.value.futures import draw_each
from relkit.value.inputs import FloatArray

if TYPE_CHECKING:
    from relkit.value.lifetime_value import LifetimeValue


def customer_intervals(value: LifetimeValue, level: float) -> pd.DataFrame:
    """As ``LifetimeValue.customer_intervals``."""
    z = normal_quantile(level)
    column = purchases_column(value.horizon)
    known = value._frame
    covariance = value.purchases.log_covariance
    slopes = value._flow.slopes(discounted=not math.isfinite(value.horizon))
    frame = known[["customer_id", column]].copy()
    low, high = _in_logarithm(known[column].to_numpy(), slopes, covariance, z)
    frame["purchases_low"], frame["purchases_high"] = low, high
    clv = known["clv"].to_numpy()
    frame["clv"] = clv
    frame["clv_low"], frame["clv_high"] = _in_logarithm(clv, value._gradient, value._covariance, z)
    return frame


def customer_predictions(
    value: LifetimeValue, customer_ids: Any, level: float, draws: int, seed: int
) -> pd.DataFrame:
    """As ``LifetimeValue.customer_predictions``."""
    normal_quantile(level)
    horizon = check_end(value.horizon)
    rows = _rows_of(value, customer_ids)
    futures = draw_each(
        value.purchases,
        value.spend,
        tuple(column[rows] for column in value._histories),
        horizon=horizon,
        discount=value.discount,
        draws=draws,
        seed=seed,
    )
    # The smallest value that so many futures do not exceed: it is one that occurs.
    ends = [0.5 - level / 2, 0.5 + level / 2]
    bought = np.quantile(futures.purchases, ends, axis=0, method="inverted_cdf")
    worth = value.margin * np.quantile(futures.spend, ends, axis=0, method="inverted_cdf")
    frame = value._frame.iloc[rows][["customer_id", "expected_purchases"]].reset_index(drop=True)
    frame["purchases_low"], frame["purchases_high"] = bought.astype(int)
    frame["clv"] = value._frame["clv"].to_numpy()[rows]
    frame["clv_low"], frame["clv_high"] = worth
    frame["buys"] = (futures.purchases > 0).mean(axis=0)
    return frame


def purchases_column(horizon: float) -> str:
    """What the purchases of a horizon are called: without end they are discounted."""
    return "expected_purchases" if math.isfinite(horizon) else "discounted_purchases"


def check_end(horizon: float) -> float:
    """The horizon itself, if futures can be drawn to its end.

    Raises:
        ParameterError: it is infinite.
    """
    if not math.isfinite(horizon):
        raise ParameterError(
            "horizon=inf: what will really happen is simulated purchase by purchase, which has "
            "to end; value the customers with a finite horizon for a prediction"
        )
    return horizon


def _in_logarithm(
    expected: FloatArray, slopes: FloatArray, covariance: FloatArray, z: float
) -> tuple[FloatArray, FloatArray]:
    """Delta-method intervals that are symmetric in the logarithm, so they stay positive."""
    variance = np.einsum("ij,ij->i", slopes @ covariance, slopes)
    error = np.sqrt(np.maximum(variance, 0.0))
    # Who is worth nothing, in double precision, has nothing to be unsure of.
    half = np.divide(z * error, expected, out=np.zeros_like(error), where=expected > 0)
    widen = np.exp(half)
    return expected / widen, expected * widen


def _rows_of(value: LifetimeValue, customer_ids: Any) -> NDArray[np.intp]:
    """Rows of the customers asked for."""
    # Of a set, and of a table's columns, nobody knows the order that is wanted.
    if isinstance(customer_ids, (set, frozenset, dict, pd.DataFrame)) or np.ndim(customer_ids) > 1:
        raise ParameterError(
            f"customer_ids must be one id or a list of ids, not {type(customer_ids).__name__} of "
            "another shape; give summary['customer_id'] or some of it"
        )
    wanted = pd.Index([customer_ids] if np.ndim(customer_ids) == 0 else list(customer_ids))
    if not len(wanted):
        raise DataError("customer_ids names nobody; name at least one customer")
    known = pd.Index(value._frame["customer_id"])
    rows = known.get_indexer(wanted)
    faults = []
    if (missing := wanted[rows < 0]).size:
        faults.append(f"{len(missing):,} are not in the summary (first: {shown_id(missing[0])})")
    if (twice := wanted[wanted.duplicated()]).size:
        faults.append(f"{len(twice):,} are named more than once (first: {shown_id(twice[0])})")
    if faults:
        raise DataError(f"customer_ids: {len(wanted):,} customers are asked for", faults)
    return rows
