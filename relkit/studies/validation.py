"""Transactions held against a model that has seen only the first part of them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from relkit.data.grains import check_day
from relkit.data.summaries import (
    HoldoutSummary,
    holdout_summary,
    rfm_summary,
    summary_with_outcome,
)
from relkit.errors import FitError, ParameterError
from relkit.units import days_per
from relkit.value.baselines import EarlierWindow, EarlierWindows
from relkit.value.gamma_gamma import fit_gamma_gamma
from relkit.value.holdout import assess_holdout
from relkit.value.purchase_fit import PurchaseFit
from relkit.value.purchase_models import check_purchase_model, fit_purchase_model

if TYPE_CHECKING:
    import pandas as pd

    from relkit.value.holdout import HoldoutValidation

    Table = Any  # an Ibis table; Ibis itself is at home in data/ only

NO_PURCHASE = "no purchase after calibration"
NO_SPEND = "no spend after calibration"
NO_PURCHASE_MODEL = "no purchase model found"
NO_SPEND_MODEL = "no spend model found"


@dataclass(frozen=True, slots=True)
class Untested:
    """Why a prediction could not be held against unseen time.

    Attributes:
        calibration_end: Last day that the test fit could see.
        status: Of that fit, such as 'no drop-out identified'; or 'no purchase after
            calibration', 'no spend after calibration', 'no purchase model found', 'no
            spend model found', where the search for a fit found no maximum.
    """

    calibration_end: date
    status: str


def try_holdout(
    transactions: Table,
    *,
    calibration_end: date | str,
    as_of: date | str,
    unit: str = "week",
    grain: str = "day",
    model: str = "bg_nbd",
) -> HoldoutValidation | Untested:
    """``validate_holdout`` for a report that goes on without the test.

    A base that is well described by all of its data may be too short or too small
    in the first part alone, or silent in the second. That is no reason to show
    nothing: the report then says, where the test would stand, that there was none
    and why.

    Args: as of ``validate_holdout``.

    Raises:
        ParameterError, DataError: as ``validate_holdout`` does, but for a time after
            calibration_end in which nobody buys or spends.
        FitError: both models hold on the first part, and the test failed.
    """
    check_purchase_model(model)
    split = split_or_untested(transactions, calibration_end, as_of, unit, grain)
    if isinstance(split, Untested):
        return split
    try:
        return _assessed(split, calibration_end, model)
    except FitError:
        status = _what_failed(split.calibration, model)
        if status is None:
            raise  # both models hold, so that the fault is another one
        return Untested(check_day(calibration_end, "calibration_end"), status)


def split_or_untested(
    transactions: Table, calibration_end: date | str, as_of: date | str, unit: str, grain: str
) -> HoldoutSummary | Untested:
    """The data cut in two, or why nothing can be held against the second part.

    Raises:
        ParameterError: as ``split_of``, but where nobody buys after calibration_end.
    """
    last_day, end = check_day(calibration_end, "calibration_end"), check_day(as_of, "as_of")
    try:
        split = split_of(transactions, calibration_end, as_of, unit, grain)
    except ParameterError:
        if _nobody_buys_after(transactions, last_day, end):
            return Untested(last_day, NO_PURCHASE)
        raise
    outcome = split.calibration[["holdout_frequency", "holdout_spend"]].sum()
    if not outcome["holdout_frequency"] > 0:
        return Untested(last_day, NO_PURCHASE)
    return split if outcome["holdout_spend"] > 0 else Untested(last_day, NO_SPEND)


def validate_holdout(
    transactions: Table,
    *,
    calibration_end: date | str,
    as_of: date | str,
    unit: str = "week",
    grain: str = "day",
    model: str = "bg_nbd",
) -> HoldoutValidation:
    """Fit on the time up to calibration_end, and hold the prediction against the rest.

    Args:
        transactions: Lazy table with customer_id, occurred_at, amount.
        calibration_end: Last day that the fit may see.
        as_of: Last day of the holdout.
        unit: Unit of the model's time, and the step of the tracking table.
        grain: Purchases within one grain are one purchase.
        model: Purchase model: 'bg_nbd', 'mbg_nbd' or 'pareto_nbd'.

    Raises:
        ParameterError: calibration_end leaves nothing before or after it, or there is
            no such model.
        DataError: none of the customers bought, or spent, after calibration_end.
        FitError: the time up to calibration_end does not carry the models.
    """
    check_purchase_model(model)
    split = split_of(transactions, calibration_end, as_of, unit, grain)
    return _assessed(split, calibration_end, model)


def split_of(
    transactions: Table, calibration_end: date | str, as_of: date | str, unit: str, grain: str
) -> HoldoutSummary:
    """The data cut in two, with time to learn from in the first part.

    Raises:
        ParameterError: calibration_end leaves nothing before or after it.
        DataError: there is no purchase.
    """
    split = holdout_summary(
        transactions, calibration_end=calibration_end, as_of=as_of, unit=unit, grain=grain
    )
    if split.calibration_length <= 0:
        raise ParameterError(
            f"calibration_end={calibration_end} is the first day with a purchase, so there is no "
            f"time to learn from; choose a later day before as_of={as_of}"
        )
    return split


def earlier_windows(transactions: Table, split: HoldoutSummary, grain: str) -> EarlierWindows:
    """The cuts inside the calibration that the baselines learn from.

    The last period is as long as the holdout. The boosting learns from a window as
    long as the holdout too, or half of the calibration where that is less, so that as
    much time is left to describe customers by.
    """
    end = date.fromisoformat(split.calibration.attrs["as_of"])
    days = round(split.holdout_length * days_per(split.unit))
    # Not from split.start: with grain 'week' that is the week's first day, which may
    # lie before anybody bought.
    seen = (end - split.calibration["first_at"].min().date()).days
    half = min(days, seen // 2)

    def cut(back: int) -> EarlierWindow:
        customers = summary_with_outcome(
            transactions, end - dt.timedelta(days=back), end, split.unit, grain
        )
        return EarlierWindow(customers, split.holdout_length * back / days)

    last = cut(days) if days <= seen else None
    training = last if half == days else cut(half) if half > 0 else None
    return EarlierWindows(last, training)


def _assessed(split: HoldoutSummary, calibration_end: date | str, model: str) -> HoldoutValidation:
    try:
        return assess_holdout(
            split.calibration,
            split.births,
            split.tracking,
            calibration_length=split.calibration_length,
            holdout_length=split.holdout_length,
            unit=split.unit,
            model=model,
        )
    except FitError as fault:
        # The reader knows that the models hold on all of the data; say that this is a part.
        raise FitError(
            f"test on unseen time, fitted on the days up to calibration_end={calibration_end} "
            f"alone: {fault.heading}",
            [*fault.faults, "a later calibration_end gives the test more to learn from"],
        ) from fault


def _nobody_buys_after(transactions: Table, split: date, end: date) -> bool:
    """Whether all that is wrong with a split is that nothing lies behind it."""
    if split >= end:
        return False
    whole = rfm_summary(transactions, as_of=end)
    return bool(whole["first_at"].min().date() < split >= whole["last_at"].max().date())


def _what_failed(calibration: pd.DataFrame, model: str) -> str | None:
    """Why the calibration alone carries no test; None where both models hold."""
    fits: list[PurchaseFit[Any]] = []
    try:
        fits.append(fit_purchase_model(calibration, model=model))
        fits[0].model  # noqa: B018 - raises where the fit has no parameters
    except FitError:
        return fits[0].status if fits else NO_PURCHASE_MODEL
    try:
        fit_gamma_gamma(calibration)
    except FitError:
        return NO_SPEND_MODEL
    return None
