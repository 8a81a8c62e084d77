"""What others say of contact frequency: lines to compare with, never evidence.

No claim takes part in any estimate or decision; a claim was made of other customers, and
often without data that anybody can look at.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relkit.errors import ParameterError, did_you_mean
from relkit.yaml_files import read_yaml

if TYPE_CHECKING:
    import pandas as pd

EVIDENCE = ("unsourced", "observational", "model", "randomised")
KINDS = ("ratio", "difference", "level", "money")
FILE = Path(__file__).with_name("claims.yaml")


@dataclass(frozen=True, slots=True)
class ClaimPoint:
    """What is said to happen at a frequency.

    Attributes:
        per_month: Contacts a month; None where the claim does not say of what time its
            count is, so that it cannot be drawn over frequencies.
        count: Contacts, in that case.
        change: The figure; None where only the frequency is claimed.
        of: 'ratio' (0.15 is 15 % more), 'difference' (of shares), 'level' or 'money'.
    """

    per_month: float | None
    count: float | None
    change: float | None
    of: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A published or unsourced statement on contact frequency.

    Attributes:
        key: Its words are in the texts under `claim.<key>`.
        source: Paper, or id of the statement.
        evidence: 'unsourced', 'observational', 'model' or 'randomised'.
        outcome: What it is about; 'optimum' and 'plan' name a frequency alone.
        channel: Of the contacts, where it is about one.
        points: What is said to happen where; may be none.
    """

    key: str
    source: str
    evidence: str
    outcome: str
    channel: str | None
    points: tuple[ClaimPoint, ...]

    @property
    def text(self) -> str:
        """Key of its words."""
        return f"claim.{self.key}"


@lru_cache(maxsize=1)
def published_claims() -> tuple[Claim, ...]:
    """All claims that relkit knows of.

    Raises:
        ParameterError: the file of claims is not right; all faults of it are said.
    """
    content, _ = read_yaml(FILE, FILE.name)
    claims = tuple(_claim(key, entry) for key, entry in content.items())
    faults = [
        f"{one.key}: {name}={value!r} must be one of {', '.join(known)}"
        f"{did_you_mean(str(value), known)}"
        for one in claims
        for name, value, known in (
            ("evidence", one.evidence, EVIDENCE),
            *(("of", point.of, KINDS) for point in one.points if point.change is not None),
        )
        if value not in known
    ]
    if faults:
        raise ParameterError(FILE.name, faults)
    return claims


def claims_on(outcomes: Iterable[str], channel: str | None = None) -> tuple[Claim, ...]:
    """Claims on some outcomes, of all channels or of one (and of those that name none).

    Raises:
        ParameterError: nobody claims anything on an outcome of this name.
    """
    wanted = set(outcomes)
    known = sorted({claim.outcome for claim in published_claims()})
    faults = [
        f"no claim on '{one}'{did_you_mean(one, known)}" for one in sorted(wanted - set(known))
    ]
    if faults:
        raise ParameterError(f"there are claims on {', '.join(known)}", faults)
    return tuple(
        claim
        for claim in published_claims()
        if claim.outcome in wanted and (channel is None or claim.channel in (None, channel))
    )


def claims_to_frame(claims: Iterable[Claim]) -> pd.DataFrame:
    """One row a point: key, source, evidence, outcome, channel, per_month, count, change, of.

    Claims without points have one row with the figures empty.
    """
    import pandas as pd

    rows = []
    for claim in claims:
        head = {name: getattr(claim, name) for name in ("key", "source", "evidence", "outcome")}
        head["channel"] = claim.channel
        for point in claim.points or (ClaimPoint(None, None, None, None),):
            row = {name: getattr(point, name) for name in ClaimPoint.__slots__}
            rows.append(head | row)
    return pd.DataFrame(rows)


def _claim(key: str, entry: dict[str, Any]) -> Claim:
    return Claim(
        key=key,
        source=entry["source"],
        evidence=entry["evidence"],
        outcome=entry["outcome"],
        channel=entry.get("channel"),
        points=tuple(
            ClaimPoint(
                per_month=_number(point.get("per_month")),
                count=_number(point.get("count")),
                change=_number(point.get("change")),
                of=point.get("of"),
            )
            for point in (*entry.get("points", ()), *entry.get("counts", ()))
        ),
    )


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)
