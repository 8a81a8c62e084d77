"""What else lies in params/ and is checked alone: tier rules, tags, plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relkit.frequency.cadence import Cadence
    from relkit.frequency.plan import ExperimentPlan


def _inspect_tiers(path: Path, near: str) -> str:
    """Who wins, and what the rules leave open or give twice, for any customer there could be."""
    from relkit.segments.named_segments import read_rfm_segments
    from relkit.segments.rule_file import read_tier_rules
    from relkit.segments.rule_health import prove_rules
    from relkit.yaml_files import read_yaml

    if path.is_file() and "segments" in read_yaml(path, near)[0]:
        names = read_rfm_segments(path)
        return (
            f"{near}: {len(names.names)} segments, every code of {names.bands} bands has exactly "
            f"one: {', '.join(names.names)}"
        )
    rules = read_tier_rules(path)
    proof = prove_rules(rules)
    lines = [f"{near}: {len(rules.tiers)} tiers, by precedence: {', '.join(rules.precedence)}"]
    if not proof.proved:
        return f"{lines[0]}\n  too many cases to prove holes: {proof.cells:,} of {proof.limit:,}"
    lines += [f"  in no tier: {box.text()}" for box in proof.holes.boxes]
    for overlap in proof.overlaps:
        first, second = overlap.tiers
        lines += [f"  {first} and {second}: {box.text()}" for box in overlap.cover.boxes]
    if not all(found.complete for found in (proof.holes, *(o.cover for o in proof.overlaps))):
        lines.append("  and more: these are too many to list")
    lines += [f"  never decides: {tier}, clause {clause}" for tier, clause in proof.shadowed]
    return "\n".join(lines if len(lines) > 1 else [*lines, "  no hole, no overlap: proved"])


def _inspect_experiment(path: Path, near: str) -> str:
    """The arms, and whether the plan is what it was before the start."""
    from relkit.frequency.freezing import plan_state
    from relkit.frequency.plan_file import read_plan

    plan, state = read_plan(path), plan_state(path)
    said = {
        "frozen": f"frozen on {state.frozen_on}, before the start on {state.starts_on}",
        "frozen_late": f"frozen on {state.frozen_on}, too late: it started on {state.starts_on}",
        "changed": f"CHANGED since it was frozen on {state.frozen_on}",
        "not_frozen": f"not frozen; before the start on {state.starts_on}: relkit freeze {near}",
    }
    lines = [
        f"{near}: experiment {plan.experiment}, {len(plan.arms)} arms, "
        f"{len(plan.tiers)} tiers, {plan.starts_on} to {plan.ends_on}",
        *(f"  {name}: {_contacts(arm)}{_today(plan, name)}" for name, arm in plan.arms.items()),
        f"  {said[state.status]}; SHA-256 {state.sha256[:12]}",
        *(f"  {c.place}: was {c.was or 'absent'}, is {c.now or 'absent'}" for c in state.changes),
    ]
    return "\n".join(lines)


def _contacts(arm: Cadence) -> str:
    kinds = (f"{c.per_month:.4g} a month, {c.type} ({c.channel})" for c in arm.contacts)
    return "; ".join(kinds) or "nobody is contacted"


def _today(plan: ExperimentPlan, arm: str) -> str:
    tiers = ", ".join(tier for tier in plan.tiers if plan.today[tier] == arm)
    return f"; today of {tiers}" if tiers else ""


def _inspect_tags(path: Path, near: str) -> str:
    """How many tags or keyword lists there are."""
    from relkit.segments.keywords import read_keywords
    from relkit.segments.tags import read_tags

    if path.stem == "keywords":
        keywords = read_keywords(path)
        return f"{near}: keywords of {len(keywords.tags)} tags"
    library = read_tags(path)
    return f"{near}: {len(library.tags)} tags, each with formula, owner and age"


ALONE: Mapping[str, Callable[[Path, str], str]] = {
    "tiers": _inspect_tiers,
    "tags": _inspect_tags,
    "experiments": _inspect_experiment,
}
