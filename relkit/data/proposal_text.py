"""A proposed mapping as YAML, with comments for the analyst who corrects it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_PLAIN_YAML = re.compile(r"[^\W\d_](?:[\w .()/]*[\w)])?")


@dataclass(frozen=True, slots=True)
class Part:
    """What is proposed for one file.

    Attributes:
        table: The table that it holds.
        file: Its name.
        files: How the YAML names it.
        format: 'csv', 'excel' or 'parquet'.
        rows: How many were looked at, in words.
        seems: What table it seems to be, and what else it might be.
        matched: Our column → theirs, or an expression of theirs.
        why: Our column → by what it was recognised.
        required: Our columns without which the table cannot be read.
        settings: Key of a source YAML → value.
        left: The file's columns that are not used, each with what is known of it.
        open_points: What the analyst has to decide.
        hints: What to know.
        currency: Of its amounts, or ''.
    """

    table: str
    file: str
    files: str
    format: str
    rows: str
    seems: str
    matched: Mapping[str, str]
    why: Mapping[str, str]
    required: Sequence[str]
    settings: Mapping[str, str] = field(default_factory=dict)
    left: Sequence[str] = ()
    open_points: Sequence[str] = ()
    hints: Sequence[str] = ()
    currency: str = ""


def written(parts: Sequence[Part], open_points: Sequence[str]) -> str:
    """The YAML of a source.

    Args:
        parts: One a file, each of another table.
        open_points: Of all of them together.
    """
    names = ", ".join(part.file for part in parts)
    lines = [comment(f"Proposed from {parts[0].rows} of {names}; read it, and correct it."), "#"]
    lines += [comment(part.seems) for part in parts] + ["#"]
    if open_points:
        lines += ["# To be decided before it is used:"]
        lines += [comment(f"- {point}") for point in open_points]
    else:
        lines.append("# Nothing has to be decided; look whether the columns are the ones you mean.")
    hints = [
        f"{part.table}: {hint}" if len(parts) > 1 else hint for part in parts for hint in part.hints
    ]
    if hints:
        lines += ["# To know:", *(comment(f"- {hint}") for hint in hints)]
    currency = next((part.currency for part in parts if part.currency), "")
    lines += ["", f"name: {yaml_text(parts[0].file.split('.')[0])}"]
    alone = len(parts) == 1 and parts[0].table == "transactions"
    if alone:
        lines += _where(parts[0])
    lines.append(f"currency: {currency}" if currency else "# currency: EUR")
    lines += list(_settings(parts[0])) if alone else []
    lines += ["synthetic: false", ""]
    if alone:
        lines += ["transactions:  # our column: the file's", *_columns(parts[0], "  ")]
        lines += _left(parts[0], "")
        return "\n".join(lines) + "\n"
    lines.append("tables:  # our column: the file's")
    for part in parts:
        own = [*_where(part), *_settings(part), "columns:", *_columns(part, "  ")]
        lines += [f"  {part.table}:", *(f"    {line}" for line in own), *_left(part, "    ")]
    return "\n".join(lines) + "\n"


def _where(part: Part) -> list[str]:
    return [f"format: {part.format}", f"files: {yaml_text(part.files)}"]


def _settings(part: Part) -> Iterator[str]:
    for key, value in part.settings.items():
        as_it_is = value.startswith(('"', "{")) or value == "true" or value.isdigit()
        yield f"{key}: {value if as_it_is else yaml_text(value)}"


def _columns(part: Part, indent: str) -> list[str]:
    lines = []
    for ours in [*part.matched, *(c for c in part.required if c not in part.matched)]:
        if ours in part.matched:
            lines.append(f"{indent}{ours}: {yaml_text(part.matched[ours])}  # {part.why[ours]}")
        else:
            lines.append(f"{indent}{ours}:  # not found")
    return lines


def _left(part: Part, indent: str) -> list[str]:
    if not part.left:
        return []
    head = [] if indent else [""]
    lines = ["# Columns that are not used:", *(comment(each) for each in part.left)]
    return [*head, *(f"{indent}{line}" for line in lines)]


def yaml_text(text: str) -> str:
    """Text as YAML has it, in quotes where it could be read as something else."""
    word = text.lower() in ("null", "true", "false", "n", "y", "no", "yes", "on", "off")
    plain = _PLAIN_YAML.fullmatch(text) and not word
    return text if plain else json.dumps(text, ensure_ascii=False)


def comment(text: str) -> str:
    """Text as one line of comment."""
    return "# " + " ".join(text.split())
