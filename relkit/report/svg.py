"""A chart's SVG as part of a page: text as text, its own ids, the page's type and colours."""

from __future__ import annotations

import re
from hashlib import sha256
from xml.etree import ElementTree

from relkit.report.theme import VARIABLES

SVG = "http://www.w3.org/2000/svg"
_HREF = "{http://www.w3.org/1999/xlink}href"
_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
# Geometry whose third decimal is a thousandth of a pixel.
_GEOMETRY = ("d", "x", "y", "width", "height", "points", "transform", "x1", "x2", "y1", "y2")
_COLOURS = {light: f"var(--{name},{light})" for name, (light, _) in VARIABLES.items()}


def inline_svg(source: str, alt: str) -> tuple[str, str]:
    """What matplotlib wrote, ready to stand in HTML.

    Args:
        source: The SVG file's text.
        alt: What the chart shows and says, for those who do not see it.

    Returns:
        The ``<svg>`` element, and the prefix of its ids. The prefix comes from the
        content, so the same chart has the same bytes in every run.
    """
    root = ElementTree.fromstring(source)
    for child in list(root):
        if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}defs"):
            _drop_style_and_metadata(root, child)
    prefix = f"f{sha256(source.encode()).hexdigest()[:8]}-"
    referred = set(_references(root))
    for element in root.iter():
        _rewrite(element, prefix, referred)
    width, height = (root.attrib.pop(side).removesuffix("pt") for side in ("width", "height"))
    root.attrib.pop("version", None)
    root.set("viewBox", f"0 0 {width} {height}")
    root.set("preserveAspectRatio", "xMinYMin meet")
    root.set("role", "img")
    root.set("aria-label", alt)
    # matplotlib says this for every element of the page; here it is for this chart.
    root.set("style", f"stroke-linejoin:round;stroke-linecap:butt;max-width:{width}px")
    ElementTree.register_namespace("", SVG)
    text = ElementTree.tostring(root, encoding="unicode")
    return re.sub(r">\s+<", "><", text), prefix


def _drop_style_and_metadata(root: ElementTree.Element, child: ElementTree.Element) -> None:
    for style in child.findall(f"{{{SVG}}}style"):
        child.remove(style)
    if child.tag.endswith("metadata") or len(child) == 0:
        root.remove(child)


def _references(root: ElementTree.Element) -> list[str]:
    found = []
    for element in root.iter():
        for name, value in element.attrib.items():
            found += [value[1:]] if name == _HREF and value.startswith("#") else []
            found += _REFERENCE.findall(value)
    return found


def _rewrite(element: ElementTree.Element, prefix: str, referred: set[str]) -> None:
    attributes = element.attrib
    if "id" in attributes:
        name = attributes.pop("id")
        if name in referred:
            attributes["id"] = prefix + name
    if _HREF in attributes:
        target = attributes.pop(_HREF)
        attributes["href"] = f"#{prefix}{target[1:]}" if target.startswith("#") else target
    for name, value in attributes.items():
        attributes[name] = _REFERENCE.sub(rf"url(#{prefix}\1)", value)
    for name in _GEOMETRY:
        if name in attributes:
            short = _NUMBER.sub(lambda m: f"{float(m[0]):.2f}", attributes[name])
            attributes[name] = short.replace("\n", " ").strip()
    if attributes.get("transform", "").startswith("rotate(-0 "):
        del attributes["transform"]
    if "style" in attributes:
        attributes["style"] = _style(attributes["style"])


def _style(style: str) -> str:
    """Declarations without a font family, so that the page's own is inherited."""
    kept = []
    for declaration in style.split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if not name or name == "font-family":
            continue
        if name == "font":  # "600 13px 'Source Sans Pro', …" of older versions
            weight, size = re.match(r"(?:(\w+) )?.*?([\d.]+)px", value).groups()  # type: ignore[union-attr]
            kept += [f"font-size:{size}px", *([f"font-weight:{weight}"] if weight else [])]
            continue
        kept.append(f"{name}:{_COLOURS.get(value, value)}")
    return ";".join(kept)
