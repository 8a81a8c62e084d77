"""What is asked of every purchase model, known or fitted: read, checked, answered once.

Reading what was given, checking it and answering in its shape is the same whatever
a model believes about buying and leaving. So it stands here, for anything that has a
``model``: a model has itself, a fit has the one at its parameters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from relkit.errors import ParameterError
from relkit.value.inputs import FloatArray, read_history, read_horizon, read_most

if TYPE_CHECKING:
    from relkit.value.purchase_model import PurchaseModel


class PurchasePredictions(ABC):
    """The predictions of a ``model``. Each raises FitError where a fit has none."""

    __slots__ = ()

    @property
    @abstractmethod
    def model(self) -> PurchaseModel[Any]:
        """The model that answers."""

    def probability_alive(
        self,
        summary: pd.DataFrame | None = None,
        *,
        frequency: Any = None,
        recency: Any = None,
        T: Any = None,
    ) -> Any:
        """Probability that each customer is still active at T.

        Args:
            summary: Frame with frequency, recency and T; or give arrays or numbers:
            frequency: Repeat purchases; the first purchase is not one.
            recency: First to last purchase.
            T: First purchase to the end of observation.

        Returns:
            In [0, 1], shape (n,), or a number for numbers.

        Raises:
            ParameterError: units differ, or no histories are given.
            DataError: values that cannot be a history; all faults are named.
            FitError: a fit whose data do not carry the model.
        """
        model = self.model
        history = read_history(summary, frequency, recency, T, unit=model.unit)
        return history.answer(model.alive(history.frequency, history.recency, history.T))

    def expected_purchases(
        self,
        summary: pd.DataFrame | None = None,
        *,
        frequency: Any = None,
        recency: Any = None,
        T: Any = None,
        horizon: float,
    ) -> Any:
        """Purchases that each customer is expected to make within the horizon after T.

        Args:
            summary: Frame with frequency, recency and T; or give arrays or numbers:
            frequency: Repeat purchases.
            recency: First to last purchase.
            T: First purchase to the end of observation.
            horizon: Length of time after T, one number, in the unit of T.

        Returns:
            Shape (n,), or a number for numbers; relative error below 1e-9.

        Raises:
            ParameterError: a horizon that is not positive, units that differ.
            DataError: values that cannot be a history; all faults are named.
            FitError: a fit whose data do not carry the model.
        """
        model, length = self.model, read_horizon(horizon)
        history = read_history(summary, frequency, recency, T, unit=model.unit)
        x, t_x, end = history.frequency, history.recency, history.T
        ahead = model.purchases_if_alive(x, end, np.array([length]))[:, 0]
        return history.answer(model.alive(x, t_x, end) * ahead)

    def expected_purchases_new(self, horizon: Any) -> Any:
        """Repeat purchases that a new customer is expected to make.

        Args:
            horizon: Time since the first purchase; a number or an array.

        Returns:
            A number for a number, else an array of the same shape.

        Raises:
            ParameterError: a horizon that is not positive and finite.
            FitError: a fit whose data do not carry the model.
        """
        flat = self.model.purchases_of_new(_lengths(horizon))
        return float(flat[0]) if np.ndim(horizon) == 0 else flat.reshape(np.shape(horizon))

    def purchase_distribution(
        self,
        summary: pd.DataFrame | None = None,
        *,
        frequency: Any = None,
        recency: Any = None,
        T: Any = None,
        horizon: float,
        most: int,
    ) -> Any:
        """Probabilities that each customer makes exactly 0, 1, …, most purchases.

        Args:
            summary: Frame with frequency, recency and T; or give arrays or numbers:
            frequency: Repeat purchases.
            recency: First to last purchase.
            T: First purchase to the end of observation.
            horizon: Length of time after T, one number, in the unit of T.
            most: The largest number of purchases that is asked for.

        Returns:
            Shape (n, most + 1), or (most + 1,) for numbers: column k is the chance of
            exactly k purchases, customers who have left included (they make none).
            What a row lacks to 1 is the chance of more than ``most``. Relative error
            below 1e-9 in every entry above 1e-300.

        Raises:
            ParameterError: a horizon that is not positive, ``most`` that is no count,
                units that differ.
            DataError: values that cannot be a history; all faults are named.
            FitError: a fit whose data do not carry the model.

        Source: of a new customer Fader, Hardie & Lee (2005), equation 8 (BG/NBD), and
            Fader & Hardie (2006), "Deriving an expression for P(X(t) = x) under the
            Pareto/NBD model"; given a history the same with the rates and chances to
            leave as they are distributed for an active customer with it, as in Fader &
            Hardie (2014), "Deriving the conditional PMF of the Pareto/NBD model".
        """
        model, length, count = self.model, read_horizon(horizon), read_most(most)
        history = read_history(summary, frequency, recency, T, unit=model.unit)
        chances = model.distribution(
            history.frequency,
            history.recency,
            history.T,
            np.full(len(history.T), length),
            count,
        )
        return chances[0] if history.is_scalar else chances

    def purchase_distribution_new(self, horizon: Any, most: int) -> Any:
        """Probabilities that a new customer makes exactly 0, 1, …, most repeat purchases.

        Args:
            horizon: Time since the first purchase; a number or an array.
            most: The largest number of purchases that is asked for.

        Returns:
            Shape (most + 1,) for a number, else the shape of the horizons with one
            axis of length most + 1 more. What is lacking to 1 is the chance of more.

        Raises:
            ParameterError: a horizon that is not positive and finite, ``most`` that is
                no count.
            FitError: a fit whose data do not carry the model.

        Source: as ``purchase_distribution``.
        """
        model, lengths, count = self.model, _lengths(horizon), read_most(most)
        new = np.zeros(len(lengths))
        chances = model.distribution(new, new, new, lengths, count)
        return chances.reshape(*np.shape(horizon), count + 1)

    def log_likelihood_of(
        self,
        summary: pd.DataFrame | None = None,
        *,
        frequency: Any = None,
        recency: Any = None,
        T: Any = None,
        weights: Any = None,
    ) -> float:
        """Log-likelihood of these customers under the parameters.

        Args:
            summary: Frame with frequency, recency and T; or give arrays or numbers:
            frequency: Repeat purchases.
            recency: First to last purchase.
            T: First purchase to the end of observation.
            weights: How many customers each row stands for.

        Raises:
            ParameterError: units differ, or no histories are given.
            DataError: values that cannot be a history; all faults are named.
            FitError: a fit whose data do not carry the model.
        """
        model = self.model
        history = read_history(summary, frequency, recency, T, weights=weights, unit=model.unit)
        return model.log_likelihood_given(history)


def _lengths(horizon: Any) -> FloatArray:
    """Horizons of a new customer, flat, shape (m,).

    Raises:
        ParameterError: one that is not positive and finite.
    """
    given = np.asarray(horizon)
    try:
        # A truth value or a text counts as a number for numpy, and as a slip here.
        lengths = np.atleast_1d(given.astype(float)).ravel() if given.dtype.kind in "iufO" else None
    except (TypeError, ValueError):
        lengths = None
    if lengths is None:
        raise ParameterError(
            f"horizon={horizon!r} must be a number of units, or an array of such numbers"
        )
    for length in lengths[~(np.isfinite(lengths) & (lengths > 0))][:1]:
        read_horizon(float(length))
    return lengths
