"""Fits by group: against a plain search, at the limits of borrowing, and against truth."""

import math

import numpy as np
import pandas as pd
import pytest

from relkit.errors import DataError, FitError, ParameterError
from relkit.value.bgnbd import BGNBD, fit_bgnbd
from relkit.value.borrowing import borrow
from relkit.value.gamma_gamma import GammaGamma, fit_gamma_gamma
from relkit.value.groups import (
    RESTS_ON_WHOLE,
    fit_by_group,
    fit_spend_by_group,
)
from relkit.value.lifetime_value import customer_lifetime_value
from relkit.value.purchase_models import fit_purchase_model

TRUTH = np.log([0.6, 8.0, 0.8, 2.5])
SIZES = (30, 60, 100, 200, 400, 800, 1500, 3000)


def world(simulate, seed, deviation, sizes=SIZES):
    """Groups whose mean rates and evenness of buying and leaving differ by chance."""
    rng = np.random.default_rng(seed)
    parts, truth = [], []
    for n in sizes:
        d = rng.normal(0, deviation, 4)
        moved = [(d[0] + d[1]) / 2, (d[1] - d[0]) / 2, d[2] / 2 + d[3] / 4, d[3] / 4 - d[2] / 2]
        truth.append(TRUTH + moved)
        parts.append(simulate(rng, n, *np.exp(truth[-1]), 52.0))
    summary = pd.concat(parts, ignore_index=True)
    summary.attrs["unit"] = "week"
    return summary, np.repeat([f"g{i}" for i in range(len(sizes))], sizes), np.array(truth)


# Normal means of known variance: the textbook case, worked out by plain loops.
def test_borrowing_is_the_textbook_shrinkage_where_likelihoods_are_normal():
    estimates = np.array([0.2, 0.9, -0.4, 1.7, 0.6])
    variances = np.array([0.04, 0.2, 0.1, 0.3, 0.02])

    def normal(mean, variance):
        return lambda at: (
            float(-((at[0] - mean) ** 2) / (2 * variance)),
            (mean - at) / variance,
            np.array([[-1 / variance]]),
        )

    found = borrow(
        [normal(m, v) for m, v in zip(estimates, variances, strict=True)],
        np.zeros(1),
        np.eye(1),
        np.array([True]),
    )

    def restricted(between):
        weight = 1 / (variances + between)
        centre = (weight * estimates).sum() / weight.sum()
        rest = (weight * (estimates - centre) ** 2).sum()
        return -0.5 * (rest - np.log(weight).sum() + math.log(weight.sum())), centre

    grid = np.linspace(0, 3, 300_001)
    best = grid[np.argmax([restricted(between)[0] for between in grid[::100]]) * 100]
    near = grid[np.abs(grid - best) < 2e-3]
    best = near[np.argmax([restricted(between)[0] for between in near])]
    assert best > 0.05
    assert found.between[0, 0] == pytest.approx(best, abs=1e-3)
    centre = restricted(best)[1]
    assert found.centre[0] == pytest.approx(centre, abs=1e-3)
    share = variances / (variances + best)
    assert found.points[:, 0] == pytest.approx(share * centre + (1 - share) * estimates, abs=1e-3)
    assert found.weight_of_whole == pytest.approx(share, abs=2e-3)


def test_a_group_is_where_its_penalised_likelihood_is_highest(simulate):
    summary, labels, _ = world(simulate, 3, 0.5, (200, 400, 800, 1200, 300))
    found = fit_by_group(summary, labels)
    # By plain steps around it, with the prior and the likelihood written out.
    between = found.between
    moves = np.linalg.svd(between)[0][:, : np.linalg.matrix_rank(between, tol=1e-9)]
    assert moves.shape[1] >= 1
    centre = np.log(found.whole.params)
    inverse = np.linalg.pinv(between, rcond=1e-9)
    for group, fit in found.fits.items():
        rows = summary[labels == group]
        point = np.log(fit.params)

        def height(at, rows=rows):
            away = at - centre
            return BGNBD(*np.exp(at)).log_likelihood_of(rows) - 0.5 * away @ inverse @ away

        top = height(point)
        for move in moves.T:
            for step in (0.05, -0.05):
                assert height(point + step * move) < top


def test_alike_groups_all_get_the_pooled_fit(simulate):
    summary, labels, _ = world(simulate, 1, 0.0)
    found = fit_by_group(summary, labels)
    assert np.all(found.between == 0)
    for fit in found.fits.values():
        assert fit.params == pytest.approx(found.pooled.params, rel=1e-4)
        # The errors own up that groups may differ a little after all.
        assert np.all(np.diag(fit.covariance) >= 0.9 * np.diag(found.pooled.covariance))
    assert set(found.borrowed.values()) == {1.0}
    summary.attrs["unit"] = "week"
    total = found.expected_total(summary, labels, horizon=26)
    plain = found.pooled.expected_purchases(summary, horizon=26).sum()
    assert total.value == pytest.approx(plain, rel=1e-4)


def test_large_unlike_groups_keep_their_own_fit(simulate):
    rng = np.random.default_rng(5)
    parts = [
        simulate(rng, 8_000, 0.3, 10.0, 0.6, 2.0, 52.0),
        simulate(rng, 8_000, 1.2, 6.0, 1.5, 2.5, 52.0),
        simulate(rng, 8_000, 0.6, 20.0, 0.4, 3.5, 52.0),
    ]
    summary = pd.concat(parts, ignore_index=True)
    labels = np.repeat([1, 2, 3], 8_000)
    found = fit_by_group(summary, labels)
    assert list(found.fits) == [1, 2, 3]
    for label, part in zip(found.fits, parts, strict=True):
        alone = fit_bgnbd(part)
        apart = np.log(found.fits[label].params) - np.log(alone.params)
        assert np.all(np.abs(apart) < np.sqrt(np.diag(alone.covariance)))


@pytest.mark.parametrize("model", ["bg_nbd", "mbg_nbd", "pareto_nbd"])
def test_a_group_without_a_repeat_purchase_has_a_fit(simulate, model):
    summary, labels, _ = world(simulate, 7, 0.3, (5, 300, 600, 900))
    summary.loc[labels == "g0", ["frequency", "recency"]] = 0.0
    found = fit_by_group(summary, labels, model=model)
    alone = found.fits["g0"]
    assert (alone.status, alone.n, alone.n_repeaters) == (RESTS_ON_WHOLE, 5, 0)
    assert found.borrowed["g0"] > 0.8
    # Five silent customers say little: the pooled fit, give or take.
    assert alone.params == pytest.approx(found.pooled.params, rel=0.5)
    table = found.to_frame()
    fields = found.pooled.kind.fields
    assert list(table.columns[:4]) == ["group", "customers", "repeaters", "status"]
    assert np.isfinite(table[list(fields)].to_numpy()).all()
    for name in fields:
        assert ((table[f"{name}_low"] < table[name]) & (table[name] < table[f"{name}_high"])).all()
    assert list(table["customers"]) == [5, 300, 600, 900]


def test_a_group_fit_goes_wherever_a_fit_goes(simulate):
    summary, labels, _ = world(simulate, 11, 0.3, (40, 300, 600))
    summary["customer_id"] = [f"c{i}" for i in range(len(summary))]
    summary["monetary_value"] = np.where(summary["frequency"] > 0, 30.0, np.nan)
    found = fit_by_group(summary, labels)
    told = found.predict(summary, labels, horizon=26)
    assert list(told.columns) == [
        "customer_id", "group", "probability_alive", "expected_purchases",
    ]  # fmt: skip
    for group, fit in found.fits.items():
        rows = summary[labels == group]
        assert told.loc[labels == group, "expected_purchases"].to_numpy() == pytest.approx(
            BGNBD(*fit.params).expected_purchases(rows, horizon=26)
        )
        assert told.loc[labels == group, "probability_alive"].to_numpy() == pytest.approx(
            fit.probability_alive(rows)
        )
    by_group = found.expected_totals(summary, labels, horizon=26)
    sums = told.groupby("group")["expected_purchases"].sum()
    assert by_group["expected_purchases"].to_numpy() == pytest.approx(sums.to_numpy())
    total = found.expected_total(summary, labels, horizon=26)
    assert total.value == pytest.approx(told["expected_purchases"].sum())
    assert total.low < total.value < total.high
    value = customer_lifetime_value(
        found.fits["g0"], GammaGamma(6.0, 4.0, 15.0), summary[labels == "g0"],
        horizon=26, annual_discount_rate=0.1,
    ).total  # fmt: skip
    assert value.low < value.value < value.high


def test_errors_of_a_total_know_what_groups_share(simulate):
    """Against parameters drawn from their joint distribution, one draw for all groups."""
    summary, labels, _ = world(simulate, 13, 0.3, (50, 100, 200, 400))
    found = fit_by_group(summary, labels)
    names = list(found.fits)
    size = 4 * len(names)
    joint = np.block([[found.covariance(one, other) for other in names] for one in names])
    assert np.linalg.eigvalsh(joint).min() > -1e-9
    draws = np.random.default_rng(0).multivariate_normal(np.zeros(size), joint, 150)
    points = np.concatenate([np.log(found.fits[name].params) for name in names])
    totals = []
    for at in np.exp(points + 0.2 * draws).reshape(150, len(names), 4):
        totals.append(
            sum(
                BGNBD(*at[i]).expected_purchases(summary[labels == name], horizon=26).sum()
                for i, name in enumerate(names)
            )
        )
    total = found.expected_total(summary, labels, horizon=26)
    error = math.log(total.high / total.value) / 1.959964
    # A standard deviation from 150 draws is sure to 6 %.
    assert np.std(np.log(totals)) / 0.2 == pytest.approx(error, rel=0.2)


def test_spend_by_group_and_a_group_without_spend():
    rng = np.random.default_rng(2)
    parts = []
    for n, v in ((4, 15.0), (60, 10.0), (400, 15.0), (800, 25.0)):
        x = rng.poisson(2.0, n)
        mean = rng.gamma(6.0 * np.maximum(x, 1)) / (np.maximum(x, 1) * rng.gamma(4.0, 1 / v, n))
        parts.append(pd.DataFrame({"frequency": x, "monetary_value": np.where(x > 0, mean, 0.0)}))
    summary = pd.concat(parts, ignore_index=True)
    labels = np.repeat(["a", "b", "c", "d"], [4, 60, 400, 800])
    summary.loc[labels == "a", ["frequency", "monetary_value"]] = 0.0
    found = fit_spend_by_group(summary, labels)
    assert found.fits["a"].n == 0
    assert found.fits["a"].status == RESTS_ON_WHOLE
    assert found.borrowed["a"] == pytest.approx(1.0)
    assert found.borrowed["d"] < found.borrowed["b"] < 1
    alone = fit_gamma_gamma(summary[labels == "d"])
    assert found.fits["d"].population_mean == pytest.approx(alone.population_mean, rel=0.03)
    means = [found.fits[label].population_mean for label in "bcd"]
    assert means == sorted(means)
    told = found.predict(summary, labels)
    assert told["expected_spend"].to_numpy()[labels == "c"] == pytest.approx(
        found.fits["c"].expected_spend(summary[labels == "c"])
    )
    assert list(found.to_frame()["repeaters"]) == [found.fits[label].n for label in "abcd"]


def test_what_is_refused(simulate):
    summary, labels, _ = world(simulate, 17, 0.2, (100, 300))
    with pytest.raises(ParameterError, match="labels: 2 for 400 customers"):
        fit_by_group(summary, ["a", "b"])
    with pytest.raises(ParameterError, match="one column of 400 labels"):
        fit_by_group(summary, np.zeros((400, 2)))
    missing = pd.Series(labels, dtype=object)
    missing[3] = None
    with pytest.raises(DataError, match="1 customers have none .first: row 3."):
        fit_by_group(summary, missing)
    with pytest.raises(ParameterError, match="did you mean 'bg_nbd'"):
        fit_by_group(summary, labels, model="bgnbd")
    found = fit_by_group(summary, labels)
    with pytest.raises(ParameterError, match="1 groups were not fitted .first: 'new'."):
        found.predict(summary, np.where(labels == "g0", "new", labels), horizon=26)
    silent = summary.assign(frequency=0.0, recency=0.0)
    with pytest.raises(FitError, match="too few repeaters"):
        fit_by_group(silent, labels)


def test_categories_give_the_order(simulate):
    summary, labels, _ = world(simulate, 19, 0.2, (100, 300))
    given = pd.Categorical(labels, categories=["g1", "none", "g0"], ordered=True)
    assert list(fit_by_group(summary, given).fits) == ["g1", "g0"]


def errors_of_totals(simulate, deviation, seeds, sizes=SIZES):
    """Relative error of each group's expected purchases in 26 weeks: rms by method."""
    squares = {"pooled": [], "alone": [], "borrowed": []}
    for seed in range(seeds):
        summary, labels, truth = world(simulate, seed, deviation, sizes)
        found = fit_by_group(summary, labels)
        for i, (group, fit) in enumerate(found.fits.items()):
            rows = summary[labels == group]
            right = BGNBD(*np.exp(truth[i])).expected_purchases(rows, horizon=26).sum()
            alone = fit_purchase_model(rows)
            ways = {
                "pooled": found.pooled,
                # Where a fit alone has no answer, the whole is what is left.
                "alone": found.pooled if math.isnan(alone.to_frame()["estimate"][0]) else alone,
                "borrowed": fit,
            }
            for way, model in ways.items():
                said = model.expected_purchases(rows, horizon=26).sum()
                squares[way].append((said / right - 1) ** 2)
    return {way: math.sqrt(float(np.mean(each))) for way, each in squares.items()}


def test_borrowing_beats_both_ways_of_not_borrowing(simulate):
    errors = errors_of_totals(simulate, 0.3, 4)
    assert errors["borrowed"] < 0.8 * min(errors["pooled"], errors["alone"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("deviation", "of_the_better"), [(0.0, 1.15), (0.1, 1.05), (0.3, 0.7), (0.6, 0.7)]
)
def test_borrowing_is_no_worse_than_the_better_way_whatever_the_truth(
    simulate, deviation, of_the_better
):
    errors = errors_of_totals(simulate, deviation, 60)
    assert errors["borrowed"] < of_the_better * min(errors["pooled"], errors["alone"])
