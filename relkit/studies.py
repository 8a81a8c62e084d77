"""Questions that need both tables and a study, each asked in one line."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from relkit.data.summaries import holdout_summary, rfm_summary
from relkit.value.holdout import assess_holdout
from relkit.value.lifetime_value import customer_lifetime_value, value_change

if TYPE_CHECKING:
    from relkit.value.bgnbd import BGNBDFit
    from relkit.value.gamma_gamma import GammaGammaFit
    from relkit.value.holdout import HoldoutValidation
    from relkit.value.lifetime_value import ValueChange

    Table = Any  # an Ibis table; Ibis itself is at home in data/ only


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
        DataError: either part of the time is empty, or nobody came back in the first.
    """
    split = holdout_summary(
        transactions, calibration_end=calibration_end, as_of=as_of, unit=unit, grain=grain
    )
    return assess_holdout(
        split.calibration,
        split.births,
        split.tracking,
        calibration_length=split.calibration_length,
        holdout_length=split.holdout_length,
        unit=unit,
    )


def value_since(
    transactions: Table,
    purchases: BGNBDFit,
    spend: GammaGammaFit,
    *,
    compare_to: date | str,
    as_of: date | str,
    horizon: float,
    annual_discount_rate: float,
    grain: str = "day",
) -> ValueChange:
    """What the customers' next ``horizon`` is worth, seen from two days.

    Both days are valued with the same fitted models, so that the difference is
    what customers did, and not what a second fit happened to find.

    Args:
        transactions: Lazy table with customer_id, occurred_at, amount.
        purchases: Fitted purchase model, in the unit that the values are to be in.
        spend: Fitted spend model.
        compare_to: The earlier day.
        as_of: The later day.
        horizon: How far ahead each day looks, in the fit's unit.
        annual_discount_rate: Share a year, 0.10 for 10 %.
    """
    before, now = (
        customer_lifetime_value(
            purchases,
            spend,
            rfm_summary(transactions, as_of=day, unit=purchases.unit, grain=grain),
            horizon=horizon,
            annual_discount_rate=annual_discount_rate,
        )
        for day in (compare_to, as_of)
    )
    return value_change(before, now)
