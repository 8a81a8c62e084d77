"""What every purchase model answers, whatever it believes about buying and leaving.

A model says three things of checked arrays: who is still active, what an active
customer will buy, what a new one will. Reading what was given, checking it and
answering in its shape is the same for all of them and stands here once.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from numbers import Real
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relkit.errors import ParameterError
from relkit.units import days_per
from relkit.value.inputs import FloatArray, PurchaseHistory, read_history, read_horizon

ParamsT = TypeVar("ParamsT", bound=tuple[float, ...])


class PurchaseModel(ABC, Generic[ParamsT]):
    """A purchase model with known parameters; the kinds are its subclasses.

    Attributes:
        name: The model's name in the literature.
        fields: Names of its parameters.
        unit: The unit of time of its parameters, if it is known.
    """

    __slots__ = ()
    name: ClassVar[str]
    fields: ClassVar[tuple[str, ...]]
    unit: str | None

    @property
    @abstractmethod
    def params(self) -> ParamsT:
        """The parameters by name."""

    @abstractmethod
    def alive(self, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
        """P(alive) of checked arrays, shape (n,)."""

    @abstractmethod
    def purchases_if_alive(self, x: FloatArray, T: FloatArray, horizons: FloatArray) -> FloatArray:
        """Expected purchases given active at T; x, T (n,), horizons (m,) -> (n, m)."""

    @abstractmethod
    def purchases_of_new(self, lengths: FloatArray) -> FloatArray:
        """Expected repeat purchases of a new customer by these times, (m,) -> (m,)."""

    @property
    @abstractmethod
    def time_scale(self) -> float:
        """What T is smooth against: predictions bend gently in log(time_scale + T)."""

    @abstractmethod
    def draw_purchases(
        self,
        rng: np.random.Generator,
        x: FloatArray,
        t_x: FloatArray,
        T: FloatArray,
        horizon: float,
    ) -> tuple[NDArray[np.intp], FloatArray]:
        """One future: who buys and when, a row a purchase, sorted by customer."""

    @abstractmethod
    def log_likelihood_given(self, history: PurchaseHistory) -> float:
        """Log-likelihood of checked histories."""

    def __post_init__(self) -> None:
        faults = [
            f"{name}={value} must be positive and finite"
            for name, value in zip(self.fields, self.params, strict=True)
            if not (isinstance(value, Real) and 0 < float(value) < math.inf)
        ]
        if faults:
            raise ParameterError(f"{self.name} cannot have these parameters", faults)
        if self.unit is not None:
            days_per(self.unit)

    @property
    def model(self) -> Self:
        """The model itself, under the name that fits share."""
        return self

    def at(self, params: FloatArray) -> Self:
        """The same kind of model at other parameters, shape (k,)."""
        kind: Any = type(self)
        moved: Self = kind(*params.tolist(), self.unit)
        return moved

    @property
    def log_covariance(self) -> FloatArray:
        """Covariance of the log parameters, (k, k): zero, for they are given as known."""
        return np.zeros((len(self.fields),) * 2)

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
        """
        history = read_history(summary, frequency, recency, T, unit=self.unit)
        return history.answer(self.alive(history.frequency, history.recency, history.T))

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
        """
        length = read_horizon(horizon)
        history = read_history(summary, frequency, recency, T, unit=self.unit)
        x, t_x, end = history.frequency, history.recency, history.T
        ahead = self.purchases_if_alive(x, end, np.array([length]))[:, 0]
        return history.answer(self.alive(x, t_x, end) * ahead)

    def expected_purchases_new(self, horizon: Any) -> Any:
        """Repeat purchases that a new customer is expected to make.

        Args:
            horizon: Time since the first purchase; a number or an array.

        Returns:
            A number for a number, else an array of the same shape.

        Raises:
            ParameterError: a horizon that is not positive and finite.
        """
        lengths = np.atleast_1d(np.asarray(horizon, dtype=float))
        for length in lengths[~(np.isfinite(lengths) & (lengths > 0))][:1]:
            read_horizon(float(length))
        flat = self.purchases_of_new(lengths.ravel())
        return float(flat[0]) if np.ndim(horizon) == 0 else flat.reshape(np.shape(horizon))

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
        """
        history = read_history(summary, frequency, recency, T, weights=weights, unit=self.unit)
        return self.log_likelihood_given(history)
