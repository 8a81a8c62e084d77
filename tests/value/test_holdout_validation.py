"""The published holdout of the CDNOW sample, and what cannot be assessed."""

import math

import numpy as np
import pandas as pd
import pytest

from relkit.errors import DataError, FitError, ParameterError
from relkit.value.holdout import assess_holdout
from relkit.value.interval_coverage import Places
from relkit.value.pareto_nbd import ParetoNBD
from tests.value import whole_lives

LENGTHS = {"calibration_length": 272 / 7, "holdout_length": 39, "unit": "week"}


@pytest.fixture(scope="module")
def check(holdout_parts):
    return assess_holdout(*holdout_parts, **LENGTHS)


# Fader, Hardie & Lee (2005), section 4: 39 weeks not seen by the fit.
def test_published_totals(check):
    assert check.actual == 1882
    assert check.expected.value == pytest.approx(1653.4, abs=0.05)
    assert check.error == pytest.approx(-0.121, abs=5e-4)
    assert check.expected.kind == "prediction"
    assert check.expected.low < check.expected.value < check.expected.high


# The same paper, figure of conditional expectations.
def test_published_means_by_frequency(check):
    rows = check.by_frequency
    assert rows["frequency"].tolist() == ["0", "1", "2", "3", "4", "5", "6", "7+"]
    actual = [0.237, 0.697, 1.393, 1.560, 2.532, 2.947, 3.862, 6.359]
    expected = [0.225, 0.523, 1.044, 1.520, 2.164, 2.654, 3.504, 6.157]
    assert rows["actual"].to_numpy() == pytest.approx(actual, abs=6e-4)
    assert rows["expected"].to_numpy() == pytest.approx(expected, abs=6e-4)
    assert rows["customers"].sum() == 2357
    assert (rows["customers"] * rows["expected"]).sum() == pytest.approx(check.expected.value)


# The same paper, tracking plot.
def test_published_cumulative_purchases(check):
    last = check.tracking.iloc[-1]
    assert last["period"] == 78
    assert last["actual_cumulative"] == 4339
    assert last["expected_cumulative"] == pytest.approx(4160.6, abs=0.05)


def test_tracking_adds_up(check):
    rows = check.tracking
    assert rows["expected"].cumsum().to_numpy() == pytest.approx(
        rows["expected_cumulative"].to_numpy()
    )
    assert rows.loc[rows["in_holdout"], "actual"].sum() == check.actual
    assert rows["in_holdout"].sum() == 39
    assert rows["period"][rows["in_holdout"]].min() == 40
    assert (rows["expected"] > 0).all()


def test_spend_and_ranks(check, holdout_parts):
    calibration = holdout_parts[0]
    assert check.spend_actual == pytest.approx(calibration["holdout_spend"].sum())
    assert check.spend_expected.low < check.spend_expected.value < check.spend_expected.high
    top = check.top_decile
    assert top.customers == 236
    best = calibration["holdout_spend"].nlargest(236).sum() / check.spend_actual
    assert top.oracle == pytest.approx(best)
    assert 0.1 < top.past_spend < top.oracle
    assert 0.1 < top.model < top.oracle
    frame = check.to_frame()
    assert frame["measure"].tolist() == ["purchases", "spend"]
    assert frame["error"][0] == pytest.approx(check.error)


def test_ties_at_the_edge_do_not_depend_on_the_row_order(check, holdout_parts):
    calibration, births, tracking = holdout_parts
    turned = calibration.iloc[::-1]
    turned.attrs["unit"] = "week"
    again = assess_holdout(turned, births, tracking, **LENGTHS)
    assert again.top_decile.past_spend == pytest.approx(check.top_decile.past_spend, rel=1e-12)
    assert again.top_decile.model == pytest.approx(check.top_decile.model, rel=1e-12)
    assert (again.expected.low, again.expected.high) == (check.expected.low, check.expected.high)


def test_ties_share_what_is_left_of_the_tenth(holdout_parts, check):
    """With equal past spend the baseline can know nothing: it catches its own share."""
    calibration, births, tracking = holdout_parts
    blind = calibration.assign(total_spend=1.0)
    blind.attrs["unit"] = "week"
    found = assess_holdout(blind, births, tracking, **LENGTHS).top_decile
    assert found.past_spend == pytest.approx(236 / 2357)
    assert found.model == pytest.approx(check.top_decile.model)


def test_many_birth_times_change_nothing(check, holdout_parts):
    calibration, births, tracking = holdout_parts
    rng = np.random.default_rng(0)
    # Every customer born at an own instant of the day, 0.001 days around its middle.
    own = births.loc[births.index.repeat(births["customers"])].assign(customers=1)
    many = pd.concat([own] * 3).assign(customers=1 / 3)
    many["age"] += rng.uniform(-1e-4, 1e-4, len(many))
    found = assess_holdout(calibration, many, tracking, **LENGTHS).tracking
    assert found["expected_cumulative"].to_numpy() == pytest.approx(
        check.tracking["expected_cumulative"].to_numpy(), rel=1e-4
    )


def test_without_repeat_spend_purchases_are_still_assessed(holdout_parts):
    calibration, births, tracking = holdout_parts
    free = calibration.assign(monetary_value=0.0)
    free.attrs["unit"] = "week"
    found = assess_holdout(free, births, tracking, **LENGTHS)
    assert found.spend_expected is None
    assert found.expected.value == pytest.approx(1653.4, abs=0.05)
    assert found.to_frame()["measure"].tolist() == ["purchases"]


def test_what_cannot_be_assessed(holdout_parts):
    calibration, births, tracking = holdout_parts
    with pytest.raises(DataError, match="column holdout_spend is missing"):
        assess_holdout(calibration.drop(columns="holdout_spend"), births, tracking, **LENGTHS)
    silent = calibration.assign(holdout_frequency=0)
    with pytest.raises(DataError, match="none of the 2,357 customers bought in the holdout"):
        assess_holdout(silent, births, tracking, **LENGTHS)
    gaps = calibration.assign(holdout_spend=math.nan)
    with pytest.raises(DataError, match="holdout_spend is empty or infinite in 2,357 rows"):
        assess_holdout(gaps, births, tracking, **LENGTHS)
    with pytest.raises(DataError, match="births: 2,3"):
        assess_holdout(calibration, births.iloc[1:], tracking, **LENGTHS)
    with pytest.raises(DataError, match="tracking: column elapsed is missing"):
        assess_holdout(calibration, births, tracking.drop(columns="elapsed"), **LENGTHS)
    with pytest.raises(ParameterError, match="holdout_length"):
        assess_holdout(calibration, births, tracking, **{**LENGTHS, "holdout_length": 0})
    nobody = calibration.assign(frequency=0, recency=0.0)
    nobody.attrs["unit"] = "week"
    with pytest.raises(FitError, match="0 of 2,357 customers came back"):
        assess_holdout(nobody, births, tracking, **LENGTHS)


# ---- by silence ------------------------------------------------------------------------


def test_bands_of_silence_by_plain_pandas(check, holdout_parts):
    rows, calibration = check.by_recency, holdout_parts[0]
    silent = calibration["T"] - calibration["recency"]
    assert rows["customers"].sum() == 2357
    lows = [float(label.rstrip("+").split("–")[0]) for label in rows["since_last"]]
    assert rows["since_last"].iloc[-1].endswith("+")
    assert lows == sorted(lows)
    assert lows[0] == 0
    for i, low in enumerate(lows):
        inside = (silent >= low) & (silent < (lows[i + 1] if i + 1 < len(lows) else math.inf))
        assert rows["customers"].iloc[i] == inside.sum()
        actual = calibration.loc[inside, "holdout_frequency"].mean()
        assert rows["actual"].iloc[i] == pytest.approx(actual)
    assert (rows["customers"] * rows["expected"]).sum() == pytest.approx(check.expected.value)
    # Bands of about a tenth or more each: single customers decide in none of them.
    assert rows["customers"].min() > 200


def test_customers_silent_as_long_are_one_band(holdout_parts):
    """Two lengths of silence are two bands, however many bands there could be."""
    calibration, births, tracking = holdout_parts
    one_day = calibration.assign(T=38.0, recency=np.where(calibration["frequency"] > 0, 19.0, 0))
    one_day.attrs["unit"] = "week"
    found = assess_holdout(
        one_day, births.assign(age=272 / 7 - 38.0), tracking, model="mbg_nbd", **LENGTHS
    )
    assert found.by_recency["since_last"].tolist() == ["19–38", "38+"]
    assert found.by_recency["customers"].tolist() == [946, 1411]


# ---- every purchase model --------------------------------------------------------------


@pytest.mark.parametrize("model", ["mbg_nbd", "pareto_nbd"])
def test_the_other_models_are_held_against_the_same_time(check, holdout_parts, model):
    found = assess_holdout(*holdout_parts, model=model, **LENGTHS)
    assert found.actual == check.actual == 1882
    assert found.fit.kind.name == {"mbg_nbd": "MBG/NBD", "pareto_nbd": "Pareto/NBD"}[model]
    if model == "pareto_nbd":  # Fader, Hardie & Lee (2005), table 2
        assert found.fit.log_likelihood == pytest.approx(-9595.0, abs=0.1)
    # What each says by itself, through its public methods.
    said = found.fit.expected_purchases(holdout_parts[0], horizon=39).sum()
    assert found.expected.value == pytest.approx(said)
    new = found.fit.expected_purchases_new
    births = holdout_parts[1]
    first = births["age"] < 10 - 1 / 7
    ten = sum(
        n * new(10 - 1 / 7 - age)
        for age, n in births.loc[first, ["age", "customers"]].itertuples(index=False)
    )
    assert found.tracking["expected_cumulative"][9] == pytest.approx(ten)
    assert found.tracking["actual"].tolist() == check.tracking["actual"].tolist()


def test_there_is_no_such_model(holdout_parts):
    with pytest.raises(ParameterError, match="did you mean 'pareto_nbd'"):
        assess_holdout(*holdout_parts, model="paretonbd", **LENGTHS)


# ---- intervals of single customers -----------------------------------------------------


@pytest.mark.parametrize("leaves", ["bg_nbd", "mbg_nbd", "pareto_nbd"])
def test_intervals_cover_what_they_say_where_the_model_is_true(leaves):
    rows = whole_lives.events(11, 1500, 78.0, leaves=leaves)
    parts = whole_lives.parts(rows, 52.0, 78.0)
    lengths = {"calibration_length": 52.0, "holdout_length": 26.0, "unit": "week"}
    found = assess_holdout(*parts, model=leaves, **lengths).interval_coverage
    assert found["level"].tolist() == [0.50, 0.80, 0.95]
    for level, n, covered in found.itertuples(index=False):
        assert n == len(parts[0])
        # Binomial over customers, and the parameters, which are estimated.
        assert covered == pytest.approx(level, abs=3.5 * math.sqrt(level * (1 - level) / n))


def test_intervals_of_a_wrong_model_do_not_cover(holdout_parts):
    """Every purchase of the holdout four times: too many for what the past says."""
    calibration, births, tracking = holdout_parts
    often = calibration.assign(holdout_frequency=4 * calibration["holdout_frequency"])
    often.attrs["unit"] = "week"
    found = assess_holdout(often, births, tracking, **LENGTHS).interval_coverage
    assert found["covered"].iloc[-1] < 0.85


def test_a_discrete_outcome_is_not_flattered():
    """One buys for certain or not at all, half and half: an interval of 50 % holds half.

    The smallest set of counts with a chance of 50 % or more would hold one of two, but
    that with 80 % both of them, and look careful.
    """
    half = Places(np.array([0.0, 0.5]), np.array([0.5, 1.0]))
    assert half.inside(0.5).tolist() == [0.5, 0.5]
    assert half.inside(0.8).tolist() == pytest.approx([0.8, 0.8])
    # An outcome of small chance at the edge lies inside in part.
    edge = Places(np.array([0.0, 0.02]), np.array([0.02, 0.03]))
    assert edge.inside(0.95).tolist() == pytest.approx([0.0, 0.5])


def test_a_parameter_that_the_data_hardly_hold_stops_no_future():
    from relkit.value.futures import drawn_parameters

    loose = np.diag([1e-4, 1e-4, 1e6, 1e6])
    rng = np.random.default_rng(0)
    drawn = np.array(list(drawn_parameters(rng, np.zeros(4), loose, 500)))
    assert np.isfinite(drawn).all()
    assert (drawn > 0).all()
    assert np.log(drawn[:, 0]).std() == pytest.approx(0.01, rel=0.1)
    for params in drawn[:20]:
        model = ParetoNBD(*params.tolist(), unit="week")
        who, when = model.draw_purchases(
            rng, np.array([0.0, 3.0]), np.array([0.0, 5.0]), np.array([10.0, 10.0]), 5.0
        )
        assert np.isfinite(when).all()
        assert len(who) == len(when)
