"""Cadences: which contacts, how often; what an arm of an experiment offers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from relkit.errors import ParameterError

# What the touches table calls depth; 'strategic' is a contact of its own weight.
TYPES = ("message", "deep", "strategic")


@dataclass(frozen=True, slots=True)
class Contact:
    """One kind of contact in a cadence.

    Attributes:
        type: message, deep or strategic.
        channel: As in the touches table, or 'any' where the channel is left open.
        per_month: Contacts a month, above 0.
    """

    type: str
    channel: str
    per_month: float


@dataclass(frozen=True, slots=True)
class Cadence:
    """The contacts that one arm offers; none at all is a hold-out.

    Attributes:
        name: As the assignments call the arm.
        contacts: What is offered, each (type, channel) once.
        step_down_to: Arm that its customers change to in the middle of the window,
            so that carry-over can be seen; None for a cadence that stays.
    """

    name: str
    contacts: tuple[Contact, ...] = ()
    step_down_to: str | None = None

    @property
    def hold_out(self) -> bool:
        """Whether nobody in it is contacted."""
        return not self.contacts

    @property
    def per_month(self) -> float:
        """Contacts a month, of every kind."""
        return math.fsum(contact.per_month for contact in self.contacts)

    def dose(self, weights: Mapping[str, float] | None = None) -> float:
        """Contacts a month on one scale.

        Args:
            weights: What a contact of each type counts; each counts 1 where None.

        Raises:
            ParameterError: a type of this cadence has no weight.
        """
        if weights is None:
            return self.per_month
        missing = sorted({c.type for c in self.contacts} - set(weights))
        if missing:
            raise ParameterError(
                f"arm '{self.name}': no dose weight for {', '.join(missing)}; "
                "say what a contact of each type counts"
            )
        return math.fsum(weights[c.type] * c.per_month for c in self.contacts)

    def cost_per_month(self, contact_cost: Mapping[tuple[str, str], float]) -> float:
        """What the contacts of a month cost for one customer.

        Args:
            contact_cost: (type, channel) → cost of one contact.

        Raises:
            ParameterError: a contact has no cost; a missing one is never 0.
        """
        missing = [c for c in self.contacts if (c.type, c.channel) not in contact_cost]
        if missing:
            listed = ", ".join(f"{c.type} by {c.channel}" for c in missing)
            raise ParameterError(f"arm '{self.name}': no cost is given for {listed}")
        return math.fsum(contact_cost[c.type, c.channel] * c.per_month for c in self.contacts)
