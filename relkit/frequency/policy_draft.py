"""The decision of an experiment as a draft of a policy, for a person to sign."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from relkit.errors import ParameterError, did_you_mean
from relkit.frequency.bracket import Brackets
from relkit.frequency.cadence import Cadence
from relkit.frequency.decision import Decisions, TierDecision
from relkit.frequency.kept_content import write_whole
from relkit.frequency.policy import EXPERIMENT, TODAY, CadencePolicy
from relkit.frequency.policy_file import policy_from, read_policy
from relkit.frequency.policy_signing import is_signed


def write_policy(
    decisions: Decisions,
    cadences: Iterable[Cadence],
    path: str | os.PathLike[str],
    *,
    experiment: str,
    title: Mapping[str, str] | None = None,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    caps: Mapping[str, float] | None = None,
    brackets: Brackets | None = None,
    replace_draft: bool = False,
) -> CadencePolicy:
    """Write what was decided as a draft; nobody has signed it.

    A tier with a recommended arm gets that arm's contacts with the experiment and its grade as
    evidence. A tier without a recommendation keeps today's cadence, and its cells say that no
    verdict was reached.

    Args:
        decisions: One a tier.
        cadences: The arms, today's among them.
        path: A new YAML; its folder must exist.
        experiment: Id, which each cell names.
        title: By language, en and zh.
        labels: Tier → its name by language.
        caps: Tier → contacts a month at most.
        brackets: Where the best frequency of each tier lies, for the linter; it goes in where
            the decision was graded A or B and the bracket is not open. Only where every
            contact counts 1 on the dose scale, as the policy counts contacts.
        replace_draft: Whether a draft that is there may be overwritten.

    Raises:
        ParameterError: somebody signed what is there; it is never overwritten. Or it is a
            draft that differs and may not be replaced, or an arm has no cadence.
    """
    target = Path(path)
    arms = {cadence.name: cadence for cadence in cadences}
    missing = sorted({_arm(one) for one in decisions.tiers} - set(arms))
    if missing:
        said = [f"no cadence for arm '{arm}'{did_you_mean(arm, arms)}" for arm in missing]
        raise ParameterError("the policy", said)
    if brackets is not None:
        _check_scale(brackets, arms)
    content = _policy(decisions, arms, experiment, title, labels or {}, caps or {}, brackets)
    policy = policy_from(content, target.name)
    if target.exists():
        if is_signed(target):
            raise ParameterError(
                f"{target.name} is signed off and is never overwritten; write the draft beside "
                "it under another name, and let who signs compare the two"
            )
        if not replace_draft and read_policy(target) != policy:
            raise ParameterError(
                f"{target.name} is a draft that says something else; look at it, then write under "
                "another name or pass replace_draft=True"
            )
    write_whole(target, _as_yaml(content, experiment))
    return policy


def _check_scale(brackets: Brackets, arms: Mapping[str, Cadence]) -> None:
    """Doses may weigh a visit as several messages; a policy adds up contacts."""
    doses = zip(brackets.arms, brackets.doses.tolist(), strict=True)
    weighed = [a for a, dose in doses if a in arms and abs(arms[a].per_month - dose) > 1e-9]
    if weighed:
        raise ParameterError(
            f"the brackets are on a dose scale that is not contacts a month (arm "
            f"{', '.join(weighed)}); leave brackets out, since a policy counts contacts"
        )


def _arm(one: TierDecision) -> str:
    return one.arm if one.arm is not None else one.current


def _policy(
    decisions: Decisions,
    arms: Mapping[str, Cadence],
    experiment: str,
    title: Mapping[str, str] | None,
    labels: Mapping[str, Mapping[str, str]],
    caps: Mapping[str, float],
    brackets: Brackets | None,
) -> dict[str, Any]:
    tiers: dict[str, Any] = {}
    for one in decisions.tiers:
        measured = one.arm is not None and one.grade is not None
        evidence: dict[str, str] = {TODAY: experiment}
        if measured:
            evidence = {EXPERIMENT: experiment, "grade": str(one.grade)}
        entry: dict[str, Any] = {"label": dict(labels.get(one.tier, _both(one.tier)))}
        if one.tier in caps:
            entry["cap"] = repr(float(caps[one.tier]))
        if brackets is not None and one.grade in ("A", "B"):
            entry |= _optimum(brackets, one, experiment)
        contacts = [
            {"type": c.type, "channel": c.channel, "per_month": repr(c.per_month),
             "evidence": evidence}
            for c in arms[_arm(one)].contacts
        ]  # fmt: skip
        entry |= {"contacts": contacts} if contacts else {"no_contacts": evidence}
        tiers[one.tier] = entry
    said = title or {
        "en": f"Cadence by tier from experiment {experiment}",
        "zh": f"由实验 {experiment} 得出的分层联系节奏",
    }
    return {"policy": experiment, "title": dict(said), "tiers": tiers}


def _optimum(brackets: Brackets, one: TierDecision, experiment: str) -> dict[str, Any]:
    place = brackets.tiers.index(one.tier)
    if brackets.open_above[place]:
        return {}
    evidence = {EXPERIMENT: experiment, "grade": str(one.grade)}
    low, high = (repr(float(ends[place])) for ends in (brackets.low, brackets.high))
    return {"optimum": {"low": low, "high": high, "evidence": evidence}}


def _both(text: str) -> dict[str, str]:
    return {"en": text, "zh": text}


def _as_yaml(content: Mapping[str, Any], experiment: str) -> str:
    lines = [
        f"# Draft from experiment {json.dumps(experiment, ensure_ascii=False)[1:-1]}: read it, ",
        "# add who answers for each cell, then sign it: signed_off_by: name, signed_off_on: day.",
    ]
    lines[0] = lines[0].rstrip()
    for key in ("policy", "title"):
        lines.append(f"{key}: {_flow(content[key])}")
    lines.append("tiers:")
    for tier, entry in content["tiers"].items():
        lines.append(f"  {_flow(tier)}:")
        for key, value in entry.items():
            if key == "contacts":
                lines.append("    contacts:")
                lines += [f"      - {_flow(contact)}" for contact in value]
            else:
                lines.append(f"    {key}: {_flow(value)}")
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    """A value on one line; JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)
