"""Transactions to the table and to tests on unseen time: published anchors, leaks, statuses."""

import math
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from relkit.data.sources import open_source
from relkit.errors import DataError, FitError, ParameterError
from relkit.studies import validation
from relkit.studies.comparison import compare_models
from relkit.value.baselines import baseline_forecasts
from relkit.value.purchase_models import PURCHASE_MODELS, fit_purchase_model
from tests.value import whole_lives

ROOT = Path(__file__).parents[1]
DAYS = {"calibration_end": "1997-09-30", "as_of": "1998-06-30"}


@pytest.fixture(scope="module")
def cdnow():
    return open_source(ROOT / "params/sources/cdnow_sample.yaml").transactions


@pytest.fixture(scope="module")
def compared(cdnow):
    return compare_models(cdnow, **DAYS)


@pytest.fixture(scope="module")
def shop():
    """300 customers over 78 weeks as a frame of transactions; the last 26 are the holdout."""
    rows = whole_lives.events(5, 300, 78.0)
    start = pd.Timestamp("2023-01-01")
    rows["occurred_at"] = start + pd.to_timedelta((rows["at"] * 7 * 86400).round(), unit="s")
    return rows[["customer_id", "occurred_at", "amount"]]


SHOP = {"calibration_end": "2023-12-31", "as_of": "2024-06-30"}


# ---- published -------------------------------------------------------------------------


# Fader, Hardie & Lee (2005): table 2 for likelihoods, section 4 for the holdout.
def test_cdnow_as_published(compared):
    rows = compared.to_frame().set_index("name")
    assert compared.purchases_actual == 1882
    assert rows.loc["bg_nbd", "purchases_expected"] == pytest.approx(1653.4, abs=0.05)
    assert rows.loc["bg_nbd", "aic"] == pytest.approx(2 * 9582.4 + 8, abs=0.2)
    assert rows.loc["pareto_nbd", "aic"] == pytest.approx(2 * 9595.0 + 8, abs=0.2)
    assert rows.loc["bg_nbd", "bic"] == pytest.approx(2 * 9582.4 + 4 * math.log(2357), abs=0.2)
    assert (rows["status"] == "converged").sum() == 3
    assert (rows["status"] == "computed").sum() == 3


def test_cdnow_baselines_by_plain_pandas(compared, cdnow):
    rows = compared.to_frame().set_index("name")
    raw = cdnow.to_pandas()
    raw["day"] = raw["occurred_at"].dt.normalize()
    days = raw.groupby(["customer_id", "day"], as_index=False)["amount"].sum()
    seen = days[days["day"] <= "1997-09-30"]
    first = seen.groupby("customer_id")["day"].min()
    T = (pd.Timestamp("1997-09-30") - first).dt.days / 7
    x = seen.groupby("customer_id").size() - 1
    assert rows.loc["past_rate", "purchases_expected"] == pytest.approx((x / T * 39).sum())
    # The calibration is a day shorter than the holdout: all of it, stretched.
    stretch = 273 / 272
    assert rows.loc["last_period", "purchases_expected"] == pytest.approx(x.sum() * stretch)
    after = days[(days["day"] > "1997-09-30") & days["customer_id"].isin(first.index)]
    spent = after["amount"].sum()
    again = seen[seen["day"] > seen["customer_id"].map(first)]["amount"].sum()
    assert rows.loc["last_period", "spend_error"] == pytest.approx(again * stretch / spent - 1)


def test_cdnow_says_who_wins(compared):
    """The models foresee totals and customers better; nobody ranks the top clearly better."""
    verdict = compared.verdict
    assert verdict.best_model in PURCHASE_MODELS
    assert compared.loses == ()
    top = [one.result for one in verdict.contests if one.measure == "top_decile_share"]
    assert top == ["ties"] * 3


# ---- the models and their names --------------------------------------------------------


def test_models_by_name(cdnow):
    with pytest.raises(ParameterError, match="did you mean 'mbg_nbd'"):
        validation.try_holdout(cdnow, model="mbgnbd", **DAYS)
    with pytest.raises(ParameterError, match="must be one of bg_nbd, mbg_nbd, pareto_nbd"):
        fit_purchase_model(frequency=[1], recency=[1], T=[2], model="neural_network")
    with pytest.raises(ParameterError, match="must be one of"):
        fit_purchase_model(frequency=[1], recency=[1], T=[2], model=None)
    with pytest.raises(ParameterError, match="did you mean 'bg_nbd'"):
        compare_models(cdnow, models="bg_nbb", **DAYS)


@pytest.mark.parametrize("model", PURCHASE_MODELS)
def test_a_test_on_unseen_time_with_each_model(shop, model):
    found = validation.try_holdout(shop, model=model, **SHOP)
    alone = fit_purchase_model(
        validation.split_of(shop, *SHOP.values(), "week", "day").calibration, model=model
    )
    assert found.fit.params == alone.params


# ---- nothing leaks ---------------------------------------------------------------------


def forecasts(transactions):
    """Every number that is said of the holdout before it is looked at."""
    split = validation.split_of(transactions, *SHOP.values(), "week", "day")
    lengths = {
        "calibration_length": split.calibration_length,
        "holdout_length": split.holdout_length,
    }
    windows = validation.earlier_windows(transactions, split, "day")
    said = {
        one.name: np.append(one.purchases, one.spend)
        for one in baseline_forecasts(split.calibration, windows, **lengths)
    }
    for name in ("bg_nbd", "mbg_nbd"):
        fit = fit_purchase_model(split.calibration, model=name)
        said[name] = fit.expected_purchases(split.calibration, horizon=split.holdout_length)
    return said


def test_another_holdout_changes_no_prediction(shop):
    """Half of what came after is dropped, the rest ten times as dear, and some come anew."""
    later = shop["occurred_at"] > "2024-01-01"
    dearer = shop[later].iloc[::2].assign(amount=lambda rows: 10 * rows["amount"])
    come = dearer.assign(customer_id="new" + dearer["customer_id"])
    other = pd.concat([shop[~later], dearer, come])
    before, after = forecasts(shop), forecasts(other)
    assert set(before) == {"past_rate", "last_period", "gradient_boosting", "bg_nbd", "mbg_nbd"}
    for name, said in before.items():
        assert said.tolist() == after[name].tolist(), name
        assert np.ptp(said) > 0
    one = compare_models(shop, models=["bg_nbd"], **SHOP).to_frame()
    two = compare_models(other, models=["bg_nbd"], **SHOP).to_frame()
    unmoved = ["name", "status", "purchases_expected", "aic", "bic"]
    pd.testing.assert_frame_equal(one[unmoved], two[unmoved])
    # The outcome did change, or nothing would be shown by this.
    assert one["purchases_actual"][0] != two["purchases_actual"][0]
    assert one["spend_error"][0] != two["spend_error"][0]


def test_the_same_seed_gives_the_same_table(shop):
    one = compare_models(shop, models=["bg_nbd"], **SHOP)
    turned = compare_models(shop.iloc[::-1], models=["bg_nbd"], **SHOP)
    pd.testing.assert_frame_equal(one.to_frame(), turned.to_frame())
    pd.testing.assert_frame_equal(one.verdict.to_frame(), turned.verdict.to_frame())


@pytest.mark.parametrize(("unit", "grain"), [("day", "exact"), ("month", "hour"), ("week", "week")])
def test_every_unit_and_grain(shop, unit, grain):
    found = compare_models(shop, models=["bg_nbd"], unit=unit, grain=grain, **SHOP).to_frame()
    assert found["status"].tolist() == ["converged"] + ["computed"] * 3
    assert found["purchases_expected"].notna().all()


# ---- the earlier cuts ------------------------------------------------------------------


def test_the_cuts_lie_where_they_should(shop):
    """The year seen has room for the 26 weeks again; eight weeks of it for four."""
    split = validation.split_of(shop, *SHOP.values(), "week", "day")
    windows = validation.earlier_windows(shop, split, "day")
    assert windows.last is windows.training
    assert windows.last.length == pytest.approx(26)
    day = shop["occurred_at"].dt.normalize()
    recent = day[(day > "2023-07-02") & (day <= "2023-12-31")]
    old = shop["customer_id"].isin(shop.loc[day <= "2023-07-02", "customer_id"])
    counted = pd.DataFrame({"id": shop["customer_id"], "day": recent})[old].dropna()
    made = counted.drop_duplicates()
    assert windows.last.customers["holdout_frequency"].sum() == len(made)

    short = {"calibration_end": "2023-02-26", "as_of": "2023-04-23"}
    split = validation.split_of(shop, *short.values(), "week", "day")
    windows = validation.earlier_windows(shop, split, "day")
    assert windows.last.length == pytest.approx(8)
    assert windows.training.length == pytest.approx(4)


def test_a_week_that_begins_before_the_first_purchase_is_no_time_seen(shop):
    """182 days from the first purchase on, 185 to come, and a week of 188 days back."""
    found = compare_models(
        shop, calibration_end="2023-07-02", as_of="2024-01-03", models=["bg_nbd"], grain="week"
    )
    assert found.to_frame()["status"].tolist()[1:] == ["computed"] * 3


def test_a_short_calibration_has_no_time_for_trees(shop):
    found = compare_models(
        shop, calibration_end="2023-02-19", as_of="2024-06-30", models=["bg_nbd"]
    ).to_frame()
    trees = found.set_index("name").loc["gradient_boosting"]
    assert trees["status"] == "not enough time"
    assert math.isnan(trees["purchases_expected"])


# ---- a report goes on without the test -------------------------------------------------


def test_nobody_buys_after_the_calibration(shop):
    for kept in (
        shop[shop["occurred_at"] < "2024-01-01"],
        # Only such as were not there before.
        shop.assign(
            customer_id=shop["customer_id"].where(shop["occurred_at"] < "2024-01-01", "late")
        ),
    ):
        found = validation.try_holdout(kept, **SHOP)
        assert found == validation.Untested(date(2023, 12, 31), "no purchase after calibration")
        with pytest.raises((DataError, ParameterError)):
            validation.validate_holdout(kept, **SHOP)


def test_a_holdout_of_gifts(shop):
    later = shop["occurred_at"] >= "2024-01-01"
    found = validation.try_holdout(shop.assign(amount=shop["amount"].mask(later, 0.0)), **SHOP)
    assert found == validation.Untested(date(2023, 12, 31), "no spend after calibration")


@pytest.mark.parametrize(
    ("broken", "status"),
    [
        ("fit_gamma_gamma", "no spend model found"),
        ("fit_purchase_model", "no purchase model found"),
    ],
)
def test_a_search_without_a_maximum(shop, monkeypatch, broken, status):
    def fails(*_, **__):
        raise FitError("no maximum found in 200 steps")

    monkeypatch.setattr(f"relkit.value.holdout.{broken}", fails)
    monkeypatch.setattr(f"relkit.studies.validation.{broken}", fails)
    found = validation.try_holdout(shop, **SHOP)
    assert found == validation.Untested(date(2023, 12, 31), status)


@pytest.mark.parametrize(
    ("calibration_end", "as_of", "said"),
    [
        ("2024-06-30", "2024-06-30", "must lie before as_of"),
        ("2022-01-01", "2024-06-30", "lies outside the purchases"),
        ("soon", "2024-06-30", "calibration_end='soon' must be a day"),
        ("2023-01-01", "2024-06-30", "no time to learn from|is the first day"),
    ],
)
def test_days_that_cannot_be_meant_still_stop_it(shop, calibration_end, as_of, said):
    with pytest.raises(ParameterError, match=said):
        validation.try_holdout(shop, calibration_end=calibration_end, as_of=as_of)
