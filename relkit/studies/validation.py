"""Transactions held against a model that has seen only the first part of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd

from relkit.data.summaries import holdout_summary, rfm_summary
from relkit.errors import FitError, ParameterError
from relkit.value.bgnbd import NO_DROP_OUT, TOO_FEW_REPEATERS, fit_bgnbd
from relkit.value.holdout import assess_holdout

if TYPE_CHECKING:
    from relkit.value.holdout import HoldoutValidation

    Table = Any  # an Ibis table; Ibis itself is at home in data/ only


@dataclass(frozen=True, slots=True)
class Untested:
    """Why a prediction could not be held against unseen time.

    Attributes:
        calibration_end: Last day that the test fit could see.
        status: Of that fit, such as 'no drop-out identified'.
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
) -> HoldoutValidation | Untested:
    """``validate_holdout`` for a report that goes on without the test.

    A base that is well described by all of its data may be too short or too small
    in the first part alone. That is no reason to show nothing: the report then
    says, where the test would stand, that there was none and why.

    Args: as of ``validate_holdout``.

    Raises:
        ParameterError, DataError: as ``validate_holdout`` does.
        FitError: the purchase model holds on the first part, and the test failed.
    """
    try:
        return validate_holdout(
            transactions, calibration_end=calibration_end, as_of=as_of, unit=unit, grain=grain
        )
    except FitError:
        seen = rfm_summary(transactions, as_of=calibration_end, unit=unit, grain=grain)
        status = fit_bgnbd(seen).status
        if status not in (NO_DROP_OUT, TOO_FEW_REPEATERS):
            raise  # the purchase model holds, so that the fault is another one
        return Untested(pd.Timestamp(calibration_end).date(), status)


def validate_holdout(
    transactions: Table,
    *,
    calibration_end: date | str,
    as_of: date | str,
    unit: str = "week",
    grain: str = "day",
) -> HoldoutValidation:
    """Fit on the time up to calibration_end, and hold the prediction against the rest.

    Args:
        transactions: Lazy table with customer_id, occurred_at, amount.
        calibration_end: Last day that the fit may see.
        as_of: Last day of the holdout.
        unit: Unit of the model's time, and the step of the tracking table.
        grain: Purchases within one grain are one purchase.

    Raises:
        ParameterError: calibration_end leaves nothing before or after it.
        DataError: none of the customers bought after calibration_end.
        FitError: the time up to calibration_end does not carry the models.
    """
    split = holdout_summary(
        transactions, calibration_end=calibration_end, as_of=as_of, unit=unit, grain=grain
    )
    if split.calibration_length <= 0:
        raise ParameterError(
            f"calibration_end={calibration_end} is the first day with a purchase, so there is no "
            f"time to learn from; choose a later day before as_of={as_of}"
        )
    try:
        return assess_holdout(
            split.calibration,
            split.births,
            split.tracking,
            calibration_length=split.calibration_length,
            holdout_length=split.holdout_length,
            unit=unit,
        )
    except FitError as fault:
        # The reader knows that the models hold on all of the data; say that this is a part.
        raise FitError(
            f"test on unseen time, fitted on the days up to calibration_end={calibration_end} "
            f"alone: {fault.heading}",
            [*fault.faults, "a later calibration_end gives the test more to learn from"],
        ) from fault
