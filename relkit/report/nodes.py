"""The blocks themselves: frozen data that becomes JSON and comes back the same.

Pages are made from this JSON alone, so what a notebook emitted is all that a
report can say. Text that comes from a statement keeps its key and its values, so
that a number in a headline can be recomputed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from relkit.errors import ParameterError

MIME = "application/vnd.relkit.block+json"

_NODES: dict[str, type[Node]] = {}


class Node:
    """Frozen data that becomes JSON and comes back the same."""

    __slots__ = ()
    node: ClassVar[str]

    def __init_subclass__(cls) -> None:
        _NODES[cls.node] = cls  # the slotted copy that dataclass makes comes last, and stays

    def to_json(self) -> dict[str, Any]:
        """Plain data; order is kept in lists, since notebooks sort their keys."""
        fields = {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {"node": self.node, **fields}


class Block(Node):
    """A node that a cell can show."""

    __slots__ = ()
    node = "block"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from relkit.report.html import notebook_html

        html = notebook_html(self)
        return {MIME: self.to_json(), "text/html": html, "text/plain": f"<relkit {self.node}>"}


def from_json(data: Any) -> Any:
    """The node that ``to_json`` wrote.

    Raises:
        ParameterError: the data are of a block that this version does not know.
    """
    if isinstance(data, list):
        return tuple(from_json(item) for item in data)
    if not isinstance(data, dict) or "node" not in data:
        return data
    kind = _NODES.get(data["node"])
    if kind is None:
        raise ParameterError(
            f"unknown block {data['node']!r}; the notebook was run with another version of relkit"
        )
    return kind(**{name: from_json(value) for name, value in data.items() if name != "node"})


@dataclass(frozen=True, slots=True)
class Phrase(Node):
    """Text as shown, with where it came from.

    Attributes:
        text: In the language it was emitted in.
        key: Of the statement in ``report/texts``, if it has one.
        values: (slot, value) pairs; an estimate is a mapping of its parts.
        markdown: Whether the text is Markdown.
    """

    node: ClassVar[str] = "phrase"
    text: str
    key: str | None = None
    values: tuple[tuple[str, Any], ...] = ()
    markdown: bool = False


@dataclass(frozen=True, slots=True)
class Text(Block):
    node: ClassVar[str] = "text"
    phrase: Phrase


@dataclass(frozen=True, slots=True)
class Figure(Block):
    """A chart: ``svg`` with ids that begin with ``prefix``, and its data as CSV."""

    node: ClassVar[str] = "figure"
    svg: str
    prefix: str
    width: float
    height: float
    alt: Phrase
    caption: Phrase | None = None
    csv: str | None = None


@dataclass(frozen=True, slots=True)
class Column(Node):
    """A table's column; ``numeric`` ones are right-aligned."""

    node: ClassVar[str] = "column"
    name: str
    label: str
    format: str
    numeric: bool


@dataclass(frozen=True, slots=True)
class Table(Block):
    """Rows as shown (None where nothing was measured), and all rows as CSV."""

    node: ClassVar[str] = "table"
    columns: tuple[Column, ...]
    rows: tuple[tuple[str | None, ...], ...]
    total_rows: int
    csv: str | None
    name: str
    caption: Phrase | None = None
    note: Phrase | None = None


@dataclass(frozen=True, slots=True)
class Tile(Block):
    """One figure set large, its interval and cases beneath."""

    node: ClassVar[str] = "tile"
    label: str
    value: str
    interval: str | None = None
    cases: str | None = None
    note: Phrase | None = None
    number: Any = None


@dataclass(frozen=True, slots=True)
class Tiles(Block):
    node: ClassVar[str] = "tiles"
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class Gate(Block):
    """What must hold before the rest may be read; ``passed`` None is not measured."""

    node: ClassVar[str] = "gate"
    phrase: Phrase
    passed: bool | None


@dataclass(frozen=True, slots=True)
class Details(Block):
    node: ClassVar[str] = "details"
    summary: Phrase
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Provenance(Block):
    """Where the figures come from.

    Attributes:
        facts: (label, text) pairs, as shown.
        files: (path, rows as shown, sha256) of each file read.
        parameters: (name, text) pairs.
        synthetic: Whether the customers are simulated.
        line: For the footer of a slide: name, period, number of customers.
        source: What the source said of itself, whole; the run record keeps it.
    """

    node: ClassVar[str] = "provenance"
    facts: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, str, str], ...]
    parameters: tuple[tuple[str, str], ...]
    synthetic: bool
    line: str
    source: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Saved(Block):
    """What ``save_table`` wrote."""

    node: ClassVar[str] = "saved"
    name: str
    rows: int
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Slide(Block):
    """A finding and what shows it; a section of the report, a page of the deck."""

    node: ClassVar[str] = "slide"
    headline: Phrase
    content: tuple[Block, ...]
    notes: Phrase | None = None
    appendix: bool = False
    source: Phrase | None = None


def _plain(value: Any) -> Any:
    if isinstance(value, Node):
        return value.to_json()
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
