"""What a YAML said when somebody stood for it, kept beside it, so that a change is shown.

Comments, the order of keys and spaces are no change.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relkit.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Change:
    """One place that is not as it was kept.

    Attributes:
        place: Where, such as 'guardrails: complaints: margin'.
        was: As kept; None where it is new.
        now: As it stands; None where it is gone.
    """

    place: str
    was: str | None
    now: str | None


def content_hash(content: Mapping[Any, Any]) -> str:
    """SHA-256 of what a YAML says, whatever its comments, spaces and order of keys."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def canonical(content: Any) -> str:
    """The one way to write a content."""
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def record_path(file: Path, ending: str) -> Path:
    """Where the record of a YAML lies."""
    return file.with_name(file.stem + ending)


def read_record(path: Path, written_as: str, what: str) -> dict[str, Any] | None:
    """A record, or None where there is none.

    Args:
        path: Of the record.
        written_as: Its format, which it names.
        what: What is never edited, for the error: 'A frozen plan'.

    Raises:
        ParameterError: it is not as it was written.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        record = None
    whole = isinstance(record, dict) and record.get("format") == written_as
    if not whole or content_hash(record.get("content", {})) != record.get("sha256"):
        raise ParameterError(
            f"{path.name} is not as it was written: its hash does not fit its content; "
            f"bring it back from version control. {what} is never edited"
        )
    return dict(record)


def write_whole(path: Path, text: str) -> None:
    """Whole or not at all."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.chmod(draft, 0o644)
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def as_json(record: Mapping[str, Any]) -> str:
    """A record as it lies in its file."""
    return json.dumps(record, ensure_ascii=False, indent=1) + "\n"


def changes_between(was: Any, now: Any, place: str = "") -> Iterator[Change]:
    """What is different, place by place."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in [*was, *(key for key in now if key not in was)]:
            inside = f"{place}: {key}" if place else str(key)
            yield from changes_between(was.get(key), now.get(key), inside)
    elif was != now:
        yield Change(place, _shown(was), _shown(now))


def _shown(value: Any) -> str | None:
    if value is None:
        return None
    return canonical(value) if isinstance(value, (Mapping, list)) else str(value)
