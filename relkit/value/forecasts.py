"""What a method says each customer will do, and how it is held against what happened.

A model and a baseline are told apart by their label alone: both are an expected
number of purchases and an expected spend per customer, measured the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from relkit.errors import DataError, FitError
from relkit.value.gamma_gamma import GammaGammaFit, spend_given
from relkit.value.inputs import FloatArray, PurchaseHistory, SpendHistory
from relkit.value.purchase_fit import PurchaseFit
from relkit.value.purchase_models import PURCHASE_MODELS

TOP_SHARE = 0.10
Kind = Literal["model", "baseline"]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What happened in the holdout.

    Attributes:
        purchases: Of each customer, shape (n,).
        spend: Of each customer, shape (n,).
    """

    purchases: FloatArray
    spend: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """What one method expects of the holdout, made without having seen it.

    Attributes:
        name: Such as 'bg_nbd' or 'past_rate'.
        kind: 'model' or 'baseline'.
        status: How the fit of a model ended; 'computed' or why not for a baseline.
        purchases: Expected of each customer, shape (n,); None where it has no answer.
        spend: Likewise; None where it has no answer.
    """

    name: str
    kind: Kind
    status: str
    purchases: FloatArray | None = None
    spend: FloatArray | None = None


def read_outcome(calibration: pd.DataFrame) -> Outcome:
    """Purchases and spend of the holdout, checked.

    Args:
        calibration: Frame with holdout_frequency and holdout_spend.

    Raises:
        DataError: columns are missing, values cannot be an outcome, or nobody bought.
    """
    need(calibration, "calibration", "holdout_frequency", "holdout_spend")
    purchases = calibration["holdout_frequency"].to_numpy(float)
    spend = calibration["holdout_spend"].to_numpy(float)
    faults = [
        f"{name} is empty or infinite in {int((~np.isfinite(values)).sum()):,} rows"
        for name, values in (("holdout_frequency", purchases), ("holdout_spend", spend))
        if not np.isfinite(values).all()
    ]
    if (purchases < 0).any():
        faults.append(f"holdout_frequency is negative in {int((purchases < 0).sum()):,} rows")
    if faults:
        raise DataError("calibration: what happened in the holdout is not known", faults)
    if not purchases.sum() > 0:
        raise DataError(
            f"none of the {len(purchases):,} customers bought in the holdout, so there is nothing "
            "to hold a prediction against; choose an earlier calibration_end"
        )
    if not spend.sum() > 0:
        raise DataError(
            f"the holdout's spend sums to {spend.sum():g}, so no share of it can be caught; "
            "choose an earlier calibration_end, or a source with amounts"
        )
    return Outcome(purchases, spend)


def need(frame: pd.DataFrame, name: str, *columns: str) -> None:
    """Refuses a frame without these columns, by name."""
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise DataError(
            f"{name}: column {', '.join(missing)} is missing; {', '.join(columns)} are required"
        )


def model_forecast(
    fit: PurchaseFit[Any],
    spend_fit: GammaGammaFit | None,
    history: PurchaseHistory,
    money: SpendHistory,
    ahead: float,
) -> Forecast:
    """What a fitted model expects of each customer within the time ahead.

    A fit without parameters gives a forecast with its status and no answer.
    """
    name = name_of(fit)
    try:
        model = fit.model
    except FitError:
        return Forecast(name, "model", fit.status)
    x, t_x, T = history.frequency, history.recency, history.T
    if_alive = model.purchases_if_alive(x, T, np.array([ahead]))[:, 0]
    purchases = model.alive(x, t_x, T) * if_alive
    each = spend_or_none(spend_fit, x, money.monetary_value)
    return Forecast(
        name, "model", fit.status, purchases, None if each is None else purchases * each
    )


def name_of(fit: PurchaseFit[Any]) -> str:
    """The registry's name of a fit: 'bg_nbd' of BG/NBD."""
    name = fit.kind.name.lower().replace("/", "_")
    return name if name in PURCHASE_MODELS else fit.kind.name


def spend_or_none(fit: GammaGammaFit | None, x: FloatArray, mean: FloatArray) -> FloatArray | None:
    """Expected spend per purchase, or None where the model has no answer."""
    if fit is None:
        return None
    try:
        return spend_given(fit.params, x, mean)
    except FitError:
        return None


def ranking(forecast: Forecast) -> FloatArray | None:
    """What a method ranks customers by: spend, else purchases; None without an answer."""
    return forecast.purchases if forecast.spend is None else forecast.spend


def top_members(score: FloatArray) -> FloatArray:
    """How far each customer belongs to the tenth ranked highest, shape (n,).

    1 inside and 0 outside; equals at the edge share what is left of it, so that the
    order of the rows decides nothing.
    """
    size = top_size(len(score))
    edge = np.sort(score)[-size]
    above, level = score > edge, score == edge
    room = (size - above.sum()) / level.sum()
    members: FloatArray = above + room * level
    return members


def top_size(n: int) -> int:
    """How many customers the top tenth is; at least 1."""
    return max(1, round(TOP_SHARE * n))


def top_share(score: FloatArray, spend: FloatArray) -> float:
    """Share of the spend that the tenth ranked highest by the score brought."""
    return float(top_members(score) @ spend) / math.fsum(spend)
