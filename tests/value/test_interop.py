"""Exchange with lifetimes: its own predictions are the judge."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.errors import DataError, FitError, ParameterError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import lifetimes

EXACT = {"rel": 1e-8, "abs": 0}


def fitted_there(fitter, sample):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fitter.fit(sample["frequency"], sample["recency"], sample["T"])


@pytest.fixture(scope="module")
def theirs(sample):
    """lifetimes' BG/NBD of the published sample in weeks."""
    return fitted_there(lifetimes.BetaGeoFitter(), sample)


@pytest.fixture(scope="module")
def theirs_modified(sample):
    """lifetimes' MBG/NBD of the same."""
    return fitted_there(lifetimes.ModifiedBetaGeoFitter(), sample)


@pytest.fixture(scope="module")
def theirs_pareto():
    """A Pareto/NBD fitter as its fit leaves it; the fit itself takes minutes.

    Parameters: Fader, Hardie & Lee (2005), table 2, CDNOW sample in weeks.
    """
    fitter = lifetimes.ParetoNBDFitter()
    fitter.params_ = pd.Series({"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669})
    fitter.predict = fitter.conditional_expected_number_of_purchases_up_to_time
    return fitter


@pytest.fixture(scope="module")
def repeaters(sample):
    return sample[(sample["frequency"] > 0) & (sample["monetary_value"] > 0)]


@pytest.fixture(scope="module")
def their_spend(repeaters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitter = lifetimes.GammaGammaFitter()
        return fitter.fit(repeaters["frequency"], repeaters["monetary_value"])


def histories_of(sample):
    return sample["frequency"].to_numpy(), sample["recency"].to_numpy(), sample["T"].to_numpy()


@pytest.mark.parametrize("horizon", [1.0, 39.0, 104.0])
@pytest.mark.parametrize(
    ("fixture", "kind"),
    [("theirs", rk.BGNBD), ("theirs_modified", rk.MBGNBD), ("theirs_pareto", rk.ParetoNBD)],
)
def test_their_fit_predicts_here_what_it_predicts_there(request, sample, fixture, kind, horizon):
    theirs = request.getfixturevalue(fixture)
    model = rk.from_lifetimes(theirs, unit="week")
    assert type(model) is kind
    assert model.unit == "week"
    x, t_x, T = histories_of(sample)
    assert model.expected_purchases(sample, horizon=horizon) == pytest.approx(
        theirs.predict(horizon, x, t_x, T), **EXACT
    )
    assert model.probability_alive(sample) == pytest.approx(
        theirs.conditional_probability_alive(x, t_x, T), **EXACT
    )
    assert model.expected_purchases_new(horizon) == pytest.approx(
        theirs.expected_number_of_purchases_up_to_time(horizon), **EXACT
    )


# Fader, Hardie & Lee (2005), Table 2 and section 4.2, through both directions.
def test_published_figures_survive_both_ways(sample):
    published = rk.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    fitter = rk.to_lifetimes(published)
    assert fitter.predict(39, 2, 30.43, 38.86) == pytest.approx(1.226, abs=5e-4)
    assert rk.from_lifetimes(fitter).params == published.params
    assert rk.from_lifetimes(rk.to_lifetimes(rk.GammaGamma(6.25, 3.74, 15.45))).params == (
        6.25, 3.74, 15.45,
    )  # fmt: skip


@pytest.mark.parametrize(("unit", "days"), [("week", 7.0), ("day", 1.0)])
@pytest.mark.parametrize("fit_here", [rk.fit_bgnbd, rk.fit_mbgnbd, rk.fit_pareto_nbd])
def test_our_fit_predicts_there_what_it_predicts_here(sample, fit_here, unit, days):
    per_unit = sample.assign(recency=sample["recency"] * 7 / days, T=sample["T"] * 7 / days)
    per_unit.attrs["unit"] = unit
    fit = fit_here(per_unit)
    fitter = rk.to_lifetimes(fit)
    x, t_x, T = histories_of(per_unit)
    horizon = 273 / days
    assert fitter.predict(horizon, x, t_x, T) == pytest.approx(
        fit.expected_purchases(per_unit, horizon=horizon), **EXACT
    )
    assert fitter.conditional_probability_alive(x, t_x, T) == pytest.approx(
        fit.probability_alive(per_unit), **EXACT
    )


def test_our_spend_fit_predicts_there_and_theirs_here(sample, repeaters, their_spend):
    fit = rk.fit_gamma_gamma(sample)
    arrays = repeaters["frequency"].to_numpy(), repeaters["monetary_value"].to_numpy()
    for ours, fitter in (
        (fit, rk.to_lifetimes(fit)),
        (rk.from_lifetimes(their_spend), their_spend),
    ):
        assert ours.expected_spend(repeaters) == pytest.approx(
            fitter.conditional_expected_average_profit(*arrays), **EXACT
        )


def test_their_lifetime_value_takes_our_fits(sample, theirs, their_spend):
    columns = [sample[name] for name in ("frequency", "recency", "T", "monetary_value")]
    ours = rk.to_lifetimes(rk.fit_gamma_gamma(sample)).customer_lifetime_value(
        rk.to_lifetimes(rk.fit_bgnbd(sample)), *columns, freq="W"
    )
    reference = their_spend.customer_lifetime_value(theirs, *columns, freq="W")
    # Two searches for one optimum, so as near as theirs stops.
    assert ours.to_numpy() == pytest.approx(reference.to_numpy(), rel=1e-4)


def test_standard_errors_agree_with_theirs(sample, theirs, theirs_modified, their_spend):
    for fit, fitter in (
        (rk.fit_bgnbd(sample), theirs),
        (rk.fit_mbgnbd(sample), theirs_modified),
        (rk.fit_gamma_gamma(sample), their_spend),
    ):
        ours = rk.to_lifetimes(fit)
        assert list(ours.params_.index) == list(fitter.params_.index)
        pd.testing.assert_frame_equal(ours.summary, fitter.summary, rtol=2e-3)
        # The delta method from their own Hessian; off the diagonal they err.
        p = fitter.params_.to_numpy()
        expected = np.outer(p, p) * np.linalg.inv(fitter._hessian_) / len(fitter.data)
        assert ours.variance_matrix_.to_numpy() == pytest.approx(expected, rel=5e-3)
        assert not np.allclose(fitter.variance_matrix_, fitter.variance_matrix_.T, rtol=0.1)


def test_known_parameters_have_no_standard_errors():
    fitter = rk.to_lifetimes(rk.GammaGamma(6.25, 3.74, 15.45))
    assert fitter.summary["coef"].tolist() == [6.25, 3.74, 15.45]
    assert fitter.standard_errors_.isna().all()
    assert repr(fitter) == "<lifetimes.GammaGammaFitter: p: 6.25, q: 3.74, v: 15.45>"


def test_unbounded_parameters_have_infinite_errors():
    # Everyone buys once a week or so and half of them are gone at once: rates are alike.
    rng = np.random.default_rng(5)
    n, T = 4000, 20.0
    kept = rng.random((n, 60)) >= 0.2
    at = np.cumsum(rng.exponential(1.0, (n, 60)), axis=1)
    active = np.cumprod(np.hstack([np.ones((n, 1), bool), kept[:, :-1]]), axis=1).astype(bool)
    made = active & (at <= T)
    x = made.sum(1)
    t_x = np.where(x > 0, np.max(np.where(made, at, 0), axis=1), 0.0)
    fit = rk.fit_bgnbd(frequency=x, recency=t_x, T=np.full(n, T))
    assert fit.status == "no heterogeneity identified"
    fitter = rk.to_lifetimes(fit)
    unbounded = np.isinf(fit.standard_errors)
    assert unbounded.any()
    assert np.isinf(fitter.standard_errors_.to_numpy()).tolist() == unbounded.tolist()
    matrix = fitter.variance_matrix_.to_numpy()
    assert np.isnan(matrix[unbounded][:, ~unbounded]).all()
    assert fitter.predict(5.0, 3, 10.0, 20.0) == pytest.approx(
        fit.expected_purchases(frequency=3, recency=10.0, T=20.0, horizon=5.0), rel=1e-4
    )


def test_with_the_summary_their_print_and_matrices_work(sample, theirs, repeaters, tmp_path):
    fitter = rk.to_lifetimes(rk.fit_bgnbd(sample), sample)
    assert repr(fitter) == repr(theirs)
    pd.testing.assert_frame_equal(fitter.data, theirs.data, check_dtype=False)
    assert fitter.conditional_probability_alive_matrix() == pytest.approx(
        theirs.conditional_probability_alive_matrix(), abs=1e-5
    )
    assert len(fitter.generate_new_data(size=len(sample))) == len(sample)
    # In MBG/NBD a customer can be gone without any repeat purchase, in BG/NBD not.
    modified = rk.to_lifetimes(rk.fit_mbgnbd(sample), sample).generate_new_data(size=len(sample))
    assert not modified.loc[modified["frequency"] == 0, "alive"].astype(bool).all()
    plain = fitter.generate_new_data(size=len(sample))
    assert plain.loc[plain["frequency"] == 0, "alive"].astype(bool).all()
    spend = rk.to_lifetimes(rk.fit_gamma_gamma(sample), sample)
    assert len(spend.conditional_expected_average_profit()) == len(repeaters)
    # Their own way to a file and back.
    fitter.save_model(str(tmp_path / "model.pkl"))
    loaded = lifetimes.BetaGeoFitter()
    loaded.load_model(str(tmp_path / "model.pkl"))
    assert loaded.predict(39, 2, 30.43, 38.86) == fitter.predict(39, 2, 30.43, 38.86)
    assert rk.from_lifetimes(loaded).params == rk.from_lifetimes(fitter).params


def test_pareto_goes_both_ways(sample, theirs_pareto):
    fit = rk.fit_pareto_nbd(sample)
    fitter = rk.to_lifetimes(fit, sample)
    assert type(fitter) is lifetimes.ParetoNBDFitter
    assert rk.from_lifetimes(fitter, unit="week").params == tuple(fit.params)
    assert repr(fitter).startswith("<lifetimes.ParetoNBDFitter: fitted with 2357 subjects, alpha")
    assert list(fitter.params_.index) == list(theirs_pareto.params_.index)
    # Its own fits have none; here they are those of the fit.
    assert fitter.standard_errors_.to_numpy() == pytest.approx(fit.standard_errors, rel=1e-12)
    assert len(fitter.generate_new_data(size=len(sample))) == len(sample)
    chances = fit.purchase_distribution(sample.head(30), horizon=39, most=3)
    for k in range(4):
        there = fitter.conditional_probability_of_n_purchases_up_to_time(
            k, 39.0, *(column[:30] for column in histories_of(sample))
        )
        assert chances[:, k] == pytest.approx(np.array(there), rel=1e-6)


def test_a_summary_of_others_is_refused(sample):
    fit = rk.fit_bgnbd(sample)
    with pytest.raises(ParameterError, match=r"2,356 customers.*the fit has 2,357"):
        rk.to_lifetimes(fit, sample.iloc[1:])
    with pytest.raises(DataError, match="recency is later than T"):
        rk.to_lifetimes(fit, sample.assign(T=0.0))


def test_a_penalised_fit_comes_as_it_is(sample):
    fitter = fitted_there(lifetimes.BetaGeoFitter(penalizer_coef=0.1), sample)
    model = rk.from_lifetimes(fitter)
    assert model.params == tuple(fitter.params_)
    assert model.expected_purchases(frequency=2, recency=30.43, T=38.86, horizon=39) == (
        pytest.approx(fitter.predict(39, 2, 30.43, 38.86), **EXACT)
    )


def test_what_cannot_be_taken_is_said(theirs):
    supported = (
        r"it takes BetaGeoFitter \(BG/NBD\), ModifiedBetaGeoFitter \(MBG/NBD\), "
        r"ParetoNBDFitter \(Pareto/NBD\), GammaGammaFitter \(Gamma-Gamma\)"
    )
    # A class of the reader's own may be another model under the same parameters.
    derived = type("BetaGeoFitter", (lifetimes.BetaGeoFitter,), {})()
    for wrong in (lifetimes.BetaGeoBetaBinomFitter(), derived, "a string"):
        with pytest.raises(ParameterError, match=f"{type(wrong).__name__}; {supported}"):
            rk.from_lifetimes(wrong)
    with pytest.raises(ParameterError, match="give the instance, not the class"):
        rk.from_lifetimes(lifetimes.BetaGeoFitter)
    with pytest.raises(ParameterError, match=r"BetaGeoFitter is not fitted.*rk\.fit_bgnbd"):
        rk.from_lifetimes(lifetimes.BetaGeoFitter())
    with pytest.raises(ParameterError, match=r"not fitted.*rk\.fit_gamma_gamma"):
        rk.from_lifetimes(lifetimes.GammaGammaFitter())
    by_hand = lifetimes.BetaGeoFitter()
    by_hand.params_ = pd.Series({"r": 1.0, "alpha": 3.0})
    with pytest.raises(ParameterError, match="are r, alpha; r, alpha, a, b are required"):
        rk.from_lifetimes(by_hand)
    by_hand.params_ = pd.Series({"r": 1.0, "alpha": -3.0, "a": np.nan, "b": 1.0})
    with pytest.raises(ParameterError, match=r"alpha=-3\.0 must be positive(.|\n)*a=nan"):
        rk.from_lifetimes(by_hand)
    with pytest.raises(ParameterError, match="unit='D' must be one of day, week"):
        rk.from_lifetimes(theirs, unit="D")
    with pytest.raises(ParameterError, match="to_lifetimes cannot take a BetaGeoFitter"):
        rk.to_lifetimes(theirs)


def test_a_fit_without_parameters_is_not_handed_on():
    fit = rk.fit_bgnbd(frequency=[0, 0, 1], recency=[0, 0, 1.0], T=[5.0, 5.0, 5.0])
    with pytest.raises(FitError, match="too few repeaters"):
        rk.to_lifetimes(fit)


def test_lifetimes_is_loaded_only_when_it_is_asked_for():
    code = (
        "import sys, warnings, relkit as rk\n"
        "rk.to_lifetimes, rk.GammaGamma\n"
        "before = list(warnings.filters)\n"
        "assert 'lifetimes' not in sys.modules\n"
        "rk.to_lifetimes(rk.GammaGamma(6.25, 3.74, 15.45))\n"
        "assert 'lifetimes' in sys.modules\n"
        "print(before == list(warnings.filters))\n"
    )
    root = Path(rk.__file__).parents[1]
    seen = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert seen.stdout.strip() == "True"
