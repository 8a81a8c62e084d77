"""Executed notebook → document: its title, its story, and the blocks its cells emitted.

Code, plain output and warnings stay in the notebook. What a reader sees is the
Markdown cells in the reader's language and the blocks, in the notebook's order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from relkit.errors import NotebookError
from relkit.report.language import Language, visible
from relkit.report.nodes import (
    MIME,
    Block,
    Details,
    Figure,
    Gate,
    Provenance,
    Slide,
    Table,
    from_json,
)
from relkit.report.vocabulary import LANGUAGES

_MARKER = re.compile(r"^[ \t]*<!--\s*([A-Za-z]+)\s*-->[ \t]*$", re.M)
_TITLE = re.compile(r"^#[ \t]+(.+?)[ \t#]*$", re.M)
_UNSHOWN_TAGS = {"parameters", "injected-parameters", "notebook-only"}


@dataclass(frozen=True, slots=True)
class Prose:
    """Markdown of the story, in the document's language."""

    markdown: str


Part: TypeAlias = Prose | Block


@dataclass(frozen=True, slots=True)
class Document:
    """What a reader gets, before it is HTML.

    Attributes:
        title: The first ``#`` heading; empty if the notebook has none.
        lead: The first paragraph beneath it: the question and who decides.
        language: Of every text in it.
        parts: Prose and blocks in reading order, without the title and the lead.
    """

    title: str
    lead: str
    language: Language
    parts: tuple[Part, ...]

    @property
    def slides(self) -> tuple[Slide, ...]:
        """The deck's pages: the story first, then the appendix."""
        found = [part for part in self.parts if isinstance(part, Slide)]
        return tuple(sorted(found, key=lambda slide: slide.appendix))

    @property
    def provenance(self) -> Provenance | None:
        """Where the figures come from; the last word counts."""
        found = [block for block in walk(self.parts) if isinstance(block, Provenance)]
        return found[-1] if found else None

    @property
    def synthetic(self) -> bool:
        """Whether any of the figures are of simulated customers."""
        return any(isinstance(b, Provenance) and b.synthetic for b in walk(self.parts))

    @property
    def red_gates(self) -> tuple[Gate, ...]:
        """What had to hold and does not: said at the top, before any figure."""
        failed = [b for b in walk(self.parts) if isinstance(b, Gate) and b.passed is False]
        return tuple({gate.phrase.text: gate for gate in failed}.values())


def walk(parts: tuple[Any, ...]) -> Iterator[Any]:
    """Every part, and what stands inside slides and details."""
    for part in parts:
        yield part
        if isinstance(part, Slide):
            yield from walk(part.content)
        elif isinstance(part, Details):
            yield from walk(part.blocks)


def read_document(notebook: Mapping[str, Any], language: str | Language) -> Document:
    """What an executed notebook says in a language.

    Args:
        notebook: nbformat 4, as a mapping or a NotebookNode.
        language: 'en', 'zh' or a Language; chooses between the parts of Markdown
            cells after ``<!-- en -->`` and ``<!-- zh -->``.

    Raises:
        NotebookError: it has no cells, or a marker names another language.
        ParameterError: the language is unknown, or a block is of another version.
    """
    spoken = language if isinstance(language, Language) else Language(language)
    if not isinstance(notebook, Mapping) or "cells" not in notebook:
        raise NotebookError("not a notebook: no cells; an executed .ipynb (nbformat 4) is required")
    parts: list[Part] = []
    for number, cell in enumerate(notebook["cells"], start=1):
        tags = set(cell.get("metadata", {}).get("tags", ()))
        if cell["cell_type"] == "markdown" and "notebook-only" not in tags:
            shown = in_language(_joined(cell["source"]), spoken.code, number)
            parts += [Prose(shown)] if shown else []
        elif cell["cell_type"] == "code" and not tags & _UNSHOWN_TAGS:
            parts += _blocks(cell)
    title, lead, parts = _title(parts)
    return Document(title, lead, spoken, tuple(parts))


def in_language(source: str, code: str, cell: int = 0) -> str:
    """The Markdown before any language marker, and after the markers of ``code``.

    Raises:
        NotebookError: a marker names a language that reports do not have.
    """
    pieces = _MARKER.split(source)
    shown = [pieces[0]]
    for marker, text in zip(pieces[1::2], pieces[2::2], strict=True):
        if marker not in LANGUAGES:
            raise NotebookError(
                f"cell {cell}: <!-- {marker} --> is no language marker; "
                "<!-- en --> or <!-- zh --> is required"
            )
        if marker == code:
            shown.append(text)
    return "\n\n".join(piece.strip() for piece in shown if piece.strip())


def _blocks(cell: Mapping[str, Any]) -> list[Part]:
    found = []
    for output in cell.get("outputs", ()):
        data = output.get("data", {}).get(MIME)
        if data is not None:
            found.append(from_json(_as_plain(data)))
    return found


def _as_plain(data: Any) -> Any:
    """NotebookNode and its lists as dict and list."""
    if isinstance(data, Mapping):
        return {key: _as_plain(value) for key, value in data.items()}
    return [_as_plain(item) for item in data] if isinstance(data, list) else data


def _joined(source: str | list[str]) -> str:
    text = source if isinstance(source, str) else "".join(source)
    return visible(text.replace("\r\n", "\n"))


def _title(parts: list[Part]) -> tuple[str, str, list[Part]]:
    """The title and the paragraph under it, and what is left without them."""
    for position, part in enumerate(parts):
        if not isinstance(part, Prose) or not (match := _TITLE.search(part.markdown)):
            continue
        before, after = part.markdown[: match.start()], part.markdown[match.end() :].strip()
        lead, _, rest = after.partition("\n\n")
        if lead.startswith(("#", "-", "*", "|", ">", "```")):
            lead, rest = "", after
        left = "\n\n".join(piece.strip() for piece in (before, rest) if piece.strip())
        kept = [Prose(left)] if left else []
        return match[1].strip(), lead.strip(), [*parts[:position], *kept, *parts[position + 1 :]]
    return "", "", parts


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Where a slide's content stands.

    Attributes:
        layout: 'stack' one above the other, 'split' two columns, 'words' text alone.
        top: Tiles across the page.
        main: What is looked at.
        side: What is read beside it.
        below: What is read under it.
    """

    layout: str
    top: tuple[Block, ...] = ()
    main: tuple[Block, ...] = ()
    side: tuple[Block, ...] = ()
    below: tuple[Block, ...] = ()

    @property
    def even(self) -> bool:
        """Whether both columns hold something to look at, and are of one width."""
        return any(isinstance(block, (Figure, Table)) for block in self.side)


def arrange(content: tuple[Block, ...]) -> Arrangement:
    """A layout from the content: one chart beside its words, a table across, tiles above."""
    heavy = tuple(block for block in content if isinstance(block, (Figure, Table)))
    light = tuple(block for block in content if block not in heavy)
    tiles = tuple(block for block in light if block.node == "tiles")
    words = tuple(block for block in light if block not in tiles)
    if not heavy:
        return Arrangement("words", top=tiles, main=words)
    if len(heavy) == 1:
        narrow = _is_narrow(heavy[0])
        if narrow and light:
            return Arrangement("split", main=heavy, side=light)
        return Arrangement("stack", top=tiles, main=heavy, below=words)
    half = (len(heavy) + 1) // 2
    return Arrangement("split", top=tiles, main=heavy[:half], side=heavy[half:], below=words)


def _is_narrow(block: Block) -> bool:
    if isinstance(block, Figure):
        return block.width < 1.9 * block.height
    return isinstance(block, Table) and len(block.columns) <= 4
