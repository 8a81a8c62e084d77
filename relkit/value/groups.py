"""One model per group of customers, small groups borrowing strength from the whole.

Segments, acquisition cohorts, regions: each has parameters of its own, as far as its
customers say so. What they do not say comes from the centre of all groups
(``borrowing.py``), so a group without one repeat purchase has parameters too, and a
group of a million keeps its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd

from relkit.errors import DataError, ParameterError
from relkit.intervals import Estimate, normal_quantile
from relkit.value.bgnbd_likelihood import Likelihood as BuyingLikelihood
from relkit.value.borrowing import LEAST_GAIN_OF_DIFFERENCE, Borrowed, LogLikelihood, borrow
from relkit.value.gamma_gamma import GammaGammaFit, fit_gamma_gamma
from relkit.value.gamma_gamma_likelihood import Likelihood as SpendLikelihood
from relkit.value.inputs import (
    FloatArray,
    IntArray,
    PurchaseHistory,
    read_history,
    read_horizon,
    read_spend,
)
from relkit.value.pareto_nbd_likelihood import Likelihood as ParetoLikelihood
from relkit.value.purchase_fit import FEWEST_REPEATERS, PurchaseFit
from relkit.value.purchase_model import PurchaseModel
from relkit.value.purchase_models import check_purchase_model, fit_purchase_model

FitT = TypeVar("FitT", PurchaseFit[Any], GammaGammaFit)

# Central differences in log parameters; rounding and curvature both stay near 1e-8.
STEP = 1e-4
# A group with fewer repeaters than a fit alone would need.
RESTS_ON_WHOLE = "rests on the whole"

# Sums of log parameters in which groups differ independently: mean rate of buying and
# its evenness, then the same of leaving. Rows are coordinates, columns log parameters.
_BETA = np.array([[1.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, -1], [0, 0, 1, 1]])
_GAMMA = np.array([[1.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, -1], [0, 0, 1, 0]])
# Mean spend but for q / (q - 1), evenness within customers, evenness between them.
_SPEND = np.array([[1.0, -1, 1], [1, 0, 0], [0, 1, 0]])


@dataclass(frozen=True, slots=True)
class _Kind:
    """What borrowing needs to know of a purchase model."""

    coordinates: FloatArray
    timed: tuple[int, ...]
    statistic: Callable[[PurchaseHistory], Any]


_KINDS = {
    "bg_nbd": _Kind(_BETA, (1,), BuyingLikelihood.of),
    "mbg_nbd": _Kind(_BETA, (1,), lambda history: BuyingLikelihood.of(history, 1)),
    "pareto_nbd": _Kind(_GAMMA, (1, 3), ParetoLikelihood.of),
}


@dataclass(frozen=True, slots=True, eq=False)
class GroupFits(Generic[FitT]):
    """Fits by group.

    Attributes:
        pooled: The fit to all customers as if there were no groups.
        fits: Per group, in the order of the labels, a fit to be used wherever one is:
            its covariance is that of the shrunk parameters. Its status is that of
            the pooled fit, or 'rests on the whole' where the group has fewer repeaters
            than a fit alone needs.
        borrowed: Per group the share of its parameters' weight that comes from the
            whole, 0 (all its own) to 1. 1 for every group where groups do not differ.
        between: Covariance of the groups' log parameters around their centre,
            (k, k); zero where no difference between groups was found.
        fields: Names of the parameters.
    """

    pooled: FitT
    fits: Mapping[Hashable, FitT]
    borrowed: Mapping[Hashable, float]
    between: FloatArray
    fields: tuple[str, ...]
    _shared: Borrowed

    @property
    def whole(self) -> Any:
        """The model at the centre of the groups: what a group without evidence gets.

        The pooled fit where groups do not differ. Where they do, the pooled fit takes
        the differences between groups for differences between customers.
        """
        known: Any = self.pooled.model
        if isinstance(known, PurchaseModel):
            return known.at(np.exp(self._shared.centre))
        return type(known)(*np.exp(self._shared.centre).tolist())

    def covariance(self, one: Hashable, other: Hashable) -> FloatArray:
        """Covariance of the log parameters of two groups, who share a centre; (k, k)."""
        order = list(self.fits)
        return self._shared.covariance(order.index(one), order.index(other))

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """One row a group.

        group, customers, repeaters, status, then per parameter its estimate, low and
        high (``r``, ``r_low``, ``r_high``, …), and borrowed. Intervals are symmetric in
        the logarithm, infinite where the whole does not hold the parameter.
        """
        rows = []
        for group, fit in self.fits.items():
            row: dict[str, Any] = {
                "group": group,
                "customers": fit.n,
                "repeaters": fit.n_repeaters if isinstance(fit, PurchaseFit) else fit.n,
                "status": fit.status,
            }
            for found in fit.to_frame(level).itertuples():
                name = str(found.parameter)
                row |= {name: found.estimate, f"{name}_low": found.low, f"{name}_high": found.high}
            rows.append(row | {"borrowed": self.borrowed[group]})
        return pd.DataFrame(rows)

    def places(self, labels: Any, n: int) -> IntArray:
        """Which group each customer is in, as its number in ``fits``, shape (n,).

        Raises:
            ParameterError: not one label a customer, or a group that was not fitted.
            DataError: a label is missing.
        """
        column = read_labels(labels, n)
        known = {group: place for place, group in enumerate(self.fits)}
        found = column.map(known)
        unknown = list(dict.fromkeys(column[found.isna()]))
        if unknown:
            raise ParameterError(
                f"labels: {len(unknown):,} groups were not fitted (first: {unknown[0]!r}); fit "
                "with their customers too, small groups borrow from the whole"
            )
        return np.asarray(found, dtype=np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class PurchaseGroups(GroupFits[PurchaseFit[Any]]):
    """A purchase model by group: ``GroupFits``, and predictions for all at once."""

    def predict(self, summary: pd.DataFrame, labels: Any, *, horizon: float) -> pd.DataFrame:
        """Every customer by the fit of its group, in the order of the summary.

        Args:
            summary: Frame with frequency, recency and T.
            labels: One group a customer, shape (n,).
            horizon: How far ahead, in the unit of T.

        Returns:
            customer_id (row numbers where the summary has none), group,
            probability_alive, expected_purchases.

        Raises:
            ParameterError: a group that was not fitted, units that differ, no horizon.
            DataError: values that cannot be a history.
        """
        length = read_horizon(horizon)
        places = self.places(labels, len(summary))
        history = read_history(summary, None, None, None, unit=self.pooled.unit)
        chance, ahead = np.empty(len(places)), np.empty(len(places))
        for place, fit in enumerate(self.fits.values()):
            rows = places == place
            part = _part(history, rows)
            chance[rows] = fit.model.alive(part.frequency, part.recency, part.T)
            ahead[rows] = expected_of(fit.model, part, length)
        ids = summary["customer_id"] if "customer_id" in summary.columns else range(len(places))
        return pd.DataFrame(
            {
                "customer_id": np.asarray(ids),
                "group": np.asarray(read_labels(labels, len(summary))),
                "probability_alive": chance,
                "expected_purchases": ahead,
            }
        )

    def expected_totals(
        self, summary: pd.DataFrame, labels: Any, *, horizon: float, level: float = 0.95
    ) -> pd.DataFrame:
        """Expected purchases within the horizon by group.

        Returns:
            group, customers, expected_purchases, low, high (interval of the expected
            sum, which knows the uncertainty of the group's parameters).

        Raises:
            ParameterError, DataError: as for ``predict``.
        """
        sums, slopes, counts = self._sums(summary, labels, horizon)
        rows = []
        for place, group in enumerate(self.fits):
            covariance = self._shared.covariance(place, place)
            error = math.sqrt(max(float(slopes[place] @ covariance @ slopes[place]), 0.0))
            total = _positive(float(sums[place]), error, int(counts[place]), level)
            rows.append((group, total.n, total.value, total.low, total.high))
        return pd.DataFrame(
            rows, columns=["group", "customers", "expected_purchases", "low", "high"]
        )

    def expected_total(
        self, summary: pd.DataFrame, labels: Any, *, horizon: float, level: float = 0.95
    ) -> Estimate:
        """Expected purchases of all groups together; what they share counts once.

        Raises:
            ParameterError, DataError: as for ``predict``.
        """
        sums, slopes, counts = self._sums(summary, labels, horizon)
        # By parts: the groups' own evidence is independent, the centre is not.
        moved = np.einsum("gi,gij->j", slopes, self._shared.pull)
        variance = float(moved @ self._shared.centre_covariance @ moved)
        variance += float(np.einsum("gi,gij,gj->", slopes, self._shared.own, slopes))
        return _positive(float(sums.sum()), math.sqrt(max(variance, 0.0)), int(counts.sum()), level)

    def _sums(
        self, summary: pd.DataFrame, labels: Any, horizon: float
    ) -> tuple[FloatArray, FloatArray, IntArray]:
        """Totals by group, their slopes in its log parameters, and customers."""
        length = read_horizon(horizon)
        places = self.places(labels, len(summary))
        history = read_history(summary, None, None, None, unit=self.pooled.unit)
        size = len(self.fits)
        sums, slopes = np.zeros(size), np.zeros((size, len(self.fields)))
        for place, fit in enumerate(self.fits.values()):
            part = _part(history, places == place)
            if len(part.T):
                sums[place] = math.fsum(expected_of(fit.model, part, length))
                slopes[place] = slopes_of_total(fit.model, part, length)
        return sums, slopes, np.bincount(places, minlength=size).astype(np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class SpendGroups(GroupFits[GammaGammaFit]):
    """Gamma-Gamma by group: ``GroupFits``, and predictions for all at once."""

    def predict(self, summary: pd.DataFrame, labels: Any) -> pd.DataFrame:
        """Every customer by the fit of its group, in the order of the summary.

        Args:
            summary: Frame with frequency and monetary_value.
            labels: One group a customer, shape (n,).

        Returns:
            customer_id (row numbers where the summary has none), group, expected_spend
            (per purchase).

        Raises:
            ParameterError: a group that was not fitted.
            DataError: values that cannot be a history.
            FitError: a group whose fit has no finite mean.
        """
        places = self.places(labels, len(summary))
        history = read_spend(summary, None, None)
        spend = np.empty(len(places))
        for place, fit in enumerate(self.fits.values()):
            rows = places == place
            if rows.any():
                spend[rows] = fit.expected_spend(
                    frequency=history.frequency[rows], monetary_value=history.monetary_value[rows]
                )
        ids = summary["customer_id"] if "customer_id" in summary.columns else range(len(places))
        return pd.DataFrame(
            {
                "customer_id": np.asarray(ids),
                "group": np.asarray(read_labels(labels, len(summary))),
                "expected_spend": spend,
            }
        )


def fit_by_group(
    summary: pd.DataFrame, labels: Any, *, model: str = "bg_nbd", unit: str | None = None
) -> PurchaseGroups:
    """A purchase model for each group, small groups borrowing strength from the whole.

    The log parameters of a group are taken as normal around a centre. How far groups
    lie apart (in mean rate of buying, its evenness, mean drop-out and its evenness) is
    estimated from the groups themselves by restricted maximum likelihood; then each
    group's parameters maximise its own log-likelihood plus the log of that normal
    density. So they exist for every group, whatever it holds, and groups that do not
    differ beyond chance all get the pooled fit. Plainly put: a group is believed as
    far as it is large and groups are known to differ.

    Args:
        summary: Frame with frequency, recency and T, one row a customer.
        labels: One group a customer, shape (n,).
        model: 'bg_nbd', 'mbg_nbd' or 'pareto_nbd'.
        unit: Unit of recency and T; else ``summary.attrs["unit"]``.

    Returns:
        ``.fits[label]``, ``.to_frame()``, ``.predict(summary, labels, horizon=…)``.

    Raises:
        ParameterError: no such model, units that differ, not one label a customer.
        DataError: no customers, a label is missing, values that cannot be a history.
        FitError: all customers together do not carry the model.

    Source: Efron & Morris (1975), JASA 70; see ``borrowing.py`` for the variances.
    """
    pooled = fit_purchase_model(summary, model=model, unit=unit)
    return fit_around(pooled, summary, labels, model=model)


def fit_around(
    pooled: PurchaseFit[Any],
    summary: pd.DataFrame,
    labels: Any,
    *,
    model: str,
    least_gain: float = LEAST_GAIN_OF_DIFFERENCE,
) -> PurchaseGroups:
    """``fit_by_group`` where the fit to all is there already.

    Args:
        pooled: A fit to all of these customers.
        summary: Frame with frequency, recency and T.
        labels: One group a customer, shape (n,).
        model: Name of the model that was fitted.
        least_gain: As for ``borrow``; 0 where groups are known to differ.

    Raises:
        ParameterError, DataError, FitError: as for ``fit_by_group``.
    """
    kind = _KINDS[check_purchase_model(model)]
    start = np.log(pooled.params)
    history = read_history(summary, None, None, None)
    groups, places = _grouped(labels, len(history.T))
    likelihoods, counts = [], []
    for place in range(len(groups)):
        part = _part(history, places == place)
        likelihoods.append(_unscaled(kind.statistic(part), kind.timed, 4))
        counts.append((len(part.T), int((part.frequency > 0).sum())))
    shared = borrow(likelihoods, start, kind.coordinates, _free(pooled), least_gain)
    fits = {}
    for place, (group, (n, repeaters)) in enumerate(zip(groups, counts, strict=True)):
        fits[group] = replace(
            pooled,
            status=pooled.status if repeaters >= FEWEST_REPEATERS else RESTS_ON_WHOLE,
            n=n,
            n_repeaters=repeaters,
            _model=pooled.model.at(np.exp(shared.points[place])),
            _log_likelihood=float(shared.values[place]),
            _covariance=shared.covariance(place, place),
        )
    borrowed = dict(zip(groups, shared.weight_of_whole.tolist(), strict=True))
    return PurchaseGroups(pooled, fits, borrowed, shared.between, pooled.kind.fields, shared)


def information_by_group(
    pooled: PurchaseFit[Any], summary: pd.DataFrame, labels: Any, *, model: str
) -> tuple[FloatArray, FloatArray]:
    """Score and information of each group at the pooled parameters, in coordinates.

    Args:
        pooled: A fit to all of these customers.
        summary: Frame with frequency, recency and T.
        labels: One group a customer, shape (n,).
        model: Name of the model that was fitted.

    Returns:
        Scores (g, k) and information (g, k, k) in the coordinates that the whole
        identifies: log mean rate of buying first. Directions in which a group's
        likelihood bends upwards count as unknown to it.
    """
    kind = _KINDS[check_purchase_model(model)]
    history = read_history(summary, None, None, None)
    groups, places = _grouped(labels, len(history.T))
    free = _free(pooled)
    back = np.linalg.inv(kind.coordinates)[:, free]
    scores, information = [], []
    for place in range(len(groups)):
        statistic = kind.statistic(_part(history, places == place))
        _, gradient, hessian = _unscaled(statistic, kind.timed, 4)(np.log(pooled.params))
        curvature, axes = np.linalg.eigh(-back.T @ hessian @ back)
        scores.append(back.T @ gradient)
        information.append((axes * np.maximum(curvature, 0.0)) @ axes.T)
    return np.stack(scores), np.stack(information)


def _free(pooled: PurchaseFit[Any]) -> np.ndarray:
    """Coordinates that are known; at a limit of the box only the two means are."""
    return np.array([True, not pooled._unbounded[0], True, not pooled._unbounded[2]])


def fit_spend_by_group(summary: pd.DataFrame, labels: Any) -> SpendGroups:
    """Gamma-Gamma for each group, small groups borrowing strength from the whole.

    As ``fit_by_group``, with mean spend, evenness within customers and evenness
    between them in the place of buying and leaving.

    Args:
        summary: Frame with frequency and monetary_value, one row a customer.
        labels: One group a customer, shape (n,).

    Returns:
        ``.fits[label]``, ``.to_frame()``, ``.predict(summary, labels)``; customers of a
        fit are those with a repeat purchase and positive mean spend.

    Raises:
        ParameterError: not one label a customer.
        DataError: no customers, a label is missing, values that cannot be a history.
        FitError: all customers together do not carry the model.

    Source: Efron & Morris (1975), JASA 70; see ``borrowing.py`` for the variances.
    """
    pooled = fit_gamma_gamma(summary)
    history = read_spend(summary, None, None)
    groups, places = _grouped(labels, len(history.frequency))
    start = np.log(pooled.params)
    use = (history.frequency > 0) & (history.monetary_value > 0)
    likelihoods = []
    for place in range(len(groups)):
        rows = use & (places == place)
        likelihoods.append(
            _unscaled(
                SpendLikelihood.of(
                    history.frequency[rows], history.monetary_value[rows], np.ones(int(rows.sum()))
                ),
                (2,),
                3,
            )
            if rows.any()
            else _silent
        )
    at_limit = pooled._unbounded
    free = np.array([True, not at_limit[0], not at_limit[1] and at_limit[2] == at_limit[0]])
    shared = borrow(likelihoods, start, _SPEND, free)
    fits = {}
    for place, group in enumerate(groups):
        members = places == place
        n = int((use & members).sum())
        fits[group] = replace(
            pooled,
            status=pooled.status if n >= FEWEST_REPEATERS else RESTS_ON_WHOLE,
            n=n,
            left_out=int((members & (history.frequency > 0) & ~use).sum()),
            _correlation=fit_gamma_gamma(
                frequency=history.frequency[members], monetary_value=history.monetary_value[members]
            )._correlation,
            _model=type(pooled.model)(*np.exp(shared.points[place]).tolist()),
            _log_likelihood=float(shared.values[place]),
            _covariance=shared.covariance(place, place),
        )
    borrowed = dict(zip(groups, shared.weight_of_whole.tolist(), strict=True))
    fields = type(pooled.params)._fields
    return SpendGroups(pooled, fits, borrowed, shared.between, fields, shared)


def _unscaled(statistic: Any, scaled: tuple[int, ...], size: int) -> LogLikelihood:
    """A log-likelihood of log parameters in the unit of the data, not of its own scale."""
    shift = np.zeros(size)
    shift[list(scaled)] = math.log(statistic.scale)
    constant = float(getattr(statistic, "constant", 0.0))

    def likelihood(log_params: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        value, gradient, hessian = statistic(log_params - shift)
        return value + constant, gradient, hessian

    return likelihood


def _silent(log_params: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    """The likelihood of nobody."""
    return 0.0, np.zeros(len(log_params)), np.zeros((len(log_params),) * 2)


def _grouped(labels: Any, n: int) -> tuple[list[Hashable], IntArray]:
    """The groups in order (of categories, else sorted) and each customer's place in it."""
    column = read_labels(labels, n)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.cat.remove_unused_categories()
        return list(column.cat.categories), np.asarray(column.cat.codes, dtype=np.intp)
    try:
        places, groups = pd.factorize(column, sort=True)
    except TypeError:  # labels of several kinds have no order of their own
        places, groups = pd.factorize(column)
    return list(groups), np.asarray(places, dtype=np.intp)


def read_labels(labels: Any, n: int) -> pd.Series:
    """Labels as a column, one a customer, none missing.

    Raises:
        ParameterError: not one label a customer.
        DataError: a label is missing.
    """
    if np.ndim(labels) > 1:
        raise ParameterError(
            f"labels: of shape {np.shape(labels)}; one column of {n:,} labels is required"
        )
    column = pd.Series(labels).reset_index(drop=True)
    if len(column) != n:
        raise ParameterError(f"labels: {len(column):,} for {n:,} customers; one is needed for each")
    if column.isna().any():
        raise DataError(
            f"labels: {int(column.isna().sum()):,} customers have none (first: row "
            f"{int(np.flatnonzero(column.isna())[0])}); name a group for them"
        )
    return column


def _part(history: PurchaseHistory, rows: np.ndarray) -> PurchaseHistory:
    return replace(
        history,
        frequency=history.frequency[rows],
        recency=history.recency[rows],
        T=history.T[rows],
        weights=history.weights[rows],
    )


def expected_of(model: PurchaseModel[Any], history: PurchaseHistory, length: float) -> FloatArray:
    """Expected purchases of checked histories within a length of time, shape (n,)."""
    expected: FloatArray = np.asarray(
        model.expected_purchases(
            frequency=history.frequency, recency=history.recency, T=history.T, horizon=length
        )
    )
    return expected


def slopes_of_total(
    model: PurchaseModel[Any], history: PurchaseHistory, length: float
) -> FloatArray:
    """Derivatives of the expected total in the log parameters, shape (k,)."""
    logs = np.log(model.params)
    slopes = np.empty(len(logs))
    for one in range(len(logs)):
        step = np.where(np.arange(len(logs)) == one, STEP, 0.0)
        ends = [expected_of(model.at(np.exp(logs + way)), history, length) for way in (step, -step)]
        slopes[one] = float((ends[0] - ends[1]).sum()) / (2 * STEP)
    return slopes


def _positive(value: float, error: float, n: int, level: float) -> Estimate:
    """A sum with an interval that is symmetric in its logarithm."""
    widen = math.exp(normal_quantile(level) * error / value) if value > 0 else 1.0
    return Estimate(value, value / widen, value * widen, n, level)
