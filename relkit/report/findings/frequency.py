"""A contact-frequency experiment: from the decision down to why it may be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relkit.frequency.claims import published_claims
from relkit.frequency.decision import KEEP, SWITCH
from relkit.frequency.plan import Guardrail
from relkit.frequency.trust import FAILED, NOT_MEASURABLE, PASSED
from relkit.intervals import Estimate
from relkit.report.frequency_words import (
    DELIVERY,
    arm_words,
    compared_arm,
    gate_names,
    hidden,
    named_arm,
    range_words,
    scaled,
    shown_decisions,
    valueless,
)
from relkit.report.rule_words import plain_words
from relkit.report.statements import Statement, listed, say
from relkit.studies.experiment import ExperimentStudy

if TYPE_CHECKING:
    import pandas as pd

HASH_SHOWN = 12
FALSE_SHARE = 0.10  # of exploratory finds, on average


def frequency_decision(study: ExperimentStudy) -> Statement:
    """What to do: the headline over the deciders' table."""
    if not study.randomised:
        return say("frequency.decide.hypothesis", n=len(study.plan.tiers))
    blocked = valueless(study, "decision")
    if blocked is not None:
        return blocked
    decided = shown_decisions(study)
    switches = [one for one in decided if one.action == SWITCH]
    if switches:
        assigned, year = study.assigned, _per_year(study)
        first = max(switches, key=lambda one: one.gain.value * assigned[one.tier])
        return say(
            "frequency.decide.switch",
            switched=len(switches),
            n=len(decided),
            tier=first.tier,
            old=arm_words(study.plan, first.current),
            new=arm_words(study.plan, named_arm(first)),
            gain=scaled(first.gain, year),
        )
    open_tiers = sum(one.action != KEEP for one in decided)
    if open_tiers:
        return say("frequency.decide.none", n=len(decided), open=open_tiers)
    return say("frequency.decide.keep", n=len(decided))


def frequency_hypothesis(study: ExperimentStudy) -> Statement | None:
    """That observational data are a hypothesis only; None where chance assigned."""
    return None if study.randomised else say("frequency.hypothesis_only")


def frequency_why_hidden(study: ExperimentStudy) -> Statement | None:
    """Why numbers are hidden, of all tiers or of some; None where none are."""
    if study.red:
        return say("frequency.why_hidden")
    closed = [tier for tier in study.plan.tiers if tier not in study.shown]
    return say("frequency.tiers_hidden", tiers=", ".join(closed)) if closed else None


def frequency_plan(study: ExperimentStudy) -> Statement:
    """Whether the plan is what it was before the start."""
    state = study.state
    values = {"hash": state.sha256[:HASH_SHOWN], "start": state.starts_on}
    if state.status == "not_frozen":
        return say("frequency.plan.not_frozen", **values)
    values |= {"frozen": state.frozen_on, "changes": len(state.changes)}
    return say(f"frequency.plan.{state.status}", **values)


def frequency_hypothesis_of(study: ExperimentStudy) -> Statement:
    """What the experiment was to find out, in its planners' words."""
    return say("frequency.plan.hypothesis", words=plain_words(study.plan.hypothesis))


def frequency_design(study: ExperimentStudy) -> Statement:
    """How it was run and what a switch needs."""
    plan = study.plan
    return say(
        "frequency.plan.design",
        unit=f"frequency.unit.{plan.unit}",
        start=plan.starts_on,
        end=plan.ends_on,
        window=plan.window_weeks,
        before=plan.covariate_weeks,
        looks=f"frequency.looks.{plan.stop.looks}",
        early=f"frequency.early.{plan.stop.early}",
        probability=plan.probability,
    )


def frequency_plan_prices(study: ExperimentStudy) -> Statement:
    """Prices of the plan."""
    plan = study.plan
    key = "frequency.plan.prices" if study.state.status == "frozen" else "frequency.plan.prices_now"
    return say(key, complaint=plan.complaint_cost, margin=plan.margin_share)


def frequency_plan_guardrails(study: ExperimentStudy) -> Statement:
    """What must not get worse, and by how much."""
    rails = listed((_rail(one) for one in study.plan.guardrails), "; ")
    return say("frequency.plan.guardrails", rails=rails)


def _rail(rail: Guardrail) -> Statement:
    end = "" if rail.more_is_worse else "_low"
    margin = rail.margin if rail.scale == "ratio" else abs(rail.margin)
    return say(
        f"frequency.plan.guardrail_{rail.scale}{end}",
        metric=f"frequency.metric.{rail.metric}",
        margin=margin,
    )


def frequency_power(study: ExperimentStudy) -> Statement:
    """How many tiers are large enough to clear a harmless cadence."""
    able = sum(one.can_pass for one in study.power)
    n = len(study.power)
    return say("frequency.power.some", able=able, n=n) if able else say("frequency.power.none", n=n)


def frequency_assignment(study: ExperimentStudy) -> Statement:
    """How many are in how many arms, and whether the split is the planned one."""
    gates = study.trust.gates
    overall = next(g for g in gates if g.name == "sample_ratio" and g.tier is None)
    values = {"n": overall.n, "arms": len(study.plan.arms), "p": overall.figure}
    before = [g.figure for g in gates if g.name == "before_the_start" and g.status == PASSED]
    told = [g for g in gates if g.name in ("before_the_start", "sample_ratio")]
    if before and all(gate.status == PASSED for gate in told):
        return say("frequency.assignment", tiers=len(before), before=min(before), **values)
    return say("frequency.assignment_plain", **values)


def frequency_assignment_how(study: ExperimentStudy) -> Statement:
    """How arms were drawn, and who is left out."""
    late, others = study.outcomes.too_late, study.experiments - 1
    frozen = study.plan.tiers_frozen_on
    return say("frequency.assignment_how", late=late, others=others, frozen=frozen)


def frequency_trust(study: ExperimentStudy) -> Statement:
    """Whether the numbers may be read: the headline over the gates."""
    trust = study.trust
    names = {gate.name for gate in trust.gates}
    red = {gate.name for gate in trust.red}
    if red:
        values = {"red": len(red), "gates": gate_names(trust.red)}
        if study.red:
            return say("frequency.trust.red", n=len(names), **values)
        closed = len(study.plan.tiers) - len(study.shown)
        return say("frequency.trust.some", tiers=closed, **values)
    measured = {gate.name for gate in trust.gates if gate.status in (PASSED, FAILED)}
    return say("frequency.trust.all", held=len(measured), unknown=len(names - measured))


def frequency_delivery(study: ExperimentStudy) -> Statement:
    """Whether what was sent and measured is as it should be."""
    own = [gate for gate in study.trust.gates if gate.name in DELIVERY]
    unknown = sum(gate.status == NOT_MEASURABLE for gate in own)
    held = sum(gate.status == PASSED for gate in own)
    return say("frequency.trust.delivery", held=held, n=len(own), unknown=unknown)


def frequency_time(study: ExperimentStudy) -> Statement:
    """Which cadences differ from today's at all looks together."""
    if study.time is None:
        return _must(hidden(study, "looks"))
    log = study.time.log[study.time.log["tier"].isin(study.shown)]
    clear = log[log["first_clear"].notna()]
    if clear.empty:
        looks = int(log["looks"].max())
        return say("frequency.time.unclear", n=len(log), looks=looks)
    first = clear.sort_values("first_clear", kind="stable").iloc[0]
    return say(
        "frequency.time.clear",
        clear=len(clear),
        n=len(log),
        tier=str(first["tier"]),
        arm=arm_words(study.plan, str(first["arm"])),
        week=int(first["first_clear"]),
    )


def frequency_time_method(study: ExperimentStudy) -> Statement | None:
    """What the running effect is of."""
    if study.red:
        return frequency_why_hidden(study)
    return None if study.time is None else say("frequency.time.method")


def frequency_no_complaints(study: ExperimentStudy) -> Statement | None:
    """That complaints are not in an effect over time; None where they are."""
    counted = study.time is None or study.time.complaints
    return None if counted else say("frequency.time.no_complaints")


def frequency_steps(study: ExperimentStudy) -> Statement:
    """The first and the last step of the tier with most customers."""
    if study.time is None:
        return _must(hidden(study, "steps"))
    assigned = study.assigned
    tier = max(study.shown, key=lambda name: assigned[name])
    arm = compared_arm(study, tier)
    frame = study.time.steps
    own = frame[(frame["tier"] == tier) & (frame["arm"] == arm)]
    first, last = own.iloc[0], own.iloc[-1]
    return say(
        "frequency.steps",
        tier=tier,
        arm=arm_words(study.plan, str(arm)),
        first=_step(first),
        last=_step(last),
        a=int(first["first_week"]),
        b=int(first["last_week"]),
        c=int(last["first_week"]),
        d=int(last["last_week"]),
    )


def frequency_steps_method(study: ExperimentStudy) -> Statement | None:
    """What the steps are of."""
    if study.red:
        return frequency_why_hidden(study)
    if study.time is None:
        return None
    return say("frequency.steps_method", burn=study.plan.burn_in_weeks)


def frequency_effects(study: ExperimentStudy) -> Statement:
    """How many differences stand when all arms of a tier are taken together."""
    if study.red:
        return _must(hidden(study, "effects"))
    frame = study.effects_frame().query("not is_today")
    clear = (frame["joint_low"] > 0) | (frame["joint_high"] < 0)
    return say("frequency.effects.headline", clear=int(clear.sum()), n=len(frame))


def frequency_effects_method(study: ExperimentStudy) -> Statement | None:
    """How the arm table is to be read."""
    if study.red:
        return frequency_why_hidden(study)
    n = int(study.outcomes.assigned - study.outcomes.too_late)
    return say("frequency.effects.method", n=n)


def frequency_effects_missing(study: ExperimentStudy) -> Statement | None:
    """Metrics that could not be measured, each with the reason; None where all were."""
    if study.red or not study.missing:
        return None
    each = [
        say(
            f"frequency.missing.{one.why}",
            metric=f"frequency.metric.{one.metric}",
            table=f"quality.table.{one.table}",
        )
        for one in study.missing
    ]
    return say("frequency.effects.missing", list=listed(each, "; "))


def frequency_intervals(study: ExperimentStudy) -> Statement:
    """How many comparisons the table of intervals holds."""
    if study.red:
        return _must(hidden(study, "intervals"))
    frame = study.effects_frame().query("not is_today")
    return say("frequency.intervals", metrics=frame["metric"].nunique(), n=len(frame))


def frequency_guardrails(study: ExperimentStudy) -> Statement:
    """How many cadences pass all guardrails, fail one, or are undecided."""
    blocked = valueless(study, "guardrails")
    if blocked is not None or study.read_out is None:
        return _must(blocked)
    rails = study.read_out.guardrails
    each = [
        rails.of_arm(t, a)
        for t, tier in enumerate(rails.tiers)
        for a, arm in enumerate(rails.arms)
        if arm != rails.current[t] and tier in study.shown
    ]
    return say(
        "frequency.guardrails",
        n=len(each),
        passed=each.count("pass"),
        failed=each.count("fail"),
        undecided=each.count("undecided"),
    )


def frequency_guardrails_method(study: ExperimentStudy) -> Statement | None:
    """What the three answers mean."""
    if study.red:
        return frequency_why_hidden(study)
    n = int(study.outcomes.assigned - study.outcomes.too_late)
    return None if study.read_out is None else say("frequency.guardrails_method", n=n)


def frequency_response(study: ExperimentStudy) -> Statement:
    """Between which tested cadences the best of each tier lies."""
    blocked = valueless(study, "response")
    if blocked is not None or study.read_out is None:
        return _must(blocked)
    shape = study.read_out.shape
    effect = dict(zip(shape.tiers, shape.effect, strict=True))
    ranges = [
        say("frequency.response_range", tier=tier, range=range_words(study, tier))
        for tier in study.shown
    ]
    return say(
        "frequency.response",
        ranges=listed(ranges, "; "),
        shown=sum(effect[tier] for tier in study.shown),
        n=len(study.shown),
    )


def frequency_response_method(study: ExperimentStudy) -> Statement | None:
    """How the curves are to be read."""
    if study.red:
        return frequency_why_hidden(study)
    return None if study.read_out is None else say("frequency.response_method")


def frequency_claims() -> Statement:
    """How many claims are shown beside, and that none takes part."""
    return say("frequency.claims", n=len(published_claims()))


def frequency_spline(study: ExperimentStudy) -> Statement:
    """Whether another method names the same cadences."""
    blocked = valueless(study, "spline")
    if blocked is not None or study.read_out is None:
        return _must(blocked)
    curves, spline = study.read_out.curves, study.read_out.spline
    if spline is None:
        return say("frequency.no_spline", n=len(curves.arms))
    same = [
        curves.expected[t].argmax() == spline.best[t]
        for t, tier in enumerate(curves.tiers)
        if tier in study.shown
    ]
    return say("frequency.spline_agree", agree=int(sum(same)), n=len(same))


def frequency_value(study: ExperimentStudy) -> Statement:
    """The tier with most expected to gain, and by which cadence."""
    blocked = valueless(study, "value")
    if blocked is not None:
        return blocked
    better = [one for one in shown_decisions(study) if named_arm(one) != one.current]
    if not better:
        return say("frequency.value_none", n=len(study.shown))
    first = max(better, key=lambda one: one.gain.value)
    return say(
        "frequency.value",
        tier=first.tier,
        arm=arm_words(study.plan, named_arm(first)),
        today=arm_words(study.plan, first.current),
        gain=scaled(first.gain, _per_year(study)),
    )


def frequency_prices(study: ExperimentStudy) -> Statement:
    """The nearest price at which a conclusion flips."""
    blocked = valueless(study, "prices")
    if blocked is not None or study.prices is None:
        return _must(blocked)
    flips = [flip for flip in study.prices.flips if flip.tier in study.shown]
    largest = max(study.prices.factors)
    if not flips:
        return say("frequency.prices.stable", n=len(study.shown), factor=largest)
    nearest = min(
        flips, key=lambda flip: max(flip.factor, 0.01) ** -1 if flip.factor < 1 else flip.factor
    )
    return say(
        "frequency.prices.flips",
        n=len(flips),
        factor=largest,
        tier=nearest.tier,
        term=f"frequency.term.{nearest.term}",
        at=nearest.factor,
    )


def frequency_carry_over(study: ExperimentStudy) -> Statement:
    """Whether effects change between the halves, or why nobody can say."""
    if study.time is None:
        return _must(hidden(study, "carry_over"))
    frame = study.time.carry_over
    frame = frame[frame["tier"].isin(study.shown)]
    late = frame[frame["comparison"] == "early_late"]
    if late.empty:
        return say("frequency.carry.no_arm")
    step = "" if study.time.step_down else say("frequency.carry.no_step")
    return say(
        "frequency.carry.headline",
        n=len(late),
        clear=int((late["status"] == "lasting").sum()),
        undecided=int((late["status"] == "undecided").sum()),
        step=step,
    )


def frequency_carry_over_method(study: ExperimentStudy) -> Statement | None:
    """What is compared; None where nothing is."""
    if study.red:
        return frequency_why_hidden(study)
    if study.time is None or study.time.carry_over.empty:
        return None
    return say("frequency.carry.method")


def frequency_no_step_down(study: ExperimentStudy) -> Statement | None:
    """That what remains after contacts stop is not measurable; None where it is."""
    if study.time is None or study.time.step_down:
        return None
    return say("frequency.carry.unmeasured")


def frequency_peeking(study: ExperimentStudy) -> Statement:
    """What looks taken alone would have said, and what all of them say."""
    if study.time is None:
        return _must(hidden(study, "peeking"))
    log = study.time.log[study.time.log["tier"].isin(study.shown)]
    return say(
        "frequency.peeking",
        looks=int(log["looks"].max()),
        n=len(log),
        alone=int(log["first_alone"].notna().sum()),
        clear=int(log["first_clear"].notna().sum()),
        harm=int(log["first_harm"].notna().sum()),
    )


def frequency_peeking_rule(study: ExperimentStudy) -> Statement | None:
    """What the plan says of stopping early."""
    if study.red:
        return frequency_why_hidden(study)
    early = f"frequency.early.{study.plan.stop.early}"
    return None if study.time is None else say("frequency.peeking_rule", early=early)


def frequency_exploratory(study: ExperimentStudy) -> Statement:
    """How much stands out that nobody planned to decide on."""
    if study.red:
        return _must(hidden(study, "exploratory"))
    frame = study.exploratory(FALSE_SHARE)
    if frame.empty:
        return say("frequency.exploratory_none")
    found = int(frame["found"].sum())
    return say("frequency.exploratory", found=found, n=len(frame), q=FALSE_SHARE)


def frequency_reasons(study: ExperimentStudy) -> Statement:
    """How many decisions are explained."""
    blocked = valueless(study, "reasons")
    return blocked or say("frequency.reasons", n=len(study.shown))


def frequency_limits(study: ExperimentStudy) -> Statement:
    """What the experiment does not say."""
    return say("frequency.limits", window=study.plan.window_weeks)


def frequency_limits_headline(study: ExperimentStudy) -> Statement:
    """The headline over the limits."""
    return say("frequency.limits_headline", n=study.outcomes.assigned)


def _step(row: pd.Series) -> Estimate:
    value, low, high = (float(row[name]) for name in ("difference", "low", "high"))
    return Estimate(value, low, high, int(row["n"]))


def _per_year(study: ExperimentStudy) -> float:
    assert study.read_out is not None
    return study.read_out.decisions.windows_per_year


def _must(said: Statement | None) -> Statement:
    """A section without numbers always has a reason."""
    assert said is not None
    return said
