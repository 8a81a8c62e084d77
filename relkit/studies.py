"""Questions that need both tables and a study, each asked in one line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd

from relkit.data.grains import as_table
from relkit.data.summaries import default_calibration_end, holdout_summary, rfm_summary
from relkit.errors import DataError, FitError, ParameterError
from relkit.units import days_per
from relkit.value.bgnbd import NO_DROP_OUT, TOO_FEW_REPEATERS, fit_bgnbd
from relkit.value.holdout import assess_holdout
from relkit.value.lifetime_value import customer_lifetime_value, value_change

if TYPE_CHECKING:
    from relkit.segments.tiers import Tiers
    from relkit.value.bgnbd import BGNBDFit
    from relkit.value.gamma_gamma import GammaGammaFit
    from relkit.value.holdout import HoldoutValidation
    from relkit.value.lifetime_value import LifetimeValue, ValueChange

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


def refund_share(transactions: Table) -> float:
    """Refunds as a share of purchases, both by amount; 0 where there are none.

    Values to come are counted before refunds, since nothing says which purchase a
    refund belongs to; this is how much that leaves out.

    Args:
        transactions: Table or frame with amount and kind (without kind, a negative
            amount is a refund).

    Raises:
        DataError: there are refunds, and purchases sum to nothing.
    """
    rows = as_table(transactions)
    refunds = rows.kind == "refund"
    sums = rows.agg(back=rows.amount.sum(where=refunds), bought=rows.amount.sum(where=~refunds))
    found = sums.to_pyarrow().to_pylist()[0]
    back, bought = -(found["back"] or 0.0), found["bought"] or 0.0
    if back > 0 and bought <= 0:
        raise DataError(
            f"refunds of {back:,.2f} stand against purchases of 0; look whether the amounts of "
            "purchases are mapped to the right column"
        )
    return float(back / bought) if back > 0 else 0.0


def comparison_day(transactions: Table, as_of: date | str, given: date | str | None = None) -> date:
    """The earlier day that a review compares with.

    The day that is given; else half a year before ``as_of``, but not before the
    middle of the data, since a base that was just being built has no past to lose.
    """
    if given is not None:
        return pd.Timestamp(given).date()
    half_a_year_ago = (pd.Timestamp(as_of) - pd.Timedelta(days=182)).date()
    return max(half_a_year_ago, default_calibration_end(transactions, as_of))


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

    Raises:
        ParameterError: compare_to does not lie between the first purchase and as_of.
    """
    unit = purchases.unit
    if unit is None:
        raise ParameterError("the purchase model does not say its unit; fit it on rk.rfm_summary")
    now = rfm_summary(transactions, as_of=as_of, unit=unit, grain=grain)
    _check_comparison(compare_to, now["first_at"].min(), as_of)
    before = rfm_summary(transactions, as_of=compare_to, unit=unit, grain=grain)
    then, later = (
        customer_lifetime_value(
            purchases, spend, summary, horizon=horizon, annual_discount_rate=annual_discount_rate
        )
        for summary in (before, now)
    )
    return value_change(then, later)


def _check_comparison(compare_to: date | str, first_at: pd.Timestamp, as_of: date | str) -> None:
    day, first, last = (pd.Timestamp(moment).date() for moment in (compare_to, first_at, as_of))
    if not first < day < last:
        middle = first + (last - first) / 2
        raise ParameterError(
            f"compare_to={day} must lie after the first purchase, {first}, and before "
            f"as_of={last}; choose a day in between, like their middle, {middle}"
        )


# Bands a reader can name; the last of each is open.
_FREQUENCY_BANDS = ((1, "1"), (2, "2"), (3, "3–4"), (5, "5–9"), (10, "10+"))
_SILENCE_BANDS = ((0, "0–30"), (31, "31–90"), (91, "91–180"), (181, "181–365"), (366, "366+"))


def alive_matrix(clv: LifetimeValue, summary: pd.DataFrame) -> pd.DataFrame:
    """Mean chance to be still a customer, by repeat purchases and days since the last.

    Args:
        clv: Values of the same customers.
        summary: Frame with customer_id, frequency, recency, T in ``clv.unit``.

    Returns:
        Columns frequency, days_since_last (both the name of a band, in order),
        customers, probability_alive (nan where no one stands). Customers who never
        came back are left out: in this model they cannot have left.
    """
    joined = summary.merge(clv.to_frame()[["customer_id", "probability_alive"]], on="customer_id")
    joined = joined[joined["frequency"] > 0]
    # Rounded, since 30 days reached through weeks are 30.000000000000004.
    silence = ((joined["T"] - joined["recency"]) * days_per(clv.unit)).round(6)
    cells = pd.DataFrame(
        {
            "frequency": _banded(joined["frequency"], _FREQUENCY_BANDS),
            "days_since_last": _banded(silence, _SILENCE_BANDS),
            "probability_alive": joined["probability_alive"],
        }
    )
    grouped = cells.groupby(["frequency", "days_since_last"], observed=False)["probability_alive"]
    return grouped.agg(customers="size", probability_alive="mean").reset_index()


def _banded(values: pd.Series, bands: tuple[tuple[int, str], ...]) -> pd.Series:
    edges = [*(low for low, _ in bands), math.inf]
    return pd.cut(values, edges, right=False, labels=[name for _, name in bands])


def tier_worth(tiers: Tiers, clv: LifetimeValue, summary: pd.DataFrame) -> pd.DataFrame:
    """What each tier brought so far and is expected to bring.

    Args:
        tiers: A tier for every customer of ``clv``.
        clv: Values of the same customers.
        summary: Frame with customer_id and total_spend.

    Returns:
        One row a tier, most valuable first: tier, customers, customer_share,
        past_spend, past_spend_share, clv, low, high (interval of the expected
        sum), clv_share, clv_mean, probability_alive (mean). Customers, spend and
        value sum to the whole.
    """
    facts = clv.to_frame()[["customer_id", "clv", "probability_alive"]].merge(
        summary[["customer_id", "total_spend"]], on="customer_id", validate="one_to_one"
    )
    profile = tiers.profile(facts)
    labels = facts[["customer_id"]].merge(tiers.to_frame(), on="customer_id")["tier"]
    intervals = clv.total_by(labels.to_numpy()).set_index("label").reindex(profile["tier"])
    return pd.DataFrame(
        {
            "tier": profile["tier"],
            "customers": profile["customers"],
            "customer_share": profile["customers"] / profile["customers"].sum(),
            "past_spend": profile["total_spend"],
            "past_spend_share": profile["total_spend"] / profile["total_spend"].sum(),
            "clv": profile["clv"],
            "low": intervals["low"].to_numpy(),
            "high": intervals["high"].to_numpy(),
            "clv_share": profile["clv"] / profile["clv"].sum(),
            "clv_mean": profile["clv_mean"],
            "probability_alive": profile["probability_alive_mean"],
        }
    )


def win_back_list(clv: LifetimeValue, summary: pd.DataFrame, n: int) -> pd.DataFrame:
    """Silent customers with the most value at risk, most first.

    Silent means: came back before, and now more likely gone than not. Customers
    of equal value at risk are taken in the order of their ids, so that the list
    never depends on the order of the rows.

    Args:
        clv: Values of the same customers.
        summary: Frame with customer_id, frequency, last_at, total_spend.
        n: How many at most.

    Returns:
        Up to n rows: customer_id, last_at, frequency, total_spend,
        probability_alive, clv, value_at_risk.
    """
    joined = clv.to_frame().merge(summary, on="customer_id", validate="one_to_one")
    silent = joined[(joined["frequency"] > 0) & (joined["probability_alive"] < 0.5)]
    ranked = silent.sort_values(["value_at_risk", "customer_id"], ascending=[False, True]).head(n)
    columns = ["customer_id", "last_at", "frequency", "total_spend", "probability_alive", "clv"]
    return ranked[[*columns, "value_at_risk"]].reset_index(drop=True)
