"""What a reader sees, in a real browser without a network."""

import base64
import io
import re
import unicodedata

import pytest

from relkit.report import blocks
from relkit.report.document import Document
from relkit.report.html import render_report
from relkit.report.language import Language
from relkit.report.slides import CrowdedSlideWarning, render_deck
from relkit.report.theme import VARIABLES
from tests.page_checks import OUTSIDE, ink, printed, sheets, slides, violations, walked

pytestmark = pytest.mark.browser
LANGUAGES = ("en", "zh")


@pytest.fixture(scope="module")
def pages(demo_document, record):
    return {
        (kind, code): render(demo_document(code), record)
        for code in LANGUAGES
        for kind, render in (("report", render_report), ("deck", render_deck))
    }


@pytest.mark.parametrize("kind", ["report", "deck"])
@pytest.mark.parametrize("code", LANGUAGES)
def test_a_page_asks_the_network_for_nothing_and_says_no_error(pages, open_page, kind, code):
    page, asked, errors = open_page(pages[kind, code])
    assert asked == []
    assert errors == []
    assert page.evaluate("document.documentElement.lang") == Language(code).html_code
    assert page.title()
    assert page.locator("h1").count() == 1


def test_the_policy_would_stop_a_request(pages, open_page):
    page, _, errors = open_page(pages["report", "en"])
    page.evaluate("document.body.appendChild(new Image()).src = 'https://example.org/x.png'")
    page.wait_for_timeout(100)
    assert any("Content Security Policy" in error for error in errors)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["report", "deck"])
@pytest.mark.parametrize("code", LANGUAGES)
def test_axe_finds_nothing(pages, open_page, kind, code, scheme):
    page, *_ = open_page(pages[kind, code], color_scheme=scheme)
    assert violations(page) == []
    if kind == "deck":
        for _ in range(3):
            page.keyboard.press("ArrowRight")
            assert violations(page) == []


@pytest.mark.parametrize("kind", ["report", "deck"])
def test_the_page_is_dark_where_the_reader_wants_it(pages, open_page, kind):
    colour = "getComputedStyle(document.body).%s"
    seen = []
    for scheme in ("light", "dark"):
        page, *_ = open_page(pages[kind, "en"], color_scheme=scheme)
        seen.append([page.evaluate(colour % part) for part in ("backgroundColor", "color")])
    index = {"light": 0, "dark": 1}
    for scheme, found in zip(index, seen, strict=True):
        wanted = [VARIABLES[name][index[scheme]] for name in ("paper", "ink")]
        assert ["#" + bytes(map(int, re.findall(r"\d+", c)[:3])).hex() for c in found] == wanted


def test_axe_would_find_something(open_page):
    page, *_ = open_page("<html><body><img src='data:,'></body></html>")
    assert violations(page)


@pytest.mark.parametrize("code", LANGUAGES)
def test_keys_move_through_slides_that_are_full_and_overflow_nowhere(pages, open_page, code):
    page, *_ = open_page(pages["deck", code])
    seen = walked(page)
    assert len(set(seen)) == len(seen) == slides(pages["deck", code])
    page.keyboard.press("ArrowLeft")
    assert page.locator(".slides > section.present").get_attribute("id") == seen[-2]


def test_notes_open_with_a_key(pages, open_page):
    page, *_ = open_page(pages["deck", "en"])
    page.keyboard.press("ArrowRight")
    assert not page.locator(".speaker-notes").is_visible()
    page.keyboard.press("s")
    assert "Say the answer first." in page.locator(".speaker-notes").inner_text()


@pytest.mark.parametrize("code", LANGUAGES)
def test_print_gives_one_slide_a_sheet_with_text(pages, browser, chromium_path, tmp_path, code):
    pdf = printed(pages["deck", code], chromium_path, tmp_path)
    assert sheets(pdf) == slides(pages["deck", code])
    boxes = {
        tuple(map(float, box.split())) for box in re.findall(rb"/MediaBox\s*\[([^\]]+)\]", pdf)
    }
    assert all(abs(b[2] / b[3] - 16 / 9) < 0.01 for b in boxes)
    assert b"/ToUnicode" in pdf  # text is text, and can be selected


@pytest.mark.parametrize("kind", ["report", "deck"])
def test_every_chinese_character_is_drawn_by_the_embedded_font(pages, open_page, kind):
    from fontTools.ttLib import TTFont

    page, *_ = open_page(pages[kind, "zh"])
    text = page.evaluate("document.body.textContent") + page.title()
    wanted = {c for c in text if unicodedata.east_asian_width(c) in "WF"}
    drawn = set()
    for uri in re.findall(r"data:font/woff2;base64,([^)]+)\)", pages[kind, "zh"]):
        drawn |= set(map(chr, TTFont(io.BytesIO(base64.b64decode(uri))).getBestCmap()))
    assert wanted
    assert wanted <= drawn
    session = page.context.new_cdp_session(page)
    session.send("DOM.enable")
    session.send("CSS.enable")
    root = session.send("DOM.getDocument")["root"]["nodeId"]
    for selector in ("h1", "h2", ".gate", ".tile dt", "svg text"):
        nodes = session.send("DOM.querySelectorAll", {"nodeId": root, "selector": selector})
        for node in nodes["nodeIds"][:4]:
            fonts = session.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
            assert all(font["isCustomFont"] for font in fonts), (selector, fonts)


def test_two_loads_give_the_same_pixels(pages, open_page):
    shots = []
    for _ in range(2):
        page, *_ = open_page(pages["deck", "zh"])
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(300)
        shots.append(page.screenshot())
    assert shots[0] == shots[1]


@pytest.mark.parametrize("kind", ["report", "deck"])
@pytest.mark.parametrize(
    "options",
    [{"java_script_enabled": False}, {"viewport": {"width": 390, "height": 844}}],
    ids=["without script", "on a phone"],
)
def test_everything_can_be_read(pages, open_page, kind, options):
    page, *_ = open_page(pages[kind, "en"], **options)
    for heading in page.locator("h1, h2").all():
        assert heading.is_visible()
    heights = page.evaluate("[...document.querySelectorAll('svg')].map(e => e.clientHeight)")
    assert min(heights) > 100
    width = options.get("viewport", {}).get("width")
    if width:
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_table_can_be_saved_from_the_page(pages, open_page):
    page, *_ = open_page(pages["report", "en"])
    with page.expect_download() as caught:
        page.locator("a[download='win_back.csv']").click()
    saved = caught.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert saved[0].startswith("customer_id,last_at,alive,spend,risk")
    assert len(saved) == 41  # all 40 rows, though 30 are shown


def test_the_checks_would_see_an_overflow_and_a_blank_slide(open_page):
    words = blocks.text("A long sentence about customers that goes on for a while. " * 60)
    document = Document("Title", "", Language("en"), (blocks.slide("Too much", words),))
    with pytest.warns(CrowdedSlideWarning):
        page, *_ = open_page(render_deck(document))
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(100)
    assert page.evaluate(OUTSIDE)
    page.add_style_tag(content="main { height: auto !important; overflow: hidden }")
    page.evaluate("document.querySelector('.reveal').style.height = '0'")
    page.evaluate("window.Reveal.layout()")
    page.wait_for_timeout(100)
    assert ink(page) < 0.005
