"""The purchase models by name, so that a study can take any of them.

The names are those of parameter files and tables; the models are one module each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import pandas as pd

from relkit.errors import ParameterError, did_you_mean
from relkit.value.bgnbd import fit_bgnbd
from relkit.value.mbgnbd import fit_mbgnbd
from relkit.value.pareto_nbd import fit_pareto_nbd
from relkit.value.purchase_fit import PurchaseFit

PurchaseModelName = Literal["bg_nbd", "mbg_nbd", "pareto_nbd"]
PURCHASE_MODELS: tuple[str, ...] = get_args(PurchaseModelName)
_FITTERS: dict[str, Callable[..., PurchaseFit[Any]]] = {
    "bg_nbd": fit_bgnbd,
    "mbg_nbd": fit_mbgnbd,
    "pareto_nbd": fit_pareto_nbd,
}


def check_purchase_model(model: str) -> str:
    """The name itself, if there is such a model.

    Raises:
        ParameterError: it is not one of ``PURCHASE_MODELS``.
    """
    if not isinstance(model, str) or model not in _FITTERS:
        hint = did_you_mean(str(model), PURCHASE_MODELS)
        raise ParameterError(f"model={model!r} must be one of {', '.join(PURCHASE_MODELS)}{hint}")
    return model


def fit_purchase_model(
    summary: pd.DataFrame | None = None,
    *,
    model: str = "bg_nbd",
    frequency: Any = None,
    recency: Any = None,
    T: Any = None,
    weights: Any = None,
    unit: str | None = None,
) -> PurchaseFit[Any]:
    """The purchase model of this name by maximum likelihood.

    Args:
        summary: Frame with frequency, recency and T; or give arrays:
        model: 'bg_nbd' (a customer may leave after each repeat purchase), 'mbg_nbd'
            (after the first purchase too) or 'pareto_nbd' (at any time).
        frequency: Repeat purchase periods, shape (n,).
        recency: First to last purchase, shape (n,).
        T: First purchase to the end of observation, shape (n,).
        weights: How many customers each row stands for, shape (n,).
        unit: Unit of recency and T; else ``summary.attrs["unit"]``.

    Returns:
        What ``fit_bgnbd``, ``fit_mbgnbd`` or ``fit_pareto_nbd`` returns.

    Raises:
        ParameterError: no such model, neither or both forms given, or units differ.
        DataError: no customers, or values that cannot be a history.
        FitError: the search found no maximum.
    """
    fitter = _FITTERS[check_purchase_model(model)]
    return fitter(summary, frequency=frequency, recency=recency, T=T, weights=weights, unit=unit)
