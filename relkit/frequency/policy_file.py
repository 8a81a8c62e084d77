"""A policy's YAML → a CadencePolicy; every fault at once."""

from __future__ import annotations

import datetime as dt
import math
import os
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from relkit.errors import ParameterError, did_you_mean
from relkit.frequency.cadence import TYPES
from relkit.frequency.policy import (
    CHANNELS,
    EVIDENCE,
    EXPERIMENT,
    PER_YEAR,
    CadencePolicy,
    Evidence,
    Optimum,
    PolicyCell,
    PolicyTier,
    Rhythm,
)
from relkit.yaml_fields import Fields
from relkit.yaml_files import find_upwards, read_yaml

EXAMPLE = "params/policies/care_guide.yaml"
REQUIRED = ("policy", "title", "tiers")
OPTIONAL = ("origin", "signed_off_by", "signed_off_on")
TIER_KEYS = ("label", "owner_role", "cap", "optimum", "contacts", "no_contacts")
RATES = tuple(f"per_{unit}" for unit in PER_YEAR)
TIMING = ("every", *RATES, "on")
CELL_KEYS = ("type", "channel", *TIMING, "content", "owner_role", "automated", "evidence")
_EVERY = re.compile(r"(?:(\d+)\s+)?(day|week|month|quarter|year)s?")


def read_policy(path: str | os.PathLike[str]) -> CadencePolicy:
    """Read and check a cadence policy.

    Args:
        path: A YAML like params/policies/care_guide.yaml; searched upwards.

    Raises:
        SourceError: no such file, or not YAML.
        ParameterError: faults in it, all of them.
    """
    found, root = find_upwards(path, what="policy")
    shown = found.relative_to(root).as_posix() if found.is_relative_to(root) else found.name
    content, _ = read_yaml(found, shown, example=EXAMPLE)
    return policy_from(content, shown)


def policy_from(content: Mapping[Any, Any], shown: str = "policy") -> CadencePolicy:
    """A policy from what its YAML says; values may be text, as read_yaml leaves them.

    Raises:
        ParameterError: faults in it, all of them.
    """
    draft = _Draft(content)
    settings = draft.read()
    if draft.faults:
        count = len(draft.faults)
        raise ParameterError(f"{shown}: {count} fault{'s' if count > 1 else ''}", draft.faults)
    return CadencePolicy(**settings)


class _Draft(Fields):
    """The content on its way to a policy."""

    __slots__ = ()

    def read(self) -> dict[str, Any]:
        self._keys("", self.content, (*REQUIRED, *OPTIONAL))
        for key in REQUIRED:
            if self.content.get(key) in (None, "", [], {}):
                self.faults.append(f"{key} is not given")
        tiers, cells = [], []
        for name, entry in self.section("tiers").items():
            tier, contacts = self._tier(name, entry)
            tiers.append(tier)
            cells += contacts
        by, on = self.text("signed_off_by"), self.day("signed_off_on")
        if bool(by) != (on != dt.date.min) and not self.faults:
            self.faults.append("signed_off_by and signed_off_on go together: who, and on which day")
        return {
            "policy": self.text("policy"),
            "title": self.languages("title"),
            "origin": self.languages("origin"),
            "tiers": tuple(tiers),
            "cells": tuple(cells),
            "signed_off_by": by or None,
            "signed_off_on": None if on == dt.date.min else on,
        }

    def _keys(self, where: str, entry: Mapping[Any, Any], known: tuple[str, ...]) -> None:
        for key in entry:
            if key not in known:
                hint = did_you_mean(str(key), known)
                self.faults.append(f"{where}unknown key '{key}'{hint}")

    def _words(self, where: str, entry: Mapping[str, Any], key: str) -> dict[str, str]:
        inner = Fields({key: entry.get(key)})
        words = inner.languages(key)
        self.faults += [f"{where}{fault}" for fault in inner.faults]
        return words

    def _tier(self, name: str, entry: Any) -> tuple[PolicyTier, list[PolicyCell]]:
        where = f"tiers: {name}: "
        if not isinstance(entry, dict):
            self.faults.append(f"{where}must have contacts, or no_contacts; found {entry!r}")
            return PolicyTier(name, {}), []
        self._keys(where, entry, TIER_KEYS)
        listed = entry.get("contacts") or []
        if not isinstance(listed, list):
            self.faults.append(f"{where}contacts must be a list of contacts; found {listed!r}")
            listed = []
        none = None
        if entry.get("no_contacts") not in (None, ""):
            none = self._evidence(f"{where}no_contacts: ", entry["no_contacts"])
        if bool(listed) == bool(entry.get("no_contacts")):
            self.faults.append(
                f"{where}must have contacts, or else no_contacts with the evidence for that"
            )
        role = self._words(where, entry, "owner_role")
        cells = [
            self._cell(name, f"{where}contact {number}: ", item, role)
            for number, item in enumerate(listed, 1)
        ]
        places = [cell.place for cell in cells]
        for place in sorted({place for place in places if places.count(place) > 1}):
            said = " ".join(part for part in place[1:] if part)
            self.faults.append(f"{where}{said} stands twice; give each a content of its own")
        label = self._words(where, entry, "label") or {"en": name, "zh": name}
        cap = entry.get("cap")
        tier = PolicyTier(
            name,
            label,
            None if cap in (None, "") else self.amount(f"{where}cap", cap, 0, open_low=True),
            self._optimum(where, entry.get("optimum")),
            none,
        )
        return tier, cells

    def _cell(self, tier: str, where: str, entry: Any, role: Mapping[str, str]) -> PolicyCell:
        if not isinstance(entry, dict):
            self.faults.append(
                f"{where}must be like {{type: deep, channel: phone, every: month}}; found {entry!r}"
            )
            return PolicyCell(tier, "", "", None)
        self._keys(where, entry, CELL_KEYS)
        for key in ("type", "channel"):
            if entry.get(key) in (None, ""):
                self.faults.append(f"{where}{key} is not given")
        automated = entry.get("automated")
        if automated not in (None, True, False):
            self.faults.append(f"{where}automated must be true or false; found {automated!r}")
        rhythm, occasion = self._timing(where, entry)
        given = entry.get("evidence")
        return PolicyCell(
            tier,
            self.choice(f"{where}type", entry.get("type"), TYPES),
            self.choice(f"{where}channel", entry.get("channel"), CHANNELS),
            rhythm,
            occasion,
            self._words(where, entry, "content"),
            self._words(where, entry, "owner_role") or dict(role),
            automated,
            # A cell without evidence may be written; the linter says so.
            None if given in (None, "", {}) else self._evidence(f"{where}evidence: ", given),
        )

    def _timing(self, where: str, entry: Mapping[str, Any]) -> tuple[Rhythm | None, str | None]:
        given = [key for key in TIMING if entry.get(key) not in (None, "")]
        rates = [key for key in given if key != "on"]
        if len(rates) > 1 or not given or (rates == ["every"] and "on" in given):
            self.faults.append(
                f"{where}must say how often in one way: every: 2 weeks, or per_month: 4/3, or on: "
                "festival (with per_year: 4 where the number is known); found "
                f"{', '.join(given) or 'none'}"
            )
            return None, None
        occasion = str(entry["on"]) if "on" in given else None
        if not rates:
            return None, occasion
        key = rates[0]
        if key != "every":
            times = self.amount(f"{where}{key}", entry[key], 0, open_low=True)
            exact = Fraction(str(entry[key]).replace("_", "")) if _plain(entry[key]) else None
            if math.isnan(times) or times <= 0:
                return None, occasion
            return Rhythm(exact or Fraction(times), 1, key.removeprefix("per_")), occasion
        match = _EVERY.fullmatch(str(entry["every"]).strip())
        if match is None or match[1] == "0":
            self.faults.append(
                f"{where}every: {entry['every']} is no interval; write it like week, 2 weeks, "
                "month or quarter"
            )
            return None, occasion
        return Rhythm(Fraction(1), int(match[1] or 1), match[2]), occasion

    def _evidence(self, where: str, entry: Any) -> Evidence:
        like = "like {experiment: spring, grade: A}, {claim: F16}, {origin: G09} or {assumed: why}"
        nothing = Evidence("", "")
        if not isinstance(entry, dict):
            self.faults.append(f"{where}must be {like}; found {entry!r}")
            return nothing
        kinds = [key for key in entry if key in EVIDENCE]
        rest = set(entry) - set(kinds) - {"grade"}
        if len(kinds) != 1 or rest or entry[kinds[0]] in (None, "", {}, []):
            self.faults.append(f"{where}must be {like}; found {entry!r}")
            return nothing
        kind, grade = str(kinds[0]), entry.get("grade")
        if (kind == EXPERIMENT) != (grade not in (None, "")):
            self.faults.append(f"{where}an experiment has a grade and nothing else has; {like}")
            return nothing
        if grade is not None:
            self.choice(f"{where}grade", grade, ("A", "B", "C"))
        return Evidence(kind, str(entry[kind]), None if grade is None else str(grade))

    def _optimum(self, where: str, entry: Any) -> Optimum | None:
        if entry in (None, "", {}):
            return None
        keys = set(entry) if isinstance(entry, dict) else set()
        if keys not in ({"per_month", "evidence"}, {"low", "high", "evidence"}):
            self.faults.append(
                f"{where}optimum must be like {{per_month: 4/3, evidence: {{claim: F16}}}}, or low "
                f"and high in the place of per_month; found {entry!r}"
            )
            return None
        ends = [
            self.amount(f"{where}optimum: {key}", entry[key], 0)
            for key in (("low", "high") if "low" in keys else ("per_month", "per_month"))
        ]
        if ends[0] > ends[1]:
            self.faults.append(f"{where}optimum: low is above high")
        evidence = self._evidence(f"{where}optimum: evidence: ", entry["evidence"])
        return Optimum(ends[0], ends[1], evidence)


def _plain(value: Any) -> bool:
    """Whether a figure is written so that it can be kept exactly."""
    try:
        Fraction(str(value).replace("_", ""))
    except (ValueError, ZeroDivisionError):
        return False
    return True
