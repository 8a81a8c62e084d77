"""A contact-frequency experiment read whole: from its plan and tables to a decision a tier.

What the trust gates turn red on is not computed at all, so that nobody can show it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from relkit.data.experiment_checks import experiment_checks
from relkit.data.experiment_outcomes import experiment_outcomes
from relkit.data.experiment_periods import satisfaction_totals
from relkit.errors import ParameterError
from relkit.frequency.effects import ArmEffects, arm_effects, explored
from relkit.frequency.freezing import PlanState, plan_state
from relkit.frequency.plan import ExperimentPlan
from relkit.frequency.plan_file import read_plan
from relkit.frequency.plan_reading import planned_sums, read_planned_experiment, rule_of, terms_of
from relkit.frequency.sensitivity import sensitivity
from relkit.frequency.sums import ArmSums
from relkit.frequency.trust import TrustGate, TrustGates, check_trust
from relkit.studies.experiment_power import TierPower, tier_power
from relkit.studies.experiment_time import ExperimentTime, experiment_time

if TYPE_CHECKING:
    import os

    import pandas as pd

    from relkit.data.experiment_checks import ExperimentChecks
    from relkit.data.experiment_outcomes import ExperimentOutcomes
    from relkit.data.sources import Source
    from relkit.frequency.read_out import FrequencyReadOut
    from relkit.frequency.sensitivity import Sensitivity

# In the order of the arm table; net value has a section of its own.
SHOWN = (
    "retained",
    "repurchase",
    "revenue",
    "margin",
    "complaints",
    "unsubscribes",
    "engagement",
    "satisfaction",
)
# Which table a metric would need.
NEEDED = {
    "complaints": "tickets",
    "unsubscribes": "touches",
    "engagement": "engagement",
    "satisfaction": "feedback",
}
NOTHING_RECORDED, TOO_FEW = "nothing_recorded", "too_few"
# Customers of an arm who answered; with fewer a spread of 0 passes for certainty.
LEAST_ANSWERS = 20


@dataclass(frozen=True, slots=True)
class Missing:
    """A metric that could not be measured.

    Attributes:
        metric: Name.
        why: 'not_supplied', 'nothing_recorded' or 'too_few' (answers in some arm).
        table: That it is counted from.
    """

    metric: str
    why: str
    table: str


@dataclass(frozen=True, slots=True, eq=False)
class ExperimentStudy:
    """What an experiment says, with everything that is needed to believe it.

    Attributes:
        plan: What was planned.
        state: Whether the plan is as it was frozen.
        as_of: Last day of the data.
        outcomes: What customers did.
        checks: What the gates were judged by.
        experiments: How many experiments the assignments hold, this one among them.
        trust: The gates.
        randomised: Whether customers were assigned by chance.
        power: What an experiment of this size can see.
        effects: One a metric; none where gates hide them. Tiers that gates hide are in
            them, and `shown` says which are not.
        missing: Metrics that could not be measured.
        read_out: Value, curve, guardrails, decisions; None where gates hide it or the
            value cannot be computed.
        prices: Decisions under other prices; None likewise.
        time: Weeks in arm, looks, carry-over; None where gates hide it.
    """

    plan: ExperimentPlan
    state: PlanState
    as_of: dt.date
    outcomes: ExperimentOutcomes
    checks: ExperimentChecks
    experiments: int
    trust: TrustGates
    randomised: bool
    power: tuple[TierPower, ...]
    effects: tuple[ArmEffects, ...]
    missing: tuple[Missing, ...]
    read_out: FrequencyReadOut | None
    prices: Sensitivity | None
    time: ExperimentTime | None

    @property
    def shown(self) -> tuple[str, ...]:
        """Tiers whose numbers may be shown."""
        return tuple(tier for tier in self.plan.tiers if not self.trust.hidden(tier))

    @property
    def red(self) -> tuple[TrustGate, ...]:
        """Gates that hide every number; none where some tier may be shown."""
        return () if self.shown else self.trust.red

    @property
    def lacking(self) -> tuple[str, ...]:
        """Metrics without which the plan's value cannot be computed."""
        needed = {rail.metric for rail in self.plan.guardrails}
        needed |= {"complaints"} if self.plan.complaint_cost else set()
        return tuple(m.metric for m in self.missing if m.metric in needed)

    @property
    def assigned(self) -> dict[str, int]:
        """Tier → customers assigned."""
        counted = self.checks.assigned.groupby("tier")["customers"].sum()
        return {tier: int(counted.get(tier, 0)) for tier in self.plan.tiers}

    @property
    def metrics(self) -> tuple[str, ...]:
        """Those that were measured."""
        return tuple(one.metric for one in self.effects)

    def effects_frame(self) -> pd.DataFrame:
        """Every metric, tier that may be shown and arm; see `ArmEffects.to_frame`."""
        import pandas as pd

        if not self.effects:
            return self._shown(None)
        return self._shown(pd.concat([one.to_frame() for one in self.effects]))

    def decisions_frame(self) -> pd.DataFrame:
        """One row a tier that may be shown; see `FrequencyReadOut.to_frame`."""
        if self.read_out is None:
            return self._shown(None)
        frame = self.read_out.to_frame()
        return self._shown(frame.assign(reasons=[", ".join(each) for each in frame["reasons"]]))

    def values_frame(self) -> pd.DataFrame:
        """One row a tier that may be shown and arm; see `ResponseCurves.to_frame`."""
        return self._shown(None if self.read_out is None else self.read_out.curves.to_frame())

    def guardrails_frame(self) -> pd.DataFrame:
        """One row a metric, tier that may be shown and arm."""
        return self._shown(None if self.read_out is None else self.read_out.guardrails.to_frame())

    def steps_frame(self) -> pd.DataFrame:
        """`ExperimentTime.steps` of tiers that may be shown."""
        return self._shown(None if self.time is None else self.time.steps)

    def looks_frame(self) -> pd.DataFrame:
        """`ExperimentTime.looks` of tiers that may be shown."""
        return self._shown(None if self.time is None else self.time.looks)

    def log_frame(self) -> pd.DataFrame:
        """`ExperimentTime.log` of tiers that may be shown."""
        return self._shown(None if self.time is None else self.time.log)

    def _shown(self, frame: pd.DataFrame | None) -> pd.DataFrame:
        """The rows of tiers that may be shown; no row where all is hidden."""
        import pandas as pd

        if frame is None:
            return pd.DataFrame({"tier": pd.Series(dtype="str")})
        return frame[frame["tier"].isin(self.shown)].reset_index(drop=True)

    def exploratory(self, q: float = 0.10) -> pd.DataFrame:
        """Metrics that the plan does not decide on; see `rk.explored`. May have no row."""
        decided = {"margin", "retained", "complaints", *(g.metric for g in self.plan.guardrails)}
        rest = [one for one in self.effects if one.metric not in decided]
        return self._shown(explored(rest, q) if rest else None)


def study_experiment(
    source: Source,
    plan: str | os.PathLike[str],
    randomised: bool = True,
    weeks_a_step: int = 4,
) -> ExperimentStudy:
    """Read an experiment by its frozen plan.

    Args:
        source: Transactions and assignments; touches, tickets, engagement, feedback if any.
        plan: Path of the plan's YAML.
        randomised: Whether customers were assigned by chance; where not, the answer is
            'hypothesis only' whatever the figures.
        weeks_a_step: Length of the steps in which the effect over time is shown.

    Raises:
        DataError: no assignments, nobody whose window is over, or other tiers or arms
            than planned.
        ParameterError: faults in the plan, or one that randomises households or accounts.
    """
    planned, state = read_plan(plan), plan_state(plan)
    if planned.unit != "customer":
        # Customers taken one by one would make the intervals of what was drawn together
        # too narrow: .85 in place of .95 with five a unit and a correlation of .2.
        raise ParameterError(
            f"experiment {planned.experiment} randomises by {planned.unit}; this read-out takes "
            "customers one by one, and its intervals would be too narrow. Sum up by unit with "
            "rk.experiment_outcomes(…).totals(clusters=…) and compare with rk.arm_effects"
        )
    outcomes = experiment_outcomes(
        source,
        planned.window_weeks,
        planned.covariate_weeks,
        planned.retained_within_weeks,
        planned.experiment,
    )
    checks = experiment_checks(source, outcomes)
    trust = check_trust(planned, state, checks, source.as_of)
    sums = _sums(planned, outcomes)
    readable = [tier for tier in planned.tiers if not trust.hidden(tier)]
    effects, missing = _effects(planned, sums, satisfaction_totals(source, outcomes))
    lacking = _lacks(planned, missing)
    read_out = prices = None
    if readable and not lacking:
        complete = _with_complaints(sums)
        read_out = read_planned_experiment(planned, complete, trust.passed, randomised)
        prices = _prices(planned, complete, trust, randomised)
    return ExperimentStudy(
        plan=planned,
        state=state,
        as_of=source.as_of,
        outcomes=outcomes,
        checks=checks,
        experiments=source.assignments.experiment_id.nunique().to_pyarrow().as_py(),
        trust=trust,
        randomised=randomised,
        power=tier_power(planned, sums),
        effects=effects if readable else (),
        missing=missing,
        read_out=read_out,
        prices=prices,
        time=experiment_time(source, planned, outcomes, weeks_a_step) if readable else None,
    )


def _lacks(plan: ExperimentPlan, missing: Sequence[Missing]) -> bool:
    needed = {rail.metric for rail in plan.guardrails}
    needed |= {"complaints"} if plan.complaint_cost else set()
    return any(one.metric in needed for one in missing)


def _sums(plan: ExperimentPlan, outcomes: ExperimentOutcomes) -> ArmSums:
    metrics = [m for m in outcomes.metrics if m not in ("purchases", "contacts")]
    return planned_sums(plan, outcomes.totals(metrics), metrics)


def _with_complaints(sums: ArmSums) -> ArmSums:
    """The sums with complaints; 0 where they cost nothing and are held to nothing."""
    import numpy as np

    if "complaints" in sums.metrics:
        return sums
    zero = np.zeros((1, *sums.n.shape))
    wide = np.concatenate([sums.sum_yy, np.zeros_like(sums.sum_yy[:, :1])], axis=1)
    return ArmSums(
        metrics=(*sums.metrics, "complaints"),
        tiers=sums.tiers,
        arms=sums.arms,
        n=sums.n,
        sum_y=np.concatenate([sums.sum_y, zero]),
        sum_yy=np.concatenate([wide, np.zeros_like(wide[:1])]),
        sum_x=sums.sum_x,
        sum_x2=sums.sum_x2,
        sum_xy=np.concatenate([sums.sum_xy, zero]),
    )


def _effects(
    plan: ExperimentPlan, sums: ArmSums, answers: pd.DataFrame | None
) -> tuple[tuple[ArmEffects, ...], tuple[Missing, ...]]:
    found, missing = [], []
    for metric in SHOWN:
        table = NEEDED.get(metric, "transactions")
        if metric == "satisfaction":
            effect, why = _satisfaction(plan, answers)
        elif metric not in sums.metrics:
            effect, why = None, "not_supplied"
        elif not sums.sum_y[sums.metrics.index(metric)].any():
            effect, why = None, NOTHING_RECORDED
        else:
            effect, why = arm_effects(sums, metric, plan.today), ""
        if effect is None:
            missing.append(Missing(metric, why, table))
        else:
            found.append(effect)
    return tuple(found), tuple(missing)


def _satisfaction(
    plan: ExperimentPlan, answers: pd.DataFrame | None
) -> tuple[ArmEffects | None, str]:
    """Of those tiers in which enough customers of every arm answered; without the covariate."""
    if answers is None:
        return None, "not_supplied"
    least = answers.groupby("tier")["n"].agg(["min", "size"])
    enough = (least["min"] >= LEAST_ANSWERS) & (least["size"] == len(plan.arms))
    tiers = tuple(tier for tier in plan.tiers if tier in least.index and enough[tier])
    if not tiers:
        return None, TOO_FEW
    rows = answers[answers["tier"].isin(tiers)].copy()
    rows[[name for name in rows.columns if name.startswith("sum_x")]] = 0.0
    sums = planned_sums(replace(plan, tiers=tiers), rows, ("satisfaction", "size"))
    return arm_effects(sums, "satisfaction", plan.today), ""


def _prices(
    plan: ExperimentPlan, sums: ArmSums, trust: TrustGates, randomised: bool
) -> Sensitivity:
    return sensitivity(
        sums,
        [arm for arm in plan.arms.values() if arm.step_down_to is None],
        terms_of(plan),
        plan.guardrails,
        rule_of(plan),
        plan.today,
        trust.passed,
        randomised,
    )


def review_day(study: ExperimentStudy, weeks: int) -> dt.date:
    """When a decision is looked at again: so many weeks after the last day of the data."""
    return study.as_of + dt.timedelta(weeks=weeks)
