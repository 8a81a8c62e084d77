"""What a cadence policy adds up to, and what stands against it.

A policy is written cell by cell, and nobody adds it up: what one customer gets from all
channels together is set here against caps and against the best frequency that is known or
claimed, and each cell is asked what stands behind it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relkit.errors import ParameterError, did_you_mean
from relkit.frequency.policy import (
    ASSUMED,
    EXPERIMENT,
    TODAY,
    CadencePolicy,
    Optimum,
    PolicyCell,
)

if TYPE_CHECKING:
    import pandas as pd

    from relkit.frequency.decision import Decisions

FAULT, WARNING, NOTE = "fault", "warning", "note"
# Code -> how grave it is; the words for readers are in the report's texts.
CODES = {
    "above_cap": FAULT,
    "unknown_tier": FAULT,
    "missing_tier": FAULT,
    "unknown_channel": FAULT,
    "grade_differs": FAULT,  # a cell claims a grade that the experiment did not give
    "unknown_experiment": FAULT,
    "above_optimum": WARNING,
    "below_optimum": WARNING,
    "no_evidence": WARNING,
    "assumed": WARNING,
    "grade_c": WARNING,  # observational: a hypothesis
    "claim_signed": WARNING,  # signed off as if a claim were a measurement
    "optimum_not_measured": NOTE,
    "claim": NOTE,
    "no_verdict": NOTE,  # today's cadence, since the experiment gave none
    "not_counted": NOTE,  # an occasion of which nobody says how often it comes
    "no_cap": NOTE,
    "draft": NOTE,
}
SAME = 1e-9


@dataclass(frozen=True, slots=True)
class PolicyFinding:
    """One thing that a policy's reader should know.

    Attributes:
        code: One of CODES.
        severity: 'fault', 'warning' or 'note'.
        tier: Where, or None for the whole.
        cell: The cell, where it is about one.
        value: What was found: contacts a month, or None.
        low, limit: What it was set against, or None.
        reference: Evidence, or the name that is unknown.
    """

    code: str
    severity: str
    tier: str | None = None
    cell: PolicyCell | None = None
    value: float | None = None
    low: float | None = None
    limit: float | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PolicyLint:
    """What a policy adds up to, and what was found.

    Attributes:
        policy: As it was linted.
        touches: One row a tier, channel and type: tier, channel, type, per_month,
            per_quarter; contacts on occasions without a number are not in it.
        totals: One row a tier: tier, per_month, per_quarter, cap, optimum_low,
            optimum_high, optimum_kind, optimum_reference (nan or None where there is none),
            not_counted (contacts on occasions that have no number).
        findings: Gravest first, in the order of the policy.
    """

    policy: CadencePolicy
    touches: pd.DataFrame
    totals: pd.DataFrame
    findings: tuple[PolicyFinding, ...]

    @property
    def passes(self) -> bool:
        """Whether nothing worse than notes was found."""
        return all(one.severity == NOTE for one in self.findings)

    def of(self, code: str) -> tuple[PolicyFinding, ...]:
        """The findings of a code."""
        if code not in CODES:
            raise ParameterError(f"no finding is called '{code}'{did_you_mean(code, CODES)}")
        return tuple(one for one in self.findings if one.code == code)

    def to_frame(self) -> pd.DataFrame:
        """One row a finding: code, severity, tier, type, channel, value, low, limit, reference."""
        import pandas as pd

        rows = [
            (one.code, one.severity, one.tier, one.cell and one.cell.type,
             one.cell and one.cell.channel, one.value, one.low, one.limit, one.reference)
            for one in self.findings
        ]  # fmt: skip
        columns = ["code", "severity", "tier", "type", "channel", "value", "low", "limit"]
        return pd.DataFrame(rows, columns=[*columns, "reference"])


def lint_policy(
    policy: CadencePolicy,
    tiers: Iterable[str] | None = None,
    channels: Iterable[str] | None = None,
    caps: Mapping[str, float] | None = None,
    optima: Mapping[str, Optimum] | None = None,
    experiments: Mapping[str, Decisions] | None = None,
) -> PolicyLint:
    """Add a policy up and hold it against caps, optima and its evidence.

    Args:
        policy: To be read.
        tiers: The tiers that there are: those without a line are found, and lines for
            tiers that nobody is in. Not asked where None.
        channels: The channels that there are.
        caps: Tier → contacts a month at most; before the policy's own.
        optima: Tier → where the best frequency lies; before the policy's own.
        experiments: Id → what was decided, to hold each cell's grade against.

    Raises:
        ParameterError: a cap that is no number above 0, or a cap or optimum of a tier
            that is not in the policy.
    """
    own = [tier.name for tier in policy.tiers]
    _check_given(own, caps or {}, optima or {})
    touches, totals = _sums(policy, caps or {}, optima or {})
    found = [
        *_tiers(own, tiers),
        *_channels(policy, channels),
        *_totals(totals),
        *(one for cell in policy.cells for one in _cell(policy, cell, experiments)),
    ]
    if policy.draft:
        found.append(_finding("draft"))
    grave = {FAULT: 0, WARNING: 1, NOTE: 2}
    found.sort(key=lambda one: grave[one.severity])
    return PolicyLint(policy, touches, totals, tuple(found))


def _finding(code: str, **details: object) -> PolicyFinding:
    return PolicyFinding(code, CODES[code], **details)  # type: ignore[arg-type]


def _check_given(own: list[str], caps: Mapping[str, float], optima: Mapping[str, Optimum]) -> None:
    faults = [
        f"{what}: the policy has no tier '{tier}'{did_you_mean(tier, own)}"
        for what, given in (("caps", caps), ("optima", optima))
        for tier in given
        if tier not in own
    ]
    faults += [
        f"caps: {tier}: {cap!r} must be a number above 0"
        for tier, cap in caps.items()
        if not isinstance(cap, (int, float)) or not math.isfinite(cap) or cap <= 0
    ]
    if faults:
        raise ParameterError("the linter", faults)


def _sums(
    policy: CadencePolicy, caps: Mapping[str, float], optima: Mapping[str, Optimum]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    import pandas as pd

    parts: dict[tuple[str, str, str], list[float]] = {}
    rows = []
    for tier in policy.tiers:
        month, quarter, not_counted = 0.0, 0.0, 0
        for cell in policy.cells_of(tier.name):
            if cell.rhythm is None:
                not_counted += 1
                continue
            part = parts.setdefault((tier.name, cell.channel, cell.type), [0.0, 0.0])
            part[0] += cell.rhythm.per_month
            part[1] += float(cell.rhythm.per_quarter)
            month += cell.rhythm.per_month
            quarter += float(cell.rhythm.per_quarter)
        optimum = optima.get(tier.name, tier.optimum)
        cap = caps.get(tier.name, tier.cap)
        rows.append({
            "tier": tier.name, "per_month": month, "per_quarter": quarter,
            "cap": math.nan if cap is None else float(cap),
            "optimum_low": optimum.low if optimum else math.nan,
            "optimum_high": optimum.high if optimum else math.nan,
            "optimum_kind": _kind(optimum) if optimum else None,
            "optimum_reference": optimum.evidence.reference if optimum else None,
            "not_counted": not_counted,
        })  # fmt: skip
    touches = pd.DataFrame(
        [(*key, *sums) for key, sums in parts.items()],
        columns=["tier", "channel", "type", "per_month", "per_quarter"],
    )
    return touches, pd.DataFrame(rows)


def _kind(optimum: Optimum) -> str:
    evidence = optimum.evidence
    return f"{evidence.kind} {evidence.grade}" if evidence.grade else evidence.kind


def _tiers(own: list[str], tiers: Iterable[str] | None) -> Iterable[PolicyFinding]:
    if tiers is None:
        return
    known = [str(tier) for tier in tiers]
    for name in known:
        if name not in own:
            yield _finding("missing_tier", tier=name, reference=name)
    for name in own:
        if name not in known and name != "all":
            yield _finding("unknown_tier", tier=name, reference=name)


def _channels(policy: CadencePolicy, channels: Iterable[str] | None) -> Iterable[PolicyFinding]:
    known = None if channels is None else {str(channel) for channel in channels}
    for cell in policy.cells:
        if known is not None and cell.channel not in known and cell.channel != "any":
            yield _finding("unknown_channel", tier=cell.tier, cell=cell, reference=cell.channel)


def _totals(totals: pd.DataFrame) -> Iterable[PolicyFinding]:
    for row in totals.to_dict("records"):
        tier, month = str(row["tier"]), float(row["per_month"])
        if math.isnan(row["cap"]):
            yield _finding("no_cap", tier=tier, value=month)
        elif month > row["cap"] + SAME:
            yield _finding("above_cap", tier=tier, value=month, limit=row["cap"])
        if row["optimum_kind"] is None:
            continue
        low, high = float(row["optimum_low"]), float(row["optimum_high"])
        about = {
            "tier": tier, "value": month, "low": low, "limit": high,
            "reference": row["optimum_reference"],
        }  # fmt: skip
        if month > high + SAME:
            yield _finding("above_optimum", **about)
        elif month < low - SAME and not row["not_counted"]:
            yield _finding("below_optimum", **about)
        if row["optimum_kind"] not in (f"{EXPERIMENT} A", f"{EXPERIMENT} B"):
            yield _finding("optimum_not_measured", **about)


def _cell(
    policy: CadencePolicy, cell: PolicyCell, experiments: Mapping[str, Decisions] | None
) -> Iterable[PolicyFinding]:
    evidence = cell.evidence
    about = {"tier": cell.tier, "cell": cell, "value": cell.per_month}
    if cell.rhythm is None:
        yield _finding("not_counted", **about, reference=cell.occasion)
    if evidence is None:
        yield _finding("no_evidence", **about)
        return
    about["reference"] = evidence.reference
    if evidence.kind == ASSUMED:
        yield _finding("assumed", **about)
    elif evidence.kind == TODAY:
        yield _finding("no_verdict", **about)
    elif evidence.kind != EXPERIMENT:
        yield _finding("claim" if policy.draft else "claim_signed", **about)
    else:
        if evidence.grade == "C":
            yield _finding("grade_c", **about)
        if experiments is not None:
            yield from _against(cell, about, experiments)


def _against(
    cell: PolicyCell, about: Mapping[str, object], experiments: Mapping[str, Decisions]
) -> Iterable[PolicyFinding]:
    """A cell's grade beside what the experiment itself gave."""
    assert cell.evidence is not None
    decided = experiments.get(cell.evidence.reference)
    if decided is None:
        yield _finding("unknown_experiment", **about)
        return
    grades = {one.tier: one.grade for one in decided.tiers}
    if grades.get(cell.tier) != cell.evidence.grade:
        yield _finding("grade_differs", **about)


@dataclass(frozen=True, slots=True)
class PolicyConflict:
    """Two policies that cannot both be kept.

    Attributes:
        tier: In both.
        type: message, deep or strategic, or 'all' for the sum.
        first, second: Contacts a month in each.
    """

    tier: str
    type: str
    first: float
    second: float


def policy_conflicts(first: CadencePolicy, second: CadencePolicy) -> tuple[PolicyConflict, ...]:
    """Tiers in both of which the two plan other numbers of contacts, by type and in all.

    A type that one of them does not plan at all is no conflict by itself; the sum is.
    """
    found = []
    shared = [tier.name for tier in first.tiers if tier.name in {t.name for t in second.tiers}]
    for tier in shared:
        sums = [_by_type(policy, tier) for policy in (first, second)]
        both = [kind for kind in sums[0] if kind in sums[1]]
        pairs = [(kind, sums[0][kind], sums[1][kind]) for kind in both]
        pairs.append(("all", math.fsum(sums[0].values()), math.fsum(sums[1].values())))
        found += [PolicyConflict(tier, k, a, b) for k, a, b in pairs if abs(a - b) > SAME]
    return tuple(found)


def _by_type(policy: CadencePolicy, tier: str) -> dict[str, float]:
    sums: dict[str, float] = {}
    for cell in policy.cells_of(tier):
        if cell.per_month is not None:
            sums[cell.type] = sums.get(cell.type, 0.0) + cell.per_month
    return sums
