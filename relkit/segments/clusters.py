"""Clusters of customers: a description, held against data in which there is nothing to find.

Any method cuts any cloud of points into groups, and cuts it alike the next time. So
the stability of the groups is measured beside that of the same columns shuffled each
on its own: values as they are, but nothing that ties one column to another.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.privacy import shown_id

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
Assign = Callable[[FloatArray], IntArray]

METHODS = ("k-means", "gaussian-mixture")
MOST_CLUSTERS = 50
# What is fitted, what k is chosen on, what stability is measured on; above these a
# sample stands for the rest, and the result says so.
FIT_ROWS, CHOICE_ROWS, STABILITY_ROWS = 50_000, 2_000, 2_000
FEWEST_FOR_STABILITY = 50
STARTS = 10
ALARM = 0.05


@dataclass(frozen=True, slots=True)
class ClusterStability:
    """How alike the clusters of resampled customers are, beside shuffled columns.

    Attributes:
        bootstrap: Adjusted Rand index (1 is the same clusters, 0 as by chance) between
            the clusters and those of each bootstrap draw.
        shuffled: The mean index of each shuffle, found in the same way after every column
            was shuffled on its own.
        rows: Customers that it was measured on.
    """

    bootstrap: tuple[float, ...]
    shuffled: tuple[float, ...]
    rows: int

    @property
    def observed(self) -> float:
        """Mean index of the customers as they are."""
        return float(np.mean(self.bootstrap))

    @property
    def shuffled_range(self) -> tuple[float, float]:
        """Lowest and highest mean index of the shuffles."""
        return min(self.shuffled), max(self.shuffled)

    @property
    def p_value(self) -> float:
        """Chance of stability this high where no column has to do with another.

        Source: Phipson & Smyth (2010), "Permutation p-values should never be zero".
        """
        reached = sum(value >= self.observed for value in self.shuffled)
        return (1 + reached) / (1 + len(self.shuffled))

    @property
    def exceeds_null(self) -> bool:
        """Whether the clusters are more stable than those of shuffled columns, at 5 %.

        It tells that the columns hang together, not that there are separate groups. Groups
        that one column makes alone are as stable when shuffled, and do not count.
        """
        return self.p_value <= ALARM


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """A cluster for every customer; a description, nothing that was shown to exist.

    Attributes:
        customers: One row a customer, by customer_id: customer_id, cluster; cluster 1 is
            the largest.
        columns: What the clusters were made from.
        constant_columns: Left out because everyone has the same value.
        method: 'k-means' or 'gaussian-mixture'.
        rule: How k was found: 'given', 'silhouette' (highest mean) or 'bic' (lowest).
        choices: One row a k that was tried: k, score; none where k was given.
        rows_fitted: Customers that were fitted; the others were assigned to what they gave.
        stability: None where there are too few customers to resample.
        seed: Of every random draw.
    """

    customers: pd.DataFrame
    columns: tuple[str, ...]
    constant_columns: tuple[str, ...]
    method: str
    rule: str
    choices: pd.DataFrame
    rows_fitted: int
    stability: ClusterStability | None
    seed: int
    _profiles: pd.DataFrame

    @property
    def k(self) -> int:
        """Clusters that hold anyone."""
        return len(self._profiles)

    @property
    def n(self) -> int:
        """Customers."""
        return len(self.customers)

    def to_frame(self) -> pd.DataFrame:
        return self.customers.copy()

    def profiles(self) -> pd.DataFrame:
        """The clusters in the units of the columns, largest first.

        Returns:
            cluster, customers, share, then for each column ``<column>`` (median),
            ``<column>_low`` and ``<column>_high`` (quartiles).
        """
        return self._profiles.copy()


def find_clusters(
    features: pd.DataFrame,
    columns: Sequence[str],
    *,
    method: str = "k-means",
    k: int | None = None,
    most_clusters: int = 8,
    bootstraps: int = 10,
    shuffles: int = 19,
    seed: int = 0,
) -> Clusters:
    """Cluster customers on the logarithms of some columns.

    Each column becomes sign(x)·ln(1 + |x| ÷ s), s its median size where it is not 0, so
    that the currency does not matter, and is then brought to mean 0 and deviation 1.

    Args:
        features: One row a customer: customer_id and numeric columns, in any order.
        columns: What to cluster on.
        method: 'k-means' or 'gaussian-mixture' (full covariances).
        k: Number of clusters. If not given it is chosen from 2 to ``most_clusters``: by
            the highest mean silhouette on 2,000 customers for k-means, by the lowest BIC
            for the mixture; of equals the smaller. Neither can say that there are none.
        most_clusters: Largest k tried.
        bootstraps: Bootstrap draws for the stability, 2 or more.
        shuffles: Shuffled copies of the data that it is held against; 19 at least, or
            5 % could not be reached.
        seed: The same seed gives the same clusters, whatever the order of rows.

    Raises:
        DataError: fewer different customers than clusters, everyone alike, repeated ids,
            values that are not finite.
        ParameterError: an argument that cannot be meant, or a column that is not there.

    Source: Dolnicar & Leisch (2010), "Evaluation of structure and reproducibility of
        cluster solutions using the bootstrap", for stability; Hubert & Arabie (1985) for
        the adjusted Rand index; Rousseeuw (1987) for the silhouette.
    """
    _check_arguments(method, k, most_clusters, bootstraps, shuffles, seed)
    frame = _canonical(features, columns)
    varying = [name for name in columns if frame[name].nunique() > 1]
    if not varying:
        raise DataError(
            f"all {len(frame):,} customers have the same {', '.join(columns)}; there is nothing "
            "to tell them apart by"
        )
    points = _scaled(frame[varying].to_numpy(float))
    different = len(np.unique(points, axis=0))
    _check_enough(k, different)
    # Loaded first: a limit holds only for what is already there when it is set, and threads
    # that wait for each other on a busy machine take thirty times as long.
    import sklearn.cluster
    import sklearn.metrics
    import sklearn.mixture  # noqa: F401
    from threadpoolctl import threadpool_limits

    # Sums over several threads may differ in the last digit, and with them a border case.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer clusters than asked for, in a resample
        choices, rule = pd.DataFrame({"k": [], "score": []}), "given"
        if k is None:
            choices, k = _choose(points, method, min(most_clusters, different), seed)
            rule = "silhouette" if method == "k-means" else "bic"
        fitted = _sample(points, FIT_ROWS, seed)
        labels = _by_size(_fit(fitted, method, k, seed, STARTS)(points), points)
        stability = None
        if len(points) >= FEWEST_FOR_STABILITY:
            stability = _stability(points, method, k, bootstraps, shuffles, seed)
    return Clusters(
        customers=pd.DataFrame({"customer_id": frame["customer_id"], "cluster": labels}),
        columns=tuple(varying),
        constant_columns=tuple(name for name in columns if name not in varying),
        method=method,
        rule=rule,
        choices=choices,
        rows_fitted=len(fitted),
        stability=stability,
        seed=seed,
        _profiles=_profiles(frame, varying, labels),
    )


def _check_arguments(
    method: str, k: Any, most: Any, bootstraps: Any, shuffles: Any, seed: Any
) -> None:
    faults = []
    if method not in METHODS:
        faults.append(
            f"method={method!r} must be {' or '.join(METHODS)}{did_you_mean(str(method), METHODS)}"
        )
    for name, value, least, greatest in (
        ("k", 2 if k is None else k, 2, MOST_CLUSTERS),
        ("most_clusters", most, 2, MOST_CLUSTERS),
        ("bootstraps", bootstraps, 2, 1_000),
        ("shuffles", shuffles, 19, 1_000),
        ("seed", seed, 0, 2**32 - 1),
    ):
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or not least <= value <= greatest:
            faults.append(f"{name}={value!r} must be a whole number from {least} to {greatest:,}")
    if faults:
        raise ParameterError("clusters: arguments that cannot be meant", faults)


def _canonical(features: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The customers by id, so that no sum depends on the order in which they came."""
    if isinstance(columns, str) or not columns or len(set(columns)) != len(columns):
        raise ParameterError(
            f"columns={columns!r} must name one or more different columns of the features"
        )
    known = [str(name) for name in features.columns]
    absent = [name for name in ("customer_id", *columns) if name not in features.columns]
    if absent:
        raise ParameterError(
            f"clusters: no column {', '.join(absent)}; the features have {', '.join(known)}"
            + did_you_mean(absent[0], known)
        )
    frame = features[["customer_id", *columns]].reset_index(drop=True)
    frame["customer_id"] = frame["customer_id"].astype("str")
    faults = []
    repeated = frame.loc[frame["customer_id"].duplicated(), "customer_id"]
    if len(repeated):
        faults.append(
            f"customer_id is repeated in {len(repeated):,} rows (first: "
            f"{shown_id(repeated.iloc[0])}); give one row a customer"
        )
    for name in columns:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            faults.append(f"{name} is not a number; leave it out, or score it first")
            continue
        frame[name] = frame[name].astype(float)
        bad = ~np.isfinite(frame[name].to_numpy(float))
        if bad.any():
            first = shown_id(frame["customer_id"].iloc[int(bad.argmax())])
            faults.append(
                f"{name} is not a finite number for {bad.sum():,} customers (first: {first}); "
                "leave them or the column out"
            )
    if len(frame) < 2:
        faults.append(f"{len(frame)} customers; at least two are required")
    if faults:
        raise DataError("clusters: customers that cannot be clustered", faults)
    return frame.sort_values("customer_id", ignore_index=True)


def _check_enough(k: int | None, different: int) -> None:
    if k is not None and different < k:
        raise DataError(
            f"k={k} clusters of {different} different customers; give k={different} or fewer, or "
            "columns that tell them apart"
        )


def _scaled(values: FloatArray) -> FloatArray:
    """Signed logarithms, each column with mean 0 and deviation 1, shape (n, columns)."""
    scaled = np.empty_like(values)
    for which in range(values.shape[1]):
        size = np.abs(values[:, which])
        typical = float(np.median(size[size > 0]))
        column = np.sign(values[:, which]) * np.log1p(size / typical)
        # Rounded: what is equal but for the last digit, in another currency, stays equal.
        scaled[:, which] = ((column - column.mean()) / column.std()).round(9)
    return scaled


def _sample(points: FloatArray, rows: int, seed: int) -> FloatArray:
    """All points, or as many as ``rows`` of them, drawn without replacement."""
    if len(points) <= rows:
        return points
    chosen = np.random.default_rng([seed, rows]).choice(len(points), rows, replace=False)
    return points[np.sort(chosen)]


def _fit(points: FloatArray, method: str, k: int, seed: int, starts: int) -> Assign:
    """Cluster the points; the answer puts any point into one of the clusters."""
    model = _model(method, k, seed, starts).fit(points)
    return lambda others: np.asarray(model.predict(others), dtype=np.intp)


def _model(method: str, k: int, seed: int, starts: int) -> Any:
    if method == "k-means":
        from sklearn.cluster import KMeans

        return KMeans(k, n_init=starts, random_state=seed)
    from sklearn.mixture import GaussianMixture

    # Half of all customers may share one value of a column: without a floor under the
    # variance a component could shrink onto them, and its likelihood grow without end.
    return GaussianMixture(k, n_init=starts, random_state=seed, reg_covar=1e-2)


def _choose(points: FloatArray, method: str, most: int, seed: int) -> tuple[pd.DataFrame, int]:
    """Every k that was tried with its score, and the best; of equals the smallest."""
    from sklearn.metrics import silhouette_score

    rows = FIT_ROWS if method == "gaussian-mixture" else CHOICE_ROWS
    tried, sample = [], _sample(points, rows, seed)
    # A silhouette needs fewer clusters than different points; two points are two clusters.
    for k in range(2, most + 1):
        model = _model(method, k, seed, 3).fit(sample)
        if method == "gaussian-mixture":
            tried.append((k, float(model.bic(sample))))
        else:
            labels = model.predict(sample)
            found = len(np.unique(labels))
            score = silhouette_score(sample, labels) if 2 <= found < len(sample) else -1.0
            tried.append((k, float(score)))
    choices = pd.DataFrame(tried, columns=["k", "score"])
    scores = choices["score"].round(9)
    best = scores.argmin() if method == "gaussian-mixture" else scores.argmax()
    return choices, int(choices["k"].iloc[int(best)])


def _by_size(labels: IntArray, points: FloatArray) -> IntArray:
    """Clusters numbered from 1, the largest first; of equal ones the lower in the columns."""
    found, where, counts = np.unique(labels, return_inverse=True, return_counts=True)
    centres = [tuple(points[labels == label].mean(axis=0).round(6)) for label in found]
    order = sorted(range(len(found)), key=lambda which: (-counts[which], centres[which]))
    rank = np.empty(len(found), dtype=np.intp)
    rank[order] = np.arange(1, len(found) + 1)
    return rank[where]


def _stability(
    points: FloatArray, method: str, k: int, bootstraps: int, shuffles: int, seed: int
) -> ClusterStability:
    draws = np.random.default_rng([seed, 1])
    sample = _sample(points, STABILITY_ROWS, seed + 1)
    observed = _bootstrap_indices(sample, method, k, bootstraps, draws)
    shuffled = []
    for _ in range(shuffles):
        alone = np.column_stack([draws.permutation(column) for column in sample.T])
        # As many draws as for the customers themselves: fewer would scatter more.
        shuffled.append(float(np.mean(_bootstrap_indices(alone, method, k, bootstraps, draws))))
    return ClusterStability(tuple(observed), tuple(shuffled), len(sample))


def _bootstrap_indices(
    sample: FloatArray, method: str, k: int, bootstraps: int, draws: np.random.Generator
) -> list[float]:
    from sklearn.metrics import adjusted_rand_score

    starts = 3 if method == "k-means" else 1  # a mixture takes twenty times as long
    own = _fit(sample, method, k, int(draws.integers(2**31)), starts)(sample)
    indices = []
    for _ in range(bootstraps):
        drawn = sample[draws.integers(len(sample), size=len(sample))]
        other = _fit(drawn, method, k, int(draws.integers(2**31)), starts)(sample)
        indices.append(float(adjusted_rand_score(own, other)))
    return indices


def _profiles(frame: pd.DataFrame, columns: Sequence[str], labels: IntArray) -> pd.DataFrame:
    grouped = frame[list(columns)].groupby(labels)
    counts = grouped.size()
    parts = {"cluster": counts.index, "customers": counts.to_numpy()}
    profiles = pd.DataFrame(parts).assign(share=counts.to_numpy() / len(frame))
    for name in columns:
        for suffix, level in (("", 0.5), ("_low", 0.25), ("_high", 0.75)):
            profiles[f"{name}{suffix}"] = grouped[name].quantile(level).to_numpy()
    return profiles
