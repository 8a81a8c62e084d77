"""Theme, fonts and SVG: contrast, glyphs and bytes, measured on their own."""

import base64
import io
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from fontTools.ttLib import TTFont

from relkit.errors import ParameterError, RelkitError
from relkit.report import fonts, theme
from relkit.report.blocks import figure


def luminance(colour):
    # Relative luminance, WCAG 2.2.
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("text", ["ink", "muted", "accent", "warning"])
def test_text_can_be_read_on_its_ground(text, scheme):
    colour = theme.VARIABLES[text][scheme]
    assert contrast(colour, theme.VARIABLES["paper"][scheme]) >= 4.5
    assert contrast(colour, theme.VARIABLES["wash"][scheme]) >= 4.5
    if text == "warning":
        assert contrast(colour, theme.VARIABLES["warning-soft"][scheme]) >= 4.5


def test_colours_of_charts_stand_off_the_page_and_steps_are_even():
    assert all(contrast(colour, theme.PAPER) >= 2.4 for colour in theme.CATEGORICAL)
    steps = [luminance(colour) for colour in theme.SEQUENTIAL]
    assert steps == sorted(steps, reverse=True)


def test_axes_come_in_the_sizes_of_the_deck():
    for size, (width, height) in theme.SIZES.items():
        chart = theme.new_axes(size).figure
        assert tuple(chart.get_size_inches() * 72) == pytest.approx((width, height))
        figure(chart, alt="empty")
    with pytest.raises(ParameterError, match="did you mean 'half'"):
        theme.new_axes("halve")


def faces(css):
    for block in css.split("@font-face")[1:]:
        uri = re.search(r"base64,([^)]+)\)", block)[1]
        yield block, TTFont(io.BytesIO(base64.b64decode(uri)))


def test_a_subset_holds_the_characters_and_no_more():
    drawn = {}
    for block, font in faces(fonts.font_faces("Ab1客户价值，")):
        family, weight = re.search(r'family:"([^"]+)";font-weight:(\d+)', block).groups()
        drawn[family, weight] = set(map(chr, font.getBestCmap()))
    assert drawn == {
        ("Relkit Sans", "400"): set("Ab1"),
        ("Relkit Sans", "600"): set("Ab1"),
        ("Relkit Han", "400"): set("客户价值，"),
    }


def test_the_range_says_what_the_face_holds():
    css = fonts.font_faces("ABCE客")
    assert "unicode-range:U+41-43,U+45" in css
    assert "unicode-range:U+5BA2" in css


def test_a_subset_goes_by_another_name_and_keeps_its_licence():
    for _, font in faces(fonts.font_faces("A客")):
        names = {record.nameID: str(record) for record in font["name"].names}
        assert not any(word in names[i] for i in (1, 3, 4, 6) for word in ("Source", "Noto"))
        assert "Adobe" in names[0]
        assert "SIL Open Font License" in names[13]


def test_the_same_characters_give_the_same_bytes_in_another_process():
    code = "from relkit.report.fonts import font_faces; print(font_faces('客户 value 42'))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout == fonts.font_faces("24 eulav 户客") + "\n"


def test_a_character_that_no_font_has_is_reported():
    with pytest.warns(fonts.MissingGlyphWarning, match=r"U\+1F600"):
        fonts.font_faces("fine \N{GRINNING FACE}")
    with pytest.raises(RelkitError, match="not installed"):
        fonts.package_file("zhplot", "fonts/none.ttf")


def chart():
    ax = theme.new_axes("half")
    ax.plot([0, 1], [0, 2], marker="o", color=theme.ACCENT, clip_on=True)
    ax.set_xlabel("Weeks $1 of $2 <b>")
    ax.text(0.5, 1, "客户", weight=600)
    return figure(ax, alt="A 'line' & <more>")


def test_svg_text_is_text_and_ids_are_its_own():
    shown = chart()
    root = ElementTree.fromstring(shown.svg)
    texts = ["".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "Weeks $1 of $2 <b>" in texts
    assert "客户" in texts
    assert root.get("role") == "img"
    assert root.get("aria-label") == "A 'line' & <more>"
    assert root.get("viewBox") == "0 0 700 470"
    assert "width" not in root.attrib
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert ids
    assert all(name.startswith(shown.prefix) for name in ids)
    referred = re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", shown.svg)
    assert {a or b for a, b in referred} == set(ids)


def test_svg_brings_neither_fonts_styles_nor_dates():
    svg = chart().svg
    assert "font-family" not in svg
    assert "<style" not in svg
    assert "metadata" not in svg
    assert "xlink" not in svg
    assert "var(--accent,#0f5f87)" in svg
