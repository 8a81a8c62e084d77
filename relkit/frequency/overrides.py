"""What a person decides instead of a policy: with a reason, a name and an end.

The file is people's: relkit adds lines to it when told and changes none. It holds real
customer ids; keep it where only those can read it who act on it.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from relkit.errors import ParameterError, SourceError, did_you_mean
from relkit.frequency.cadence import TYPES, Cadence, Contact
from relkit.frequency.kept_content import write_whole
from relkit.frequency.policy import CHANNELS
from relkit.privacy import shown_id

if TYPE_CHECKING:
    import pandas as pd

    from relkit.frequency.policy import CadencePolicy

ALL = "all"
ACTIVE, EXPIRED, NOT_YET, SUPERSEDED = "active", "expired", "not_yet", "superseded"


@dataclass(frozen=True, slots=True)
class Override:
    """A person's decision on the contacts of a tier or of a customer.

    Attributes:
        tier, customer_id: Whom it is for; one of the two, the other empty.
        type, channel: Which contacts; both 'all' for a pause of every contact.
        per_month: Contacts a month in the place of the policy's; 0 for none.
        reason: Why.
        by: Who decided.
        made_on: First day on which it holds.
        expires_on: First day on which it holds no more.
    """

    tier: str
    customer_id: str
    type: str
    channel: str
    per_month: float
    reason: str
    by: str
    made_on: dt.date
    expires_on: dt.date

    def __post_init__(self) -> None:
        faults = _faults(self)
        if faults:
            raise ParameterError("the override", faults)

    def holds(self, on: dt.date) -> bool:
        """Whether it holds on a day; on the day it expires it does not."""
        return self.made_on <= on < self.expires_on

    @property
    def pause(self) -> bool:
        """Whether it stops every contact."""
        return self.type == ALL

    @property
    def whom(self) -> str:
        """The tier, or the customer by what may be shown of the id."""
        return self.tier or shown_id(self.customer_id)


COLUMNS = tuple(field.name for field in fields(Override))


@dataclass(frozen=True, slots=True, eq=False)
class OverrideAudit:
    """Every override as it stands on a day.

    Attributes:
        overrides: One row an override, in the order of the file: tier, customer_id, type,
            channel, policy_per_month (nan where the customer's tier is not known), per_month,
            reason, by, made_on, expires_on, days_left (0 where it is over), status
            ('active', 'superseded' by a later one, 'expired', 'not_yet').
        on: The day.
    """

    overrides: pd.DataFrame
    on: dt.date

    def count(self, status: str) -> int:
        """Overrides of a status."""
        return int((self.overrides["status"] == status).sum())

    def to_frame(self) -> pd.DataFrame:
        """One row an override; its customer ids are pseudonyms wherever it is shown."""
        return self.overrides.copy()


def read_overrides(path: str | os.PathLike[str]) -> tuple[Override, ...]:
    """The overrides in a file; none where there is no file yet.

    Raises:
        SourceError: not CSV in UTF-8, or lines with faults, all of them.
    """
    target = Path(path)
    if not target.exists():
        return ()
    try:
        text = target.read_bytes().decode("utf-8-sig")
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error, OSError) as fault:
        raise SourceError(
            f"{target.name} is not readable as CSV in UTF-8 ({type(fault).__name__}); save it "
            "from the spreadsheet as 'CSV UTF-8'"
        ) from None
    head = [cell.strip() for cell in lines[0]] if lines else []
    if sorted(head) != sorted(COLUMNS):
        raise SourceError(f"{target.name}: the columns must be {', '.join(COLUMNS)}")
    found, faults = [], []
    for number, line in enumerate(lines[1:], start=2):
        if not any(line):
            continue
        if len(line) != len(head):
            faults.append(f"line {number} has {len(line)} cells, not {len(head)}")
            continue
        row = {name: cell.strip() for name, cell in zip(head, line, strict=True)}
        try:
            found.append(_override(row))
        except ParameterError as fault:
            faults += [f"line {number}: {said}" for said in fault.faults]
    if faults:
        raise SourceError(f"{target.name}: {len(faults)} faults", faults)
    return tuple(found)


def add_override(path: str | os.PathLike[str], override: Override) -> tuple[Override, ...]:
    """Append an override to its file, made if there is none; no line that is there changes.

    Raises:
        SourceError: the file has faults; it is left as it is.
    """
    target = Path(path)
    before = read_overrides(target)
    kept = target.read_bytes().decode("utf-8") if target.exists() else ""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    head = list(COLUMNS)
    if kept:
        first = next(csv.reader(io.StringIO(kept.removeprefix("\ufeff"), newline="")))
        head = [cell.strip() for cell in first]
    else:
        kept = "\ufeff"
        writer.writerow(head)
    cells = {name: getattr(override, name) for name in COLUMNS}
    cells["per_month"] = f"{override.per_month:.12g}"
    writer.writerow([cells[name] for name in head])
    line_end = "" if kept == "\ufeff" or kept.endswith("\n") else "\r\n"
    write_whole(target, kept + line_end + out.getvalue())
    return (*before, override)


def override_cadence(
    cadence: Cadence,
    overrides: Iterable[Override],
    on: dt.date,
    tier: str,
    customer_id: str | None = None,
) -> tuple[Cadence, tuple[Override, ...]]:
    """A cadence as people decided it, and the overrides that made it so.

    Overrides win over policy and over any adjustment until they expire. Those of the customer
    win over those of the tier, and later ones over earlier ones.

    Args:
        cadence: What the policy or the adjustment says.
        overrides: All of them.
        on: The day.
        tier: Of the customer.
        customer_id: Whose cadence; the tier's if None.
    """
    contacts = {(c.type, c.channel): c.per_month for c in cadence.contacts}
    applied = _in_order(overrides, on, tier, customer_id)
    for one in applied:
        if one.pause:
            contacts.clear()
        else:
            contacts[one.type, one.channel] = one.per_month
    kept = tuple(Contact(*kind, rate) for kind, rate in contacts.items() if rate > 0)
    return Cadence(cadence.name, kept, cadence.step_down_to), applied


def override_audit(
    policy: CadencePolicy,
    overrides: Iterable[Override],
    on: dt.date,
    tier_of: Mapping[str, str] | None = None,
) -> OverrideAudit:
    """Every override beside what the policy says, with what became of it.

    Args:
        policy: The policy that they override.
        overrides: All of them.
        on: The day.
        tier_of: Customer → tier, where it is known.

    Raises:
        ParameterError: an override of a tier that the policy has not.
    """
    import pandas as pd

    listed = list(overrides)
    names = [tier.name for tier in policy.tiers]
    unknown = sorted({one.tier for one in listed if one.tier and one.tier not in names})
    if unknown:
        said = [f"no tier '{tier}'{did_you_mean(tier, names)}" for tier in unknown]
        raise ParameterError(f"the overrides of policy {policy.policy}", said)
    rows = []
    for place, one in enumerate(listed):
        tier = one.tier or (tier_of or {}).get(one.customer_id)
        known = tier if tier in names else None
        row = {name: getattr(one, name) for name in COLUMNS}
        row["policy_per_month"] = _planned(policy, known, one)
        row["days_left"] = max((one.expires_on - on).days, 0)
        row["status"] = _status(listed, place, on)
        rows.append(row)
    columns = [*COLUMNS[:4], "policy_per_month", *COLUMNS[4:], "days_left", "status"]
    frame = pd.DataFrame(rows, columns=columns)
    # Names of those who decide stand in the file; a report shows them only where it may.
    frame.attrs["holds"] = {"by": "personal"}
    return OverrideAudit(frame, on)


def _planned(policy: CadencePolicy, tier: str | None, one: Override) -> float:
    if tier is None:
        return math.nan
    contacts = policy.cadence(tier).contacts
    return math.fsum(
        c.per_month for c in contacts if one.pause or (c.type, c.channel) == (one.type, one.channel)
    )


def _status(listed: list[Override], place: int, on: dt.date) -> str:
    one = listed[place]
    if not one.holds(on):
        return NOT_YET if on < one.made_on else EXPIRED
    for other_place, other in enumerate(listed):
        same = (other.tier, other.customer_id) == (one.tier, one.customer_id)
        covers = other.pause or (other.type, other.channel) == (one.type, one.channel)
        later = (other.made_on, other_place) > (one.made_on, place)
        if other_place != place and same and covers and later and other.holds(on):
            return SUPERSEDED
    return ACTIVE


def _in_order(
    overrides: Iterable[Override], on: dt.date, tier: str, customer_id: str | None
) -> tuple[Override, ...]:
    held = [
        (bool(one.customer_id), one.made_on, place, one)
        for place, one in enumerate(overrides)
        if one.holds(on) and (one.tier == tier if one.tier else one.customer_id == customer_id)
    ]
    return tuple(one for *_, one in sorted(held, key=lambda row: row[:3]))


def _override(row: Mapping[str, str]) -> Override:
    faults = []
    days = {}
    for name in ("made_on", "expires_on"):
        try:
            days[name] = dt.date.fromisoformat(row[name])
        except ValueError:
            faults.append(f"{name} '{row[name]}' must be a day like 2026-01-31")
    try:
        rate = float(row["per_month"])
    except ValueError:
        rate = math.nan
        faults.append(f"per_month '{row['per_month']}' must be a number")
    if faults:
        raise ParameterError("the override", faults)
    words = {name: row[name] for name in ("tier", "customer_id", "type", "channel", "reason", "by")}
    return Override(**words, per_month=rate, made_on=days["made_on"], expires_on=days["expires_on"])


def _faults(one: Override) -> list[str]:
    faults = []
    if bool(one.tier) == bool(one.customer_id):
        faults.append("an override is for a tier or for a customer_id: one of the two")
    for name, value, known in (("type", one.type, TYPES), ("channel", one.channel, CHANNELS)):
        if value not in (*known, ALL):
            faults.append(
                f"{name} '{value}' must be one of {', '.join((*known, ALL))}"
                f"{did_you_mean(value, known)}"
            )
    if (one.type == ALL) != (one.channel == ALL):
        faults.append("type and channel are both 'all', or neither is")
    if not math.isfinite(one.per_month) or one.per_month < 0:
        faults.append(f"per_month={one.per_month!r} must be a number from 0")
    elif one.type == ALL and one.per_month != 0:
        faults.append("for 'all' only a pause can be meant: per_month 0")
    faults += [f"{name} is empty; say {what}" for name, what in (("reason", "why"), ("by", "who"))
               if not str(getattr(one, name)).strip()]  # fmt: skip
    if one.expires_on <= one.made_on:
        faults.append(f"expires_on {one.expires_on} must be after made_on {one.made_on}")
    return faults
