"""One possible future of customers who may leave after each purchase.

Whole lives are drawn, not only counts, since each purchase is discounted from its
own time. BG/NBD and MBG/NBD live alike from now on; they differ in the past, in how
often an active customer has already stayed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relkit.value.bgnbd_likelihood import BGNBDParams
from relkit.value.inputs import FloatArray

# numpy's geometric distribution wants p > 0; such a customer never leaves anyway.
SMALLEST_CHANCE = 1e-15


def draw_purchases(
    rng: np.random.Generator,
    params: BGNBDParams,
    stays: FloatArray,
    chance: FloatArray,
    x: FloatArray,
    T: FloatArray,
    horizon: float,
) -> tuple[NDArray[np.intp], FloatArray]:
    """One future: who buys and when, a row a purchase, sorted by customer.

    Args:
        rng: Random generator.
        params: Parameters of the model.
        stays: How often each customer could have left and, if active, did not, (n,).
        chance: P(alive), shape (n,).
        x: Repeat purchases, shape (n,).
        T: First purchase to now, shape (n,).
        horizon: Length of the future, in the unit of T.

    Most customers buy nothing, so the first purchase is drawn first: the wait for
    it has survival (1 + t / (alpha + T)) ** -(r + x) while active. Only those who
    come to it need a rate, which then is gamma(r + x + 1, alpha + T + wait).
    """
    r, alpha, a, b = params
    shape, scale = r + x, alpha + T
    comes = -np.expm1(-shape * np.log1p(horizon / scale))
    who = np.flatnonzero(rng.random(len(x)) < comes * chance)
    shape, scale = shape[who], scale[who]
    wait = scale * np.expm1(-np.log1p(-rng.random(len(who)) * comes[who]) / shape)
    wait = np.minimum(wait, horizon)
    rate = rng.standard_gamma(shape + 1) / (scale + wait)
    # What a customer would go on to buy who never leaves …
    wanted = rng.poisson(rate * (horizon - wait))
    more = np.flatnonzero(wanted)
    # … of which so many come true: after each purchase the customer may leave.
    leave = np.maximum(rng.beta(a, b + stays[who[more]]), SMALLEST_CHANCE)
    made = np.minimum(wanted[more], rng.geometric(leave) - 1)
    place = np.repeat(np.arange(len(more)), wanted[more])
    shares = np.sort(place + rng.random(len(place))) - place
    first = np.repeat(np.cumsum(wanted[more]) - wanted[more], wanted[more])
    kept = np.arange(len(place)) - first < made[place]
    later = more[place[kept]]
    when = np.append(wait, wait[later] + (horizon - wait[later]) * shares[kept])
    buyers = np.append(who, who[later])
    order = np.argsort(buyers, kind="stable")
    return buyers[order], when[order]
