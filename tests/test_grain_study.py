"""What one buying occasion is: counts by hand, chance by formula, and planted truths."""

import math

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.errors import DataError, ParameterError
from relkit.studies.grain_simulation import simulate_together

YEAR = 365


def transactions(seed, n=1500, alpha=40.0, bursts=0.0, minutes=20.0, stamp=None):
    """Purchases in continuous time by BG/NBD (days), of which some are recorded twice."""
    rng = np.random.default_rng(seed)
    end = rng.uniform(0.5 * YEAR, YEAR, n)
    rate, leave = rng.gamma(0.8, 1 / alpha, n), rng.beta(0.6, 2.4, n)
    who, at, now, active = [np.arange(n)], [np.zeros(n)], np.zeros(n), np.arange(n)
    while len(active):
        now[active] += rng.exponential(1 / rate[active])
        active = active[now[active] <= end[active]]
        who.append(active.copy())
        at.append(now[active].copy())
        active = active[rng.random(len(active)) >= leave[active]]
    owner, moment = np.concatenate(who), np.concatenate(at)
    moment += (YEAR - end)[owner]
    again = rng.random(len(owner)) < bursts
    owner = np.append(owner, owner[again])
    later = moment[again] + rng.exponential(minutes / 1440, int(again.sum()))
    moment = np.append(moment, np.minimum(later, YEAR - 1e-6))
    stamps = pd.to_timedelta(np.round(moment * 86_400e6).astype("int64"), unit="us")
    times = pd.Timestamp("2023-01-01") + stamps
    return pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in owner],
            "occurred_at": (times.floor(stamp) if stamp else times).astype("datetime64[us]"),
            "amount": rng.gamma(6.0, 5.0, len(owner)).round(2) + 0.01,
        }
    )


def effect(rows, **settings):
    given = {"unit": "week", "horizon": 52, "annual_discount_rate": 0.1} | settings
    return rk.grain_effect(rows, as_of="2023-12-31", **given)


def test_merged_repeats_and_short_gaps_by_hand():
    rows = transactions(1, 400, alpha=5.0)
    found = effect(rows)
    told = found.to_frame().set_index("grain")
    days = rows.assign(
        hour=rows["occurred_at"].dt.floor("h"),
        day=rows["occurred_at"].dt.floor("D"),
        # Weeks end on as_of, Sunday, 31 December 2023.
        week=rows["occurred_at"].dt.to_period("W-SUN"),
    )
    distinct = {"exact": len(rows.drop_duplicates(["customer_id", "occurred_at"]))}
    for grain in ("hour", "day", "week"):
        distinct[grain] = len(days.drop_duplicates(["customer_id", grain]))
    n = rows["customer_id"].nunique()
    for grain, occasions in distinct.items():
        assert told.loc[grain, "repeats"] == occasions - n
        assert told.loc[grain, "merged"] == distinct["exact"] - occasions
        share = (distinct["exact"] - occasions) / (distinct["exact"] - n)
        assert told.loc[grain, "merged_share"] == pytest.approx(share)
    touched = days.groupby("customer_id")["day"].apply(lambda d: d.duplicated().any()).mean()
    assert told.loc["day", "customers_share"] == pytest.approx(touched)
    gap = rows.sort_values("occurred_at").groupby("customer_id")["occurred_at"].diff()
    gaps = found.gaps().set_index("shorter_than")["observed"]
    assert gaps["hour"] == (gap < pd.Timedelta(hours=1)).sum()
    assert gaps["day"] == (gap < pd.Timedelta(days=1)).sum()
    assert list(told.index) == ["exact", "hour", "day", "week"]
    assert told["recommended"].sum() == 1


def test_fits_values_and_differences_are_those_of_each_grain():
    rows = transactions(2)
    found = effect(rows, grains=("day", "exact"))
    told = found.to_frame().set_index("grain")
    assert list(told.index) == ["exact", "day"]
    fits = {}
    for grain in ("exact", "day"):
        summary = rk.rfm_summary(rows, as_of="2023-12-31", unit="week", grain=grain)
        fits[grain] = rk.fit_bgnbd(summary)
        assert told.loc[grain, ["r", "alpha", "a", "b"]].tolist() == pytest.approx(
            list(fits[grain].params)
        )
        total = rk.customer_lifetime_value(
            fits[grain], rk.fit_gamma_gamma(summary), summary, horizon=52, annual_discount_rate=0.1
        ).total
        assert told.loc[grain, "clv"] == pytest.approx(total.value)
        assert told.loc[grain, "clv_low"] == pytest.approx(total.low)
    apart = found.differences().set_index(["grain", "other", "quantity"])
    alpha, base = fits["day"].params.alpha, fits["exact"].params.alpha
    error = fits["exact"].standard_errors.alpha / base
    row = apart.loc[("day", "exact", "alpha")]
    assert row["difference"] == pytest.approx(alpha / base - 1)
    assert row["standard_errors"] == pytest.approx(math.log(alpha / base) / error)
    assert apart.loc[("day", "exact", "clv"), "difference"] == pytest.approx(
        told.loc["day", "clv"] / told.loc["exact", "clv"] - 1
    )
    assert len(apart) == 2 * 5


def test_chance_against_the_formula_for_one_rate():
    """Everyone buys at one rate and stays: of a Poisson process the gaps are known."""

    class Known:
        unit = "day"
        params = (1e6, 5e6, 1e-7, 1e6)  # rate 1/5 a day; nobody leaves
        covariance = np.zeros((4, 4))
        model = rk.BGNBD(*params, unit="day")

    n, rate = 2000, 0.2
    lengths = np.repeat([50.0, 100.0], n // 2)
    exact = pd.DataFrame({"first_at": pd.Timestamp("2023-03-01"), "T": lengths})
    found = simulate_together(Known(), exact, ["exact", "hour", "day"], seed=0)

    def gaps_below(h):
        # What comes within h of the first purchase is near it; of the rest 1 - exp(-rate h).
        return (rate * h + rate * (lengths - h) * -math.expm1(-rate * h)).sum()

    assert found.gaps_below_day == pytest.approx(gaps_below(1.0), rel=0.02)
    assert found.gaps_below_hour == pytest.approx(gaps_below(1 / 24), rel=0.06)
    # Born at midnight: a day of k purchases loses k - 1, the first day all of them.
    for grain, cells in (("day", 1), ("hour", 24)):
        each = rate / cells
        lost = each + (lengths * cells - 1) * (each + math.expm1(-each))
        assert found.merged[grain] == pytest.approx(lost.sum(), rel=0.02 if cells == 1 else 0.08)
    assert found.merged["exact"] == 0
    assert found.error_of_day > 0


PLANTED = [
    ({}, "exact", "together as by chance"),
    ({"alpha": 8.0}, "exact", "together as by chance"),
    # Twenty minutes on average: nearly all in the day, many past the hour.
    ({"bursts": 0.1}, "day", "bursts"),
    ({"bursts": 0.1, "minutes": 300.0}, "day", "bursts"),
    # Two minutes, and eager customers, whose days are full by themselves.
    ({"bursts": 0.1, "minutes": 2.0, "alpha": 8.0}, "hour", "bursts"),
    ({"stamp": "D"}, "day", "no time of day"),
    ({"stamp": "h"}, "hour", "no minutes"),
]


@pytest.mark.parametrize(("truth", "grain", "reason"), PLANTED)
def test_the_recommendation_finds_the_truth(truth, grain, reason):
    told = effect(transactions(100, **truth)).recommendation
    assert (told.grain, told.reason) == (grain, reason)


@pytest.mark.slow
@pytest.mark.parametrize(("truth", "grain", "reason"), PLANTED)
def test_the_recommendation_finds_the_truth_nearly_always(truth, grain, reason):
    right = 0
    for seed in range(20):
        told = effect(transactions(seed, **truth)).recommendation
        right += (told.grain, told.reason) == (grain, reason)
    assert right >= 19


def test_cdnow_knows_days_only():
    source = rk.open_source("params/sources/cdnow.yaml")
    found = rk.grain_effect(
        source.transactions, as_of=source.as_of, unit="week", horizon=52,
        annual_discount_rate=0.1, grains=("exact", "day"),
    )  # fmt: skip
    told = found.recommendation
    assert (told.grain, told.reason, told.without_time) == ("day", "no time of day", 1.0)
    # Purchases of a day are one instant already.
    assert told.repeats == found.to_frame()["repeats"].iloc[1]
    assert told.same_day == 0


def test_what_cannot_be_told_from_chance_says_so():
    rows = transactions(3, 12)
    told = effect(rows)
    assert told.recommendation.grain == "day"
    assert told.recommendation.reason == "not measurable"
    assert math.isnan(told.recommendation.same_day_by_chance)
    assert told.values == {}
    assert told.differences().empty
    assert set(told.to_frame()["status"]) == {"too few repeaters"}


def test_what_is_refused():
    rows = transactions(4, 50)
    with pytest.raises(ParameterError, match="grain='dya' must be one of .*did you mean 'day'"):
        effect(rows, grains=("exact", "dya"))
    for wrong in ("day", 5, []):
        with pytest.raises(ParameterError, match=r"grains=.* must be one or more of"):
            effect(rows, grains=wrong)
    with pytest.raises(ParameterError, match="seed=-1 must be a whole number"):
        effect(rows, seed=-1)
    with pytest.raises(ParameterError, match="give 10 % as 0.10"):
        effect(rows, annual_discount_rate=10)
    with pytest.raises(ParameterError, match="did you mean 'bg_nbd'"):
        effect(rows, model="bgnbd")
    with pytest.raises(DataError):
        effect(rows.assign(amount=-1.0))
