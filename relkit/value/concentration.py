"""How unevenly value lies among customers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from relkit.errors import ParameterError
from relkit.value.inputs import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Concentration:
    """How unevenly value lies among customers, the most valuable first.

    Attributes:
        customer_share: Cumulative share of customers, 0 to 1, shape (n + 1,).
        value_share: Cumulative share of value that they hold, shape (n + 1,).
    """

    customer_share: FloatArray
    value_share: FloatArray

    def share_of_top(self, share: float) -> float:
        """Share of all value held by the top share of customers, 0.10 for 10 %.

        Raises:
            ParameterError: share is not in (0, 1].
        """
        if not 0 < share <= 1:
            raise ParameterError(f"share={share} must be in (0, 1]; give 10 % as 0.10")
        return float(np.interp(share, self.customer_share, self.value_share))

    @property
    def gini(self) -> float:
        """Gini coefficient: 0 where all are worth the same, near 1 where one holds all."""
        width = np.diff(self.customer_share)
        height = (self.value_share[1:] + self.value_share[:-1]) / 2
        return float(2 * (width @ height) - 1)

    def to_frame(self) -> pd.DataFrame:
        """The curve: customer_share, value_share."""
        return pd.DataFrame(
            {"customer_share": self.customer_share, "value_share": self.value_share}
        )
