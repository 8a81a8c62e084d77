"""The design of an experiment as tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from relkit.report.blocks import Table, table
from relkit.report.language import current
from relkit.report.statements import say, term

if TYPE_CHECKING:
    from relkit.frequency.arm_proposal import ArmProposal
    from relkit.frequency.assignment import Assignment
    from relkit.frequency.claim_sizes import ClaimSize
    from relkit.frequency.design import ExperimentDesign, SmallestEffect
    from relkit.frequency.freezing import PlanState
    from relkit.frequency.operating_characteristics import OperatingCharacteristics
    from relkit.frequency.plan import ExperimentPlan
    from relkit.studies.experiment_design import BeforeStart


def _of(names: dict[str, str | None]) -> dict[str, Any]:
    """column → format word, under the label design_<column>."""
    return {name: (f"label.design_{name}", word) for name, word in names.items()}


def design_answers(design: ExperimentDesign) -> Table:
    """One row a tier: can it answer, and with which chances."""
    frame = design.to_frame()
    frame["answer"] = [term(f"design.answer.{answer}") for answer in frame["answer"]]
    frame = frame.rename(columns={"worth_seeing": "worth", "smallest_value": "smallest"})
    columns = {"tier": ("label.tier", "text"), "customers": ("label.customers", "count")}
    columns |= _of(
        {
            "per_arm": "count",
            "worth": "money",
            "smallest": "money",
            "value_power": "percent0",
            "guardrail_power": "percent0",
            "answer": "text",
        }
    )
    return table(frame, columns, name="design_answers")


def design_effects(design: ExperimentDesign) -> Table:
    """Metrics down, tiers across: the smallest change that is seen."""
    found = {(one.metric, one.tier): one for one in design.effects}
    metrics = list(dict.fromkeys(metric for metric, _ in found))
    rows = [
        {"metric": term(f"design.metric.{metric}")}
        | {tier: _smallest(found.get((metric, tier))) for tier in design.plan.tiers}
        for metric in metrics
    ]
    columns: dict[str, Any] = {"metric": ("label.design_metric", "text")}
    columns |= {tier: (tier, "text") for tier in design.plan.tiers}
    return table(
        pd.DataFrame(rows), columns, caption=say("table.design_effects"), name="design_effects"
    )


def _smallest(one: SmallestEffect | None) -> str:
    if one is None:
        return term("design.not_measured")
    if not one.detectable.detectable:
        return term("design.no_effect")
    size = one.detectable.difference
    sign = "+" if size > 0 else ""
    if one.baseline.kind == "binary":
        return sign + say("design.points", points=100 * size).text()
    if one.baseline.kind == "count":
        return sign + current().percent(one.detectable.relative, 0)
    return sign + current().money(size)


def design_remedies(design: ExperimentDesign) -> Table:
    """One row a tier: customers, weeks or arms with which it could answer."""
    frame = design.to_frame()
    frame["missing"] = frame["customers_needed"] - frame["customers"]
    # Who nobody else comes to, or who needs nobody, has no number of weeks.
    frame["arrivals"] = pd.to_numeric(frame["weeks_of_arrivals"])
    frame["arms_kept"] = [text or term("design.even_two") for text in frame["arms_kept"]]
    frame = frame.rename(columns={"customers_needed": "needed", "customers": "have"})
    columns = {"tier": ("label.tier", "text")}
    columns |= _of(
        {
            "have": "count",
            "needed": "count",
            "times": "number",
            "missing": "count",
            "arrivals": "count",
            "arms_kept": "text",
        }
    )
    return table(frame, columns, name="design_remedies")


def design_claims(sizes: Sequence[ClaimSize]) -> Table | None:
    """Claims down, tiers across: customers an arm; last what the arms have. None without claims."""
    if not sizes:
        return None
    tiers = list(dict.fromkeys(one.tier for one in sizes))
    rows: list[dict[str, Any]] = []
    for key in dict.fromkeys(one.key for one in sizes):
        needed = {one.tier: one.needed_per_arm for one in sizes if one.key == key}
        row = {t: math.nan if needed.get(t) is None else needed[t] for t in tiers}
        rows.append({"claim": term(f"claim.{key}"), **row})
    have = {one.tier: one.n_arm for one in sizes}
    rows.append({"claim": term("design.arms_have"), **have})
    columns = _of({"claim": "text"}) | {tier: (tier, "count") for tier in tiers}
    return table(
        pd.DataFrame(rows), columns, caption=say("table.design_claims"), name="design_claims"
    )


def _level(metric: str, mean: float) -> str:
    if metric in ("net_value", "revenue", "margin"):
        return current().money(mean)
    if metric in ("complaints", "engagement"):
        return current().number(mean, 3)
    return current().percent(mean, 1)


def design_arms(proposal: ArmProposal) -> Table:
    """Arms down, tiers across: customers, and the contacts a week of each arm."""
    frame = proposal.to_frame()
    wide = frame.pivot_table(index="arm", columns="tier", values="customers", sort=False)
    load = frame.groupby("arm", sort=False)["contacts_per_week"].sum()
    wide = wide[list(proposal.shares)].assign(load=load).reset_index()
    columns: dict[str, Any] = {"arm": ("label.design_arm", "text")}
    columns |= {tier: (tier, "count") for tier in proposal.shares}
    columns |= _of({"load": "count"})
    return table(wide, columns, caption=say("table.design_arms"), name="design_arms")


def design_simulated(found: OperatingCharacteristics) -> Table:
    """One row a world: each share with the error of the simulation."""
    rows = [
        {
            "world": term(f"design.world_name.{one.world}"),
            "false": one.false_switch,
            "switched": one.switched,
            "captured": one.captured,
            "by_curve": one.by_curve,
            "covered": one.covered,
        }
        for one in found.worlds
    ]
    for row in rows:
        for name in ("false", "switched", "captured", "by_curve", "covered"):
            row[name] = "–" if row[name] is None else current().show(row[name], "percent0±")
    columns = _of({"world": "text"})
    columns |= _of(dict.fromkeys(("false", "switched", "captured", "by_curve", "covered"), "text"))
    return table(
        pd.DataFrame(rows), columns, caption=say("table.design_simulated"), name="design_simulated"
    )


def design_sizes(assignment: Assignment) -> Table:
    """Arms down, tiers across: units assigned."""
    frame = assignment.sizes()
    wide = frame.pivot_table(index="arm", columns="tier", values="units", sort=False)
    tiers = list(assignment.shares)
    columns: dict[str, Any] = {"arm": ("label.design_arm", "text")}
    columns |= {tier: (tier, "count") for tier in tiers}
    return table(
        wide[tiers].reset_index(), columns, caption=say("table.design_sizes"), name="design_sizes"
    )


def design_balance(balance: pd.DataFrame, assignment: Assignment) -> Table:
    """One row a tier and covariate: the arm farthest off, and whether arms differ."""
    size = balance["standardised_difference"].abs()
    frame = balance.loc[size.groupby([balance["tier"], balance["covariate"]], sort=False).idxmax()]
    order = {tier: place for place, tier in enumerate(assignment.shares)}
    frame = frame.sort_values("tier", key=lambda tiers: tiers.map(order), kind="stable")
    frame = frame.assign(covariate=[term(f"design.covariate.{c}") for c in frame["covariate"]])
    frame = frame.rename(columns={"standardised_difference": "gap", "p_value": "p"})
    columns = {"tier": ("label.tier", "text")}
    columns |= _of({"covariate": "text", "arm": "text"})
    columns |= {"customers": ("label.customers", "count")}
    columns |= _of({"gap": "number3", "p": "number3"})
    return table(frame, columns, caption=say("table.design_balance"), name="design_balance")


def design_collisions(others: pd.DataFrame) -> Table | None:
    """One row another experiment; None where there is none."""
    if others.empty:
        return None
    frame = others.rename(columns={"experiment_id": "experiment", "p_value": "p"})
    columns = _of({"experiment": "text"}) | {"customers": ("label.customers", "count")}
    columns |= _of({"share": "percent", "p": "number3"})
    return table(frame, columns, caption=say("table.design_collisions"), name="design_collisions")


def design_guardrails(design: ExperimentDesign) -> Table:
    """One row a tier and guardrail: its chance to be passed, and what it needs."""
    frame = design.guardrails_frame()
    frame["metric"] = [term(f"design.metric.{metric}") for metric in frame["metric"]]
    frame["margin"] = [
        f"× {current().number(m, 2)}"
        if scale == "ratio"
        else ("+" if m > 0 else "") + current().number(m, 3)
        for scale, m in zip(frame["scale"], frame["margin"], strict=True)
    ]
    frame["status"] = [term(f"design.status.{status}") for status in frame["status"]]
    frame["weeks"] = pd.to_numeric(frame["weeks_of_window"])
    frame = frame.rename(columns={"mean": "today", "n_arm": "per_arm"})
    columns = {"tier": ("label.tier", "text")}
    columns |= _of(
        {
            "metric": "text",
            "margin": "text",
            "today": "number3",
            "per_arm": "count",
            "power": "percent0",
            "needed_per_arm": "count",
            "weeks": "count",
            "status": "text",
        }
    )
    return table(
        frame,
        columns,
        note=say("note.design_guardrails"),
        name="design_guardrails",
    )


def design_baselines(before: BeforeStart) -> Table:
    """One row a tier and metric: what it was before the start."""
    frame = before.to_frame()
    frame["today"] = [
        "–" if math.isnan(mean) else _level(metric, mean)
        for metric, mean in zip(frame["metric"], frame["mean"], strict=True)
    ]
    frame["metric"] = [term(f"design.metric.{metric}") for metric in frame["metric"]]
    frame["status"] = [term(f"design.status.{status}") for status in frame["status"]]
    key = "note.design_baselines_spend" if before.tiers_from == "spend" else "note.design_baselines"
    columns = {"tier": ("label.tier", "text")}
    columns |= _of(
        {
            "metric": "text",
            "today": "text",
            "explained": "percent",
            "measured": "count",
            "status": "text",
        }
    )
    since, until = before.window
    return table(
        frame,
        columns,
        note=say(key, since=since, until=until),
        name="design_baselines",
    )


def design_plan(plan: ExperimentPlan) -> Table:
    """The arms as planned."""
    frame = plan.to_frame()
    frame["today_of"] = frame["today_of"].replace("", "–")
    frame["contacts"] = frame["contacts"].replace("", term("design.none_left"))
    columns = _of(
        {
            "arm": "text",
            "contacts": "text",
            "per_month": "number2",
            "cost": "money",
            "today_of": "text",
        }
    )
    return table(frame, columns, name="design_plan")


def design_changes(state: PlanState) -> Table | None:
    """What was changed since the plan was frozen; None where nothing was."""
    if not state.changes:
        return None
    frame = state.to_frame()
    columns = _of({"place": "text", "was": "text", "now": "text"})
    return table(frame, columns, caption=say("table.design_changes"), name="design_changes")
