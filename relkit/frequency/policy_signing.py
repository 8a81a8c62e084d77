"""A policy signed off by a person, and what was changed since.

Who signs writes name and day into the policy, `signed_off_by` and `signed_off_on`; `sign_policy`
then keeps what was signed beside it, `<policy>.signed.json`. A policy may change and be signed
again on another day; the earlier signatures stay in the record.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relkit.errors import ParameterError
from relkit.frequency.kept_content import (
    Change,
    as_json,
    changes_between,
    content_hash,
    read_record,
    record_path,
    write_whole,
)
from relkit.frequency.policy_file import EXAMPLE, policy_from
from relkit.yaml_files import find_upwards, read_yaml

if TYPE_CHECKING:
    import pandas as pd

ENDING = ".signed.json"
FORMAT = "relkit signed policy 1"
DRAFT, NAMED, SIGNED, CHANGED = "draft", "named_only", "signed", "changed"


@dataclass(frozen=True, slots=True)
class PolicyState:
    """Whether a policy is what somebody signed.

    Attributes:
        status: 'draft' (nobody signed), 'named_only' (somebody is named, and what they
            signed was not kept), 'signed' (as it was signed) or 'changed' (since).
        sha256: Of the policy as it stands.
        signed_sha256: As it was signed, or None.
        signed_off_by, signed_off_on: Who signed what was kept; None where nothing was.
        changes: What is different since.
        signatures: How often it was signed.
    """

    status: str
    sha256: str
    signed_sha256: str | None
    signed_off_by: str | None
    signed_off_on: dt.date | None
    changes: tuple[Change, ...]
    signatures: int

    def to_frame(self) -> pd.DataFrame:
        """One row a change: place, was, now."""
        import pandas as pd

        rows = [(change.place, change.was, change.now) for change in self.changes]
        return pd.DataFrame(rows, columns=["place", "was", "now"])


def policy_state(path: str | os.PathLike[str]) -> PolicyState:
    """How a policy stands to what was signed.

    Raises:
        SourceError: no such file, or not YAML.
        ParameterError: faults in the policy, or a record that cannot be read.
    """
    found, content = _content(path)
    policy = policy_from(content, found.name)
    now = content_hash(content)
    record = read_record(record_path(found, ENDING), FORMAT, "A signed policy")
    if record is None:
        return PolicyState(DRAFT if policy.draft else NAMED, now, None, None, None, (), 0)
    kept = policy_from(record["content"], record_path(found, ENDING).name)
    changes = tuple(changes_between(record["content"], content))
    return PolicyState(
        SIGNED if record["sha256"] == now else CHANGED,
        now,
        record["sha256"],
        kept.signed_off_by,
        kept.signed_off_on,
        changes,
        1 + len(record["earlier"]),
    )


def sign_policy(path: str | os.PathLike[str]) -> PolicyState:
    """Keep what the person named in the policy signs.

    A policy that is signed and unchanged stays as it is.

    Raises:
        SourceError: no such file, or not YAML.
        ParameterError: faults in it; nobody is named in it; or it was changed and still
            has the name and day of the signature before.
    """
    found, content = _content(path)
    policy = policy_from(content, found.name)
    if policy.draft:
        raise ParameterError(
            f"{found.name} is a draft; who answers for it writes signed_off_by: their name and "
            "signed_off_on: the day into it, then it can be kept as signed"
        )
    state = policy_state(path)
    if state.status == SIGNED:
        return state
    target = record_path(found, ENDING)
    record = read_record(target, FORMAT, "A signed policy")
    earlier: list[dict[str, Any]] = []
    if record is not None:
        signed_on, signed_by = str(state.signed_off_on), str(state.signed_off_by)
        signing = (str(policy.signed_off_on), str(policy.signed_off_by))
        if signing[0] < signed_on or signing == (signed_on, signed_by):
            raise ParameterError(
                f"{found.name} was changed after {signed_by} signed it on {signed_on}; who signs "
                "the change writes name and day of it into signed_off_by, signed_off_on",
                [
                    f"{c.place}: was {c.was or 'absent'}, is {c.now or 'absent'}"
                    for c in state.changes
                ],
            )
        before = {key: record[key] for key in ("sha256", "signed_off_by", "signed_off_on")}
        earlier = [*record["earlier"], before]
    kept = {
        "format": FORMAT,
        "policy": policy.policy,
        "sha256": state.sha256,
        "signed_off_by": policy.signed_off_by,
        "signed_off_on": str(policy.signed_off_on),
        "earlier": earlier,
        "content": content,
    }
    write_whole(target, as_json(kept))
    return policy_state(path)


def is_signed(path: Path) -> bool:
    """Whether somebody's name stands in a policy, or what they signed lies beside it."""
    if record_path(path, ENDING).exists():
        return True
    content, _ = read_yaml(path, path.name, example=EXAMPLE)
    return bool(content.get("signed_off_by"))


def _content(path: str | os.PathLike[str]) -> tuple[Path, dict[Any, Any]]:
    found, _ = find_upwards(path, what="policy")
    content, _ = read_yaml(found, found.name, example=EXAMPLE)
    return found, content
