"""Regions, tiers and definitions of tier rules in the words of both languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from relkit.report.language import current, visible
from relkit.report.statements import Statement, listed, say, term
from relkit.report.vocabulary import LANGUAGES

if TYPE_CHECKING:
    from relkit.segments.rule_cells import Axis, Bound, Box
    from relkit.segments.rules import TierRules

_SHOWN = {"<=": "≤", ">=": "≥", "!=": "≠"}


def box_words(box: Box) -> Statement:
    """A region: ``R > 60 and R < 90``, ``R > 60 且 R < 90``."""
    if not box.bounds:
        return say("rules.everybody")
    slots: dict[str, Any] = {}
    templates = {
        code: joined.join(
            _bound(bound, f"b{number}", either, joined, slots, several=len(box.bounds) > 1)
            for number, bound in enumerate(box.bounds)
        )
        for code, joined, either in (("en", " and ", " or "), ("zh", " 且 ", " 或 "))
    }
    return Statement(templates, slots)


def _bound(
    bound: Bound, prefix: str, either: str, joined: str, slots: dict[str, Any], several: bool
) -> str:
    """A bound as part of a template; its values are added to the slots."""
    parts = []
    for number, (sign, value) in enumerate(bound.conditions()):
        name = f"{prefix}_{number}"
        slots |= {f"{name}_v": bound.variable.name, f"{name}_s": _SHOWN.get(sign, sign)}
        word, slots[f"{name}_x"] = _valued(bound, value)
        parts.append(f"{{{name}_v:text}} {{{name}_s:text}} {{{name}_x:{word}}}")
    if bound.span is None and not bound.others and len(parts) > 1:
        inside = either.join(parts)
        return f"({inside})" if several else inside
    return joined.join(parts)


def _valued(bound: Bound, value: float | str) -> tuple[str, Any]:
    """The format word that shows a threshold exactly, and what it shows."""
    if isinstance(value, str):
        return "text", value
    if bound.variable.kind == "flag":
        return "term", "table.yes" if value else "table.no"
    if bound.variable.ranked:
        return ("percent0" if float(round(100 * value, 9)).is_integer() else "percent"), value
    for word, digits in (("count", 0), ("number", 1), ("number2", 2)):
        if round(value, digits) == value:
            return word, value
    return "number3", value


def cell_words(axis: Axis, cell: int) -> str:
    """A cell on an axis of a chart, without the variable's name: ``> 7`` over ``≤ 30``."""
    bound = axis.bound(np.arange(axis.size) == cell)
    if bound is None:
        return term("rules.everybody")
    lines = []
    for sign, value in bound.conditions():
        word, shown = _valued(bound, value)
        said = current().show(shown, word)
        lines.append(said if sign == "=" else f"{_SHOWN.get(sign, sign)} {said}")
    return "\n".join(lines)


def tier_words(rules: TierRules, tier: str) -> Statement:
    """What readers call a tier, or those in none."""
    from relkit.segments.rules import UNASSIGNED

    if tier == UNASSIGNED:
        return say("rules.unassigned")
    return plain_words({code: rules.label(tier, code) for code in LANGUAGES})


def rules_in_words(rules: TierRules) -> TierRules:
    """The same rules with tiers called as readers of the current language call them.

    What is made of them then carries those names. Two tiers that a language calls alike
    keep their own names.
    """
    code = current().code
    called = {name: rules.label(name, code) for name in rules.names}
    if len(set(called.values())) < len(called):
        return rules
    tiers = tuple(
        replace(tier, name=called[tier.name], before=tuple(called[other] for other in tier.before))
        for tier in rules.tiers
    )
    return replace(rules, tiers=tiers, precedence=tuple(called[name] for name in rules.precedence))


def plain_words(names: Mapping[str, str]) -> Statement:
    """A name in both languages as a statement."""
    braced = {code: visible(names[code]).replace("{", "{{") for code in LANGUAGES}
    return Statement({code: name.replace("}", "}}") for code, name in braced.items()})


def definitions(rules: TierRules) -> Statement:
    """What each name in the rules stands for."""
    return listed(
        (
            say(
                "rules.definition_rank" if variable.ranked else "rules.definition",
                variable=variable.name,
                column=variable.column,
            )
            for variable in rules.variables
        ),
        "; ",
    )
