"""What each arm did against today's cadence: by intention to treat, all arms at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.frequency.multiplicity import (
    benjamini_hochberg,
    common_arm_loadings,
    max_t_bound,
    max_t_p_values,
)

if TYPE_CHECKING:
    import pandas as pd

    from relkit.frequency.sums import ArmSums

Floats = NDArray[np.float64]
SIZE = "size"


@dataclass(frozen=True, slots=True, eq=False)
class ArmEffects:
    """One metric: every arm against today's, in every tier. Per customer and window.

    Attributes:
        metric: Name.
        tiers: Names, (T,).
        arms: Names, (A,).
        today: Tier → today's arm.
        n: Randomised units, (T, A).
        mean: Per customer, adjusted by the covariate, (T, A).
        standard_error: Of `mean`, (T, A).
        difference: Arm − today's, (T, A); 0 for today's itself.
        low: Lower end of its interval taken alone, (T, A).
        high: Upper end.
        joint_low: Lower end of the interval that holds for all arms of the tier at once.
        joint_high: Upper end.
        p_value: Two-sided, of the difference taken alone, (T, A); 1 for today's.
        joint_p_value: Adjusted for all arms of the tier.
        ratio: Arm ÷ today's, (T, A); nan where today's mean is not above 0.
        ratio_low: Lower end of the interval of the ratio, taken alone.
        ratio_high: Upper end.
        level: Of the intervals.
        explained: Share of the spread that the covariate took away, (T,).
        clustered: Whether units hold several customers.
    """

    metric: str
    tiers: tuple[str, ...]
    arms: tuple[str, ...]
    today: Mapping[str, str]
    n: NDArray[np.int64]
    mean: Floats
    standard_error: Floats
    difference: Floats
    low: Floats
    high: Floats
    joint_low: Floats
    joint_high: Floats
    p_value: Floats
    joint_p_value: Floats
    ratio: Floats
    ratio_low: Floats
    ratio_high: Floats
    level: float
    explained: Floats
    clustered: bool

    def to_frame(self) -> pd.DataFrame:
        """One row a tier and arm, with a column for each figure."""
        import pandas as pd

        tiers, arms = np.meshgrid(self.tiers, self.arms, indexing="ij")
        columns = {"metric": np.full(tiers.shape, self.metric), "tier": tiers, "arm": arms}
        for name in (
            *("n", "mean", "standard_error", "difference", "low", "high", "joint_low"),
            *("joint_high", "p_value", "joint_p_value", "ratio", "ratio_low", "ratio_high"),
        ):
            columns[name] = getattr(self, name)
        frame = pd.DataFrame({name: np.ravel(values) for name, values in columns.items()})
        return frame.assign(is_today=frame["arm"] == frame["tier"].map(dict(self.today)))


def arm_effects(
    sums: ArmSums, metric: str, today: Mapping[str, str] | str, level: float = 0.95
) -> ArmEffects:
    """Effects on one metric by intention to treat.

    Taken alone a difference is Welch's: the arms' own variances, Student's t. All arms
    of a tier together hold by the largest of the correlated differences (max-t). Where
    the sums carry the metric 'size', units are clusters of so many customers and
    errors are of the ratio of totals, which is robust to what customers of a unit have
    in common. Ratios have the interval of their logarithm.

    Args:
        sums: Of the whole window.
        metric: One of the sums' metrics.
        today: Today's arm, or tier → today's arm.
        level: Of the intervals.

    Raises:
        ParameterError: no such metric, arm or tier.

    Source: Welch (1947); Dunnett (1955); Deng et al. (2013) for the adjustment and
        Deng, Knoblich & Lu (2018) for ratios of clusters.
    """
    from scipy.special import ndtri, stdtr, stdtrit

    at = _today(sums, today)
    mean, variance, raw_explained = _adjusted(sums, metric)
    rows = np.arange(len(sums.tiers))
    base, base_var = mean[rows, at][:, None], variance[rows, at][:, None]
    difference = mean - base
    own = np.zeros(mean.shape, bool)
    own[rows, at] = True
    total = np.where(own, 0.0, variance + base_var)
    error = np.sqrt(total)
    if ((error == 0) & ~own & (difference != 0)).any():
        raise DataError(f"{metric}: arms without any spread; effects need outcomes that vary")
    n = sums.n.astype(float)
    free = _welch(variance, base_var, n, n[rows, at][:, None])
    z = np.divide(difference, error, out=np.zeros_like(error), where=error > 0)
    p_value = np.where(own | (error == 0), 1.0, 2 * stdtr(free, -np.abs(z)))
    half = np.where(own, 0.0, stdtrit(free, 0.5 + level / 2) * error)
    joint_half, joint_p = np.zeros_like(half), np.ones_like(half)
    for t in rows:
        others = ~own[t] & (error[t] > 0)
        if not others.any():
            continue
        loadings = common_arm_loadings(variance[t, others], float(base_var[t, 0]))
        # Student's tail carried over to the normal one that the joint bound is made for.
        score = -ndtri(np.maximum(stdtr(free[t, others], -np.abs(z[t, others])), 1e-300))
        joint_p[t, others] = max_t_p_values(score, loadings)
        tail = _normal_tail(max_t_bound(loadings, level))
        joint_half[t, others] = -stdtrit(free[t, others], tail) * error[t, others]
    ratio, ratio_low, ratio_high = _ratios(mean, variance, base, base_var, own, level)
    return ArmEffects(
        metric=metric,
        tiers=sums.tiers,
        arms=sums.arms,
        today={tier: sums.arms[a] for tier, a in zip(sums.tiers, at, strict=True)},
        n=sums.n,
        mean=mean,
        standard_error=np.sqrt(variance),
        difference=difference,
        low=difference - half,
        high=difference + half,
        joint_low=difference - joint_half,
        joint_high=difference + joint_half,
        p_value=p_value,
        joint_p_value=joint_p,
        ratio=ratio,
        ratio_low=ratio_low,
        ratio_high=ratio_high,
        level=level,
        explained=raw_explained,
        clustered=SIZE in sums.metrics,
    )


def explored(effects: Sequence[ArmEffects], q: float = 0.10) -> pd.DataFrame:
    """Metrics that nobody planned to decide on, with the share of false finds bounded.

    Args:
        effects: Of several metrics.
        q: Share of finds that may be false, on average.

    Returns:
        Rows of all arms but today's, smallest p-value first: metric, tier, arm, n,
        difference, low, high, p_value, q_value, found. Exploratory whatever it says.
    """
    import pandas as pd

    rows = pd.concat([one.to_frame() for one in effects], ignore_index=True)
    rows = rows[~rows["is_today"]].copy()
    rows["q_value"] = benjamini_hochberg(rows["p_value"].to_list())
    rows["found"] = rows["q_value"] <= q
    columns = ["metric", "tier", "arm", "n", "difference", "low", "high", "p_value", "q_value"]
    rows = rows[[*columns, "found"]]
    return rows.sort_values(["p_value", "metric", "tier", "arm"], ignore_index=True)


def _today(sums: ArmSums, today: Mapping[str, str] | str) -> NDArray[np.int64]:
    named = dict.fromkeys(sums.tiers, today) if isinstance(today, str) else dict(today)
    faults = [f"today's arm of tier '{t}' is not given" for t in sums.tiers if t not in named]
    faults += [
        f"{tier}: no arm '{named[tier]}'{did_you_mean(named[tier], sums.arms)}"
        for tier in sums.tiers
        if tier in named and named[tier] not in sums.arms
    ]
    if faults:
        raise ParameterError(f"the data have the arms {', '.join(sums.arms)}", faults)
    return np.array([sums.arms.index(named[tier]) for tier in sums.tiers])


def _adjusted(sums: ArmSums, metric: str) -> tuple[Floats, Floats, Floats]:
    """Means per customer, the variance of each, and what the covariate took away."""
    if SIZE not in sums.metrics or metric == SIZE:
        means = sums.means(metric)
        return means.mean, means.standard_error**2, means.explained
    if metric not in sums.metrics:
        hint = did_you_mean(metric, sums.metrics)
        raise ParameterError(f"no metric '{metric}'; there are {', '.join(sums.metrics)}{hint}")
    k, s = sums.metrics.index(metric), sums.metrics.index(SIZE)
    n = sums.n.astype(float)
    y, m, x = sums.sum_y[k], sums.sum_y[s], sums.sum_x
    mean, before = y / m, x / m
    yy, ym, mm = sums.sum_yy[k, k], sums.sum_yy[k, s], sums.sum_yy[s, s]
    xx, xy, xm = sums.sum_x2, sums.sum_xy[k], sums.sum_xy[s]
    # Sums of products of y − mean·m and x − before·m, which sum to 0 within an arm.
    ee = yy - 2 * mean * ym + mean**2 * mm
    ff = np.maximum(xx - 2 * before * xm + before**2 * mm, 0.0)
    ef = xy - mean * xm - before * ym + mean * before * mm
    within = ff.sum(-1)
    theta = np.divide(ef.sum(-1), within, out=np.zeros(len(within)), where=within > 0)[:, None]
    left = np.maximum(ee - 2 * theta * ef + theta**2 * ff, 0.0)
    everybody = (x.sum(-1) / m.sum(-1))[:, None]
    variance = left / (n - 1) * n / m**2
    whole = ee.sum(-1)
    explained = 1 - np.divide(left.sum(-1), whole, out=np.ones_like(whole), where=whole > 0)
    return mean - theta * (before - everybody), variance, np.maximum(explained, 0.0)


def _welch(variance: Floats, base: Floats, n: Floats, n_base: Floats) -> Floats:
    """Degrees of freedom of each difference; Welch & Satterthwaite."""
    parts = variance**2 / (n - 1) + base**2 / (n_base - 1)
    whole = (variance + base) ** 2
    return np.divide(whole, parts, out=np.full(whole.shape, np.inf), where=parts > 0)


def _normal_tail(bound: float) -> float:
    from scipy.special import ndtr

    return float(ndtr(-bound))


def _ratios(
    mean: Floats,
    variance: Floats,
    base: Floats,
    base_var: Floats,
    own: NDArray[np.bool_],
    level: float,
) -> tuple[Floats, Floats, Floats]:
    """Ratio to today's and its interval; 0 to infinity where an arm has no event."""
    from scipy.special import ndtri

    known = (base > 0) & (mean >= 0)
    ratio = np.divide(mean, base, out=np.full(mean.shape, np.nan), where=known)
    positive = known & (mean > 0)
    spread = np.divide(variance, mean**2, out=np.zeros_like(mean), where=positive)
    spread = spread + np.divide(base_var, base**2, out=np.zeros_like(base), where=base > 0)
    # Where a mean is near 0 its logarithm says nothing; beyond e^50 is as good as no end.
    half = np.where(own, 0.0, np.minimum(float(ndtri(0.5 + level / 2)) * np.sqrt(spread), 50.0))
    low = np.where(positive, ratio * np.exp(-half), np.where(known, 0.0, np.nan))
    high = np.where(positive, ratio * np.exp(half), np.where(known, np.inf, np.nan))
    return np.where(own & known, 1.0, ratio), low, high
