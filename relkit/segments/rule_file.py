"""Tier rules from a YAML that a manager can read and write; see docs/tiers.md."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from relkit.errors import ParameterError, did_you_mean
from relkit.segments.rule_cells import axes_of, region
from relkit.segments.rule_text import (
    AllOf,
    Comparison,
    Condition,
    comparisons,
    condition_text,
    conjunctions,
    parse_condition,
    with_values,
)
from relkit.segments.rule_variables import Variable, bind, read_variable
from relkit.segments.rules import (
    UNASSIGNED,
    Clause,
    Tier,
    TierRules,
    names_used,
    precedence_of,
)
from relkit.yaml_files import find_upwards, read_yaml

EXAMPLE = "params/tiers/clv_rank.yaml"
_KEYS = ("title", "currency", "where", "thresholds", "tiers", "matrix")
_TIER_KEYS = ("label", "share", "before", "clauses")


def read_tier_rules(
    path: str | os.PathLike[str], thresholds: Mapping[str, float] | None = None
) -> TierRules:
    """Read tier rules, and check all that can be checked without data.

    Args:
        path: Of a YAML, as in ``params/tiers``; looked for from the working directory
            upwards.
        thresholds: Numbers for names under ``thresholds`` of the file, in place of
            what stands there.

    Raises:
        SourceError: there is no such file, or it is no YAML.
        ParameterError: what it says cannot be meant: an unknown key, a clause that is
            no condition or can never be true, a threshold without a number, shares of
            more than 100 %, precedence in a circle; all faults at once.
    """
    found, root = find_upwards(path, what="tier rules")
    shown = found.relative_to(root).as_posix() if found.is_relative_to(root) else found.name
    content, _ = read_yaml(found, shown, example=EXAMPLE)
    return tier_rules(content, thresholds, shown)


def tier_rules(
    content: Mapping[str, Any],
    thresholds: Mapping[str, float] | None = None,
    shown: str = "tier rules",
) -> TierRules:
    """Tier rules from what a file says; errors as ``read_tier_rules``.

    Args:
        content: Keys title, currency, where, thresholds, tiers; or matrix for tiers.
        thresholds: As in ``read_tier_rules``.
        shown: What errors call it.
    """
    faults = [
        f"unknown key '{key}'{did_you_mean(str(key), _KEYS)}" for key in content if key not in _KEYS
    ]
    title = _labels(content.get("title"), "title", faults)
    where = _where(content.get("where"), faults)
    potential = None
    tiers_said = content.get("tiers")
    if "matrix" in content:
        from relkit.segments.matrix import matrix_tiers

        if tiers_said is not None:
            faults.append("tiers and matrix both stand there; one of them is required")
        tiers_said, matrix_where, potential = matrix_tiers(content["matrix"], faults)
        where |= matrix_where
    numbers = _thresholds(content.get("thresholds"), thresholds, faults)
    currency = content.get("currency")
    if currency is not None and not re.fullmatch("[A-Z]{3}", str(currency)):
        faults.append(f"currency: '{currency}' must be a three-letter code such as USD or CNY")
    tiers = _tiers(tiers_said, where, numbers, faults)
    used = names_used(clause.condition for tier in tiers for clause in tier.clauses)
    faults += _idle(where, numbers, content, used, tiers, faults)
    variables = tuple(where[name] for name in (*where, *used) if name in where)
    variables = tuple(dict.fromkeys(v for v in variables if v.name in used))
    faults += _at_odds(variables)
    if any(v.money for v in variables) and currency is None and not faults:
        named = ", ".join(v.name for v in variables if v.money)
        faults.append(f"{named}: thresholds are amounts; say their currency: 'currency: USD'")
    if faults:
        raise ParameterError(f"{shown}: tier rules that cannot be used", faults)
    try:
        precedence = precedence_of(tiers)
    except ParameterError as fault:
        raise ParameterError(f"{shown}: {fault.heading}", fault.faults) from None
    return TierRules(tuple(tiers), precedence, variables, currency, title, potential)


def _where(said: object, faults: list[str]) -> dict[str, Variable]:
    if said is None:
        return {}
    if not isinstance(said, dict):
        faults.append("where: must be lines such as 'R: days_since_last'")
        return {}
    found = {}
    for name, definition in said.items():
        try:
            if not re.fullmatch(r"[^\W\d]\w*", str(name)) or str(name) in ("and", "or", "in"):
                raise ParameterError(f"where: '{name}' is no name; letters, digits and _ are")
            found[str(name)] = read_variable(str(name), definition)
        except ParameterError as fault:
            faults.append(str(fault))
    return found


def _thresholds(
    said: object, given: Mapping[str, float] | None, faults: list[str]
) -> dict[str, float | None]:
    """A number for each name; None where it is still missing."""
    if said is not None and not isinstance(said, dict):
        faults.append("thresholds: must be lines such as 'X: 10,000'")
        said = None
    found: dict[str, float | None] = {}
    for name, value in {**(said or {}), **(given or {})}.items():
        if said is None or name not in said:
            faults.append(
                f"thresholds: '{name}' was given, and the file has no such name"
                + did_you_mean(str(name), said or ())
            )
        try:
            found[str(name)] = None if value is None else read_number(value)
        except ParameterError as fault:
            faults.append(f"thresholds: {name}: {fault}")
    return found


def read_number(value: object) -> float:
    """A number as people write it: 10,000, 9999.5, 10 %, 100万.

    Raises:
        ParameterError: it is none.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    try:
        found = next(comparisons(parse_condition(f"x = {value}"))).value
    except ParameterError:
        found = ""
    if isinstance(found, str):
        raise ParameterError(f"'{value}' is no number; write 10,000, 9999.5 or 10 %")
    return found


def _tiers(
    said: object,
    where: dict[str, Variable],
    numbers: Mapping[str, float | None],
    faults: list[str],
) -> list[Tier]:
    if not isinstance(said, Mapping) or not said:
        if not faults:
            faults.append("tiers: at least one is required; each is a name and its clauses")
        return []
    tiers = []
    for name, body in said.items():
        where_it_stands = f"tier '{name}'"
        if str(name) == UNASSIGNED:
            faults.append(f"{where_it_stands}: is the name of those who are in no tier; rename it")
        if not isinstance(body, Mapping):
            body = {"clauses": body}
        faults += [
            f"{where_it_stands}: unknown key '{key}'{did_you_mean(str(key), _TIER_KEYS)}"
            for key in body
            if key not in _TIER_KEYS
        ]
        clauses = _clauses(where_it_stands, body.get("clauses"), where, numbers, faults)
        share = _share(where_it_stands, body.get("share"), faults)
        before = body.get("before") or []
        before = [before] if isinstance(before, str) else before
        label = _labels(body.get("label"), where_it_stands, faults)
        tiers.append(Tier(str(name), tuple(clauses), share, tuple(map(str, before)), label))
    total = sum(tier.share or 0.0 for tier in tiers)
    if total > 1 + 1e-9:
        faults.append(f"shares sum to {100 * total:.6g} %; at most 100 % is required")
    return tiers


def _clauses(
    where_it_stands: str,
    said: object,
    where: dict[str, Variable],
    numbers: Mapping[str, float | None],
    faults: list[str],
) -> list[Clause]:
    if isinstance(said, str):
        said = [said]
    if isinstance(said, Sequence) and not isinstance(said, str):
        said = {str(number): text for number, text in enumerate(said, 1)}
    if not isinstance(said, Mapping) or not said:
        faults.append(f"{where_it_stands}: at least one clause is required, such as 'R <= 30'")
        return []
    clauses = []
    for name, text in said.items():
        try:
            condition = _condition(str(text), where, numbers)
            clauses.append(Clause(str(name), str(text), condition))
        except ParameterError as fault:
            told = fault.faults or (fault.heading,)
            faults += [f"{where_it_stands}, clause {name}: {one}" for one in told]
    return clauses


def _condition(
    text: str, where: dict[str, Variable], numbers: Mapping[str, float | None]
) -> Condition:
    """A clause's condition, with its names defined and its values as the columns have them."""
    known = {name: value for name, value in numbers.items() if value is not None}
    missing = [
        name
        for name in numbers
        if name not in known and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)
    ]
    if missing:
        raise ParameterError(
            f"'{text}': threshold {', '.join(missing)} has no number; nobody can choose it for "
            "you: write it under thresholds, or give thresholds={'" + missing[0] + "': …}"
        )
    parsed = parse_condition(text, known)
    change: dict[Comparison, Comparison] = {}
    faults: list[str] = []
    for comparison in comparisons(parsed):
        name = comparison.variable
        try:
            if name not in where:
                where[name] = read_variable(name)
            change[comparison] = bind(comparison, where[name])
        except ParameterError as fault:
            faults.append(str(fault))
    if faults:
        raise ParameterError(f"'{text}'", faults)
    condition = with_values(parsed, change)
    _refuse_contradiction(text, condition, tuple(where.values()))
    return condition


def _refuse_contradiction(text: str, condition: Condition, variables: Sequence[Variable]) -> None:
    for part in reversed(list(conjunctions(condition))):
        axes = axes_of([part], variables)
        if region(part, axes).any():
            continue
        reach = [
            f"{axis.variable.name} lies in {axis.variable.low:g} to {axis.variable.high:g}"
            for axis in axes
            if axis.spans and not isinstance(part, AllOf) and axis.variable.kind != "flag"
        ]
        raise ParameterError(
            f"'{text}': '{condition_text(part)}' can never be true"
            + (f": {', '.join(reach)}" if reach else "; write 'or' if either is meant")
        )


def _share(where_it_stands: str, said: object, faults: list[str]) -> float | None:
    if said is None:
        return None
    try:
        share = read_number(said)
    except ParameterError as fault:
        faults.append(f"{where_it_stands}: share: {fault}")
        return None
    if not 0 <= share <= 1:
        faults.append(f"{where_it_stands}: share {said} must be 0 % to 100 %; give 15 % as 15 %")
        return None
    return share


def _labels(said: object, where_it_stands: str, faults: list[str]) -> dict[str, str]:
    if said is None:
        return {}
    if isinstance(said, str):
        return {"en": said, "zh": said}
    if isinstance(said, Mapping) and set(said) <= {"en", "zh"} and all(said.values()):
        return {str(code): str(words) for code, words in said.items()}
    faults.append(f"{where_it_stands}: a label is one text, or {{en: …, zh: …}}")
    return {}


def _idle(
    where: Mapping[str, Variable],
    numbers: Mapping[str, float | None],
    content: Mapping[str, Any],
    used: Sequence[str],
    tiers: Sequence[Tier],
    faults: Sequence[str],
) -> list[str]:
    """Names that are defined and not used: usually a slip in one of the two places."""
    if faults:
        return []  # a clause that could not be read may use them
    texts = " ".join(clause.text for tier in tiers for clause in tier.clauses)
    idle = [name for name in (content.get("where") or {}) if name not in used]
    found = [
        f"where: {name} is used by no clause; take it away, or correct the name" for name in idle
    ]
    for name in numbers:
        if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", texts):
            found.append(f"thresholds: {name} is used by no clause")
        elif name in where:
            found.append(f"'{name}' stands under where and under thresholds; rename one")
    return found


def _at_odds(variables: Sequence[Variable]) -> list[str]:
    """Two names of one column must be declared alike, or no proof could speak of both."""
    found: list[str] = []
    first: dict[tuple[str, bool], Variable] = {}
    for variable in variables:
        other = first.setdefault(variable.definition, variable)
        kinds = [(v.kind, v.money, v.low, v.high) for v in (variable, other)]
        if kinds[0] != kinds[1]:
            found.append(
                f"where: {other.name} and {variable.name} are both {variable.column} and are "
                "declared differently; declare them alike"
            )
    return found
