"""What one buying occasion is, what that changes, and what the data say it should be.

Purchases of one day may be one occasion recorded several times, or several occasions
that happened to fall on one day. Merging the second kind biases the fit, and not
merging the first kind does. A purchase process at the rates of these customers says
how many fall together by chance; more than that are bursts.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from relkit.data.grains import (
    GRAINS,
    as_table,
    check_day,
    check_grain,
    days_between,
    rows_until,
)
from relkit.data.summaries import rfm_summary
from relkit.errors import FitError, ParameterError
from relkit.intervals import normal_quantile
from relkit.studies.grain_simulation import Together, simulate_together
from relkit.units import check_annual_discount_rate
from relkit.value.futures import check_seed
from relkit.value.gamma_gamma import fit_gamma_gamma
from relkit.value.inputs import read_horizon
from relkit.value.lifetime_value import LifetimeValue, customer_lifetime_value
from relkit.value.purchase_fit import NO_DROP_OUT, TOO_FEW_REPEATERS, PurchaseFit
from relkit.value.purchase_models import check_purchase_model, fit_purchase_model

if TYPE_CHECKING:
    Table = Any  # an Ibis table; Ibis itself is at home in data/ only

NO_TIME_OF_DAY = "no time of day"
NO_MINUTES = "no minutes"
AS_BY_CHANCE = "together as by chance"
BURSTS = "bursts"
NOT_MEASURABLE = "not measurable"

# Of a purchase with a time, one in 86,400 falls on midnight to the second.
MOST_AT_MIDNIGHT = 0.01
HALF = 0.5
# Bursts are called so when they are beyond chance and matter: standard errors, and a
# share of all repeat purchases.
SURE, LEAST_SHARE = 4.0, 0.01


@dataclass(frozen=True, slots=True)
class GrainRecommendation:
    """The grain to count by, and why.

    Attributes:
        grain: One of GRAINS.
        reason: 'no time of day' (only days are known); 'no minutes' (only hours are);
            'together as by chance' (what falls together is what the purchase process
            brings, so each is an occasion); 'bursts' (far more falls together: one
            occasion recorded several times); 'not measurable' (no model to tell chance
            from bursts by; 'day' is the convention of published tables).
        without_time: Share of purchases stamped at midnight exactly.
        repeats: Repeat purchases at distinct instants.
        same_day: Of these, how many fall on a day with an earlier one.
        same_day_by_chance: How many the purchase process brings; nan if unknown.
        same_hour: Of the repeats, how many fall into an hour with an earlier one.
        same_hour_by_chance: How many the purchase process brings; nan if unknown.
    """

    grain: str
    reason: str
    without_time: float
    repeats: int
    same_day: int
    same_day_by_chance: float
    same_hour: int
    same_hour_by_chance: float


@dataclass(frozen=True, slots=True, eq=False)
class GrainEffect:
    """The same transactions counted by several grains.

    Attributes:
        as_of: Last day that counts.
        unit: Unit of the fits and of the horizon.
        horizon: How far ahead value is said, in ``unit``.
        annual_discount_rate: Share a year.
        recommendation: The grain that the data call for.
        fits: Purchase model by grain; some may be without a fit.
        values: Lifetime value by grain, where both models have a fit.
    """

    as_of: dt.date
    unit: str
    horizon: float
    annual_discount_rate: float
    recommendation: GrainRecommendation
    fits: dict[str, PurchaseFit[Any]]
    values: dict[str, LifetimeValue]
    _counts: pd.DataFrame
    _gaps: pd.DataFrame

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """One row a grain, finest first.

        grain, recommended, repeats (purchases that count after the first), merged
        (repeats at distinct instants that no longer count), merged_share (of these),
        customers_share (customers with any), merged_by_chance (what the purchase
        process brings; missing if unknown), status, the parameters with low and high,
        and clv, clv_low, clv_high (expected total with its 95 % interval; missing
        without a fit).
        """
        rows = []
        for counts in self._counts.to_dict("records"):
            grain = str(counts["grain"])
            fit, value = self.fits[grain], self.values.get(grain)
            row = {"grain": grain, "recommended": grain == self.recommendation.grain, **counts}
            row["status"] = fit.status
            for found in fit.to_frame(level).itertuples():
                name = str(found.parameter)
                row |= {name: found.estimate, f"{name}_low": found.low, f"{name}_high": found.high}
            total = value.total if value is not None else None
            row["clv"] = total.value if total else math.nan
            row["clv_low"] = total.low if total else math.nan
            row["clv_high"] = total.high if total else math.nan
            rows.append(row)
        return pd.DataFrame(rows)

    def differences(self) -> pd.DataFrame:
        """Each grain against each other one.

        grain, other, quantity (a parameter or 'clv'), difference (as a share of the
        other's), standard_errors (the difference of the logarithms in standard errors
        of the other's). Pairs with a fit on both sides only.
        """
        rows = []
        for other, base in self.fits.items():
            if not _has_fit(base):
                continue
            errors = np.sqrt(np.diag(base.covariance))
            for grain, fit in self.fits.items():
                if grain == other or not _has_fit(fit):
                    continue
                logs = np.log(fit.params) - np.log(base.params)
                for name, log, error in zip(base.kind.fields, logs, errors, strict=True):
                    rows.append((grain, other, name, math.expm1(log), _in_errors(log, error)))
                if grain in self.values and other in self.values:
                    log, error = _log_change(self.values[grain], self.values[other])
                    rows.append((grain, other, "clv", math.expm1(log), _in_errors(log, error)))
        return pd.DataFrame(
            rows, columns=["grain", "other", "quantity", "difference", "standard_errors"]
        )

    def gaps(self) -> pd.DataFrame:
        """Short times between two purchases of a customer.

        shorter_than ('hour', 'day': 24 hours), observed (gaps between distinct
        instants), by_chance (what the purchase process brings; missing if unknown).
        """
        return self._gaps.copy()


def grain_effect(
    transactions: Table,
    *,
    as_of: str | dt.date,
    unit: str = "week",
    horizon: float,
    annual_discount_rate: float,
    grains: Collection[str] = GRAINS,
    model: str = "bg_nbd",
    seed: int = 0,
) -> GrainEffect:
    """What the choice of a buying occasion does to fit and value, and which to choose.

    What would fall together by chance is simulated: as many customers as there are,
    first buying when they did, living by the model from then on, with parameters drawn
    from their uncertainty.

    Args:
        transactions: Table or frame with customer_id, occurred_at and amount.
        as_of: Last day that counts.
        unit: Unit of time of the fits and of the horizon.
        horizon: How far ahead value is said.
        annual_discount_rate: Share a year.
        grains: Which to compare; of them the recommendation is made.
        model: 'bg_nbd', 'mbg_nbd' or 'pareto_nbd'.
        seed: Of the simulation.

    Raises:
        ParameterError: no such grain, unit, model, horizon or rate; as_of before the
            first purchase.
        DataError: there is no purchase.
    """
    day, length = check_day(as_of, "as_of"), read_horizon(horizon)
    rate = check_annual_discount_rate(annual_discount_rate)
    check_purchase_model(model)
    check_seed(seed)
    if isinstance(grains, str) or not isinstance(grains, Collection) or not len(grains):
        raise ParameterError(f"grains={grains!r} must be one or more of {', '.join(GRAINS)}")
    chosen = [one for one in GRAINS if one in {check_grain(grain) for grain in grains}]
    counted = {
        grain: rfm_summary(transactions, as_of=day, unit=unit, grain=grain)
        for grain in dict.fromkeys(["exact", "hour", "day", *chosen])
    }
    exact = counted["exact"]
    fits = {grain: fit_purchase_model(one, model=model) for grain, one in counted.items()}
    values = {}
    for grain in chosen:
        if _has_fit(fits[grain]):
            value = _value(fits[grain], counted[grain], length, rate)
            if value is not None:
                values[grain] = value
    stamps = _stamps(transactions, day)
    repeats = {grain: int(one["frequency"].sum()) for grain, one in counted.items()}
    merged = {grain: repeats["exact"] - repeats[grain] for grain in counted}
    chance, recommended, reason = _recommend(stamps, merged, repeats, fits, exact, chosen, seed)
    counts = pd.DataFrame(
        {
            "grain": chosen,
            "repeats": [repeats[grain] for grain in chosen],
            "merged": [merged[grain] for grain in chosen],
            "merged_share": [merged[grain] / max(repeats["exact"], 1) for grain in chosen],
            "customers_share": [_affected(exact, counted[grain]) for grain in chosen],
            "merged_by_chance": [
                math.nan if chance is None else chance.merged[grain] for grain in chosen
            ],
        }
    )
    gaps = pd.DataFrame(
        {
            "shorter_than": ["hour", "day"],
            "observed": [stamps.gaps_below_hour, stamps.gaps_below_day],
            "by_chance": [math.nan] * 2
            if chance is None
            else [chance.gaps_below_hour, chance.gaps_below_day],
        }
    )
    return GrainEffect(
        as_of=day,
        unit=unit,
        horizon=length,
        annual_discount_rate=rate,
        recommendation=GrainRecommendation(
            grain=recommended,
            reason=reason,
            without_time=stamps.at_midnight,
            repeats=repeats["exact"],
            same_day=merged["day"],
            same_day_by_chance=math.nan if chance is None else chance.merged["day"],
            same_hour=merged["hour"],
            same_hour_by_chance=math.nan if chance is None else chance.merged["hour"],
        ),
        fits={grain: fits[grain] for grain in chosen},
        values=values,
        _counts=counts,
        _gaps=gaps,
    )


@dataclass(frozen=True, slots=True)
class _Stamps:
    """What the purchases' times look like."""

    at_midnight: float
    on_the_hour: float
    gaps_below_hour: int
    gaps_below_day: int


def _stamps(transactions: Table, day: dt.date) -> _Stamps:
    rows = rows_until(as_table(transactions), day)
    rows = rows.filter(rows.kind == "purchase")
    at = rows.occurred_at
    shares = rows.agg(
        at_midnight=(at == at.truncate("D")).cast("float64").mean(),
        on_the_hour=(at == at.truncate("h")).cast("float64").mean(),
    ).to_pyarrow()
    moments = rows.select("customer_id", "occurred_at").distinct()
    follow = moments.group_by("customer_id").order_by("occurred_at")
    with_last = follow.mutate(last=moments.occurred_at.lag())
    gap = days_between(with_last.occurred_at, with_last.last)
    short = with_last.agg(below_hour=(gap < 1 / 24).sum(), below_day=(gap < 1).sum()).to_pyarrow()
    found = shares.to_pylist()[0] | short.to_pylist()[0]
    return _Stamps(
        float(found["at_midnight"]),
        float(found["on_the_hour"]),
        int(found["below_hour"] or 0),
        int(found["below_day"] or 0),
    )


def _recommend(
    stamps: _Stamps,
    merged: dict[str, int],
    repeats: dict[str, int],
    fits: dict[str, PurchaseFit[Any]],
    exact: pd.DataFrame,
    chosen: list[str],
    seed: int,
) -> tuple[Together | None, str, str]:
    """What falls together by chance, the grain to count by, and the reason."""
    hourly = stamps.on_the_hour > 1 - MOST_AT_MIDNIGHT
    # Of stamps by the hour one in 24 is midnight, and more where nights are busy.
    timeless = stamps.at_midnight > (HALF if hourly else MOST_AT_MIDNIGHT)
    finest = "day" if timeless else "hour" if hourly else "exact"
    able = [g for g in chosen if GRAINS.index(g) >= GRAINS.index(finest)] or chosen[-1:]
    known = [fits[grain] for grain in ("exact", "hour", "day") if _has_fit(fits[grain])]
    chance = simulate_together(known[0], exact, merged, seed) if known else None
    if timeless:
        return chance, able[0], NO_TIME_OF_DAY
    if chance is None:
        return None, "day" if "day" in able else able[0], NOT_MEASURABLE
    excess = merged["day"] - chance.merged["day"]
    if excess <= max(SURE * chance.error_of_day, LEAST_SHARE * repeats["exact"]):
        return chance, able[0], NO_MINUTES if hourly else AS_BY_CHANCE
    # A fit to bursts takes them for eager customers; merged by days it does not.
    merging = [fits[grain] for grain in ("day", "hour", "exact") if _has_fit(fits[grain])]
    chance = simulate_together(merging[0], exact, merged, seed)
    wrong = _miscounted(merged, chance)
    return chance, min(able, key=lambda grain: wrong[grain]), BURSTS


def _miscounted(merged: dict[str, int], chance: Together) -> dict[str, float]:
    """Repeats that a grain counts wrongly: bursts left apart and occasions merged."""
    bursts = max(merged["day"] - chance.merged["day"], 0.0)
    in_hours = min(max(merged["hour"] - chance.merged["hour"], 0.0), bursts)
    caught = {"exact": 0.0, "hour": in_hours, "day": bursts, "week": bursts}
    return {
        grain: bursts - caught[grain] + (0.0 if grain == "exact" else chance.merged[grain])
        for grain in merged
    }


def _affected(exact: pd.DataFrame, merged: pd.DataFrame) -> float:
    """Share of customers of whom some repeats were merged."""
    fewer = exact["frequency"].to_numpy() > merged["frequency"].to_numpy()
    return float(fewer.mean())


def _value(
    fit: PurchaseFit[Any], summary: pd.DataFrame, horizon: float, rate: float
) -> LifetimeValue | None:
    """Lifetime value, or None where the amounts carry no spend model."""
    try:
        return customer_lifetime_value(
            fit,
            fit_gamma_gamma(summary),
            summary,
            horizon=horizon,
            annual_discount_rate=rate,
        )
    except FitError:
        return None


def _has_fit(fit: PurchaseFit[Any]) -> bool:
    return fit.status not in (NO_DROP_OUT, TOO_FEW_REPEATERS)


def _log_change(value: LifetimeValue, base: LifetimeValue) -> tuple[float, float]:
    """Logarithm of the ratio of two totals, and the standard error of the base's."""
    one, other = value.total, base.total
    error = math.log(other.high / other.value) / normal_quantile(other.level)
    return math.log(one.value / other.value), error


def _in_errors(log: float, error: float) -> float:
    return log / error if error > 0 else math.nan
