"""Value by potential: the four corners of a matrix as tier rules.

    matrix:
      value: rank of total_spend
      high value: value <= 30 %
      potential: rank of clv
      high potential: potential <= 30 %
      tiers:
        gold: high value, high potential
        platinum: high value, low potential
        silver: low value, high potential
        attention: low value, low potential

*Low* is whatever is not high, so the four corners hold everybody exactly once.
Potential is the value to come or an entered score. It is never the value to come
minus what was spent: for customers with known truth (the synthetic world, upper fifth)
that correlates with value at -.81 to -.99 and is right about the potential of 62 to
68 % of them, the value to come itself of 89 %.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

from relkit.errors import ParameterError, did_you_mean
from relkit.segments.rule_variables import Variable, read_variable

AXES = ("value", "potential")
LEVELS = ("high", "low")
_KEYS = ("value", "high value", "potential", "high potential", "tiers")
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
CORNERS = tuple(itertools.product(LEVELS, LEVELS))


def matrix_tiers(
    said: object, faults: list[str]
) -> tuple[dict[str, Any], dict[str, Variable], str | None]:
    """A matrix as the tiers of a rule file.

    Args:
        said: What stands under ``matrix``.
        faults: What is wrong is added here.

    Returns:
        Tiers as a rule file has them, the two variables by name, and the column that
        stands for potential.
    """
    if not isinstance(said, Mapping):
        faults.append(f"matrix: must have {', '.join(_KEYS)}")
        return {}, {}, None
    faults += [
        f"matrix: unknown key '{key}'{did_you_mean(str(key), _KEYS)}"
        for key in said
        if key not in _KEYS
    ]
    where: dict[str, Variable] = {}
    levels: dict[tuple[str, str], str] = {}
    for axis in AXES:
        try:
            where[axis] = read_variable(axis, said.get(axis))
            levels |= _levels(axis, said.get(f"high {axis}"))
        except ParameterError as fault:
            faults.append(f"matrix: {fault}")
    tiers = _corners(said.get("tiers"), levels, faults)
    if set(where) == set(AXES) and where["value"].definition == where["potential"].definition:
        faults.append(
            f"matrix: value and potential are both {where['value'].column}; two corners would "
            "stay empty"
        )
    return tiers, where, where["potential"].column if "potential" in where else None


def _levels(axis: str, said: object) -> dict[tuple[str, str], str]:
    """The conditions of high and low, the one exactly where the other is not."""
    match = re.fullmatch(rf"{axis}\s*(<=|>=|<|>)\s*(.+)", str(said).strip())
    if match is None or re.search(r"\b(and|or)\b|[<>=]", match[2]):
        raise ParameterError(
            f"high {axis}: '{said}' must be one comparison, such as '{axis} <= 30 %' for the upper "
            f"30 % of a rank or '{axis} >= 10,000'"
        )
    sign, limit = match[1], match[2]
    return {
        (axis, "high"): f"{axis} {sign} {limit}",
        (axis, "low"): f"{axis} {_OPPOSITE[sign]} {limit}",
    }


def _corners(
    said: object, levels: Mapping[tuple[str, str], str], faults: list[str]
) -> dict[str, Any]:
    if not isinstance(said, Mapping):
        faults.append("matrix: tiers: must name the tier of each of the four corners")
        return {}
    tiers: dict[str, Any] = {}
    taken: dict[tuple[str, str], str] = {}
    for name, body in said.items():
        body = body if isinstance(body, Mapping) else {"corner": body}
        corner = _corner(str(body.get("corner")))
        if corner is None:
            faults.append(
                f"matrix: tier '{name}': '{body.get('corner')}' is no corner; one such as "
                "'high value, low potential' is required"
            )
        elif corner in taken:
            faults.append(f"matrix: {taken[corner]} and {name} are the same corner")
        elif len(levels) == 4:
            taken[corner] = str(name)
            value, potential = corner
            clause = f"{levels['value', value]} and {levels['potential', potential]}"
            kept = {key: part for key, part in body.items() if key != "corner"}
            tiers[str(name)] = {
                **kept,
                "clauses": {f"{value} value, {potential} potential": clause},
            }
    left = [f"{v} value, {p} potential" for v, p in CORNERS if (v, p) not in taken]
    if left and len(levels) == 4:
        faults.append(f"matrix: no tier for {'; '.join(left)}")
    return tiers


def _corner(said: str) -> tuple[str, str] | None:
    match = re.fullmatch(r"(high|low) value(?:,| and) (high|low) potential", said.strip())
    return (match[1], match[2]) if match else None
