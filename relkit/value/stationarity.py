"""Do customers who came at different times buy and leave alike?

A purchase model takes every customer to be drawn from the same population. If those
acquired lately differ from those acquired early, one fit to all is a mixture that is
right for nobody. Here cohorts are tested for having the same parameters, and since any
difference becomes significant when customers are many, the size of the difference is
said beside it: what it would move among the purchases that are expected next.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from relkit.errors import ParameterError
from relkit.value.groups import PurchaseGroups, fit_around, information_by_group, read_labels
from relkit.value.inputs import FloatArray, read_horizon
from relkit.value.purchase_fit import NO_DROP_OUT, TOO_FEW_REPEATERS, PurchaseFit
from relkit.value.purchase_models import fit_purchase_model
from relkit.value.quadratic_forms import chance_above, value_exceeded

STATIONARY = "stationary"
DRIFT = "drift"
DRIFT_WITHOUT_CONSEQUENCE = "drift without consequence"
NOT_MEASURABLE = "not measurable"

# What the test is most watchful for: standard deviation of cohorts' log parameters.
EXPECTED_DEVIATION = 0.3
# A test that would overlook the smallest drift of interest more often than it finds it
# has not shown that there is none.
LEAST_POWER = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Stationarity:
    """Whether cohorts share one set of parameters, and what it matters.

    Attributes:
        verdict: 'stationary' (no difference found, and the test would have found one);
            'drift' (a difference that moves at least ``tolerance`` of the expected
            purchases); 'drift without consequence' (a difference that does not);
            'not measurable' (no fit, one cohort, or a test too weak to say).
        reason: In words why, where not measurable; else empty.
        cohorts: How many.
        p_value: Chance of differences this large if all cohorts are alike; nan where
            not tested.
        power: Chance that the test finds a drift of ``smallest_drift`` in the mean
            purchase rate between the first cohort and the last, even in between; nan
            where not tested.
        moved_share: Sum over cohorts of the absolute difference that parameters of
            their own make to their expected purchases, as a share of all expected; nan
            where not fitted.
        net_share: The same with signs, so that cohorts may cancel.
        newest_share: What a new customer is expected to buy by the newest cohort's
            parameters, against the pooled ones, as a share (0.2: a fifth more). Large
            where moved_share is small: known customers are judged by their histories,
            new ones by the parameters alone. nan where not fitted.
        horizon: How far ahead purchases are expected, in ``unit``.
        unit: Unit of the horizon, if it is known.
        tolerance: Least ``moved_share`` that has consequences.
        smallest_drift: Least drift that the test should find, a share.
        significance: Level of the test.
        pooled: The fit to all cohorts.
        groups: Fits by cohort, borrowing from the whole, behind the size; None where
            not fitted.
    """

    verdict: str
    reason: str
    cohorts: int
    p_value: float
    power: float
    moved_share: float
    net_share: float
    newest_share: float
    horizon: float
    unit: str | None
    tolerance: float
    smallest_drift: float
    significance: float
    pooled: PurchaseFit[Any]
    groups: PurchaseGroups | None
    _alone: dict[Hashable, PurchaseFit[Any]]
    _expected: pd.DataFrame

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """One row a cohort, in order.

        cohort, customers, repeaters, status, then per parameter its estimate, low and
        high by the cohort's fit alone (missing where the status is one without a fit),
        and expected_pooled, expected_own: purchases expected within the horizon by the
        pooled fit and by the cohort's own, borrowing from the whole; difference.
        """
        rows = []
        for cohort, fit in self._alone.items():
            row = {
                "cohort": cohort,
                "customers": fit.n,
                "repeaters": fit.n_repeaters,
                "status": fit.status,
            }
            for found in fit.to_frame(level).itertuples():
                name = str(found.parameter)
                row |= {name: found.estimate, f"{name}_low": found.low, f"{name}_high": found.high}
            rows.append(row)
        return pd.DataFrame(rows).merge(self._expected, on="cohort", validate="one_to_one")


def assess_stationarity(
    summary: pd.DataFrame,
    cohorts: Any,
    *,
    model: str = "bg_nbd",
    horizon: float | None = None,
    unit: str | None = None,
    tolerance: float = 0.05,
    smallest_drift: float = 0.30,
    significance: float = 0.05,
) -> Stationarity:
    """Tests whether cohorts have the same parameters, and says what the difference moves.

    The test is a score test at the pooled fit, so it needs no fit of any cohort: young
    ones, whose drop-out nobody can tell yet, take part with what they know. Each
    cohort's score is weighted by how well it is known and by how far parameters
    plausibly drift, which gives a sum of weighted squares of normal figures under
    equality; its tail is computed exactly.

    Args:
        summary: Frame with frequency, recency and T, one row a customer.
        cohorts: The cohort of each customer, shape (n,), sortable in time.
        model: 'bg_nbd', 'mbg_nbd' or 'pareto_nbd'.
        horizon: How far ahead purchases are expected for the size of the difference, in
            the unit of T; the longest T in the data where not given.
        unit: Unit of recency and T; else ``summary.attrs["unit"]``.
        tolerance: Share of expected purchases that may move without consequence.
        smallest_drift: Least drift of the mean purchase rate that matters, a share.
        significance: Level of the test.

    Raises:
        ParameterError: a share outside (0, 1), no such model, not one cohort a customer.
        DataError: no customers, a cohort is missing, values that cannot be a history.

    Source: Rao (1948), "Large sample tests of statistical hypotheses concerning several
        parameters", in the weighted form of Verbeke & Molenberghs (2003), "The use of
        score tests for inference on variance components", Biometrics 59; its null
        distribution by Imhof (1961).
    """
    shares = {
        "tolerance": tolerance,
        "smallest_drift": smallest_drift,
        "significance": significance,
    }
    faults = [
        f"{name}={value} must be in (0, 1); give 5 % as 0.05"
        for name, value in shares.items()
        if not (isinstance(value, (int, float)) and 0 < value < 1)
    ]
    if faults:
        raise ParameterError("stationarity by cohort", faults)
    pooled = fit_purchase_model(summary, model=model, unit=unit)
    length = read_horizon(float(summary["T"].max()) if horizon is None else horizon)
    column = read_labels(cohorts, len(summary))
    names = sorted(column.unique().tolist())
    labels = pd.Series(pd.Categorical(column, categories=names, ordered=True))
    alone = {
        name: fit_purchase_model(summary[(labels == name).to_numpy()], model=model, unit=unit)
        for name in names
    }
    known = _Found(pooled, alone, length, tolerance, smallest_drift, significance)
    if _has_fit(pooled) and len(names) > 1:
        return _tested(known, summary, labels, model)
    why = (
        f"all customers together: {pooled.status}"
        if len(names) > 1
        else f"there is one cohort only, {names[0]}; take shorter periods or more time"
    )
    missing = dict.fromkeys(["expected_pooled", "expected_own", "difference"], math.nan)
    return known.result(
        NOT_MEASURABLE, why, None, pd.DataFrame({"cohort": names}).assign(**missing)
    )


def _has_fit(fit: PurchaseFit[Any]) -> bool:
    return fit.status not in (NO_DROP_OUT, TOO_FEW_REPEATERS)


@dataclass(frozen=True, slots=True)
class _Found:
    """What is known before the test."""

    pooled: PurchaseFit[Any]
    alone: dict[Hashable, PurchaseFit[Any]]
    horizon: float
    tolerance: float
    smallest_drift: float
    significance: float

    def result(
        self,
        verdict: str,
        reason: str,
        groups: PurchaseGroups | None,
        expected: pd.DataFrame,
        p_value: float = math.nan,
        power: float = math.nan,
    ) -> Stationarity:
        """The result with its sizes."""
        pooled = float(expected["expected_pooled"].sum(skipna=False))
        known = pooled > 0
        newest = math.nan
        if groups is not None:
            last = list(groups.fits.values())[-1].expected_purchases_new(self.horizon)
            newest = last / self.pooled.expected_purchases_new(self.horizon) - 1
        return Stationarity(
            verdict=verdict,
            reason=reason,
            cohorts=len(self.alone),
            p_value=p_value,
            power=power,
            moved_share=float(expected["difference"].abs().sum()) / pooled if known else math.nan,
            net_share=float(expected["difference"].sum()) / pooled if known else math.nan,
            newest_share=newest,
            horizon=self.horizon,
            unit=self.pooled.unit,
            tolerance=self.tolerance,
            smallest_drift=self.smallest_drift,
            significance=self.significance,
            pooled=self.pooled,
            groups=groups,
            _alone=self.alone,
            _expected=expected,
        )


def _tested(known: _Found, summary: pd.DataFrame, labels: pd.Series, model: str) -> Stationarity:
    """Test, size and verdict where there is a fit and more than one cohort."""
    test = score_test(known.pooled, summary, labels, model)
    power = test.power_at(
        np.linspace(0, math.log1p(known.smallest_drift), len(known.alone)), known.significance
    )
    found = test.p_value < known.significance
    # Cohorts that were found to differ may do so however little.
    least = {"least_gain": 0.0} if found else {}
    groups = fit_around(known.pooled, summary, labels, model=model, **least)
    own = groups.expected_totals(summary, labels, horizon=known.horizon)
    by_pooled = pd.Series(known.pooled.expected_purchases(summary, horizon=known.horizon))
    expected = pd.DataFrame(
        {
            "cohort": list(known.alone),
            "expected_pooled": by_pooled.groupby(labels, observed=True).sum().to_numpy(),
            "expected_own": own["expected_purchases"].to_numpy(),
        }
    )
    expected["difference"] = expected["expected_own"] - expected["expected_pooled"]
    moved = expected["difference"].abs().sum() / expected["expected_pooled"].sum()
    reason = ""
    if found:
        verdict = DRIFT if moved >= known.tolerance else DRIFT_WITHOUT_CONSEQUENCE
    elif power >= LEAST_POWER:
        verdict = STATIONARY
    else:
        verdict = NOT_MEASURABLE
        reason = (
            f"a drift of {known.smallest_drift:.0%} in the mean purchase rate would be found "
            f"with a chance of {power:.0%} only; take more customers, more time, or fewer cohorts"
        )
    return known.result(verdict, reason, groups, expected, test.p_value, power)


@dataclass(frozen=True, slots=True)
class ScoreTest:
    """Scores of cohorts at the pooled fit, and what they are like if all are alike.

    Attributes:
        scores: By cohort in coordinates, shape (g, k); they sum to about 0.
        information: By cohort, shape (g, k, k).
        p_value: Chance of a statistic this large if all cohorts are alike.
    """

    scores: FloatArray
    information: FloatArray
    p_value: float
    _weights: FloatArray
    _axes: FloatArray

    def power_at(self, log_rates: FloatArray, significance: float) -> float:
        """Chance to find cohorts whose mean purchase rates differ like this, (g,) logs."""
        total = self.information.sum(axis=0)
        drift = np.zeros(self.scores.shape)
        drift[:, 0] = log_rates
        pushed = np.einsum("gij,gj->gi", self.information, drift)
        shift = np.linalg.pinv(total) @ pushed.sum(axis=0)
        means = (pushed - self.information @ shift).ravel() @ self._axes
        limit = value_exceeded(significance, self._weights)
        return chance_above(limit, self._weights, means**2 / self._weights)


def score_test(
    pooled: PurchaseFit[Any], summary: pd.DataFrame, labels: pd.Series, model: str
) -> ScoreTest:
    """The test that cohorts share the pooled parameters; see ``assess_stationarity``."""
    scores, information = information_by_group(pooled, summary, labels, model=model)
    groups, size = scores.shape
    total = np.linalg.pinv(information.sum(axis=0))
    # Of the scores less what estimating the shared parameters took from them.
    taken = np.einsum("gij,jk,hkl->gihl", information, total, information)
    spread = -taken.reshape(groups * size, groups * size)
    root = np.zeros_like(spread)
    for one in range(groups):
        rows = slice(one * size, (one + 1) * size)
        spread[rows, rows] += information[one]
        curvature, axes = np.linalg.eigh(information[one])
        # A direction is heard as far as the cohort knows it.
        heard = 1 / (np.maximum(curvature, 0) + EXPECTED_DEVIATION**-2)
        root[rows, rows] = (axes * np.sqrt(heard)) @ axes.T
    weights, turned = np.linalg.eigh(root @ spread @ root)
    kept = weights > 1e-9 * max(float(weights.max()), 1e-300)
    weights, axes = weights[kept], root @ turned[:, kept]
    centred = scores - np.einsum("gij,jk,k->gi", information, total, scores.sum(axis=0))
    statistic = float(((centred.ravel() @ axes) ** 2).sum())
    return ScoreTest(scores, information, chance_above(statistic, weights), weights, axes)
