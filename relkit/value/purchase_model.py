"""What a purchase model says of checked arrays, whatever it believes of its customers.

Three things: who is still active, what an active customer will buy, what a new one
will. How it is asked is the same for all of them (``purchase_predictions.py``).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from numbers import Real
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from relkit.errors import ParameterError
from relkit.units import days_per
from relkit.value.inputs import FloatArray, PurchaseHistory
from relkit.value.purchase_predictions import PurchasePredictions

ParamsT = TypeVar("ParamsT", bound=tuple[float, ...])


class PurchaseModel(PurchasePredictions, Generic[ParamsT]):
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
    def left_log_odds(self, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
        """Log odds of having left at T, of checked arrays, shape (n,)."""

    @abstractmethod
    def purchases_if_alive(self, x: FloatArray, T: FloatArray, horizons: FloatArray) -> FloatArray:
        """Expected purchases given active at T; x, T (n,), horizons (m,) -> (n, m)."""

    @abstractmethod
    def purchases_of_new(self, lengths: FloatArray) -> FloatArray:
        """Expected repeat purchases of a new customer by these times, (m,) -> (m,)."""

    @abstractmethod
    def counts_if_alive(
        self, x: FloatArray, T: FloatArray, horizon: FloatArray, most: int
    ) -> FloatArray:
        """Chances of 0 … most purchases given active at T; each (n,) -> (n, most + 1)."""

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

    def alive(self, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
        """P(alive) of checked arrays, shape (n,)."""
        chance: FloatArray = expit(-self.left_log_odds(x, t_x, T))
        return chance

    def distribution(
        self, x: FloatArray, t_x: FloatArray, T: FloatArray, horizon: FloatArray, most: int
    ) -> FloatArray:
        """Chances of 0 … most purchases after T; checked arrays (n,) -> (n, most + 1)."""
        odds = self.left_log_odds(x, t_x, T)
        chances = expit(-odds)[:, None] * self.counts_if_alive(x, T, horizon, most)
        # The chance of having left by itself: 1 - P(alive) would lose a small one.
        chances[:, 0] += expit(odds)
        return chances
