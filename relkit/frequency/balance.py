"""Is an assignment what was planned: sizes, what was known before, other experiments."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from relkit.errors import DataError, ParameterError

if TYPE_CHECKING:
    import pandas as pd

    from relkit.frequency.assignment import Assignment

# The convention of experimentation platforms: one false alarm in a thousand experiments.
SAMPLE_RATIO_THRESHOLD = 0.001


@dataclass(frozen=True, slots=True)
class SampleRatioTest:
    """Observed against planned sizes of arms.

    Attributes:
        observed: Units per arm.
        planned_share: Share per arm, sums to 1.
        p_value: Chance of a split this uneven if assignment worked.
        threshold: Alarm level.
    """

    observed: Mapping[str, int]
    planned_share: Mapping[str, float]
    p_value: float
    threshold: float = SAMPLE_RATIO_THRESHOLD

    @property
    def passed(self) -> bool:
        """Whether the split is no alarm."""
        return self.p_value >= self.threshold

    def to_frame(self) -> pd.DataFrame:
        """One row an arm: arm, observed, expected, ratio (observed ÷ expected)."""
        import pandas as pd

        total = sum(self.observed.values())
        frame = pd.DataFrame(
            {
                "arm": list(self.observed),
                "observed": list(self.observed.values()),
                "expected": [self.planned_share[arm] * total for arm in self.observed],
            }
        )
        return frame.assign(ratio=frame["observed"] / frame["expected"])


def sample_ratio_test(
    observed: Mapping[str, int],
    planned_share: Mapping[str, float],
    threshold: float = SAMPLE_RATIO_THRESHOLD,
) -> SampleRatioTest:
    """Pearson's chi-square of the arms' sizes against their planned shares.

    Args:
        observed: Units per arm; an arm that nobody is in is given as 0.
        planned_share: Share per arm; sums to 1.
        threshold: p-value below which it is an alarm.

    Raises:
        ParameterError: other arms than planned, shares that do not sum to 1.
        DataError: nobody was assigned.

    Source: Fabijan et al. (2019), "Diagnosing sample ratio mismatch".
    """
    faults = [f"arm '{arm}' is not planned" for arm in observed if arm not in planned_share]
    faults += [f"arm '{arm}' was not counted" for arm in planned_share if arm not in observed]
    if not all(share > 0 for share in planned_share.values()):
        faults.append("every planned share must be above 0")
    if abs(math.fsum(planned_share.values()) - 1) > 1e-6:
        faults.append(f"planned shares sum to {math.fsum(planned_share.values()):.6g}, not to 1")
    if faults:
        raise ParameterError("sample ratio", faults)
    if sum(observed.values()) == 0:
        raise DataError("sample ratio: nobody was assigned to any arm")
    counts = np.array(list(observed.values()), dtype=float)
    expected = np.array([planned_share[arm] for arm in observed]) * counts.sum()
    p_value = _chi_square_tail(float(((counts - expected) ** 2 / expected).sum()), len(counts) - 1)
    return SampleRatioTest(dict(observed), dict(planned_share), p_value, threshold)


def covariate_balance(
    assignment: Assignment, customers: pd.DataFrame, covariates: Sequence[str]
) -> pd.DataFrame:
    """How far apart arms were before the start.

    Args:
        assignment: Who is in which arm.
        customers: customer_id and the covariates, as known before the start.
        covariates: Columns to compare.

    Returns:
        One row a tier, covariate and arm: tier, covariate, arm, customers, mean,
        standardised_difference (mean − mean of the tier, in standard deviations of the
        tier; 0 where the covariate is the same for all), p_value (one a tier and
        covariate: analysis of variance over the arms, of randomised units' totals).

    Raises:
        DataError: a covariate is missing, or not known of a customer.
    """
    import pandas as pd

    missing = [name for name in covariates if name not in customers.columns]
    if missing:
        raise DataError(f"customers have no column {', '.join(missing)}")
    joined = assignment.customers.merge(customers[["customer_id", *covariates]], on="customer_id")
    if len(joined) < len(assignment.customers) or joined[list(covariates)].isna().any().any():
        raise DataError("the covariates are not known of every assigned customer")
    rows = []
    for tier, own in joined.groupby("tier", sort=False):
        for name in covariates:
            spread = float(own[name].std(ddof=0))
            p_value = _arms_differ(own.groupby(["unit_id", "arm"])[name].mean().reset_index(), name)
            for arm in assignment.shares[str(tier)]:
                values = own.loc[own["arm"] == arm, name]
                gap = (values.mean() - own[name].mean()) / spread if spread > 0 else 0.0
                rows.append((tier, name, arm, len(values), values.mean(), gap, p_value))
    columns = ["tier", "covariate", "arm", "customers", "mean", "standardised_difference"]
    return pd.DataFrame(rows, columns=[*columns, "p_value"])


def collisions(assignment: Assignment, others: pd.DataFrame) -> pd.DataFrame:
    """Customers who are in other experiments too, and whether those lean on our arms.

    Args:
        assignment: Ours.
        others: experiment_id, customer_id, arm of other experiments.

    Returns:
        One row an experiment: experiment_id, customers (in both), share (of ours),
        p_value (chi-square of independence of the two sets of arms: small where one
        experiment hands its customers unevenly to our arms; 1 where nobody is in both).
    """
    import pandas as pd

    others = others[others["experiment_id"].astype(str) != assignment.experiment]
    ours = assignment.customers[["customer_id", "arm"]]
    rows = []
    for experiment, theirs in others.groupby("experiment_id"):
        both = ours.merge(theirs[["customer_id", "arm"]], on="customer_id", suffixes=("", "_other"))
        p_value = 1.0
        if both["arm"].nunique() > 1 and both["arm_other"].nunique() > 1:
            table = pd.crosstab(both["arm"], both["arm_other"]).to_numpy(float)
            expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
            degrees = (table.shape[0] - 1) * (table.shape[1] - 1)
            p_value = _chi_square_tail(float(((table - expected) ** 2 / expected).sum()), degrees)
        rows.append((str(experiment), len(both), len(both) / len(ours), p_value))
    return pd.DataFrame(rows, columns=["experiment_id", "customers", "share", "p_value"])


def _arms_differ(units: pd.DataFrame, name: str) -> float:
    """p-value of a one-way analysis of variance; 1 where nothing varies."""
    from scipy.special import fdtrc

    groups = [values.to_numpy(float) for _, values in units.groupby("arm")[name]]
    total = np.concatenate(groups)
    within = sum(float(((g - g.mean()) ** 2).sum()) for g in groups)
    between = sum(len(g) * float((g.mean() - total.mean()) ** 2) for g in groups)
    free, more = len(groups) - 1, len(total) - len(groups)
    if free < 1 or more < 1 or within == 0:
        return 1.0
    return float(fdtrc(free, more, (between / free) / (within / more)))


def _chi_square_tail(statistic: float, degrees: int) -> float:
    from scipy.special import chdtrc

    return float(chdtrc(degrees, statistic)) if degrees > 0 else 1.0
