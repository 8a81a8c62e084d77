"""The table and its verdict: figures by plain loops, planted winners, ties that are ties."""

import math

import numpy as np
import pandas as pd
import pytest

from relkit.errors import DataError, ParameterError
from relkit.value.bgnbd import BGNBD
from relkit.value.comparison import COLUMNS, compare_on_holdout
from relkit.value.forecasts import Forecast, Outcome
from relkit.value.verdict import MEASURES, measured, poisson_deviance, verdict
from tests.value import whole_lives

WEEKS = {"calibration_length": 52.0, "holdout_length": 26.0, "unit": "week"}


def forecast(name, purchases, spend=None, kind="baseline"):
    return Forecast(name, kind, "computed", purchases, purchases * 10 if spend is None else spend)


@pytest.fixture
def outcome():
    rng = np.random.default_rng(0)
    rate = rng.gamma(0.8, 2.0, 3000)
    made = rng.poisson(rate).astype(float)
    return rate, Outcome(made, made * 10.0)


# ---- figures ---------------------------------------------------------------------------


def test_the_figures_by_plain_loops():
    made, said = [0, 1, 3, 0, 2] * 4, [0.5, 0.5, 2.0, 1.0, 2.0] * 4
    spent, value = [0, 10, 50, 0, 15] * 4, [5, 1, 30, 2, 20] * 4
    found = measured(
        Forecast("m", "model", "converged", np.array(said), np.array(value, float)),
        Outcome(np.array(made, float), np.array(spent, float)),
    )
    off = [e - y for e, y in zip(said, made, strict=True)]
    assert found["purchases_error"] == pytest.approx(sum(said) / sum(made) - 1)
    assert found["spend_error"] == pytest.approx(sum(value) / sum(spent) - 1)
    assert found["mean_absolute_error"] == pytest.approx(sum(map(abs, off)) / 20)
    assert found["root_mean_square_error"] == pytest.approx(
        math.sqrt(sum(one**2 for one in off) / 20)
    )
    # A tenth of 20 are 2; four share the highest value and each is half in it.
    assert found["top_decile_share"] == pytest.approx(2 * 50 / sum(spent))
    assert set(found) == set(MEASURES)


def test_the_deviance_is_that_of_scikit_learn(outcome):
    from sklearn.metrics import mean_poisson_deviance

    rate, happened = outcome
    mine = poisson_deviance(happened.purchases, rate + 0.1).mean()
    assert mine == pytest.approx(mean_poisson_deviance(happened.purchases, rate + 0.1))


def test_ruling_out_what_happened_is_infinitely_wrong():
    assert poisson_deviance(np.array([0.0, 2.0]), np.zeros(2)).tolist() == [0.0, math.inf]


# ---- the verdict -----------------------------------------------------------------------


def test_the_same_forecast_is_a_tie(outcome):
    rate, happened = outcome
    both = [forecast("m", rate, kind="model"), forecast("b", rate.copy())]
    found = verdict(both, happened, "m", draws=400)
    assert {one.result for one in found.contests} == {"ties"}
    assert {one.measure for one in found.contests} == set(MEASURES)
    assert found.loses == found.wins == ()


@pytest.mark.parametrize("better", ["m", "b"])
def test_a_better_forecast_wins_and_a_worse_one_is_said_to_lose(outcome, better):
    """The rates themselves against rates of other customers, 40 % too many of them."""
    rate, happened = outcome
    wrong = 1.4 * np.roll(rate, 1)
    said = {"m": rate if better == "m" else wrong, "b": wrong if better == "m" else rate}
    both = [forecast("m", said["m"], kind="model"), forecast("b", said["b"])]
    found = verdict(both, happened, "m", draws=400)
    assert found.wins == (tuple(MEASURES) if better == "m" else ())
    assert found.loses == (() if better == "m" else tuple(MEASURES))
    assert found.loses_to("deviance") == (() if better == "m" else ("b",))
    assert {one.name for one in found.leaders} == {better}
    assert {one.level_with for one in found.leaders} == {()}
    for one in found.contests:
        assert one.advantage.n == 3000
        assert (one.advantage.value > 0) == (better == "m")
    frame = found.to_frame()
    assert frame["result"].unique().tolist() == ["wins" if better == "m" else "loses"]
    assert (frame["low"] <= frame["advantage"]).all()


def test_an_advantage_by_hand(outcome):
    """Of a mean of differences the interval is that of the paired standard error."""
    rate, happened = outcome
    other = rate + 0.3
    both = [forecast("m", rate, kind="model"), forecast("b", other)]
    found = verdict(both, happened, "m")
    one = next(one for one in found.contests if one.measure == "mean_absolute_error")
    gain = np.abs(other - happened.purchases) - np.abs(rate - happened.purchases)
    half = 1.96 * gain.std() / math.sqrt(len(gain))
    assert one.advantage.value == pytest.approx(gain.mean())
    assert one.advantage.low == pytest.approx(gain.mean() - half, abs=0.1 * half)
    assert one.advantage.high == pytest.approx(gain.mean() + half, abs=0.1 * half)


def test_of_two_as_good_neither_is_called_better():
    """Each off by as much and at random: wins and losses are false, nominally 5 %."""
    results = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        rate = rng.gamma(2.0, 1.0, 300)
        made = rng.poisson(rate).astype(float)
        both = [
            forecast("m", rate * rng.gamma(50, 1 / 50, 300), kind="model"),
            forecast("b", rate * rng.gamma(50, 1 / 50, 300)),
        ]
        found = verdict(both, Outcome(made, made * 10), "m", draws=200, seed=seed)
        results += [one.result for one in found.contests if one.measure == "deviance"]
    false = np.mean([one != "ties" for one in results])
    # Binomial: .05 and 2.6 standard errors of 100 worlds.
    assert false <= 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / 100)


def test_without_a_model_nothing_is_won_or_lost(outcome):
    rate, happened = outcome
    silent = Forecast("m", "model", "no drop-out identified")
    found = verdict([silent, forecast("b", rate)], happened, None, draws=100)
    assert found.loses is None
    assert found.wins is None
    assert found.contests == ()
    assert {one.name for one in found.leaders} == {"b"}


# ---- worlds of known truth -------------------------------------------------------------


@pytest.fixture(scope="module")
def leaving():
    """Customers who live by BG/NBD; 52 weeks seen and 26 not."""
    rows = whole_lives.events(3, 1500, 78.0)
    calibration = whole_lives.summary(rows, 52.0, 78.0)
    windows = whole_lives.windows(rows, 52.0, 26.0)
    models = ("bg_nbd", "mbg_nbd")
    return calibration, compare_on_holdout(calibration, models=models, windows=windows, **WEEKS)


def test_where_customers_leave_the_right_model_beats_every_baseline(leaving):
    _, found = leaving
    rows = found.to_frame().set_index("name")
    assert found.verdict.best_model == rows["bic"].idxmin()
    assert found.loses == ()
    for measure in ("purchases_error", "root_mean_square_error"):
        assert found.verdict.wins is not None
        assert measure in found.verdict.wins
    assert abs(rows.loc["bg_nbd", "purchases_error"]) < 0.10
    assert rows.loc["past_rate", "purchases_error"] > 0.15
    assert rows.loc["bg_nbd", "covered_95"] == pytest.approx(0.95, abs=0.015)


def test_the_table(leaving):
    calibration, found = leaving
    rows = found.to_frame()
    assert tuple(rows.columns) == COLUMNS
    assert rows["name"].tolist() == [
        "bg_nbd", "mbg_nbd", "past_rate", "last_period", "gradient_boosting"
    ]  # fmt: skip
    assert rows["kind"].tolist() == ["model"] * 2 + ["baseline"] * 3
    assert set(rows["purchases_actual"]) == {calibration["holdout_frequency"].sum()}
    only = rows[["log_likelihood_holdout", "aic", "bic", "covered_95"]]
    assert (only.notna().all(axis=1) == (rows["kind"] == "model")).all()
    assert only.loc[0, "bic"] - only.loc[0, "aic"] == pytest.approx(
        4 * math.log(len(calibration)) - 8
    )
    best = calibration["holdout_spend"].nlargest(round(0.1 * len(calibration))).sum()
    assert found.oracle_top_decile == pytest.approx(best / found.spend_actual)
    assert (rows["top_decile_share"] < found.oracle_top_decile).all()


def test_what_is_printed_says_what_is_meant(leaving):
    _, found = leaving
    for said in (repr(found), found._repr_html_()):
        assert "gradient_boosting" in said
        assert f"best model by BIC on the calibration: {found.verdict.best_model}" in said
        assert "purchases_error: " in said
        assert "wins against past_rate" in said
        assert "nan" not in said
    assert "∞" in repr(found)  # who never repeated was given no chance by the past rate


def test_the_likelihood_of_the_holdout_is_the_chance_of_what_happened():
    """Of one who bought nothing it is the chance to have left, or to have waited:

    1 - P(alive) (1 - ((alpha + T) / (alpha + T + t)) ** (r + x)), from the BG/NBD story.
    """
    quiet = pd.DataFrame(
        {"frequency": [0, 2, 7], "recency": [0.0, 20.0, 31.0], "T": [40.0, 45.0, 50.0]}
    )
    model = BGNBD(0.8, 8.0, 0.6, 3.0)
    for _, one in quiet.iterrows():
        x, t_x, T = one["frequency"], one["recency"], one["T"]
        later = model.log_likelihood_of(frequency=x, recency=t_x, T=T + 26)
        known = model.log_likelihood_of(frequency=x, recency=t_x, T=T)
        alive = model.probability_alive(frequency=x, recency=t_x, T=T)
        waits = ((8 + T) / (8 + T + 26)) ** (0.8 + x)
        assert math.exp(later - known) == pytest.approx(1 - alive * (1 - waits), rel=1e-9)


def test_the_likelihood_of_the_holdout_needs_the_last_purchase(leaving):
    calibration, found = leaving
    less = calibration.drop(columns="holdout_recency")
    less.attrs["unit"] = "week"
    alone = compare_on_holdout(less, models=["bg_nbd"], **WEEKS).to_frame()
    assert alone["log_likelihood_holdout"].isna().all()
    # The other way: all of the time, less the part that was seen, at the same parameters.
    from relkit.value.bgnbd import fit_bgnbd

    fit = fit_bgnbd(calibration)
    whole = pd.DataFrame(
        {
            "frequency": calibration["frequency"] + calibration["holdout_frequency"],
            "recency": calibration["holdout_recency"],
            "T": calibration["T"] + 26,
        }
    )
    gain = fit.log_likelihood_of(whole) - fit.log_likelihood
    said = found.to_frame().set_index("name").loc["bg_nbd", "log_likelihood_holdout"]
    assert said == pytest.approx(gain, rel=1e-9)


@pytest.fixture(scope="module")
def staying():
    """Nobody ever leaves and rates stay what they are."""
    rows = whole_lives.events(1, 1200, 78.0, leaves="never", r=4.0, alpha=12.0)
    return whole_lives.summary(rows, 52.0, 78.0), whole_lives.windows(rows, 52.0, 26.0)


def test_where_nobody_leaves_the_total_of_the_past_rate_is_not_beaten(staying):
    """Even by the true model with the true parameters: both expect the same total."""
    calibration, _ = staying
    truth = BGNBD(4.0, 12.0, 1e-9, 1.0)
    said = truth.expected_purchases(calibration, horizon=26.0)
    made = calibration["holdout_frequency"].to_numpy(float)
    happened = Outcome(made, calibration["holdout_spend"].to_numpy(float))
    rate = (calibration["frequency"] / calibration["T"] * 26).to_numpy(float)
    mean = calibration["monetary_value"].fillna(20.0).to_numpy(float)
    both = [
        Forecast("truth", "model", "known", said, said * mean),
        Forecast("past_rate", "baseline", "computed", rate, rate * mean),
    ]
    found = {one.measure: one.result for one in verdict(both, happened, "truth").contests}
    assert found["purchases_error"] == found["spend_error"] == "ties"
    assert found["top_decile_share"] == "ties"


def test_where_nobody_leaves_no_model_claims_a_win(staying):
    calibration, windows = staying
    found = compare_on_holdout(calibration, models=["bg_nbd"], windows=windows, **WEEKS)
    rows = found.to_frame().set_index("name")
    assert rows.loc["bg_nbd", "status"] == "no drop-out identified"
    assert math.isnan(rows.loc["bg_nbd", "purchases_expected"])
    assert found.verdict.best_model is None
    assert found.loses is None
    assert abs(rows.loc["past_rate", "purchases_error"]) < 0.05
    assert "no model has an answer; status says why" in repr(found)


# ---- what cannot be compared -----------------------------------------------------------


def test_models_that_cannot_be_meant(leaving):
    calibration, _ = leaving
    with pytest.raises(ParameterError, match="did you mean 'bg_nbd'"):
        compare_on_holdout(calibration, models=["bgnbd"], **WEEKS)
    for wrong in ([], ["bg_nbd", "bg_nbd"]):
        with pytest.raises(ParameterError, match="must name each model once, at least one"):
            compare_on_holdout(calibration, models=wrong, **WEEKS)
    for wrong in (None, 5):
        with pytest.raises(ParameterError, match=f"models={wrong} must be one or more of bg_nbd"):
            compare_on_holdout(calibration, models=wrong, **WEEKS)
    for wrong in (-1, 1.5, "x", None):
        with pytest.raises(ParameterError, match="seed="):
            compare_on_holdout(calibration, seed=wrong, **WEEKS)
    silent = calibration.assign(holdout_frequency=0)
    with pytest.raises(DataError, match="none of the 1,500 customers bought in the holdout"):
        compare_on_holdout(silent, **WEEKS)
    free = calibration.assign(holdout_spend=0.0)
    with pytest.raises(DataError, match="the holdout's spend sums to 0"):
        compare_on_holdout(free, **WEEKS)


def test_without_a_spend_model_purchases_are_still_compared(leaving):
    calibration, _ = leaving
    free = calibration.assign(monetary_value=0.0)
    free.attrs["unit"] = "week"
    found = compare_on_holdout(free, models=["bg_nbd"], **WEEKS)
    assert found.spend_status == "too few repeaters"
    row = found.to_frame().iloc[0]
    assert math.isnan(row["spend_error"])
    assert row["purchases_error"] == pytest.approx(0, abs=0.1)
