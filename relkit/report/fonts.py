"""Glyph subsets of the installed fonts, as data URIs.

A report carries the glyphs that it uses and no more: Latin text from Source Sans
Pro in two weights, everything else from Noto Sans SC. The embedded faces stand
first in the font stack, each with its unicode-range, so that a page looks the
same on every machine and a Chinese character is never a box.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from relkit.errors import RelkitError

_REVEAL = "_static/revealjs/dist/theme/fonts/source-sans-pro"
# Name → (package that carries it, path inside, weight of the face)
_FILES: dict[str, tuple[str, str, str]] = {
    "regular": ("sphinx_revealjs", f"{_REVEAL}/source-sans-pro-regular.ttf", "400"),
    "semibold": ("sphinx_revealjs", f"{_REVEAL}/source-sans-pro-semibold.ttf", "600"),
    "han": ("zhplot", "fonts/NotoSansSC-Regular.ttf", "400"),
}
# "Source" is a reserved name under the Open Font License: a changed copy, and a
# subset is one, goes by another name. Copyright and licence stay in the file.
LATIN, HAN = "Relkit Sans", "Relkit Han"
FONT_STACK = f'"{LATIN}","{HAN}",sans-serif'
LICENCE_NOTE = (
    "Embedded fonts are subsets, renamed: Source Sans Pro, Copyright 2010, 2012 Adobe Systems "
    "Incorporated, with Reserved Font Name 'Source'; Noto Sans SC, Copyright 2014-2021 Adobe, "
    "with Reserved Font Name 'Source'. Both under the SIL Open Font License, Version 1.1: "
    "https://scripts.sil.org/OFL"
)


class MissingGlyphWarning(UserWarning):
    """A character is in none of the embedded fonts; the reader's machine must have it."""


def package_file(package: str, path: str) -> Path:
    """A file inside an installed package, found without importing the package.

    Raises:
        RelkitError: the package or the file is not there.
    """
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        found = Path(folder) / path
        if found.is_file():
            return found
    raise RelkitError(
        f"{package}: {path} is not installed; reports take it from that package, "
        "so set the environment up again with ./kit setup"
    )


def font_path(name: str) -> Path:
    """The file of 'regular', 'semibold' (Source Sans Pro) or 'han' (Noto Sans SC)."""
    package, path, _ = _FILES[name]
    return package_file(package, path)


@lru_cache(maxsize=4)
def covered(name: str) -> frozenset[int]:
    """Code points that a font can draw."""
    from fontTools.ttLib import TTFont

    with TTFont(font_path(name), lazy=True) as font:
        return frozenset(font.getBestCmap())


def font_faces(text: str) -> str:
    """The ``@font-face`` rules for a page that shows this text.

    Args:
        text: Everything on the page; order and repetition do not matter.

    Returns:
        CSS with one face a weight for Latin and one for all else, as woff2 data
        URIs; the same characters give the same bytes.

    Warns:
        MissingGlyphWarning: names the characters that no embedded font has.
    """
    points = {ord(c) for c in text if c.isprintable() and ord(c) >= 0x20}
    latin = points & covered("regular")
    other = points - latin
    han = other & covered("han")
    if missing := sorted(other - han):
        shown = ", ".join(f"{chr(p)} (U+{p:04X})" for p in missing[:10])
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        warnings.warn(
            f"no embedded font has {shown}{more}; a reader's own font is used for them",
            MissingGlyphWarning,
            stacklevel=2,
        )
    faces = [_face(LATIN, "regular", latin), _face(LATIN, "semibold", latin & covered("semibold"))]
    if han:
        faces.append(_face(HAN, "han", han))
    return "".join(faces)


def _face(family: str, name: str, points: Iterable[int]) -> str:
    wanted = tuple(sorted(points))
    uri = base64.b64encode(_subset(name, wanted)).decode("ascii")
    weight = _FILES[name][2]  # Han has one weight; the browser thickens it for headings
    return (
        f'@font-face{{font-family:"{family}";font-weight:{weight};font-display:block;'
        f"src:url(data:font/woff2;base64,{uri}) format('woff2');"
        f"unicode-range:{_ranges(wanted)}}}\n"
    )


def _ranges(points: tuple[int, ...]) -> str:
    """Sorted code points as a CSS unicode-range: U+20-7E,U+2013."""
    runs: list[list[int]] = []
    for point in points:
        if runs and point == runs[-1][1] + 1:
            runs[-1][1] = point
        else:
            runs.append([point, point])
    return ",".join(f"U+{a:X}" if a == b else f"U+{a:X}-{b:X}" for a, b in runs) or "U+0"


@lru_cache(maxsize=32)
def _subset(name: str, points: tuple[int, ...]) -> bytes:
    """The woff2 file of these glyphs; hinting and vertical layout are left behind."""
    from fontTools import subset
    from fontTools.ttLib import TTFont

    font = TTFont(font_path(name), lazy=True, recalcTimestamp=False)
    # Tables that hold 30,000 glyphs' worth of rules and serve no text of ours.
    dropped = ["STAT", "vhea", "vmtx", "BASE", "gasp", "FFTM", "webf", "GDEF"]
    for tag in [*dropped, *(["GPOS", "GSUB"] if name == "han" else [])]:
        if tag in font:
            del font[tag]
    options = subset.Options(
        hinting=False, glyph_names=False, notdef_outline=True, layout_features=["kern", "mark"],
        name_IDs=[0, 1, 2, 3, 4, 6, 13, 14], name_languages=[0x409], drop_tables=[],
    )  # fmt: skip
    worker = subset.Subsetter(options)
    worker.populate(unicodes=points)
    worker.subset(font)
    family = HAN if name == "han" else LATIN
    for record in list(font["name"].names):
        if record.nameID in (1, 3, 4):
            record.string = f"{family} {name}"
        elif record.nameID == 6:
            record.string = f"{family} {name}".replace(" ", "")
        elif record.nameID == 16:
            font["name"].names.remove(record)
    font.flavor = "woff2"
    out = io.BytesIO()
    font.save(out, reorderTables=False)
    font.close()
    return out.getvalue()
