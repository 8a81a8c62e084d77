"""A plan frozen before the start: its hash, and what was changed since.

The record lies beside the plan, `<plan>.frozen.json`, and holds the content that was
frozen, so that a change can be shown and not only noticed. Comments, the order of
keys and spaces are no change.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
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
from relkit.frequency.plan_file import plan_from, read_plan
from relkit.yaml_files import find_upwards, read_yaml

if TYPE_CHECKING:
    import pandas as pd

ENDING = ".frozen.json"
FORMAT = "relkit frozen plan 1"


@dataclass(frozen=True, slots=True)
class PlanState:
    """Whether a plan is what it was before the start.

    Attributes:
        status: 'frozen' (before the start, unchanged), 'frozen_late' (unchanged, but
            frozen on or after the first day), 'changed' or 'not_frozen'.
        sha256: Of the plan as it stands.
        frozen_sha256: Of the plan as it was frozen; None if it was not.
        frozen_on: The day, or None.
        starts_on: First day of the experiment as it was frozen, or as it stands.
        changes: What is different.
    """

    status: str
    sha256: str
    frozen_sha256: str | None
    frozen_on: dt.date | None
    starts_on: dt.date
    changes: tuple[Change, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row a change: place, was, now."""
        import pandas as pd

        rows = [(change.place, change.was, change.now) for change in self.changes]
        return pd.DataFrame(rows, columns=["place", "was", "now"])


def plan_hash(content: Mapping[Any, Any]) -> str:
    """SHA-256 of what a plan says, whatever its comments, spaces and order of keys."""
    return content_hash(content)


def freeze_plan(path: str | os.PathLike[str], today: dt.date | None = None) -> PlanState:
    """Freeze a plan; a plan that is frozen already stays as it was frozen.

    Args:
        path: The plan's YAML.
        today: The day of freezing; today by the machine's clock if None.

    Raises:
        SourceError: no such file, or not YAML.
        ParameterError: faults in the plan, or it was changed after it was frozen: a
            new experiment needs a new id and a file of its own.
    """
    plan = read_plan(path)
    found, content = _content(path)
    state = plan_state(path)
    if state.status == "changed":
        raise ParameterError(
            f"{found.name} was frozen on {state.frozen_on} and has been changed since; "
            "undo the changes, or plan a new experiment in a file and with an id of its own",
            [f"{c.place}: was {c.was or 'absent'}, is {c.now or 'absent'}" for c in state.changes],
        )
    if state.status == "not_frozen":
        record = {
            "format": FORMAT,
            "experiment": plan.experiment,
            "sha256": state.sha256,
            "frozen_on": str(today or dt.date.today()),
            "content": content,
        }
        write_whole(record_path(found, ENDING), as_json(record))
    return plan_state(path)


def plan_state(path: str | os.PathLike[str]) -> PlanState:
    """How a plan stands to what was frozen.

    Raises:
        SourceError: no such file, or not YAML.
        ParameterError: faults in the plan, or a record that cannot be read.
    """
    found, content = _content(path)
    now = plan_hash(content)
    starts_on = plan_from(content, found.name).starts_on
    record = read_record(record_path(found, ENDING), FORMAT, "A frozen plan")
    if record is None:
        return PlanState("not_frozen", now, None, None, starts_on, ())
    frozen_on = dt.date.fromisoformat(record["frozen_on"])
    # By the date that was frozen: moving the start must not make a late freeze early.
    started = plan_from(record["content"], record_path(found, ENDING).name).starts_on
    changes = tuple(changes_between(record["content"], content))
    late = "frozen" if frozen_on < started else "frozen_late"
    status = "changed" if record["sha256"] != now else late
    return PlanState(status, now, record["sha256"], frozen_on, started, changes)


def _content(path: str | os.PathLike[str]) -> tuple[Path, dict[Any, Any]]:
    found, _ = find_upwards(path, what="plan")
    content, _ = read_yaml(found, found.name, example="params/experiments/world.yaml")
    return found, content
