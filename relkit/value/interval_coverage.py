"""Do prediction intervals hold: how often what happened lies where it was said to.

A count has no interval of exactly 95 %: the smallest set of counts that holds 95 %
mostly holds more, and a model looks careful that is only discrete. So an outcome is
not asked whether it lies inside, but which part of its own probability does: if the
model is right, that part is the nominal level on average, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from relkit.value.futures import drawn_parameters
from relkit.value.inputs import FloatArray, PurchaseHistory
from relkit.value.purchase_fit import PurchaseFit

LEVELS = (0.50, 0.80, 0.95)
# With 399 futures the outcome takes one of 400 places, and 2.5 % are 10 of them.
DRAWS = 399
# The share covered among so many customers is known to .3 points; more add time only.
MOST_CUSTOMERS = 5_000


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where each outcome stands among the futures that the model thought possible.

    Attributes:
        low: Share of the places below the outcome, shape (n,).
        high: That and the share of the places it may take itself, shape (n,).
    """

    low: FloatArray
    high: FloatArray

    def inside(self, level: float) -> FloatArray:
        """Part of each outcome's own probability that the central interval holds, (n,)."""
        tail = 0.5 - level / 2
        overlap = np.minimum(self.high, 1 - tail) - np.maximum(self.low, tail)
        part: FloatArray = np.maximum(overlap, 0.0) / (self.high - self.low)
        return part


def places(
    fit: PurchaseFit[Any],
    history: PurchaseHistory,
    outcome: FloatArray,
    *,
    horizon: float,
    draws: int = DRAWS,
    seed: int = 0,
) -> Places:
    """Rank of what each customer did among futures drawn from the model.

    Args:
        fit: Purchase model; its parameter uncertainty is drawn from too.
        history: Customers at the end of the calibration.
        outcome: Purchases of each within the horizon, shape (n,).
        horizon: In the unit of T.
        draws: How many futures.
        seed: Of the futures; also of which customers are looked at where there are
            more than ``MOST_CUSTOMERS``.

    Returns:
        Places of n customers, or of ``MOST_CUSTOMERS`` of them; one row a customer,
        in an order of its own. If the model is right, the outcome is one more draw
        like the others, so that each place is equally likely.

    Raises:
        FitError: the fit has no parameters.

    Source: ranks: Talts et al. (2018), "Validating Bayesian inference algorithms with
        simulation-based calibration"; counts: Czado, Gneiting & Held (2009),
        "Predictive model assessment for count data", Biometrics 65, equation 2.
    """
    model = fit.model
    rng = np.random.default_rng(seed)
    # In one order, so that the result does not depend on that of the rows.
    order = np.lexsort((outcome, history.T, history.recency, history.frequency))
    if len(order) > MOST_CUSTOMERS:
        order = order[np.sort(rng.choice(len(order), MOST_CUSTOMERS, replace=False))]
    x, t_x, T = (c[order] for c in (history.frequency, history.recency, history.T))
    made = outcome[order]
    below, equal = np.zeros(len(order)), np.zeros(len(order))
    for params in drawn_parameters(rng, np.log(model.params), fit.log_covariance, draws):
        who, _ = model.at(params).draw_purchases(rng, x, t_x, T, horizon)
        count = np.bincount(who, minlength=len(order))
        below += count < made
        equal += count == made
    return Places(below / (draws + 1), (below + equal + 1) / (draws + 1))


def interval_coverage(found: Places) -> pd.DataFrame:
    """level (nominal), customers, covered (share), one row a level of ``LEVELS``."""
    return pd.DataFrame(
        {
            "level": LEVELS,
            "customers": len(found.low),
            "covered": [float(found.inside(level).mean()) for level in LEVELS],
        }
    )
