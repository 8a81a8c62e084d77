"""The curve, the bracket, the shape test and the spline against other code and known truth."""

import numpy as np
import pytest
from scipy import stats
from scipy.interpolate import CubicSpline
from sklearn.gaussian_process.kernels import Matern

from relkit.errors import DataError
from relkit.frequency import gaussian_process
from relkit.frequency.bracket import best_arm_set, brackets
from relkit.frequency.estimand import ArmValue, ValueTerms
from relkit.frequency.gaussian_process import fit_curves
from relkit.frequency.response import fit_response
from relkit.frequency.shape_test import contrasts, shape_test_of_means
from relkit.frequency.spline import natural_spline, spline_check
from relkit.frequency.sums import ArmMeans

DOSES = np.array([0, 1 / 3, 1, 2, 4, 8])
ARMS = tuple(f"{dose:.3g}" for dose in DOSES)


def value_of(mean, error, spread=100.0, cost=0.0):
    mean = np.atleast_2d(np.asarray(mean, float))
    tiers = tuple("abcd"[: len(mean)])
    error = np.broadcast_to(np.asarray(error, float), mean.shape)
    zeros = np.zeros(len(mean))
    gross = ArmMeans(
        tiers, ARMS[: mean.shape[1]], np.full(mean.shape, 1000), mean, error, mean, error,
        zeros + spread, zeros, zeros,
    )  # fmt: skip
    terms = ValueTerms(dict.fromkeys(tiers, 0.0), 0.0, {}, 26)
    doses = DOSES[: mean.shape[1]]
    return ArmValue(gross, doses, cost * doses, terms)


@pytest.fixture
def one_setting(monkeypatch):
    """The grid reduced to one point, so that the answer has a formula."""
    for name, value in (("STRENGTHS", (0.4,)), ("LENGTHS", (0.6,)), ("SHARED", (0.5,))):
        monkeypatch.setattr(gaussian_process, name, value)
    gaussian_process._grid.cache_clear()
    yield
    gaussian_process._grid.cache_clear()


def test_the_curve_is_the_textbook_one_at_known_settings(one_setting):
    rng = np.random.default_rng(3)
    mean, noise = rng.normal(2, 0.3, (3, 6)), rng.uniform(0.001, 0.02, (3, 6))
    place = np.log1p(DOSES)[:, None]
    smooth = Matern(length_scale=0.6 * np.log(9), nu=2.5)(place)
    cov = 0.16 * np.kron(0.5 + 0.5 * np.eye(3), smooth) + np.kron(np.eye(3), np.full((6, 6), 100.0))
    whole = cov + np.diag(noise.ravel())
    # The level is free: solved about any centre of the tier the answer is the same.
    centre = np.repeat([np.average(m, weights=1 / v) for m, v in zip(mean, noise, strict=True)], 6)
    expected = centre + cov @ np.linalg.solve(whole, mean.ravel() - centre)
    spread = cov - cov @ np.linalg.solve(whole, cov)
    found = fit_curves(DOSES, mean, noise)
    assert found.mean.ravel() == pytest.approx(expected, abs=1e-8)
    assert found.covariances[0] == pytest.approx(spread, abs=1e-8)
    drawn = found.draws(40_000).reshape(40_000, -1)
    assert drawn.mean(0) == pytest.approx(expected, abs=4 * 0.15 / 200)
    assert np.cov(drawn.T) == pytest.approx(spread, abs=4e-4)
    # Between the arms, and at them, the curve of one tier agrees with that of all.
    at_arms = found.draws_at(1, DOSES, 40_000)
    assert at_arms.mean(0) == pytest.approx(expected[6:12], abs=2e-3)
    assert np.cov(at_arms.T) == pytest.approx(spread[6:12, 6:12], abs=4e-4)


def test_data_without_noise_are_followed_and_probabilities_follow_from_the_draws():
    mean = np.array([[0, 20, 50, 45, 10, -30], [0, 5, 10, 20, 40, 60.0]])
    curves = fit_response(value_of(mean, 0.5, cost=1.0))
    assert curves.expected == pytest.approx(mean - DOSES, abs=1.0)
    assert curves.probability_best[0, 2] > 0.99
    assert curves.probability_best[1, 5] > 0.99
    assert curves.probability_best.sum(-1) == pytest.approx([1, 1])
    assert curves.expected_loss[0, 3] == pytest.approx(6, abs=1)
    assert curves.gain(0, 2, 0).value == pytest.approx(49, abs=1.5)
    assert (curves.low <= curves.expected).all()
    assert (curves.expected <= curves.high).all()
    frame = curves.curve(points=21)
    assert len(frame) == 42
    assert frame.groupby("tier")["expected"].agg(["first", "last"]).to_numpy() == pytest.approx(
        np.array([[0, -38], [0, 52]]), abs=1.5
    )


def test_noise_is_pulled_towards_no_effect_and_so_towards_fewer_contacts():
    rng = np.random.default_rng(8)
    plain, pulled, fewest = [], [], []
    for _ in range(30):
        mean = rng.normal(0, 5.0, (2, 6))
        curves = fit_response(value_of(mean, 5.0, cost=3.0), draws=500)
        gross = curves.expected + 3.0 * DOSES
        plain.append(np.ptp(mean, axis=1))
        pulled.append(np.ptp(gross, axis=1))
        fewest.append(curves.expected.argmax(1) <= 1)
    assert np.mean(pulled) < 0.6 * np.mean(plain)
    assert np.mean(fewest) > 0.9


def test_intervals_hold_the_truth_of_curves_nobody_assumed():
    rng = np.random.default_rng(9)
    held = []
    for _ in range(60):
        # A fall at a place of its own in each tier: no smooth curve.
        at = rng.integers(1, 6, 3)[:, None]
        truth = 10.0 * np.arange(6) * (np.arange(6) <= at) - 40.0 * (np.arange(6) > at)
        error = rng.uniform(4, 12)
        curves = fit_response(value_of(truth + rng.normal(0, error, truth.shape), error), 1000)
        held.append((curves.low <= truth) & (truth <= curves.high))
    assert np.mean(held) > 0.92


def test_two_arms_far_from_flat_are_compared_as_normals_are():
    # Strong effects leave nothing to pull: P(better) is that of two plain means.
    curves = fit_response(value_of([[0, 400, 403, -300, 0, 500]], 2.0, spread=100), 20_000)
    expected = stats.norm.cdf(3 / np.hypot(2, 2))
    assert curves.probability_better(0, 1)[2] == pytest.approx(expected, abs=0.03)


def test_the_fewest_arms_that_hold_the_best():
    chance = np.array([[0.5, 0.4, 0.06, 0.04], [0.01, 0.02, 0.0, 0.97], [0.25] * 4])
    assert best_arm_set(chance).tolist() == [
        [True, True, True, False], [False, False, False, True], [True] * 4,
    ]  # fmt: skip


def test_the_bracket_goes_from_neighbour_to_neighbour():
    chance = np.array([[0, 0, 0.6, 0.4, 0, 0], [0, 0, 0, 0, 0.02, 0.98], [1.0, 0, 0, 0, 0, 0]])
    found = brackets(("a", "b", "c"), ARMS, DOSES, chance)
    assert found.low == pytest.approx([1 / 3, 4, 0])
    assert found.high == pytest.approx([4, 8, 1 / 3])
    assert found.open_above.tolist() == [False, True, False]
    # No contact at all is the end of the scale, not an open one.
    assert not found.open_below.any()
    assert found.covers(0, 3.9)
    assert not found.covers(0, 0.3)
    assert found.covers(1, 12.0)
    assert not found.covers(2, 0.34)


def test_shapes_are_tested_as_by_hand_and_five_in_hundred_alarm_without_effect():
    rng = np.random.default_rng(4)
    error = rng.uniform(1, 3, (4, 6))
    mean = rng.normal(0, error)
    found = shape_test_of_means(tuple("abcd"), DOSES, mean, error, draws=500)
    _, shapes = contrasts(DOSES)
    for t in range(4):
        weight = 1 / error[t] ** 2
        each = []
        for shape in shapes:
            c = weight * (shape - np.average(shape, weights=weight))
            each.append(abs(c @ mean[t]) / np.sqrt((c**2) @ error[t] ** 2))
        assert found.statistic[t] == pytest.approx(max(each))
    alarms = [
        shape_test_of_means(tuple("abcd"), DOSES, rng.normal(0, error), error, draws=1000, seed=i)
        for i in range(400)
    ]
    each = np.array([one.p_value < 0.05 for one in alarms])
    assert each.mean() == pytest.approx(0.05, abs=3.5 * np.sqrt(0.05 * 0.95 / 1600))
    any_tier = np.mean([any(one.effect) for one in alarms])
    assert any_tier == pytest.approx(0.05, abs=3.5 * np.sqrt(0.05 * 0.95 / 400))


@pytest.mark.parametrize(
    ("shape", "effect"),
    [("step", [0, 0, 0, -6, -6, -6]), ("peak", [0, 2.3, 5.5, 4.2, 2.3, 0]),
     ("line", np.log1p(DOSES) * 3), ("arm", [0, 0, 0, 7, 0, 0])],
)  # fmt: skip
def test_every_shape_is_seen(shape, effect):
    found = shape_test_of_means(("a",), DOSES, np.array([effect], float), np.ones((1, 6)))
    assert found.effect == (True,)
    assert found.shape == (shape,)


def test_the_spline_is_that_of_scipy_and_its_errors_those_of_weighted_least_squares():
    import statsmodels.api as sm

    place = np.log1p(DOSES)
    knots = np.quantile(place, [0, 1 / 3, 2 / 3, 1])
    basis = CubicSpline(knots, np.eye(4), bc_type="natural")(place)
    assert natural_spline(place, knots) == pytest.approx(basis, abs=1e-12)
    rng = np.random.default_rng(2)
    mean, error = rng.normal(0, 10, (2, 6)), rng.uniform(1, 3, (2, 6))
    found = spline_check(value_of(mean, error, cost=2.0))
    for t in range(2):
        fit = sm.WLS(mean[t], basis, weights=1 / error[t] ** 2).fit(cov_type="fixed scale")
        assert found.fitted[t] == pytest.approx(fit.fittedvalues - 2 * DOSES)
        assert found.standard_error[t] == pytest.approx(fit.get_prediction().se_mean)
        distance = (((mean[t] - fit.fittedvalues) / error[t]) ** 2).sum()
        assert found.lack_of_fit[t] == pytest.approx(stats.chi2.sf(distance, 2))
    with pytest.raises(DataError, match="three arms"):
        spline_check(value_of([[1.0, 2.0]], 1.0))
