"""A cadence policy: which tier gets which contacts, how often, by whom, and on what evidence."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from relkit.errors import ParameterError, did_you_mean
from relkit.frequency.cadence import Cadence, Contact
from relkit.units import DAYS_PER_YEAR

if TYPE_CHECKING:
    import pandas as pd

# As in the touches table; 'any' where a policy leaves the channel open.
CHANNELS = ("phone", "email", "sms", "wechat", "visit", "app", "event", "other", "any")
# A quarter is 13 weeks of 7 days, as those who plan one count it.
PER_QUARTER = {
    "day": Fraction(91),
    "week": Fraction(13),
    "month": Fraction(3),
    "quarter": Fraction(1),
    "year": Fraction(1, 4),
}
PER_YEAR = {"day": DAYS_PER_YEAR, "week": DAYS_PER_YEAR / 7, "month": 12, "quarter": 4, "year": 1}

# What stands behind a cell, the strongest first.
EXPERIMENT, CLAIM, ORIGIN, ASSUMED, TODAY = "experiment", "claim", "origin", "assumed", "today"
EVIDENCE = (EXPERIMENT, CLAIM, ORIGIN, ASSUMED, TODAY)
MEASURED = ("A", "B")


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often: so many times in so many units of time.

    Attributes:
        times: Above 0.
        length: Units, 1 or more.
        unit: day, week, month, quarter or year.
    """

    times: Fraction
    length: int
    unit: str

    @property
    def per_month(self) -> float:
        """Times in a month of 30.4375 days; a week's contact comes 4.348 times."""
        return float(self.times) * PER_YEAR[self.unit] / self.length / 12

    @property
    def per_quarter(self) -> Fraction:
        """Times in a quarter of 13 weeks, exactly."""
        return self.times * PER_QUARTER[self.unit] / self.length


@dataclass(frozen=True, slots=True)
class Evidence:
    """What stands behind a figure.

    Attributes:
        kind: 'experiment' (its id), 'claim' (who says so, without data to look at),
            'origin' (a preset's source, which plans and does not claim an effect),
            'assumed' (nobody gave a figure; why this one), 'today' (today's cadence,
            kept since the experiment of this id gave no verdict).
        reference: Of it.
        grade: Of an experiment: 'A', 'B' or 'C'; None else.
    """

    kind: str
    reference: str
    grade: str | None = None

    @property
    def measured(self) -> bool:
        """Whether customers were assigned by chance."""
        return self.kind == EXPERIMENT and self.grade in MEASURED


@dataclass(frozen=True, slots=True)
class PolicyCell:
    """One kind of contact with one tier.

    Attributes:
        tier: Name.
        type: message, deep or strategic.
        channel: One of CHANNELS.
        rhythm: How often; None where an occasion decides and nobody says how often it comes.
        occasion: What the contact waits for, such as 'festival'; None where time decides.
        content: What it is about, by language; empty where that is left open.
        owner_role: Who makes it, by language; empty where nobody is named.
        automated: Whether no human makes it; None where it is not said.
        evidence: What stands behind it, or None.
    """

    tier: str
    type: str
    channel: str
    rhythm: Rhythm | None
    occasion: str | None = None
    content: Mapping[str, str] = field(default_factory=dict)
    owner_role: Mapping[str, str] = field(default_factory=dict)
    automated: bool | None = None
    evidence: Evidence | None = None

    @property
    def per_month(self) -> float | None:
        """Contacts a month, None where nobody can say."""
        return None if self.rhythm is None else self.rhythm.per_month

    @property
    def place(self) -> tuple[str, str, str, str]:
        """What tells it from the policy's other cells: tier, type, channel, content or occasion."""
        return self.tier, self.type, self.channel, self.occasion or self.content.get("en", "")


@dataclass(frozen=True, slots=True)
class Optimum:
    """Where the best frequency of a tier lies, in contacts a month.

    Attributes:
        low, high: Ends of the bracket; equal where one figure is claimed.
        evidence: Measured, or somebody's claim.
    """

    low: float
    high: float
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class PolicyTier:
    """A tier of a policy.

    Attributes:
        name: As the tiers are called.
        label: By language.
        cap: Contacts a month, of all kinds, that nobody may exceed; None where not said.
        optimum: Where the best frequency lies, or None where nobody says.
        none: Evidence for no contact at all; None where the tier has contacts.
    """

    name: str
    label: Mapping[str, str]
    cap: float | None = None
    optimum: Optimum | None = None
    none: Evidence | None = None


@dataclass(frozen=True, slots=True)
class CadencePolicy:
    """A cadence policy, whole.

    Attributes:
        policy: Its name.
        title: By language.
        origin: Where it comes from, by language; empty where it is one's own.
        tiers: From the most to the least valuable.
        cells: In the order of the file.
        signed_off_by, signed_off_on: Who answers for it since when; None in a draft.
    """

    policy: str
    title: Mapping[str, str]
    origin: Mapping[str, str]
    tiers: tuple[PolicyTier, ...]
    cells: tuple[PolicyCell, ...]
    signed_off_by: str | None = None
    signed_off_on: dt.date | None = None

    @property
    def draft(self) -> bool:
        """Whether nobody has signed it."""
        return self.signed_off_by is None

    def tier(self, name: str) -> PolicyTier:
        """The tier of this name; ParameterError, with the nearest, if there is none."""
        for one in self.tiers:
            if one.name == name:
                return one
        names = [one.name for one in self.tiers]
        raise ParameterError(
            f"policy {self.policy} has no tier '{name}'{did_you_mean(name, names)}; "
            f"there are {', '.join(names)}"
        )

    def cells_of(self, tier: str) -> tuple[PolicyCell, ...]:
        """The cells of a tier."""
        name = self.tier(tier).name
        return tuple(cell for cell in self.cells if cell.tier == name)

    def cadence(self, tier: str, name: str | None = None) -> Cadence:
        """A tier's contacts as an arm of an experiment; those on occasions are not in it.

        Args:
            tier: Which.
            name: Of the arm; the tier's name if None.
        """
        sums: dict[tuple[str, str], float] = {}
        for cell in self.cells_of(tier):
            if cell.per_month is not None:
                kind = cell.type, cell.channel
                sums[kind] = sums.get(kind, 0.0) + cell.per_month
        contacts = tuple(Contact(*kind, per_month) for kind, per_month in sums.items())
        return Cadence(name or tier, contacts)

    def with_cell(self, cell: PolicyCell) -> CadencePolicy:
        """A copy with this cell in the place of the one with the same place, or added.

        The copy is a draft, whoever signed this one: a preset is changed so, and each
        changed cell carries its own evidence.
        """
        self.tier(cell.tier)
        places = [one.place for one in self.cells]
        cells = list(self.cells)
        if cell.place in places:
            cells[places.index(cell.place)] = cell
        else:
            cells.append(cell)
        return replace(self, cells=tuple(cells), signed_off_by=None, signed_off_on=None)

    def to_frame(self) -> pd.DataFrame:
        """One row a cell: tier, type, channel, content, occasion, per_month, per_quarter (nan
        where nobody can say), owner_role, automated, evidence, reference, grade; the words in
        English."""
        import pandas as pd

        rows = [
            {
                "tier": cell.tier,
                "type": cell.type,
                "channel": cell.channel,
                "content": cell.content.get("en"),
                "occasion": cell.occasion,
                "per_month": float("nan") if cell.per_month is None else cell.per_month,
                "per_quarter": float("nan")
                if cell.rhythm is None
                else float(cell.rhythm.per_quarter),
                "owner_role": cell.owner_role.get("en"),
                "automated": cell.automated,
                "evidence": cell.evidence.kind if cell.evidence else None,
                "reference": cell.evidence.reference if cell.evidence else None,
                "grade": cell.evidence.grade if cell.evidence else None,
            }
            for cell in self.cells
        ]
        columns = [*("tier", "type", "channel", "content", "occasion", "per_month", "per_quarter"),
                   *("owner_role", "automated", "evidence", "reference", "grade")]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)
