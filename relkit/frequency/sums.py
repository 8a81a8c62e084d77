"""Sums over the customers of each tier and arm: all that an experiment has to say.

Everything after them costs the same however many customers there are. Several
outcomes are kept together with their cross products, so that any weighted sum of them
(a value with other prices) has its mean and spread without going back to customers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.frequency.sum_frames import CELLS, read_sums, same_customers

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ArmMeans:
    """Means by tier and arm with the error of each, adjusted by the covariate.

    Attributes:
        tiers: Names, length T.
        arms: Names, length A.
        n: Units per tier and arm, (T, A).
        mean: Adjusted means, (T, A).
        standard_error: Of `mean`, (T, A); arms are independent of each other.
        raw_mean: As counted, (T, A).
        raw_standard_error: Of `raw_mean`, (T, A).
        spread: Standard deviation of a unit's raw outcome within an arm, pooled, (T,).
        theta: Slope on the covariate, one a tier, (T,).
        explained: Share of the variance within arms that the covariate takes away, (T,).
        covariances: 'measured', or 'bounded': the cross products of outcomes are not
            known, and the errors are the largest that they could be.
    """

    tiers: tuple[str, ...]
    arms: tuple[str, ...]
    n: NDArray[np.int64]
    mean: Floats
    standard_error: Floats
    raw_mean: Floats
    raw_standard_error: Floats
    spread: Floats
    theta: Floats
    explained: Floats
    covariances: str = "measured"

    def to_frame(self) -> pd.DataFrame:
        """One row a tier and arm: n, mean, standard_error, raw_mean, raw_standard_error."""
        import pandas as pd

        tiers, arms = np.meshgrid(self.tiers, self.arms, indexing="ij")
        columns = {"tier": tiers, "arm": arms, "n": self.n}
        for name in ("mean", "standard_error", "raw_mean", "raw_standard_error"):
            columns[name] = getattr(self, name)
        return pd.DataFrame({name: np.ravel(values) for name, values in columns.items()})


@dataclass(frozen=True, slots=True, eq=False)
class ArmSums:
    """Sums over units by metric, tier and arm, over the whole window.

    Attributes:
        metrics: Names, length K.
        tiers: Names, length T.
        arms: Names, length A.
        n: Units, (T, A).
        sum_y: Sum of each outcome, (K, T, A).
        sum_yy: Sums of products of outcomes, (K, K, T, A); nan where not known.
        sum_x: Sum of the covariate, known before the assignment, (T, A).
        sum_x2: Sum of its square, (T, A).
        sum_xy: Sums of its products with the outcomes, (K, T, A).
    """

    metrics: tuple[str, ...]
    tiers: tuple[str, ...]
    arms: tuple[str, ...]
    n: NDArray[np.int64]
    sum_y: Floats
    sum_yy: Floats
    sum_x: Floats
    sum_x2: Floats
    sum_xy: Floats

    def __post_init__(self) -> None:
        k, cells = len(self.metrics), (len(self.tiers), len(self.arms))
        wanted = {
            "n": cells,
            "sum_y": (k, *cells),
            "sum_yy": (k, k, *cells),
            "sum_x": cells,
            "sum_x2": cells,
            "sum_xy": (k, *cells),
        }
        faults = [
            f"{name} has the shape {np.shape(getattr(self, name))}; {shape} is required"
            for name, shape in wanted.items()
            if np.shape(getattr(self, name)) != shape
        ]
        if not faults:
            faults = [*self._faults_of_cells()]
        if faults:
            raise DataError("the sums of the arms do not make an experiment", faults)

    def _faults_of_cells(self) -> Iterable[str]:
        if len(self.arms) < 2:
            yield f"there is one arm only ({', '.join(self.arms)}); an effect needs two"
        for t, a in np.argwhere(self.n < 2):
            yield (
                f"tier {self.tiers[t]}, arm {self.arms[a]}: {self.n[t, a]} units; at least 2 "
                "are required; tiers that have other arms need a read-out of their own"
            )
        squares = np.einsum("kkta->kta", self.sum_yy)
        whole = [self.sum_y, squares, self.sum_x, self.sum_x2, self.sum_xy]
        if not all(np.isfinite(sums).all() for sums in whole):
            yield "a sum is not finite; look for infinite or missing values in the outcomes"

    @classmethod
    def of_frames(
        cls,
        frames: Mapping[str, pd.DataFrame],
        pairs: Mapping[tuple[str, str], pd.DataFrame] | None = None,
    ) -> ArmSums:
        """From `rk.experiment_sums`, one frame a metric, one row a tier and arm.

        Args:
            frames: Metric → frame with tier, arm, n, sum_y, sum_y2, sum_x, sum_x2,
                sum_xy. Of several weeks only one may be in it: sums by week do not say
                how a customer's total over weeks spreads. Sum the window up as one.
            pairs: (metric, metric) → the frame of the two outcomes added up for each
                customer; gives their cross product. Without it the error of their sum
                is bounded from above.

        Raises:
            DataError: columns or cells are missing, several weeks, other customers in
                one metric than in another.
        """
        if not frames:
            raise ParameterError("no metric was given; at least one frame of sums is required")
        read = {name: read_sums(frame, name) for name, frame in frames.items()}
        first = next(iter(read.values()))
        added = {pair: read_sums(frame, " + ".join(pair)) for pair, frame in (pairs or {}).items()}
        same_customers({**read, **{" + ".join(pair): one for pair, one in added.items()}})
        metrics = tuple(read)
        k = len(metrics)
        products = np.full((k, k, *first.n.shape), np.nan)
        for i, name in enumerate(metrics):
            products[i, i] = read[name].sum_y2
        for pair, both in added.items():
            i, j = (_place(name, metrics) for name in pair)
            # (y + z)² = y² + z² + 2 y z, summed over customers.
            cross = (both.sum_y2 - products[i, i] - products[j, j]) / 2
            products[i, j] = products[j, i] = cross
        return cls(
            metrics=metrics,
            tiers=first.tiers,
            arms=first.arms,
            n=first.n.astype(np.int64),
            sum_y=np.stack([one.sum_y for one in read.values()]),
            sum_yy=products,
            sum_x=first.sum_x,
            sum_x2=first.sum_x2,
            sum_xy=np.stack([one.sum_xy for one in read.values()]),
        )

    @classmethod
    def of_units(
        cls,
        frame: pd.DataFrame,
        metrics: Sequence[str],
        tier: str = "tier",
        arm: str = "arm",
        covariate: str | None = None,
    ) -> ArmSums:
        """From one row a randomised unit.

        Args:
            frame: One row a unit: its tier, its arm, its outcomes over the window.
            metrics: Columns with outcomes.
            tier: Column with the tier; where there is none, all are in the tier 'all'.
            arm: Column with the arm.
            covariate: Column known before the assignment; None for no adjustment.

        Raises:
            DataError: a column is missing, or a value is.
        """
        columns = [arm, *metrics, *([covariate] if covariate else [])]
        faults = [
            f"no column '{c}'{did_you_mean(c, map(str, frame.columns))}"
            for c in columns
            if c not in frame.columns
        ]
        if not faults:
            present = [*columns, *([tier] if tier in frame.columns else [])]
            empty = frame[present].isna().sum()
            faults = [f"{c} is empty in {count:,} rows" for c, count in empty.items() if count]
        if faults:
            raise DataError(f"outcomes of {len(frame):,} units", faults)
        import pandas as pd

        labels = frame[tier] if tier in frame.columns else pd.Series("all", index=frame.index)
        tier_codes, tiers = pd.factorize(labels.astype(str), sort=True)
        arm_codes, arms = pd.factorize(frame[arm].astype(str), sort=True)
        shape = len(tiers), len(arms)
        cell = tier_codes * shape[1] + arm_codes

        def total(values: Floats | None = None) -> Floats:
            counted = np.bincount(cell, values, shape[0] * shape[1])
            return counted.reshape(shape).astype(float)

        y = [frame[name].to_numpy(float) for name in metrics]
        x = frame[covariate].to_numpy(float) if covariate else np.zeros(len(frame))
        return cls(
            metrics=tuple(metrics),
            tiers=tuple(tiers),
            arms=tuple(arms),
            n=total().astype(np.int64),
            sum_y=np.stack([total(one) for one in y]),
            sum_yy=np.stack([np.stack([total(one * other) for other in y]) for one in y]),
            sum_x=total(x),
            sum_x2=total(x * x),
            sum_xy=np.stack([total(x * one) for one in y]),
        )

    def means(self, weights: Mapping[str, float | Sequence[float]] | str) -> ArmMeans:
        """Means of a weighted sum of outcomes, adjusted by the covariate within tiers.

        The slope on the covariate is one a tier, from the differences within arms, so
        it owes nothing to what the arms did.

        Args:
            weights: A metric, or metric → its weight, a number or one a tier, (T,).

        Raises:
            ParameterError: there is no such metric.

        Source: Deng, Xu, Kohavi & Walker (2013), "Improving the sensitivity of online
            controlled experiments by utilizing pre-experiment data", WSDM, section 3.
        """
        given = {weights: 1.0} if isinstance(weights, str) else dict(weights)
        places = [_place(name, self.metrics) for name in given]
        w = np.stack(
            [np.broadcast_to(np.asarray(v, float), (len(self.tiers),)) for v in given.values()]
        )
        n = self.n.astype(float)
        y, x = self.sum_y[places] / n, self.sum_x / n
        yy = self.sum_yy[np.ix_(places, places)] - n * y[:, None] * y[None]
        xy = self.sum_xy[places] - n * x * y
        xx = np.maximum(self.sum_x2 - n * x * x, 0.0)
        within_x = xx.sum(-1)
        slope = np.divide(xy.sum(-1), within_x, out=np.zeros(w.shape), where=within_x > 0)
        left = _residual_products(yy, xy, xx, slope)
        raw_var, known = _of_weighted_sum(yy, w, n)
        var, _ = _of_weighted_sum(left, w, n)
        theta = (w * slope).sum(0)
        raw = np.einsum("kt,kta->ta", w, y)
        everybody = (self.sum_x.sum(-1) / n.sum(-1))[:, None]
        pooled = (raw_var * (n - 1)).sum(-1) / (n - 1).sum(-1)
        kept = (var * (n - 1)).sum(-1) / (n - 1).sum(-1)
        share = 1 - np.divide(kept, pooled, out=np.ones_like(kept), where=pooled > 0)
        return ArmMeans(
            tiers=self.tiers,
            arms=self.arms,
            n=self.n,
            mean=raw - theta[:, None] * (x - everybody),
            standard_error=np.sqrt(var / n),
            raw_mean=raw,
            raw_standard_error=np.sqrt(raw_var / n),
            spread=np.sqrt(pooled),
            theta=theta,
            explained=np.maximum(share, 0.0),
            covariances="measured" if known else "bounded",
        )

    def of_arms(self, arms: Sequence[str]) -> ArmSums:
        """The sums of these arms only, in this order.

        Raises:
            ParameterError: an arm is not there.
        """
        faults = [
            f"no arm '{name}'{did_you_mean(name, self.arms)}"
            for name in arms
            if name not in self.arms
        ]
        if faults:
            raise ParameterError(f"the data have the arms {', '.join(self.arms)}", faults)
        at = [self.arms.index(name) for name in arms]
        cells = (getattr(self, name)[..., at] for name in CELLS)
        return ArmSums(self.metrics, self.tiers, tuple(arms), *cells)

    def to_frame(self) -> pd.DataFrame:
        """One row a metric, tier and arm: n, sum_y, sum_y2, sum_x, sum_x2, sum_xy."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for k, metric in enumerate(self.metrics):
            for t, tier in enumerate(self.tiers):
                for a, arm in enumerate(self.arms):
                    row = {"metric": metric, "tier": tier, "arm": arm, "n": int(self.n[t, a])}
                    row |= {"sum_y": self.sum_y[k, t, a], "sum_y2": self.sum_yy[k, k, t, a]}
                    row |= {"sum_x": self.sum_x[t, a], "sum_x2": self.sum_x2[t, a]}
                    rows.append(row | {"sum_xy": self.sum_xy[k, t, a]})
        return pd.DataFrame(rows)


def _place(name: str, metrics: Sequence[str]) -> int:
    if name not in metrics:
        hint = did_you_mean(name, metrics)
        raise ParameterError(f"no metric '{name}'; there are {', '.join(metrics)}{hint}")
    return list(metrics).index(name)


def _residual_products(yy: Floats, xy: Floats, xx: Floats, slope: Floats) -> Floats:
    """Products of what the covariate leaves of the outcomes, (K, K, T, A)."""
    b = slope[..., None]
    return yy - b[:, None] * xy[None] - b[None] * xy[:, None] + b[:, None] * b[None] * xx


def _of_weighted_sum(products: Floats, w: Floats, n: Floats) -> tuple[Floats, bool]:
    """Variance of a unit's weighted sum, (T, A), and whether all products are known.

    A product that is not known is bounded by |sum yz| <= sqrt(sum y² · sum z²).
    """
    used = (w != 0).any(-1)
    products, w = products[np.ix_(used, used)], w[used]
    squares = np.sqrt(np.maximum(np.einsum("kkta->kta", products), 0.0))
    largest = squares[:, None] * squares[None]
    signs = np.sign(w[:, None] * w[None])[..., None]
    known = np.isfinite(products)
    filled = np.where(known, products, signs * largest)
    total = np.einsum("kt,lt,klta->ta", w, w, filled)
    return np.maximum(total, 0.0) / (n - 1), bool(known.all())
