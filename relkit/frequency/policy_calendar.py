"""The days on which a policy contacts a customer, and what a cap on all channels leaves out."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from relkit.errors import ParameterError
from relkit.frequency.policy import CadencePolicy, PolicyCell

if TYPE_CHECKING:
    import pandas as pd

QUARTER_DAYS = 91
# Of two contacts for one place, the weightier stays.
WEIGHT = {"strategic": 0, "deep": 1, "message": 2}


@dataclass(frozen=True, slots=True, eq=False)
class ContactCalendar:
    """Planned contacts of one customer.

    Attributes:
        contacts: One row a contact: day, type, channel, content, kept (False where the cap
            left it out); by day.
        cap: Contacts in any window, or None.
        window_days: Its length.
    """

    contacts: pd.DataFrame
    cap: int | None
    window_days: int

    @property
    def left_out(self) -> int:
        """Contacts that the cap left out."""
        return int((~self.contacts["kept"]).sum())

    def to_frame(self) -> pd.DataFrame:
        """One row a contact."""
        return self.contacts.copy()


def contact_calendar(
    policy: CadencePolicy,
    tier: str,
    start: dt.date,
    quarters: int = 1,
    cap: int | None = None,
    window_days: int = 30,
) -> ContactCalendar:
    """The days of a tier's contacts over quarters of 13 weeks, evenly spread.

    Before a cap, each quarter holds just what the policy says of one. With a cap, no window
    of `window_days` days, wherever it begins, holds more contacts than the cap, over all
    channels together: strategic contacts are placed first, then deep ones, then messages,
    and what does not fit is left out and listed.

    Args:
        policy: What is planned; contacts on occasions have no day and are not in it.
        tier: Which.
        start: First day.
        quarters: How many.
        cap: Contacts in a window at most; none if None.
        window_days: Length of the window.

    Raises:
        ParameterError: no such tier, or numbers that cannot be.
    """
    import pandas as pd

    faults = [
        f"{name}={value!r} must be a whole number from 1"
        for name, value in (("quarters", quarters), ("cap", cap), ("window_days", window_days))
        if not (name == "cap" and value is None)
        and (isinstance(value, bool) or not isinstance(value, int) or value < 1)
    ]
    if faults:
        raise ParameterError("the calendar", faults)
    cells = [cell for cell in policy.cells_of(tier) if cell.rhythm is not None]
    planned = [
        (day, cell)
        for place, cell in enumerate(cells)
        for day in _days(cell, Fraction(2 * place + 1, 2 * len(cells)), quarters)
    ]
    kept = _within(planned, cap, window_days)
    rows = [
        (start + dt.timedelta(days=day), cell.type, cell.channel, cell.content.get("en", ""), keep)
        for (day, cell), keep in sorted(
            zip(planned, kept, strict=True), key=lambda pair: (pair[0][0], pair[0][1].place)
        )
    ]
    frame = pd.DataFrame(rows, columns=["day", "type", "channel", "content", "kept"])
    return ContactCalendar(frame.astype({"kept": "bool"}), cap, window_days)


def _days(cell: PolicyCell, shift: Fraction, quarters: int) -> list[int]:
    """Days from the start, as many in each quarter as the policy says, fractions carried on."""
    assert cell.rhythm is not None
    rate = cell.rhythm.per_quarter
    days = []
    for quarter in range(quarters):
        n = math.floor((quarter + 1) * rate) - math.floor(quarter * rate)
        first = quarter * QUARTER_DAYS
        days += [first + math.floor((k + shift) * QUARTER_DAYS / n) for k in range(n)]
    return days


def _within(planned: list[tuple[int, PolicyCell]], cap: int | None, window: int) -> list[bool]:
    """Which contacts fit, the weightiest first, then the earliest."""
    if cap is None:
        return [True] * len(planned)
    order = sorted(range(len(planned)), key=lambda i: (WEIGHT[planned[i][1].type], planned[i][0]))
    kept: list[bool] = [False] * len(planned)
    taken: list[int] = []
    for i in order:
        day = planned[i][0]
        near = sorted([*(d for d in taken if abs(d - day) < window), day])
        # A fullest window begins on the day of a contact.
        if all(sum(first <= d < first + window for d in near) <= cap for first in near):
            kept[i] = True
            taken.append(day)
    return kept
