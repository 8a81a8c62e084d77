"""A plan's YAML → an ExperimentPlan; every fault at once, nothing defaulted that is a judgement."""

from __future__ import annotations

import datetime as dt
import math
import os
from collections.abc import Mapping
from typing import Any

from relkit.errors import ParameterError, did_you_mean
from relkit.frequency.cadence import TYPES, Cadence, Contact
from relkit.frequency.plan import HARMS, METRICS, ExperimentPlan, Guardrail, StopRule
from relkit.yaml_fields import Fields
from relkit.yaml_files import find_upwards, read_yaml

UNITS = ("customer", "household", "account")
LOOKS = ("weekly", "monthly", "end")
EARLY = ("harm", "never")
SCALES = ("ratio", "difference")
REQUIRED = (
    "experiment",
    "name",
    "hypothesis",
    "unit",
    "tiers",
    "tiers_frozen_on",
    "starts_on",
    "ends_on",
    "window_weeks",
    "covariate_weeks",
    "retained_within_weeks",
    "currency",
    "arms",
    "today",
    "margin_share",
    "residual_value",
    "complaint_cost",
    "contact_cost",
    "guardrails",
    "stop",
    "decide",
    "salt",
)
OPTIONAL = ("burn_in_weeks", "dose_weights", "contacts_per_week", "fatigue_cap")
# Asked for with the reason, since a default would decide the experiment.
WHY = {
    "residual_value": "what a customer of each tier is worth who is retained at the end",
    "complaint_cost": "what one complaint costs",
    "contact_cost": "what one contact of each type and channel costs",
    "margin_share": "the share of revenue that is margin",
    "retained_within_weeks": "in how many last weeks of the window a retained customer buys",
    "today": "which arm is today's cadence of each tier",
}


def read_plan(path: str | os.PathLike[str]) -> ExperimentPlan:
    """Read and check a plan.

    Args:
        path: A YAML like params/experiments/world.yaml; searched upwards.

    Raises:
        SourceError: no such file, or not YAML.
        ParameterError: faults in it, all of them.
    """
    found, root = find_upwards(path, what="plan")
    shown = found.relative_to(root).as_posix() if found.is_relative_to(root) else found.name
    content, _ = read_yaml(found, shown, example="params/experiments/world.yaml")
    return plan_from(content, shown)


def plan_from(content: Mapping[Any, Any], shown: str = "plan") -> ExperimentPlan:
    """A plan from what its YAML says; values may be text, as read_yaml leaves them.

    Raises:
        ParameterError: faults in it, all of them.
    """
    draft = _Draft(content)
    settings = draft.read()
    if draft.faults:
        count = len(draft.faults)
        raise ParameterError(f"{shown}: {count} fault{'s' if count > 1 else ''}", draft.faults)
    return ExperimentPlan(**settings)


class _Draft(Fields):
    """The content on its way to a plan."""

    __slots__ = ()

    def read(self) -> dict[str, Any]:
        known = (*REQUIRED, *OPTIONAL)
        for key in self.content:
            if key not in known:
                self.faults.append(f"unknown key '{key}'{did_you_mean(str(key), known)}")
        for key in REQUIRED:
            if self.content.get(key) in (None, "", [], {}):
                why = f": {WHY[key]}; it is never assumed" if key in WHY else ""
                self.faults.append(f"{key} is not given{why}")
        arms = self._arms()
        tiers = tuple(self.words("tiers"))
        return {
            "experiment": self.text("experiment"),
            "name": self.languages("name"),
            "hypothesis": self.languages("hypothesis"),
            "unit": self.choice("unit", self.content.get("unit"), UNITS),
            "tiers": tiers,
            **self._dates(),
            **self._weeks(),
            "currency": self.currency(),
            "arms": arms,
            "today": self._today(tiers, arms),
            "dose_weights": self._dose_weights(arms),
            "margin_share": self.number("margin_share", low=0, high=1, open_low=True),
            "residual_value": self._per_tier("residual_value", tiers),
            "complaint_cost": self.number("complaint_cost", low=0),
            "contact_cost": self._contact_cost(arms),
            "guardrails": self._guardrails(),
            "stop": self._stop(),
            **self._decide(tiers),
            "salt": self.text("salt"),
            "contacts_per_week": self.optional_number("contacts_per_week"),
            "fatigue_cap": self._per_tier("fatigue_cap", tiers, optional=True),
        }

    # ---- time ----------------------------------------------------------------
    def _dates(self) -> dict[str, dt.date]:
        days = {key: self.day(key) for key in ("tiers_frozen_on", "starts_on", "ends_on")}
        frozen, starts, ends = days.values()
        if dt.date.min not in days.values():
            if frozen >= starts:
                self.faults.append(
                    f"tiers_frozen_on: {frozen} must be before starts_on: {starts}; "
                    "tiers that know the experiment are not comparable between arms"
                )
            if ends <= starts:
                self.faults.append(f"ends_on: {ends} must be after starts_on: {starts}")
        return days

    def _weeks(self) -> dict[str, int]:
        weeks = {}
        for key, least in (
            ("window_weeks", 1),
            ("covariate_weeks", 0),
            ("burn_in_weeks", 0),
            ("retained_within_weeks", 1),
        ):
            value = self.content.get(key)
            if value in (None, ""):
                weeks[key] = 0
                continue
            number = self.amount(key, value, least)
            if number == number and number != int(number):
                self.faults.append(f"{key}: {value} must be a whole number of weeks")
            weeks[key] = int(number) if number == number else 0
        if weeks["burn_in_weeks"] and weeks["burn_in_weeks"] >= weeks["window_weeks"] > 0:
            self.faults.append(
                f"burn_in_weeks: {weeks['burn_in_weeks']} leaves nothing of "
                f"window_weeks: {weeks['window_weeks']}"
            )
        if weeks["retained_within_weeks"] > weeks["window_weeks"] > 0:
            self.faults.append(
                f"retained_within_weeks: {weeks['retained_within_weeks']} is more than "
                f"window_weeks: {weeks['window_weeks']}"
            )
        return weeks

    # ---- arms ----------------------------------------------------------------
    def _arms(self) -> dict[str, Cadence]:
        section = self.section("arms")
        arms = {name: self._arm(name, entry) for name, entry in section.items()}
        if section and len(arms) < 2:
            self.faults.append("arms: one arm only; an experiment compares at least two")
        if section and not any(arm.hold_out for arm in arms.values()):
            self.faults.append(
                "arms: none is a hold-out; add one, like none: {hold_out: true}, "
                "or nobody can say what contacts do at all"
            )
        for arm in arms.values():
            if arm.step_down_to is not None and arm.step_down_to not in arms:
                hint = did_you_mean(arm.step_down_to, arms)
                self.faults.append(
                    f"arms: {arm.name}: step_down_to: no arm '{arm.step_down_to}'{hint}"
                )
        return dict(sorted(arms.items(), key=lambda pair: pair[1].per_month))

    def _arm(self, name: str, entry: Any) -> Cadence:
        if not isinstance(entry, dict):
            self.faults.append(
                f"arms: {name} must be {{hold_out: true}} or {{contacts: [{{type: message, "
                f"channel: email, per_month: 2}}]}}; found {entry!r}"
            )
            return Cadence(name)
        for key in entry:
            if key not in ("hold_out", "contacts", "step_down_to"):
                hint = did_you_mean(str(key), ("hold_out", "contacts", "step_down_to"))
                self.faults.append(f"arms: {name}: unknown key '{key}'{hint}")
        if entry.get("hold_out") not in (None, True, False):
            self.faults.append(f"arms: {name}: hold_out must be true or false")
        listed = entry.get("contacts") or []
        if bool(listed) == bool(entry.get("hold_out")):
            self.faults.append(f"arms: {name} must have contacts, or else hold_out: true")
        contacts = [self._contact(name, item) for item in listed if self._is_contact(name, item)]
        kinds = [(c.type, c.channel) for c in contacts]
        for kind in sorted({kind for kind in kinds if kinds.count(kind) > 1}):
            self.faults.append(f"arms: {name}: {kind[0]} by {kind[1]} stands twice; add them up")
        step = entry.get("step_down_to")
        return Cadence(name, tuple(contacts), None if step in (None, "") else str(step))

    def _is_contact(self, arm: str, item: Any) -> bool:
        keys = {"type", "channel", "per_month"}
        if isinstance(item, dict) and set(item) == keys:
            return True
        self.faults.append(f"arms: {arm}: a contact must have {', '.join(sorted(keys))}: {item!r}")
        return False

    def _contact(self, arm: str, item: Mapping[str, Any]) -> Contact:
        return Contact(
            self.choice(f"arms: {arm}: type", item["type"], TYPES),
            str(item["channel"]),
            self.amount(f"arms: {arm}: per_month", item["per_month"], 0, open_low=True),
        )

    def _today(self, tiers: tuple[str, ...], arms: Mapping[str, Cadence]) -> dict[str, str]:
        today = {tier: str(arm) for tier, arm in self.section("today").items()}
        self._of_tiers("today", today, tiers)
        for tier, arm in today.items():
            if arms and arm not in arms:
                self.faults.append(f"today: {tier}: no arm '{arm}'{did_you_mean(arm, arms)}")
        return today

    def _of_tiers(self, key: str, given: Mapping[str, Any], tiers: tuple[str, ...]) -> None:
        if not tiers or not given:
            return
        for tier in given:
            if tier not in tiers:
                self.faults.append(f"{key}: no tier '{tier}'{did_you_mean(tier, tiers)}")
        missing = [tier for tier in tiers if tier not in given]
        if missing:
            why = f" ({WHY[key]}; it is never assumed)" if key in WHY else ""
            self.faults.append(f"{key} is not given for {', '.join(missing)}{why}")

    # ---- money ---------------------------------------------------------------
    def _per_tier(
        self, key: str, tiers: tuple[str, ...], *, optional: bool = False
    ) -> dict[str, float]:
        section = self.section(key)
        if not (optional and not section):
            self._of_tiers(key, section, tiers)
        return {t: self.amount(f"{key}: {t}", value, 0) for t, value in section.items()}

    def _dose_weights(self, arms: Mapping[str, Cadence]) -> dict[str, float]:
        section = self.section("dose_weights")
        used = {contact.type for arm in arms.values() for contact in arm.contacts}
        if not section:
            if len(used) > 1:
                self.faults.append(
                    f"dose_weights is not given, and the arms have {', '.join(sorted(used))}: "
                    "say what a contact of each type counts, like {message: 1, deep: 3}"
                )
            return dict.fromkeys(TYPES, 1.0)
        for name in sorted(set(section) - set(TYPES)):
            self.faults.append(f"dose_weights: no type '{name}'{did_you_mean(name, TYPES)}")
        for name in sorted(used - set(section)):
            self.faults.append(f"dose_weights is not given for {name}")
        return {
            name: self.amount(f"dose_weights: {name}", value, 0, open_low=True)
            for name, value in section.items()
        }

    def _contact_cost(self, arms: Mapping[str, Cadence]) -> dict[tuple[str, str], float]:
        section = self.section("contact_cost")
        costs: dict[tuple[str, str], float] = {}
        for kind, channels in section.items():
            self.choice("contact_cost", kind, TYPES)
            if not isinstance(channels, dict):
                self.faults.append(
                    f"contact_cost: {kind} must give a cost by channel, like "
                    f"{{email: 0.1, phone: 12}}; found {channels!r}"
                )
                continue
            for channel, value in channels.items():
                cost = self.amount(f"contact_cost: {kind}: {channel}", value, 0)
                costs[kind, str(channel)] = cost
        used = {(c.type, c.channel) for arm in arms.values() for c in arm.contacts}
        missing = sorted(used - set(costs)) if section else []
        for kind, channel in missing:
            self.faults.append(
                f"contact_cost is not given for {kind} by {channel}; it is never assumed"
            )
        return costs

    # ---- rules ---------------------------------------------------------------
    def _guardrails(self) -> tuple[Guardrail, ...]:
        found = []
        for metric, entry in self.section("guardrails").items():
            self.choice("guardrails", metric, METRICS)
            if not isinstance(entry, dict) or set(entry) != {"scale", "margin"}:
                self.faults.append(
                    f"guardrails: {metric} must be {{scale: ratio, margin: 1.10}} or "
                    f"{{scale: difference, margin: -0.02}}; found {entry!r}"
                )
                continue
            scale = self.choice(f"guardrails: {metric}: scale", entry["scale"], SCALES)
            margin = self.amount(f"guardrails: {metric}: margin", entry["margin"])
            neutral = 1.0 if scale == "ratio" else 0.0
            worse_above = metric in HARMS
            if (margin <= neutral) if worse_above else (margin >= neutral):
                side = "above" if worse_above else "below"
                self.faults.append(
                    f"guardrails: {metric}: margin {entry['margin']} must be {side} {neutral:g}: "
                    f"it says how much worse the {scale} may be"
                )
            found.append(Guardrail(metric, scale, margin))
        return tuple(found)

    def _stop(self) -> StopRule:
        section = self.exactly("stop", ("looks", "early"), "{looks: weekly, early: harm}")
        if section is None:
            return StopRule("", "")
        return StopRule(
            self.choice("stop: looks", section["looks"], LOOKS),
            self.choice("stop: early", section["early"], EARLY),
        )

    def _decide(self, tiers: tuple[str, ...]) -> dict[str, Any]:
        like = "{probability: 0.9, tolerated_loss: 5}, or a tolerated_loss by tier"
        section = self.exactly("decide", ("probability", "tolerated_loss"), like)
        if section is None:
            return {"tolerated_loss": {}, "probability": math.nan}
        loss = section["tolerated_loss"]
        losses = {str(t): one for t, one in loss.items()} if isinstance(loss, dict) else {}
        self._of_tiers("decide: tolerated_loss", losses, tiers)
        losses = losses or dict.fromkeys(tiers, loss)
        return {
            "tolerated_loss": {
                tier: self.amount(f"decide: tolerated_loss: {tier}", value, 0, open_low=True)
                for tier, value in losses.items()
            },
            "probability": self.amount("decide: probability", section["probability"], 0.5, 1),
        }
