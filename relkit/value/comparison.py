"""One table: every purchase model beside every baseline on time that none has seen."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from relkit.errors import FitError, ParameterError
from relkit.value.baselines import EarlierWindows, baseline_forecasts
from relkit.value.forecasts import Forecast, model_forecast, read_outcome, top_share
from relkit.value.futures import check_seed
from relkit.value.gamma_gamma import GammaGammaFit, fit_gamma_gamma
from relkit.value.inputs import (
    FloatArray,
    PurchaseHistory,
    read_history,
    read_horizon,
    read_spend,
)
from relkit.value.interval_coverage import places
from relkit.value.purchase_fit import PurchaseFit
from relkit.value.purchase_models import (
    PURCHASE_MODELS,
    check_purchase_model,
    fit_purchase_model,
)
from relkit.value.verdict import MEASURES, Verdict, measured, verdict

NO_PURCHASE_MODEL = "no purchase model found"
NO_SPEND_MODEL = "no spend model found"
COLUMNS = (
    "name",
    "kind",
    "status",
    "purchases_expected",
    "purchases_actual",
    "purchases_error",
    "spend_error",
    "mean_absolute_error",
    "root_mean_square_error",
    "deviance",
    "top_decile_share",
    "log_likelihood_holdout",
    "aic",
    "bic",
    "covered_95",
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ModelComparison:
    """Models and baselines on the same holdout.

    Attributes:
        table: One row a method: name, kind ('model' or 'baseline'), status,
            purchases_expected, purchases_actual, purchases_error and spend_error
            (expected over actual, less 1), mean_absolute_error,
            root_mean_square_error and deviance of a customer's purchases,
            top_decile_share of the holdout's spend; of models also
            log_likelihood_holdout (what happened, given the calibration), aic and bic
            (on the calibration), covered_95 (customers whose purchases lay in their
            95 % prediction interval). Missing where a method has no answer; status
            says why.
        verdict: Who wins on which measure, and on which the best model loses.
        spend_status: How the fit of the spend model ended.
        oracle_top_decile: Share of the spend that the best possible ranking catches.
        customers: How many were held against what they did.
        purchases_actual: What they bought in the holdout.
        spend_actual: What they spent in it.
        calibration_length: In ``unit``.
        holdout_length: In ``unit``.
        unit: Unit of time.
    """

    table: pd.DataFrame
    verdict: Verdict
    spend_status: str
    oracle_top_decile: float
    customers: int
    purchases_actual: int
    spend_actual: float
    calibration_length: float
    holdout_length: float
    unit: str

    @property
    def loses(self) -> tuple[str, ...] | None:
        """As ``verdict.loses``."""
        return self.verdict.loses

    def to_frame(self) -> pd.DataFrame:
        """The table, a copy."""
        return self.table.copy()

    def __repr__(self) -> str:
        # On its side: six methods fit the width of a page, fifteen figures do not.
        table = self._shown().set_index("name").rename_axis(None).T.to_string()
        return "\n".join([self._heading(), table, *self._said()])

    def _repr_html_(self) -> str:
        from html import escape

        said = "".join(f"<p>{escape(line)}</p>" for line in self._said())
        return f"<p>{escape(self._heading())}</p>{self._shown().to_html(index=False)}{said}"

    def _heading(self) -> str:
        return (
            f"{self.customers:,} customers, {self.calibration_length:.4g} {self.unit}s seen, "
            f"{self.holdout_length:.4g} not: {self.purchases_actual:,} purchases, "
            f"{self.spend_actual:,.2f} spent"
        )

    def _shown(self) -> pd.DataFrame:
        return pd.DataFrame(
            {
                name: [_written(name, value) for value in self.table[name]]
                for name in self.table.columns
            }
        )

    def _said(self) -> list[str]:
        """The verdict in plain lines."""
        best = self.verdict.best_model
        lines = ["no model has an answer; status says why"]
        if best is not None:
            lines = [f"best model by BIC on the calibration: {best}"]
        for measure in MEASURES:
            contests = [one for one in self.verdict.contests if one.measure == measure]
            if contests:
                said = ", ".join(f"{one.result} against {one.baseline}" for one in contests)
                lines.append(f"{measure}: {best} {said}")
        for one in self.verdict.leaders:
            level = f", level with {', '.join(one.level_with)}" if one.level_with else ""
            lines.append(f"best of all on {one.measure}: {one.name}{level}")
        return lines


def compare_on_holdout(
    calibration: pd.DataFrame,
    *,
    calibration_length: float,
    holdout_length: float,
    unit: str,
    models: Iterable[str] = PURCHASE_MODELS,
    windows: EarlierWindows | None = None,
    seed: int = 0,
) -> ModelComparison:
    """Fit every model on the calibration, and hold all of them against the holdout.

    Args:
        calibration: As for ``assess_holdout``; with holdout_recency (first to last
            purchase by the end of the holdout) the likelihood of the holdout too.
        calibration_length: Units from the start of the data to the calibration's end.
        holdout_length: Units from there to the end of the holdout.
        unit: Unit of all times.
        models: Names of purchase models.
        windows: As for ``assess_holdout``.
        seed: Of simulated futures, boosted trees and customers drawn anew.

    Raises:
        ParameterError: no such model, none, or one twice; lengths out of range.
        DataError: nobody bought or spent in the holdout, or values that cannot be a
            history.
    """
    names = _checked(models)
    check_seed(seed)
    read_horizon(calibration_length, "calibration_length")
    ahead = read_horizon(holdout_length, "holdout_length")
    outcome = read_outcome(calibration)
    history = read_history(calibration, None, None, None)
    money = read_spend(calibration, None, None)
    spend_fit, spend_status = _spend(calibration)
    fits = {name: _fitted(calibration, name, unit) for name in names}
    forecasts = [
        Forecast(name, "model", NO_PURCHASE_MODEL)
        if fit is None
        else model_forecast(fit, spend_fit, history, money, ahead)
        for name, fit in fits.items()
    ]
    forecasts += baseline_forecasts(
        calibration,
        windows,
        calibration_length=calibration_length,
        holdout_length=ahead,
        seed=seed,
    )
    later = _at_the_end(calibration, history, ahead)
    actual = round(math.fsum(outcome.purchases))
    rows = []
    for one in forecasts:
        row: dict[str, Any] = {"name": one.name, "kind": one.kind, "status": one.status}
        if one.purchases is not None:
            row["purchases_expected"] = math.fsum(one.purchases)
            fit = fits.get(one.name)
            if fit is not None:
                row |= _of_model(fit, history, later, outcome.purchases, ahead, seed)
        rows.append(row | {"purchases_actual": actual} | measured(one, outcome))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return ModelComparison(
        table=table,
        verdict=verdict(forecasts, outcome, _lowest_bic(table), seed=seed),
        spend_status=spend_status,
        oracle_top_decile=top_share(outcome.spend, outcome.spend),
        customers=len(calibration),
        purchases_actual=actual,
        spend_actual=math.fsum(outcome.spend),
        calibration_length=float(calibration_length),
        holdout_length=ahead,
        unit=unit,
    )


def _checked(models: Iterable[str]) -> tuple[str, ...]:
    if not isinstance(models, Iterable):
        raise ParameterError(
            f"models={models!r} must be one or more of {', '.join(PURCHASE_MODELS)}"
        )
    names = (models,) if isinstance(models, str) else tuple(models)
    for name in names:
        check_purchase_model(name)
    if not names or len(set(names)) < len(names):
        raise ParameterError(
            f"models={names} must name each model once, at least one of "
            f"{', '.join(PURCHASE_MODELS)}"
        )
    return names


def _spend(calibration: pd.DataFrame) -> tuple[GammaGammaFit | None, str]:
    try:
        fit = fit_gamma_gamma(calibration)
    except FitError:
        return None, NO_SPEND_MODEL
    return fit, fit.status


def _fitted(calibration: pd.DataFrame, name: str, unit: str) -> PurchaseFit[Any] | None:
    """The fit, or None where the search found no maximum: one model does not stop all."""
    try:
        return fit_purchase_model(calibration, model=name, unit=unit)
    except FitError:
        return None


def _at_the_end(
    calibration: pd.DataFrame, history: PurchaseHistory, ahead: float
) -> PurchaseHistory | None:
    """The same customers when the holdout ends; None where the last purchase is unknown."""
    if "holdout_recency" not in calibration:
        return None
    T = history.T + ahead
    # Whole weeks may begin within the last one that counts.
    recency = np.minimum(calibration["holdout_recency"].to_numpy(float), T)
    return read_history(
        None, history.frequency + calibration["holdout_frequency"].to_numpy(float), recency, T
    )


def _of_model(
    fit: PurchaseFit[Any],
    history: PurchaseHistory,
    later: PurchaseHistory | None,
    made: FloatArray,
    ahead: float,
    seed: int,
) -> dict[str, float]:
    """What only a model has: likelihoods and intervals.

    A likelihood of times up to the end over that of times up to the calibration's end
    is the predictive density of what lies between.
    """
    found = places(fit, history, made, horizon=ahead, seed=seed)
    row = {"aic": fit.aic, "bic": fit.bic, "covered_95": float(found.inside(0.95).mean())}
    if later is not None:
        known = fit.model.log_likelihood_given(history)
        row["log_likelihood_holdout"] = fit.model.log_likelihood_given(later) - known
    return row


def _lowest_bic(table: pd.DataFrame) -> str | None:
    fitted = table[table["bic"].notna()].sort_values("bic", kind="stable")
    return None if fitted.empty else str(fitted["name"].iloc[0])


def _written(column: str, value: Any) -> str:
    """A cell of the printed table; an en dash where there is nothing."""
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return "–"
    if math.isinf(value):
        return "∞"
    match column:
        case "purchases_actual":
            return f"{value:,.0f}"
        case "purchases_expected" | "aic" | "bic" | "log_likelihood_holdout":
            return f"{value:,.1f}"
        case "purchases_error" | "spend_error":
            return f"{value:+.1%}"
        case "top_decile_share" | "covered_95":
            return f"{value:.1%}"
    return f"{value:.3f}"
