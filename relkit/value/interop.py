"""Fits handed to lifetimes and taken from it, so that existing notebooks go on.

lifetimes (0.11.3, archived) writes a fit as an object with ``params_`` and a few
frames beside it. Its fitters scale T while they search, but report scales in the
unit of the T they were given, as relkit does; so parameters pass unchanged.
"""

from __future__ import annotations

import warnings
from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from relkit.errors import ParameterError
from relkit.value.bgnbd import BGNBD, BGNBDFit
from relkit.value.gamma_gamma import GammaGamma, GammaGammaFit
from relkit.value.inputs import read_history, read_spend
from relkit.value.mbgnbd import MBGNBD, MBGNBDFit
from relkit.value.pareto_nbd import ParetoNBD, ParetoNBDFit

Known = BGNBD | MBGNBD | ParetoNBD | GammaGamma
Purchases = BGNBD | BGNBDFit | MBGNBD | MBGNBDFit | ParetoNBD | ParetoNBDFit
Spend = GammaGamma | GammaGammaFit

# lifetimes' fitter, our model, its name, our fit, lifetimes' simulation of it.
COUNTERPARTS: dict[str, tuple[Any, str, str, str | None]] = {
    "BetaGeoFitter": (BGNBD, "BG/NBD", "fit_bgnbd", "beta_geometric_nbd_model"),
    "ModifiedBetaGeoFitter": (
        MBGNBD, "MBG/NBD", "fit_mbgnbd", "modified_beta_geometric_nbd_model",
    ),
    "ParetoNBDFitter": (ParetoNBD, "Pareto/NBD", "fit_pareto_nbd", "pareto_nbd_model"),
    "GammaGammaFitter": (GammaGamma, "Gamma-Gamma", "fit_gamma_gamma", None),
}  # fmt: skip


def to_lifetimes(fit: Purchases | Spend, summary: pd.DataFrame | None = None) -> Any:
    """The lifetimes fitter that predicts what this fit predicts.

    Args:
        fit: A fit, or a model with known parameters.
        summary: The customers of the fit, for what lifetimes reads from its
            ``data``: the number of subjects in its print, the size of its
            matrices, its comparison of periods, ``generate_new_data``.

    Returns:
        A ``BetaGeoFitter`` for BG/NBD, a ``ModifiedBetaGeoFitter`` for MBG/NBD, a
        ``ParetoNBDFitter`` for Pareto/NBD (whose own fits have no standard errors), a
        ``GammaGammaFitter`` for Gamma-Gamma; times in the unit of the fit. Standard
        errors are those of the fit: inf where it has no finite one, nan for known
        parameters, which have none. The variance matrix is the delta method's,
        p_i p_j C_ij with C the covariance of the log parameters; lifetimes' own
        differs off the diagonal, where it multiplies by p_j squared.

    Raises:
        ParameterError: not a fit or model that lifetimes knows, or a summary of
            other customers than those of the fit.
        FitError: the data did not carry a fit.
        DataError: a summary with values that cannot be a history.
    """
    if not isinstance(fit, Purchases | Spend):
        fits = ", ".join(f"rk.{ours}" for _, _, ours, _ in COUNTERPARTS.values())
        models = ", ".join(f"rk.{model.__name__}" for model, *_ in COUNTERPARTS.values())
        raise ParameterError(
            f"to_lifetimes cannot take a {type(fit).__name__}; give what one of {fits} returned, "
            f"or one of {models}"
        )
    # FitError before seconds are spent on the import.
    model = fit if isinstance(fit, Known) else fit.model
    name = next(name for name, (ours, *_) in COUNTERPARTS.items() if type(model) is ours)
    fitter = getattr(_lifetimes(), name)()
    fitter.params_ = pd.Series(fit.params._asdict())
    fitter.variance_matrix_ = _variance_matrix(fit)
    fitter.standard_errors_ = fitter._compute_standard_errors()
    fitter.confidence_intervals_ = fitter._compute_confidence_intervals()
    if isinstance(fit, Purchases):
        fitter.predict = fitter.conditional_expected_number_of_purchases_up_to_time
    if summary is not None:
        _give_data(fitter, fit, summary)
    return fitter


def from_lifetimes(fitter: Any, unit: str | None = None) -> Known:
    """The model that a fitted lifetimes fitter holds, with every prediction of relkit.

    Args:
        fitter: A fitted ``BetaGeoFitter``, ``ModifiedBetaGeoFitter``,
            ``ParetoNBDFitter`` or ``GammaGammaFitter``.
        unit: Unit of the T that it was fitted on: 'day' for lifetimes'
            ``freq='D'``. Gamma-Gamma has no time and makes no use of it.

    Returns:
        ``BGNBD``, ``MBGNBD`` or ``ParetoNBD`` with times in ``unit``, or ``GammaGamma``. The
        parameters as they are, a penalised fit's too, and taken as known: totals
        have no interval from the fit. For one, fit anew, with ``rk.fit_bgnbd``.

    Raises:
        ParameterError: no fitter of lifetimes, one of a model that relkit does not
            know, one that is not fitted, parameters that are not positive and
            finite, or no such unit.
    """
    name = type(fitter).__name__
    # By exact class: lifetimes derives its MBG/NBD, another model, from its BG/NBD.
    if name not in COUNTERPARTS or type(fitter) is not getattr(_lifetimes(), name):
        known = ", ".join(f"{fitter} ({model})" for fitter, (_, model, *_) in COUNTERPARTS.items())
        hint = "; give the instance, not the class" if isinstance(fitter, type) else ""
        raise ParameterError(f"from_lifetimes cannot take a {name}; it takes {known}{hint}")
    model, _, fit_anew, _ = COUNTERPARTS[name]
    if not hasattr(fitter, "params_"):
        raise ParameterError(
            f"this {name} is not fitted: it has no params_; call its fit(...) first, or fit in "
            f"relkit with rk.{fit_anew}"
        )
    params = {key: float(value) for key, value in fitter.params_.items()}
    names = [field.name for field in fields(model) if field.name != "unit"]
    if set(params) != set(names):
        raise ParameterError(
            f"the params_ of this {name} are {', '.join(params)}; {', '.join(names)} are required"
        )
    taken: Known = model(**params) if model is GammaGamma else model(**params, unit=unit)
    return taken


def _lifetimes() -> Any:
    """lifetimes, without what its import does to everybody else's warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lifetimes
    return lifetimes


def _variance_matrix(fit: Purchases | Spend) -> pd.DataFrame:
    """Covariance of the parameters themselves; inf or nan where there is none."""
    names = list(fit.params._fields)
    if isinstance(fit, Known):
        return pd.DataFrame(np.nan, index=names, columns=names)
    params = np.array(fit.params)
    matrix = params[:, None] * params[None, :] * fit.covariance
    unbounded = np.isinf(fit.standard_errors)
    matrix[unbounded, :] = matrix[:, unbounded] = np.nan
    matrix[unbounded, unbounded] = np.inf  # pairs of places: the diagonal
    return pd.DataFrame(matrix, index=names, columns=names)


def _give_data(fitter: Any, fit: Purchases | Spend, summary: pd.DataFrame) -> None:
    """What lifetimes' fit leaves behind, from the customers it would have been given."""
    if isinstance(fit, Purchases):
        history = read_history(summary, None, None, None, unit=fit.unit)
        columns = {
            "frequency": history.frequency.astype(int),
            "recency": history.recency,
            "T": history.T,
        }
    else:
        spend = read_spend(summary, None, None)
        used = (spend.frequency > 0) & (spend.monetary_value > 0)
        columns = {
            "monetary_value": spend.monetary_value[used],
            "frequency": spend.frequency[used],
        }
    data = pd.DataFrame(columns).assign(weights=1)
    if not isinstance(fit, Known) and len(data) != fit.n:
        raise ParameterError(
            f"the summary has {len(data):,} customers that this model is fitted on, the fit has "
            f"{fit.n:,}; give the summary that was fitted, a row a customer, or none"
        )
    fitter.data = data
    if simulation := COUNTERPARTS[type(fitter).__name__][3]:
        from lifetimes import generate_data

        fitter.generate_new_data = partial(
            getattr(generate_data, simulation), data["T"].to_numpy(), *fit.params
        )
