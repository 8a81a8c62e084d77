"""What must hold before an experiment's numbers may be read. Red hides them, and says why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from relkit.frequency.balance import SAMPLE_RATIO_THRESHOLD, sample_ratio_test
from relkit.frequency.freezing import PlanState
from relkit.frequency.plan import ExperimentPlan

if TYPE_CHECKING:
    import pandas as pd

PASSED, FAILED, NOT_MEASURABLE = "passed", "failed", "not_measurable"
GATES = (
    "plan_frozen",
    "over",
    "sample_ratio",
    "contacted_ratio",
    "before_the_start",
    "dose",
    "hold_out",
    "too_late",
    "tracking",
    "after_unsubscribing",
    "concurrent",
)


class Checks(Protocol):
    """The counts by tier and arm that the gates judge, as `rk.experiment_checks` gives them."""

    @property
    def assigned(self) -> pd.DataFrame: ...
    @property
    def too_late(self) -> pd.DataFrame: ...
    @property
    def assigned_by_week(self) -> pd.DataFrame: ...
    @property
    def before(self) -> pd.DataFrame: ...
    @property
    def contacts(self) -> pd.DataFrame | None: ...
    @property
    def after_unsubscribing(self) -> pd.DataFrame | None: ...


@dataclass(frozen=True, slots=True)
class TrustLimits:
    """Where a gate turns red. Conventions, each to be changed by who knows better.

    Attributes:
        p_value: Of tests that chance may fail: one false alarm in so many.
        dose_off: Delivered contacts may be so far from the planned, as a share of them.
        hold_out_contacted: Share of a hold-out that may have been contacted by mistake.
        tracking_off: Shares of contacts whose response is known may differ by so much.
        after_unsubscribing: Share of contacts that may have been sent after it.
    """

    p_value: float = SAMPLE_RATIO_THRESHOLD
    dose_off: float = 0.20
    hold_out_contacted: float = 0.01
    tracking_off: float = 0.05
    after_unsubscribing: float = 0.001


@dataclass(frozen=True, slots=True)
class TrustGate:
    """One gate.

    Attributes:
        name: One of GATES.
        tier: The tier that it is about; None for all.
        status: 'passed', 'failed' or 'not_measurable'.
        figure: What was found: a p-value, a share, a count; nan where not measurable.
        limit: What it is held against; nan where it is no number.
        measure: What the figure is: 'p_value', 'share', 'changes' or 'days'.
        arm: The arm that is farthest off, where there is one.
        n: Cases behind the figure.
    """

    name: str
    tier: str | None
    status: str
    figure: float
    limit: float
    measure: str
    arm: str | None = None
    n: int = 0

    @property
    def key(self) -> str:
        """'tier: gate', or the gate alone, as the decision takes it."""
        return f"{self.tier}: {self.name}" if self.tier else self.name


@dataclass(frozen=True, slots=True)
class TrustGates:
    """All gates of an experiment.

    Attributes:
        gates: In the order of GATES, tiers in the order of the plan.
        limits: What they were held against.
    """

    gates: tuple[TrustGate, ...]
    limits: TrustLimits

    @property
    def red(self) -> tuple[TrustGate, ...]:
        """Those that failed."""
        return tuple(gate for gate in self.gates if gate.status == FAILED)

    @property
    def passed(self) -> dict[str, bool]:
        """Key → whether it passed, of what could be measured; for the decision."""
        return {g.key: g.status == PASSED for g in self.gates if g.status != NOT_MEASURABLE}

    def hidden(self, tier: str) -> bool:
        """Whether a tier's numbers must not be shown."""
        return any(gate.tier in (None, tier) for gate in self.red)

    def to_frame(self) -> pd.DataFrame:
        """One row a gate: name, tier, status, figure, limit, measure, arm, n."""
        import pandas as pd

        names = ("name", "tier", "status", "figure", "limit", "measure", "arm", "n")
        return pd.DataFrame([{name: getattr(gate, name) for name in names} for gate in self.gates])


def check_trust(
    plan: ExperimentPlan,
    state: PlanState,
    checks: Checks,
    as_of: Any,
    shares: Mapping[str, Mapping[str, float]] | None = None,
    limits: TrustLimits | None = None,
) -> TrustGates:
    """Judge an experiment's counts.

    Args:
        plan: What was planned.
        state: Whether it is as it was frozen.
        checks: Counts by tier and arm.
        as_of: Last day of the data, a date.
        shares: Tier → arm → planned share; equal shares of the plan's arms if None.
        limits: Where a gate turns red.

    Source: Fabijan et al. (2019) for sample ratios; Kohavi, Tang & Xu (2020), ch. 3, 19, 21.
    """
    limits = limits or TrustLimits()
    shares = shares or {tier: dict.fromkeys(plan.arms, 1 / len(plan.arms)) for tier in plan.tiers}
    gates = [_frozen(state), _over(plan, as_of)]
    gates += _sample_ratios(plan, checks, shares, limits)
    gates += _contacted_ratios(plan, checks, shares, limits)
    gates += _before(plan, checks, limits)
    gates += [
        _dose(plan, checks, limits),
        _hold_out(plan, checks, limits),
        _too_late(checks, limits),
        _tracking(plan, checks, limits),
        _after(checks, limits),
        _concurrent(checks, limits),
    ]
    return TrustGates(tuple(gates), limits)


def _judged(name: str, figure: float, limit: float, measure: str, **more: Any) -> TrustGate:
    """A p-value must not be below its limit, anything else not above it."""
    held = figure >= limit if measure == "p_value" else figure <= limit
    tier = more.pop("tier", None)
    status = PASSED if held else FAILED
    return TrustGate(name, tier, status, float(figure), limit, measure, **more)


def _unknown(name: str, limit: float, measure: str, tier: str | None = None) -> TrustGate:
    return TrustGate(name, tier, NOT_MEASURABLE, math.nan, limit, measure)


def _frozen(state: PlanState) -> TrustGate:
    status = PASSED if state.status == "frozen" else FAILED
    return TrustGate("plan_frozen", None, status, len(state.changes), 0, "changes")


def _over(plan: ExperimentPlan, as_of: Any) -> TrustGate:
    """An experiment that is not over is peeked at, not read."""
    return _judged("over", max((plan.ends_on - as_of).days, 0), 0, "days")


def _sample_ratios(
    plan: ExperimentPlan,
    checks: Checks,
    shares: Mapping[str, Mapping[str, float]],
    limits: TrustLimits,
) -> list[TrustGate]:
    gates = []
    expected = dict.fromkeys(plan.arms, 0.0)
    totals = dict.fromkeys(plan.arms, 0)
    for tier in plan.tiers:
        counts = _by_arm(checks.assigned, "customers", tier, plan.arms)
        for arm, count in counts.items():
            totals[arm] += count
            expected[arm] += shares[tier].get(arm, 0.0) * sum(counts.values())
        gates.append(_ratio("sample_ratio", counts, shares[tier], limits, tier))
    whole = sum(expected.values())
    overall = {arm: value / whole for arm, value in expected.items()} if whole else {}
    return [_ratio("sample_ratio", totals, overall, limits, None), *gates]


def _contacted_ratios(
    plan: ExperimentPlan,
    checks: Checks,
    shares: Mapping[str, Mapping[str, float]],
    limits: TrustLimits,
) -> list[TrustGate]:
    """Those who were really contacted, over arms that meant to contact everybody."""
    # An arm with less than two contacts in the window need not have reached everybody.
    arms = [name for name, arm in plan.arms.items() if arm.per_month * plan.window_months >= 2]
    frame = checks.contacts
    gates = []
    for tier in plan.tiers:
        share = {arm: shares[tier].get(arm, 0.0) for arm in arms}
        total = math.fsum(share.values())
        if frame is None or len(arms) < 2 or not total:
            gates.append(_unknown("contacted_ratio", limits.p_value, "p_value", tier))
            continue
        # Held against who is in the window, so that it says something of its own.
        present = _by_arm(frame, "customers", tier, arms)
        reached = _by_arm(frame, "contacted", tier, arms)
        gates.append(_same_share("contacted_ratio", reached, present, limits, tier))
    return gates


def _ratio(
    name: str,
    counts: Mapping[str, int],
    share: Mapping[str, float],
    limits: TrustLimits,
    tier: str | None,
) -> TrustGate:
    planned = {arm: value for arm, value in share.items() if value > 0}
    seen = {arm: int(counts.get(arm, 0)) for arm in planned}
    total = sum(seen.values())
    if not total:
        return TrustGate(name, tier, FAILED, 0.0, limits.p_value, "p_value", None, 0)
    test = sample_ratio_test(seen, planned, limits.p_value)
    farthest = max(seen, key=lambda arm: abs(seen[arm] / total - planned[arm]))
    return _judged(name, test.p_value, limits.p_value, "p_value", tier=tier, arm=farthest, n=total)


def _same_share(
    name: str,
    events: Mapping[str, int],
    cases: Mapping[str, int],
    limits: TrustLimits,
    tier: str | None,
) -> TrustGate:
    """Whether a share is the same in all arms: chi-square of a table of two rows."""
    from scipy.special import chdtrc

    arms = [arm for arm, count in cases.items() if count]
    n = np.array([cases[arm] for arm in arms], float)
    k = np.array([events.get(arm, 0) for arm in arms], float)
    if len(arms) < 2:
        return _unknown(name, limits.p_value, "p_value", tier)
    share = k.sum() / n.sum()
    farthest = arms[int(np.argmax(np.abs(k / n - share)))]
    p_value = 1.0
    if 0 < share < 1:
        statistic = float((((k - n * share) ** 2) / (n * share * (1 - share))).sum())
        p_value = float(chdtrc(len(arms) - 1, statistic))
    more = {"tier": tier, "arm": farthest, "n": int(n.sum())}
    return _judged(name, p_value, limits.p_value, "p_value", **more)


def _before(plan: ExperimentPlan, checks: Checks, limits: TrustLimits) -> list[TrustGate]:
    """An experiment on the time before it: arms must not differ yet (A/A)."""
    from scipy.special import fdtrc

    gates = []
    for tier in plan.tiers:
        rows = checks.before[checks.before["tier"].astype(str) == tier]
        n, total, squares = (rows[c].to_numpy(float) for c in ("n", "sum_x", "sum_x2"))
        free, more = len(rows) - 1, n.sum() - len(rows)
        within = float((squares - total**2 / n).sum()) if len(rows) else 0.0
        if free < 1 or more < 1 or within <= 0:
            gates.append(_unknown("before_the_start", limits.p_value, "p_value", tier))
            continue
        mean = total / n
        gaps = mean - total.sum() / n.sum()
        between = float((n * gaps**2).sum())
        p_value = float(fdtrc(free, more, (between / free) / (within / more)))
        farthest = str(rows["arm"].to_numpy()[int(np.argmax(np.abs(gaps)))])
        more_said = {"tier": tier, "arm": farthest, "n": int(n.sum())}
        gates.append(_judged("before_the_start", p_value, limits.p_value, "p_value", **more_said))
    return gates


def _dose(plan: ExperimentPlan, checks: Checks, limits: TrustLimits) -> TrustGate:
    """Contacts delivered against contacts planned, by arm; the farthest off decides."""
    frame = checks.contacts
    arms = [name for name, arm in plan.arms.items() if not arm.hold_out]
    if frame is None:
        return _unknown("dose", limits.dose_off, "share")
    off = {}
    for arm in arms:
        rows = frame[frame["arm"].astype(str) == arm]
        planned = rows["customers"].sum() * plan.arms[arm].per_month * plan.window_months
        if planned > 0:
            off[arm] = abs(rows["delivered"].sum() / planned - 1)
    if not off:
        return _unknown("dose", limits.dose_off, "share")
    worst = max(off, key=lambda arm: off[arm])
    n = int(frame["sent"].sum())
    return _judged("dose", off[worst], limits.dose_off, "share", arm=worst, n=n)


def _hold_out(plan: ExperimentPlan, checks: Checks, limits: TrustLimits) -> TrustGate:
    frame = checks.contacts
    arms = [name for name, arm in plan.arms.items() if arm.hold_out]
    rows = None if frame is None else frame[frame["arm"].astype(str).isin(arms)]
    if rows is None or not rows["customers"].sum():
        return _unknown("hold_out", limits.hold_out_contacted, "share")
    n = int(rows["customers"].sum())
    share = rows["contacted"].sum() / n
    return _judged("hold_out", share, limits.hold_out_contacted, "share", arm=arms[0], n=n)


def _too_late(checks: Checks, limits: TrustLimits) -> TrustGate:
    frame = checks.too_late.groupby("arm")[["customers", "too_late"]].sum()
    cases = {str(arm): int(count) for arm, count in frame["customers"].items()}
    late = {str(arm): int(count) for arm, count in frame["too_late"].items()}
    return _same_share("too_late", late, cases, limits, None)


def _tracking(plan: ExperimentPlan, checks: Checks, limits: TrustLimits) -> TrustGate:
    """Responses must be as visible in one arm as in another."""
    frame = checks.contacts
    if frame is None or not frame["response_known"].sum():
        return _unknown("tracking", limits.tracking_off, "share")
    arms = [name for name, arm in plan.arms.items() if not arm.hold_out]
    rows = frame[frame["arm"].astype(str).isin(arms)].groupby("arm")[["sent", "response_known"]]
    sums = rows.sum()
    known = (sums["response_known"] / sums["sent"].where(sums["sent"] > 0)).dropna()
    if len(known) < 2:
        return _unknown("tracking", limits.tracking_off, "share")
    farthest = str((known - known.mean()).abs().idxmax())
    spread = float(known.max() - known.min())
    n = int(sums["sent"].sum())
    return _judged("tracking", spread, limits.tracking_off, "share", arm=farthest, n=n)


def _after(checks: Checks, limits: TrustLimits) -> TrustGate:
    frame = checks.after_unsubscribing
    sent = 0 if frame is None else int(frame["sent"].sum())
    if frame is None or not sent:
        return _unknown("after_unsubscribing", limits.after_unsubscribing, "share")
    place = int(np.argmax(frame["after"].to_numpy()))
    worst = str(frame["arm"].iloc[place]) if frame["after"].any() else None
    share = frame["after"].sum() / sent
    more = {"arm": worst, "n": sent}
    return _judged("after_unsubscribing", share, limits.after_unsubscribing, "share", **more)


def _concurrent(checks: Checks, limits: TrustLimits) -> TrustGate:
    """Arms must have begun together: when customers came must not depend on the arm."""
    from scipy.special import chdtrc

    frame = checks.assigned_by_week
    table = frame.pivot_table(
        index="arm", columns="week", values="customers", aggfunc="sum", fill_value=0
    ).to_numpy(float)
    # Weeks with few arrivals are put together, so that no cell expects fewer than five.
    merged = _merged(table)
    if merged.shape[0] < 2 or merged.shape[1] < 2:
        n = int(table.sum())
        return TrustGate("concurrent", None, PASSED, 1.0, limits.p_value, "p_value", None, n)
    expected = merged.sum(1, keepdims=True) * merged.sum(0) / merged.sum()
    statistic = float(((merged - expected) ** 2 / expected).sum())
    p_value = float(chdtrc((merged.shape[0] - 1) * (merged.shape[1] - 1), statistic))
    return _judged("concurrent", p_value, limits.p_value, "p_value", n=int(table.sum()))


def _merged(table: np.ndarray, least: float = 5.0) -> np.ndarray:
    """Neighbouring columns added up until each arm expects enough in it."""
    share = table.sum(1) / max(table.sum(), 1)
    columns, current = [], np.zeros(len(table))
    for week in table.T:
        current = current + week
        if (current.sum() * share).min() >= least:
            columns.append(current)
            current = np.zeros(len(table))
    if columns:
        columns[-1] = columns[-1] + current
    return np.array(columns).T if columns else table.sum(1, keepdims=True)


def _by_arm(
    frame: pd.DataFrame, column: str, tier: str, arms: Mapping[str, Any] | Sequence[str]
) -> dict[str, int]:
    rows = frame[frame["tier"].astype(str) == tier]
    counts = dict(zip(rows["arm"].astype(str), rows[column], strict=True))
    return {arm: int(counts.get(arm, 0)) for arm in arms}
