"""What an experiment will do, said before it starts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relkit.errors import ParameterError, did_you_mean
from relkit.frequency.cadence import Cadence

if TYPE_CHECKING:
    import pandas as pd

METRICS = (
    "net_value",
    "retained",
    "repurchase",
    "revenue",
    "margin",
    "engagement",
    "complaints",
    "unsubscribes",
    "satisfaction",
)
# For these, more is worse.
HARMS = ("complaints", "unsubscribes")
DAYS_PER_MONTH = 365.25 / 12


@dataclass(frozen=True, slots=True)
class Guardrail:
    """How much worse a metric may be, at most.

    Attributes:
        metric: One of METRICS.
        scale: 'ratio' (arm ÷ today's cadence) or 'difference' (arm − today's).
        margin: The bound. Harms: a ratio above 1 or a difference above 0. Others: a
            ratio below 1 or a difference below 0.
    """

    metric: str
    scale: str
    margin: float

    @property
    def more_is_worse(self) -> bool:
        """Whether the margin bounds from above."""
        return self.metric in HARMS


@dataclass(frozen=True, slots=True)
class StopRule:
    """When the numbers are looked at, and what may end the experiment early.

    Attributes:
        looks: 'weekly', 'monthly' or 'end'.
        early: 'harm' (only a guardrail that fails may end it) or 'never'.
    """

    looks: str
    early: str


@dataclass(frozen=True, slots=True)
class ExperimentPlan:
    """A contact-frequency experiment, whole.

    Attributes:
        experiment: Its id in the assignments.
        name: By language, 'en' and 'zh'.
        hypothesis: By language.
        unit: What is randomised: customer, household or account.
        tiers: From the most to the least valuable; frozen before randomisation.
        tiers_frozen_on: The last day that the tiers knew of.
        starts_on: First day of contacts by arm.
        ends_on: Last day of the experiment.
        window_weeks: Weeks from a customer's assignment over which outcomes count.
        burn_in_weeks: Weeks from the assignment that do not count for the long run.
        covariate_weeks: Weeks before the assignment that the adjustment looks at.
        retained_within_weeks: A customer is retained who bought in so many last weeks
            of the window.
        currency: Of all money here.
        arms: By name, the lowest dose first.
        today: Tier → arm that is today's cadence.
        dose_weights: What a contact of each type counts on the dose scale.
        margin_share: Margin ÷ revenue.
        residual_value: Tier → value of a customer who is retained at the end.
        complaint_cost: What a complaint costs.
        contact_cost: (type, channel) → cost of one contact.
        guardrails: What must not get worse.
        stop: When it is looked at and may end.
        tolerated_loss: Tier → expected loss per customer and window that a choice may
            have, if it is wrong.
        probability: Chance to be better that a switch needs.
        salt: Goes into the hash that assigns.
        contacts_per_week: Contacts that can be made in a week, or None if unlimited.
        fatigue_cap: Tier → contacts a month that nobody may exceed.
    """

    experiment: str
    name: Mapping[str, str]
    hypothesis: Mapping[str, str]
    unit: str
    tiers: tuple[str, ...]
    tiers_frozen_on: dt.date
    starts_on: dt.date
    ends_on: dt.date
    window_weeks: int
    burn_in_weeks: int
    covariate_weeks: int
    retained_within_weeks: int
    currency: str
    arms: Mapping[str, Cadence]
    today: Mapping[str, str]
    dose_weights: Mapping[str, float]
    margin_share: float
    residual_value: Mapping[str, float]
    complaint_cost: float
    contact_cost: Mapping[tuple[str, str], float]
    guardrails: tuple[Guardrail, ...]
    stop: StopRule
    tolerated_loss: Mapping[str, float]
    probability: float
    salt: str
    contacts_per_week: float | None
    fatigue_cap: Mapping[str, float]

    @property
    def window_months(self) -> float:
        """Length of the outcome window in months of 30.4375 days."""
        return self.window_weeks * 7 / DAYS_PER_MONTH

    @property
    def doses(self) -> dict[str, float]:
        """Arm → contacts a month on the one dose scale."""
        return {name: arm.dose(self.dose_weights) for name, arm in self.arms.items()}

    @property
    def costs(self) -> dict[str, float]:
        """Arm → what its contacts cost per customer over the window."""
        months = self.window_months
        return {n: arm.cost_per_month(self.contact_cost) * months for n, arm in self.arms.items()}

    def arm(self, name: str) -> Cadence:
        """The cadence of this name; ParameterError, with the nearest, if there is none."""
        try:
            return self.arms[name]
        except KeyError:
            raise ParameterError(
                f"the plan of {self.experiment} has no arm '{name}'{did_you_mean(name, self.arms)}"
            ) from None

    def to_frame(self) -> pd.DataFrame:
        """One row an arm: arm, contacts, per_month, dose, cost, hold_out, today_of."""
        import pandas as pd

        rows = [
            {
                "arm": name,
                "contacts": "; ".join(
                    f"{c.per_month:.4g} × {c.type} ({c.channel})" for c in arm.contacts
                ),
                "per_month": arm.per_month,
                "dose": self.doses[name],
                "cost": self.costs[name],
                "hold_out": arm.hold_out,
                "today_of": ", ".join(tier for tier in self.tiers if self.today[tier] == name),
            }
            for name, arm in self.arms.items()
        ]
        return pd.DataFrame(rows)
