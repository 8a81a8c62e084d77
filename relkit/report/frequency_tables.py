"""A contact-frequency experiment as tables, and its trust gates as gates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from relkit.frequency.claims import published_claims
from relkit.frequency.sensitivity import TERMS
from relkit.frequency.trust import FAILED, GATES, NOT_MEASURABLE, PASSED, TrustGate
from relkit.report.blocks import Gate, Table, gate, table
from relkit.report.findings.frequency import FALSE_SHARE
from relkit.report.frequency_words import (
    DELIVERY,
    arm_words,
    named_arm,
    range_words,
    scaled,
    shown_decisions,
)
from relkit.report.statements import Statement, listed, say, term
from relkit.studies.experiment import ExperimentStudy, review_day
from relkit.studies.experiment_power import power_frame

if TYPE_CHECKING:
    from relkit.frequency.decision import TierDecision

MOST_ROWS = 14


def decision_card(study: ExperimentStudy, review_weeks: int) -> Table | None:
    """The deciders' table, one row a tier; None where every number is hidden.

    Args:
        study: The experiment.
        review_weeks: Weeks from the last day of the data to the next look at a decision.
    """
    if study.read_out is None:
        return None
    decided = {one.tier: one for one in shown_decisions(study)}
    rows = [
        _card_row(study, decided[tier], review_weeks)
        if tier in decided
        else {"tier": tier, "today": arm_words(study.plan, study.plan.today[tier]).text()}
        | {"action": term("frequency.hidden_cell")}
        for tier in study.plan.tiers
    ]
    columns = {
        "tier": ("label.tier", "text"),
        **_labelled(
            today="text", recommended="text", gain_year="compact_money±", gain_total="compact_money"
        ),
        **_labelled(best="percent0", loss="money", guardrails="text", bracket="text"),
        **_labelled(grade="text", action="text", review="date"),
    }
    note = say("frequency.note.card", n=sum(study.assigned.values()))
    frame = pd.DataFrame(rows, columns=list(columns)).astype(object)
    caption = say("frequency.caption.card")
    return table(frame, columns, caption=caption, note=note, name="decision_card")


def _card_row(study: ExperimentStudy, one: TierDecision, review_weeks: int) -> dict[str, Any]:
    assert study.read_out is not None
    year, plan, arm = study.read_out.decisions.windows_per_year, study.plan, named_arm(one)
    lead = arm_words(plan, arm)
    changes = arm != one.current
    shown = say("frequency.none_yet", arm=lead) if changes else say("frequency.none_yet_today")
    shown = shown if one.arm is None else lead
    total = one.gain.value * year * study.assigned[one.tier]
    return {
        "tier": one.tier,
        "today": arm_words(plan, one.current).text(),
        "recommended": shown.text(),
        "gain_year": scaled(one.gain, year) if changes else None,
        "gain_total": total if changes else None,
        "best": one.probability_best,
        "loss": one.expected_loss * year if changes else None,
        "guardrails": term(f"frequency.status.{one.guardrails}") if changes else None,
        "bracket": range_words(study, one.tier).text(),
        "grade": one.grade,
        "action": term(f"frequency.action.{one.action}"),
        "review": review_day(study, review_weeks),
    }


def _labelled(**words: str) -> dict[str, Any]:
    return {name: (f"frequency.label.{name}", word) for name, word in words.items()}


def plan_arms(study: ExperimentStudy) -> Table:
    """The arms with what each offers and costs, and whose cadence it is today."""
    frame = study.plan.to_frame()
    frame["contacts"] = [
        text or term("frequency.arm.none") for text in frame["contacts"].astype(str)
    ]
    frame["today_of"] = [text or None for text in frame["today_of"]]
    columns = _labelled(arm="text", contacts="text", dose="number2", cost="money", today_of="text")
    return table(frame, columns, caption=say("frequency.caption.arms"), name="plan_arms")


def plan_prices(study: ExperimentStudy) -> Table:
    """What the plan fixed for each tier."""
    plan = study.plan
    frame = pd.DataFrame(
        {
            "tier": plan.tiers,
            "today": [arm_words(plan, plan.today[tier]).text() for tier in plan.tiers],
            "residual": [plan.residual_value[tier] for tier in plan.tiers],
            "tolerated": [plan.tolerated_loss[tier] for tier in plan.tiers],
            "cap": [plan.fatigue_cap.get(tier) for tier in plan.tiers],
        }
    )
    columns = {"tier": ("label.tier", "text")}
    columns |= _labelled(today="text", residual="money", tolerated="money", cap="number")
    caption = say("frequency.caption.prices_of", weeks=plan.window_weeks)
    return table(frame, columns, caption=caption, name="plan_prices")


def plan_changes(study: ExperimentStudy) -> Table | None:
    """What was changed since the plan was frozen; None where nothing was."""
    if not study.state.changes:
        return None
    frame = study.state.to_frame()
    columns = _labelled(place="text", was="text", now="text")
    return table(frame, columns, caption=say("frequency.caption.changes"), name="plan_changes")


def power(study: ExperimentStudy) -> Table:
    """What each tier can see, and how likely a harmless arm passes each guardrail."""
    frame = power_frame(study.power)
    columns: dict[str, Any] = {
        "tier": ("label.tier", "text"),
        "n": ("frequency.label.smallest_arm", "count"),
        "n_today": ("frequency.label.todays_arm", "count"),
        "value": ("frequency.label.detectable", "money"),
    }
    for rail in study.plan.guardrails:
        label = say("frequency.label.power_of", metric=f"frequency.metric.{rail.metric}")
        columns[f"power_{rail.metric}"] = (label, "percent0")
    return table(frame, columns, caption=say("frequency.caption.power"), name="power")


def assignment(study: ExperimentStudy) -> Table:
    """Customers by tier and arm, with the two tests of each tier."""
    counts = study.checks.assigned.pivot_table(
        index="tier", columns="arm", values="customers", fill_value=0
    )
    counts = counts.reindex(index=study.plan.tiers, columns=list(study.plan.arms), fill_value=0)
    frame = counts.astype(int).reset_index()
    for column, name in (("split", "sample_ratio"), ("alike", "before_the_start")):
        found = {g.tier: g.figure for g in study.trust.gates if g.name == name and g.tier}
        frame[column] = [found.get(tier) for tier in study.plan.tiers]
    columns: dict[str, Any] = {"tier": ("label.tier", "text")}
    columns |= {arm: (arm_words(study.plan, arm), "count") for arm in study.plan.arms}
    columns |= _labelled(split="number3", alike="number3")
    return table(frame, columns, caption=say("frequency.caption.sizes"), name="assignment")


def trust_gates(study: ExperimentStudy, delivery: bool = False) -> list[Gate]:
    """One gate a name, with the figure of the tier that is nearest to red or beyond.

    Args:
        study: The experiment.
        delivery: Those of what was sent and measured, in place of those of plan and arms.
    """
    found = []
    for name in (one for one in GATES if (one in DELIVERY) == delivery):
        own = [one for one in study.trust.gates if one.name == name]
        measured = [one for one in own if one.status != NOT_MEASURABLE]
        if not measured:
            found.append(gate(say("frequency.gate_unknown", name=f"frequency.gate.{name}"), None))
            continue
        worst = min(measured, key=_room)
        passed = all(one.status == PASSED for one in measured)
        found.append(gate(_gate_words(study, worst), passed))
    return found


def _room(one: TrustGate) -> tuple[bool, float]:
    """Failed ones first; then by the distance to the limit."""
    distance = one.figure if one.measure == "p_value" else -one.figure
    return one.status != FAILED, distance


def _gate_words(study: ExperimentStudy, one: TrustGate) -> Statement:
    values: dict[str, Any] = {"name": f"frequency.gate.{one.name}"}
    if one.measure == "changes":
        state = f"frequency.state.{study.state.status}"
        return say("frequency.gate_changes", n=int(one.figure), state=state, **values)
    if one.measure == "days":
        return say("frequency.gate_days", n=int(one.figure), **values)
    values |= {"limit": one.limit, "n": one.n}
    kind = "p" if one.measure == "p_value" else "share"
    values[kind] = one.figure
    if one.arm is None:
        return say(f"frequency.gate_{kind}", **values)
    where = say("frequency.gate_arm", arm=one.arm)
    if one.tier is not None:
        where = say("frequency.gate_where", tier=one.tier, arm=one.arm)
    return say(f"frequency.gate_{kind}_at", where=where, **values)


def effects(study: ExperimentStudy) -> Table | None:
    """Every comparison with today's cadence with its simultaneous interval."""
    if study.red:
        return None
    frame = study.effects_frame().query("not is_today")
    frame = frame.sort_values(["joint_p_value", "metric", "tier", "arm"], kind="stable")
    frame = frame.assign(metric=[term(f"frequency.metric.{name}") for name in frame["metric"]])
    columns = {
        **_labelled(metric="text"),
        "tier": ("label.tier", "text"),
        **_labelled(arm="text"),
        "n": ("label.customers", "count"),
        **_labelled(mean="number3", difference="number3", joint_low="number3"),
        **_labelled(joint_high="number3"),
        "joint_p_value": ("frequency.label.joint_p", "number3"),
        "ratio": ("frequency.label.ratio", "number2"),
    }
    caption = say("frequency.caption.effects")
    return table(frame, columns, caption=caption, name="effects", max_rows=len(frame))


def claims(study: ExperimentStudy) -> Table:
    """What others say, each marked as what it is."""
    del study  # the same whatever was measured: claims take part in nothing
    frame = pd.DataFrame(
        {
            "claim": [term(one.text) for one in published_claims()],
            "evidence": [term(f"claim.{one.evidence}") for one in published_claims()],
            "source": [one.source for one in published_claims()],
        }
    )
    columns = _labelled(claim="text", evidence="text", source="text")
    caption = say("frequency.caption.claims")
    return table(frame, columns, caption=caption, name="claims", max_rows=len(frame))


def value(study: ExperimentStudy) -> Table | None:
    """Net value by tier and arm: measured, expected, chance to be the best."""
    if study.read_out is None:
        return None
    frame = study.read_out.curves.to_frame()
    frame = frame[frame["tier"].isin(study.shown)]
    columns = {
        "tier": ("label.tier", "text"),
        **_labelled(arm="text"),
        "n": ("label.customers", "count"),
        "net": ("frequency.label.net_measured", "money"),
        "expected": ("frequency.label.net_expected", "money"),
        "low": ("label.low", "money"),
        "high": ("label.high", "money"),
        "probability_best": ("frequency.label.best", "percent"),
        "expected_loss": ("frequency.label.arm_loss", "money"),
    }
    caption = say("frequency.caption.value", weeks=study.plan.window_weeks)
    return table(frame, columns, caption=caption, name="net_value", max_rows=len(frame))


def prices(study: ExperimentStudy) -> Table | None:
    """The decision under other prices, where it flips, and where cadences break even."""
    if study.prices is None:
        return None
    found, shown = study.prices, list(study.shown)
    rows = []
    for tier in shown:
        for name in TERMS:
            row: dict[str, Any] = {"tier": tier, "price": term(f"frequency.price.{name}")}
            for factor in found.factors:
                one = found.decisions[name, factor][tier]
                said = term(f"frequency.short.{one.action}")
                other = one.arm if one.arm not in (None, one.current) else None
                row[f"x{factor:g}"] = said if other is None else f"{said} ({other})"
            flips = [f.factor for f in found.flips if (f.tier, f.term) == (tier, name)]
            even = [b.factor for b in found.break_even if (b.tier, b.term) == (tier, name)]
            row["flip"] = ", ".join(f"× {factor:.2f}" for factor in flips) or None
            row["break_even"] = f"× {even[0]:.2f}" if even and even[0] is not None else None
            rows.append(row)
    columns: dict[str, Any] = {"tier": ("label.tier", "text"), **_labelled(price="text")}
    for factor in found.factors:
        columns[f"x{factor:g}"] = (say("frequency.label.times", factor=factor), "text")
    columns |= _labelled(flip="text", break_even="text")
    caption = say("frequency.caption.prices")
    return table(pd.DataFrame(rows), columns, caption=caption, name="prices", max_rows=len(rows))


def carry_over(study: ExperimentStudy) -> Table | None:
    """What the plan's arms allow to say of carry-over; None where they allow nothing."""
    if study.time is None:
        return None
    frame = study.time.carry_over
    frame = frame[frame["tier"].isin(study.shown)]
    if frame.empty:
        return None
    frame = frame.assign(
        comparison=[term(f"frequency.carry.{name}") for name in frame["comparison"]],
        answer=[term(f"frequency.carry.{name}") for name in frame["status"]],
        matters=frame["margin"],
    )
    columns = {
        "tier": ("label.tier", "text"),
        **_labelled(comparison="text", arm="text", beside="text", difference="money"),
        "low": ("label.low", "money"),
        "high": ("label.high", "money"),
        **_labelled(matters="money", answer="text"),
    }
    return table(frame, columns, caption=say("frequency.caption.carry"), name="carry_over")


def peeking(study: ExperimentStudy) -> Table | None:
    """By cadence the first week at which a look would have said something."""
    if study.time is None:
        return None
    frame, plan = study.log_frame(), study.plan
    names = ["first_alone", "first_clear", "first_harm"]
    rows = []
    for tier in study.shown:
        row: dict[str, Any] = {"tier": tier}
        for arm in plan.arms:
            own = frame.loc[(frame["tier"] == tier) & (frame["arm"] == arm), names]
            weeks = own.to_numpy(dtype=object).ravel().tolist()
            said = ["–" if pd.isna(week) else str(week) for week in weeks]
            row[arm] = " / ".join(said) if said else term("frequency.label.today")
        rows.append(row)
    columns: dict[str, Any] = {"tier": ("label.tier", "text")}
    columns |= {arm: (arm_words(plan, arm), "text") for arm in plan.arms}
    caption = say("frequency.caption.peeking")
    return table(pd.DataFrame(rows), columns, caption=caption, name="peeking")


def exploratory(study: ExperimentStudy) -> Table | None:
    """The comparisons that stand out most, among what nobody planned to decide on."""
    frame = study.exploratory(FALSE_SHARE)
    if frame.empty:
        return None
    frame = frame.assign(metric=[term(f"frequency.metric.{name}") for name in frame["metric"]])
    columns = {
        **_labelled(metric="text"),
        "tier": ("label.tier", "text"),
        **_labelled(arm="text"),
        "n": ("label.customers", "count"),
        **_labelled(difference="number3"),
        "low": ("label.low", "number3"),
        "high": ("label.high", "number3"),
        "q_value": ("frequency.label.q", "number3"),
    }
    caption = say("frequency.caption.exploratory")
    return table(frame, columns, caption=caption, name="exploratory", max_rows=MOST_ROWS)


def spline(study: ExperimentStudy) -> Table | None:
    """The shape test and the spline beside the curve, tier by tier."""
    if study.read_out is None:
        return None
    found, check, rows = study.read_out, study.read_out.spline, []
    if check is None:
        return None
    for t, tier in enumerate(found.curves.tiers):
        if tier not in study.shown:
            continue
        lack = float(check.lack_of_fit[t])
        rows.append(
            {
                "tier": tier,
                "effect_p": float(found.shape.adjusted_p_value[t]),
                "curve_best": found.curves.arms[int(found.curves.expected[t].argmax())],
                "spline_best": check.arms[int(check.best[t])],
                "lack": lack if lack == lack else None,
            }
        )
    columns: dict[str, Any] = {"tier": ("label.tier", "text")}
    columns |= _labelled(effect_p="number3", curve_best="text", spline_best="text", lack="number3")
    caption = say("frequency.caption.spline")
    return table(pd.DataFrame(rows), columns, caption=caption, name="cross_check")


def reasons(study: ExperimentStudy) -> Table | None:
    """The decision log: what was decided, why, and what would settle it."""
    decided = shown_decisions(study)
    if not decided:
        return None
    rows = []
    for one in decided:
        more = []
        if one.more_customers is not None:
            more.append(say("frequency.more_customers", times=one.more_customers).text())
        if one.next_dose is not None:
            more.append(say("frequency.try_dose", dose=one.next_dose).text())
        rows.append(
            {
                "tier": one.tier,
                "action": term(f"frequency.action.{one.action}"),
                "reasons": listed((f"frequency.reason.{key}" for key in one.reasons), "; ").text(),
                "next": "; ".join(more) or term(f"frequency.settle.{one.action}"),
            }
        )
    columns = {"tier": ("label.tier", "text")}
    columns |= _labelled(action="text", reasons="text", next="text")
    caption = say("frequency.caption.reasons")
    return table(pd.DataFrame(rows), columns, caption=caption, name="decision_log")
