"""One optimum: from a hundred random starts, on two data sets, under every unit of time."""

import numpy as np
import pytest

import relkit as rk
from relkit.value.bgnbd import BGNBDFit
from relkit.value.bgnbd_likelihood import Likelihood
from relkit.value.gamma_gamma import HIGHEST, LOWEST
from relkit.value.gamma_gamma_likelihood import Likelihood as SpendLikelihood
from relkit.value.inputs import read_history
from relkit.value.newton import maximise
from relkit.value.pareto_nbd import ParetoNBDFit
from relkit.value.pareto_nbd_likelihood import Likelihood as ParetoLikelihood

MODELS = {
    "BG/NBD": (rk.fit_bgnbd, Likelihood.of, BGNBDFit.box),
    "MBG/NBD": (rk.fit_mbgnbd, lambda history: Likelihood.of(history, 1), BGNBDFit.box),
    "Pareto/NBD": (rk.fit_pareto_nbd, ParetoLikelihood.of, ParetoNBDFit.box),
}
EVERY_MODEL = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(scope="module", params=["CDNOW", "simulated"])
def data(request, sample, simulate):
    """The published sample, and 900 customers who buy oftener and stay longer."""
    if request.param == "CDNOW":
        return sample
    return simulate(np.random.default_rng(3), 900, 0.9, 8.0, 0.5, 3.0, T=60)


def ends_of(statistic, box, starts):
    found = [maximise(statistic, start, *box) for start in starts]
    assert all(optimum.converged for optimum in found)
    return np.array([optimum.point for optimum in found])


@EVERY_MODEL
def test_a_hundred_starts(name, data):
    fit_it, likelihood_of, box = MODELS[name]
    statistic = likelihood_of(read_history(data, None, None, None))
    # A third of them off by a factor of more than e ** 2, some by e ** 5.
    starts = np.random.default_rng(1).normal(0, 2, (100, 4))
    ends = ends_of(statistic, box, starts)
    assert np.ptp(ends, axis=0).max() < 1e-7
    params = np.array(fit_it(data).params)
    scaled = params / [1, statistic.scale, 1, statistic.scale if name == "Pareto/NBD" else 1]
    assert ends[0] == pytest.approx(np.log(scaled), abs=1e-7)


def spenders(rng):
    x = rng.integers(1, 13, 2000)
    return x, rng.gamma(3.0 * x) / rng.gamma(4.0, 1 / 20, 2000) / x


def test_a_hundred_starts_of_spend(sample):
    again = sample[sample["frequency"] > 0]
    for x, mean in (
        (again["frequency"].to_numpy(float), again["monetary_value"].to_numpy()),
        spenders(np.random.default_rng(2)),
    ):
        statistic = SpendLikelihood.of(x, mean, np.ones(len(x)))
        starts = np.random.default_rng(1).normal(0, 2, (100, 3))
        ends = ends_of(statistic, (LOWEST, HIGHEST), starts)
        assert np.ptp(ends, axis=0).max() < 1e-6
        params = np.array(rk.fit_gamma_gamma(frequency=x, monetary_value=mean).params)
        assert ends[0] == pytest.approx(np.log(params / [1, 1, statistic.scale]), abs=1e-6)


# A week in seconds, hours, days, months and years.
@pytest.mark.parametrize("factor", [604_800, 168, 7, 7 / 30.4375, 7 / 365.25])
@EVERY_MODEL
def test_every_unit_of_time(name, sample, factor):
    fit_it, few = MODELS[name][0], sample.head(1200)
    weeks = fit_it(few)
    columns = {"recency": few["recency"] * factor, "T": few["T"] * factor}
    other = fit_it(frequency=few["frequency"], **columns)
    scales = [1, factor, 1, factor if name == "Pareto/NBD" else 1]
    assert other.params == pytest.approx(np.array(weeks.params) * scales, rel=1e-8)
    assert other.standard_errors == pytest.approx(
        np.array(weeks.standard_errors) * scales, rel=1e-6
    )
    assert other.evaluations == weeks.evaluations
    one = {"frequency": 3, "recency": 20.0 * factor, "T": 30.0 * factor, "horizon": 10.0 * factor}
    then = {"frequency": 3, "recency": 20.0, "T": 30.0, "horizon": 10.0}
    assert other.expected_purchases(**one) == pytest.approx(
        weeks.expected_purchases(**then), rel=1e-8
    )
    assert other.purchase_distribution(**one, most=3) == pytest.approx(
        weeks.purchase_distribution(**then, most=3), rel=1e-8
    )
