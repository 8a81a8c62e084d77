"""How soon an active customer will leave, by each purchase model.

Nobody reports leaving, but the models say when: the same customer's rate of purchases
and chance to leave give both. With L(t) the probability of having left by t from now
and X(t) the purchases expected by then,

    BG/NBD, MBG/NBD   L(t) = mean of p * (1 - (1 + p s) ** -(r + x)) / p

over p ~ Beta(a, b'), which is a / (a + b') times X of the same model with a + 1 for a:
weighting a beta density by p raises its first shape by one. The derivative of X in t
is a mean over Gamma densities whose shape is one higher: r + 1 for r.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from relkit.errors import ParameterError
from relkit.value.bgnbd import BGNBD
from relkit.value.inputs import FloatArray
from relkit.value.mbgnbd import MBGNBD
from relkit.value.pareto_nbd import ParetoNBD
from relkit.value.purchase_model import PurchaseModel


def left_by(model: PurchaseModel[Any], x: FloatArray, T: FloatArray, time: float) -> FloatArray:
    """Probability that a customer active at T has left ``time`` later; x, T (n,) -> (n,).

    Raises:
        ParameterError: a model of another kind.

    Source: Fader, Hardie & Lee (2005), section 3, with p and lambda as they are
        distributed given x and active at T; for Pareto/NBD the survival of a mixed
        exponential, Schmittlein, Morrison & Colombo (1987).
    """
    if isinstance(model, ParetoNBD):
        left: FloatArray = -np.expm1(-model.s * np.log1p(time / (model.beta + T)))
        return left
    known = _leaving_at_purchases(model)
    longer = replace(known, a=known.a + 1)
    bought = longer.purchases_if_alive(x, T, np.array([time]))[:, 0]
    return _mean_chance(known, x) * bought


def leaving_rate(
    model: PurchaseModel[Any], x: FloatArray, T: FloatArray, time: float
) -> FloatArray:
    """Derivative of ``left_by`` in time; x, T (n,) -> (n,)."""
    if isinstance(model, ParetoNBD):
        rate: FloatArray = model.s / (model.beta + T + time) * (1 - left_by(model, x, T, time))
        return rate
    known = _leaving_at_purchases(model)
    longer = replace(known, a=known.a + 1)
    return _mean_chance(known, x) * buying_rate(longer, x, T, time)


def buying_rate(model: PurchaseModel[Any], x: FloatArray, T: FloatArray, time: float) -> FloatArray:
    """Derivative of expected purchases given active at T in time; x, T (n,) -> (n,)."""
    if isinstance(model, ParetoNBD):
        rate = (model.r + x) / (model.alpha + T)
        return rate * (1 - left_by(model, x, T, time))
    known = _leaving_at_purchases(model)
    weighted = replace(known, r=known.r + 1)
    buying: FloatArray = (known.r + x) / (known.alpha + T) * (1 - left_by(weighted, x, T, time))
    return buying


def _leaving_at_purchases(model: PurchaseModel[Any]) -> BGNBD | MBGNBD:
    if not isinstance(model, (BGNBD, MBGNBD)):
        raise ParameterError(
            f"when customers leave is known for BG/NBD, MBG/NBD and Pareto/NBD, not for "
            f"{type(model).__name__}"
        )
    return model


def _mean_chance(model: BGNBD | MBGNBD, x: FloatArray) -> FloatArray:
    """Mean chance to leave at the next purchase of a customer who is active after x."""
    stays = x + (1 if isinstance(model, MBGNBD) else 0)
    chance: FloatArray = model.a / (model.a + model.b + stays)
    return chance
