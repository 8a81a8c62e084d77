"""A tier as it is before an experiment: from sums over its customers in a window before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relkit.errors import DataError
from relkit.frequency.plan import ExperimentPlan
from relkit.frequency.power import Baseline

VALUE = "net_value"
NEVER = "never_happened"  # nothing of it was counted, so nothing can be said
NOT_SUPPLIED = "not_supplied"
ALWAYS = "always_happened"
KINDS = {
    "retained": "binary",
    "repurchase": "binary",
    "unsubscribes": "binary",
    "revenue": "mean",
    "margin": "mean",
    "complaints": "count",
    "engagement": "count",
}
# What a value is made of.
PARTS = ("margin", "complaints", "retained")
LEAST_MEASURED = 30  # fewer say nothing of how outcomes spread


@dataclass(frozen=True, slots=True, eq=False)
class TierBaseline:
    """A tier as it is before the start.

    Attributes:
        tier: Its name.
        customers: Who can be assigned.
        measured: Customers known long enough to be measured over a whole window.
        arrivals_per_week: New customers a week, from the window before the start.
        metrics: Metric → what it is per customer and window; 'net_value' is margin less
            complaints plus those who stay, before the cost of contacts.
        unmeasured: Metric → why not: 'never_happened' or 'not_supplied'.
        outcomes: Names of the outcomes in `mean`, length K.
        mean: Of outcomes and, last, the covariate, (K + 1,).
        covariance: Between customers, (K + 1, K + 1).
    """

    tier: str
    customers: int
    measured: int
    arrivals_per_week: float
    metrics: Mapping[str, Baseline]
    unmeasured: Mapping[str, str]
    outcomes: tuple[str, ...]
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]


def baseline_of_totals(
    plan: ExperimentPlan,
    tier: str,
    totals: Mapping[str, float],
    supplied: Sequence[str],
    customers: int,
    arrivals_per_week: float,
    clusters: Mapping[str, Any] | None = None,
) -> TierBaseline:
    """A tier's baselines from the sums of a window before the start.

    Args:
        plan: Its margin, prices and guardrails.
        tier: Its name.
        totals: n, sum_x, sum_x2, and for metrics m, k: sum_m, sum_x_m, sum_m_k, as
            `ExperimentOutcomes.totals` names them.
        supplied: Metrics that were counted: revenue, retained, repurchase, complaints,
            unsubscribes, engagement.
        customers: Who can be assigned.
        arrivals_per_week: New customers a week.
        clusters: Where units are randomised together: size, cv, and under the name of
            each metric its intraclass correlation.

    Raises:
        DataError: fewer than 30 customers were measured, or what value is made of was
            not counted.
    """
    n = int(totals["n"])
    missing = [name for name in ("revenue", "complaints", "retained") if name not in supplied]
    faults = [f"{name} was not counted, and value is made of it" for name in missing]
    if n < LEAST_MEASURED:
        faults.append(
            f"{n} customers were there for a whole window before the start; at least "
            f"{LEAST_MEASURED} are required to see how outcomes spread"
        )
    if faults:
        raise DataError(f"the baseline of tier '{tier}'", faults)
    names = [m for m in KINDS if m in supplied and m != "margin"]
    mean, covariance = _moments(totals, names, n)
    names, mean, covariance = _with_margin(names, mean, covariance, plan.margin_share)
    metrics, unmeasured = {}, {}
    weights = np.zeros(len(names) + 1)
    residual = plan.residual_value[tier]
    weights[[names.index(p) for p in PARTS]] = (1.0, -plan.complaint_cost, residual)
    value = float(weights @ mean), float(weights @ covariance @ weights)
    value_explained = _explained(float(weights @ covariance[:, -1]), value[1], covariance[-1, -1])
    metrics[VALUE] = Baseline("mean", value[0], value[1], value_explained)
    for place, name in enumerate(names):
        variance = float(covariance[place, place])
        if variance <= 0 or mean[place] <= 0:
            unmeasured[name] = ALWAYS if mean[place] > 0 else NEVER
            continue
        explained = _explained(covariance[place, -1], variance, covariance[-1, -1])
        of = math.nan if KINDS[name] == "binary" else variance
        metrics[name] = Baseline(KINDS[name], float(mean[place]), of, explained)
    if clusters is not None:
        metrics = {name: _clustered(b, name, clusters) for name, b in metrics.items()}
    unmeasured |= {m: NOT_SUPPLIED for m in KINDS if m not in names and m not in unmeasured}
    return TierBaseline(
        tier,
        customers,
        n,
        arrivals_per_week,
        metrics,
        unmeasured,
        tuple(names),
        mean,
        covariance,
    )


def _clustered(baseline: Baseline, name: str, clusters: Mapping[str, Any]) -> Baseline:
    return replace(
        baseline,
        cluster_size=float(clusters["size"]),
        cluster_cv=float(clusters["cv"]),
        intraclass=float(clusters[name]),
    )


def _explained(covariance: float, variance: float, variance_x: float) -> float:
    """Squared correlation; 0 where the covariate is the same for everybody."""
    if variance <= 0 or variance_x <= 0:
        return 0.0
    return float(min(covariance**2 / (variance * variance_x), 1 - 1e-9))


def _moments(
    totals: Mapping[str, float], names: Sequence[str], n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means and covariance of outcomes and covariate, the covariate last."""
    k = len(names)
    sums = np.array([*(totals[f"sum_{name}"] for name in names), totals["sum_x"]], float)
    products = np.empty((k + 1, k + 1))
    for i, name in enumerate(names):
        for j, other in enumerate(names):
            key = f"sum_{name}_{other}"
            products[i, j] = totals[key] if key in totals else totals[f"sum_{other}_{name}"]
        products[i, k] = products[k, i] = totals[f"sum_x_{name}"]
    products[k, k] = totals["sum_x2"]
    mean = sums / n
    return mean, (products - n * np.outer(mean, mean)) / (n - 1)


def _with_margin(
    names: list[str], mean: NDArray[np.float64], covariance: NDArray[np.float64], share: float
) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    """Margin, a share of revenue, put before the covariate."""
    k = len(names)
    change = np.zeros((k + 2, k + 1))
    change[:k, :k] = np.eye(k)
    change[k, names.index("revenue")] = share
    change[k + 1, k] = 1.0
    return [*names, "margin"], change @ mean, change @ covariance @ change.T
