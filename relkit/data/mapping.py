"""A source's YAML: where its tables are and which of their columns is which of ours."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relkit.data.contracts import TABLES, contracts
from relkit.data.table_mapping import SETTINGS, TABLE_KEYS, TableDraft, TableMapping
from relkit.errors import SourceError, did_you_mean
from relkit.yaml_fields import Fields
from relkit.yaml_files import find_upwards, read_yaml

KEYS = (
    "name",
    "currency",
    "synthetic",
    "made_by",
    "max_set_aside",
    *SETTINGS,
    "tables",
    "transactions",
)


@dataclass(frozen=True, slots=True)
class SourceMapping:
    """What a source YAML says, checked.

    Attributes:
        shown: The YAML's path as people know it, relative to the project root.
        path: The YAML itself.
        root: The project root: the folder that `shown` starts from.
        sha256: Hash of the YAML, so that a run can be traced to its mapping.
        name: The source's name by language, 'en' and 'zh'.
        tables: What is said of each table, by its name; `transactions` is one of them.
        currency: Of all amounts, or None where it is not known.
        synthetic: Whether the customers are simulated; shown on every page.
        made_by: The command that makes the files, said where they are missing.
        max_set_aside: Share of a table's rows that may fail, where nobody says another.
    """

    shown: str
    path: Path
    root: Path
    sha256: str
    name: Mapping[str, str]
    tables: Mapping[str, TableMapping]
    currency: str | None = None
    synthetic: bool = False
    made_by: str | None = None
    max_set_aside: float | None = None


def read_mapping(path: str | os.PathLike[str]) -> SourceMapping:
    """Read and check a source YAML.

    Raises:
        SourceError: no such file, not YAML, or faults in it; all faults at once.
    """
    found, root = find_upwards(path)
    try:
        shown = found.relative_to(root).as_posix()
    except ValueError:
        shown = found.name
    content, text = read_yaml(found, shown)
    draft = _Draft(content)
    draft.check()
    faults = list(dict.fromkeys(draft.faults))
    if faults:
        counted = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise SourceError(f"{shown}: {counted}", faults)
    return SourceMapping(
        shown=shown,
        path=found,
        root=root,
        sha256=hashlib.sha256(text).hexdigest(),
        **draft.settings,
    )


@dataclass(slots=True)
class _Draft(Fields):
    """The YAML's content on its way to a SourceMapping."""

    settings: dict[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        for key in self.content:
            if key not in KEYS:
                self.faults.append(f"unknown key '{key}'{self._hint(str(key))}")
        self.settings = {
            "name": self._name(),
            "currency": self.currency() or None,
            "synthetic": self._synthetic(),
            "made_by": self._made_by(),
            "max_set_aside": self._max_set_aside(),
            "tables": self._tables(),
        }

    def _hint(self, key: str) -> str:
        if key in TABLES:
            return f"; map it under tables: as\n      {key}: {{files: …, columns: {{…}}}}"
        return did_you_mean(key, KEYS)

    def _name(self) -> dict[str, str]:
        if self.content.get("name") in (None, "", {}):
            self.faults.append("name must be text, or {en: …, zh: …}")
        return self.languages("name")

    def _synthetic(self) -> bool:
        value = self.content.get("synthetic")
        if value is None or isinstance(value, bool):
            return bool(value)
        self.faults.append(f"synthetic must be true or false; found {value!r}")
        return False

    def _made_by(self) -> str | None:
        value = self.content.get("made_by")
        if value is None or isinstance(value, str):
            return value or None
        self.faults.append(f"made_by must be a command, as text; found {value!r}")
        return None

    def _max_set_aside(self) -> float | None:
        share = self.number("max_set_aside", 0, 1)
        return None if math.isnan(share) else share

    def _tables(self) -> dict[str, TableMapping]:
        """Every table's own part over what is said for all of them."""
        shared = {key: self.content[key] for key in SETTINGS if key in self.content}
        tables = self.content.get("tables")
        if tables is None:
            alone = {**shared, "columns": self.content.get("transactions")}
            return self._checked(TableDraft(contracts()["transactions"], alone, frozenset(), True))
        if "transactions" in self.content:
            self.faults.append("transactions stands beside tables:; put it inside")
        if not isinstance(tables, dict) or not all(isinstance(t, dict) for t in tables.values()):
            self.faults.append(
                "tables must hold one entry a table, like touches: {files: …, columns: {…}}"
            )
            return {}
        found: dict[str, TableMapping] = {}
        for name, own in tables.items():
            if name not in TABLES:
                hint = did_you_mean(str(name), TABLES)
                self.faults.append(
                    f"tables: there is no table '{name}'{hint}; known: {', '.join(TABLES)}"
                )
                continue
            unknown = [key for key in own if key not in TABLE_KEYS]
            self.faults += [
                f"{name}: unknown key '{key}'{did_you_mean(str(key), TABLE_KEYS)}"
                for key in unknown
            ]
            draft = TableDraft(contracts()[name], {**shared, **own}, frozenset(own))
            found |= self._checked(draft)
        if "transactions" not in tables:
            others = ", ".join(str(name) for name in tables) or "none"
            self.faults.append(
                f"tables: transactions is required, and only {others} is mapped; a source cannot "
                "be opened without its purchases. Add them beside the others, like transactions: "
                "{files: data/orders.csv, columns: {customer_id: …, occurred_at: …, amount: …}}"
            )
        return found

    def _checked(self, draft: TableDraft) -> dict[str, TableMapping]:
        mapping = draft.check()
        self.faults += draft.faults
        return {} if draft.faults else {mapping.name: mapping}
