"""What a reader of the shipped notebooks sees, in a real browser without a network."""

import re

import pytest

from tests.page_checks import printed, sheets, slides, violations, walked

pytestmark = pytest.mark.browser
EVERY = [
    (name, code) for name in ("customer_value", "segments", "review_deck") for code in ("en", "zh")
]


@pytest.mark.parametrize(("name", "code"), EVERY)
def test_the_report_is_whole_quiet_and_accessible(published, open_page, name, code):
    html = published[name, code].report.read_text(encoding="utf-8")
    page, asked, errors = open_page(html)
    assert (asked, errors) == ([], [])
    assert violations(page) == []
    assert page.locator("h1").count() == 1
    alts = page.locator("svg[role=img]").evaluate_all(
        "all => all.map(e => e.getAttribute('aria-label') || e.querySelector('title')?.textContent)"
    )
    assert alts
    # A real alt has a number in it.
    assert all(alt and re.search(r"\d", alt) for alt in alts)
    text = page.inner_text("main")
    assert not re.search(r"\bnan\b|\bNone\b|Traceback|import relkit|rk\\.", text)


@pytest.mark.parametrize(("name", "code"), EVERY)
def test_the_deck_can_be_walked_and_printed(
    published, open_page, chromium_path, tmp_path, name, code
):
    html = published[name, code].deck.read_text(encoding="utf-8")
    page, asked, errors = open_page(html)
    seen = walked(page)
    assert (asked, errors) == ([], [])
    assert len(set(seen)) == len(seen) == slides(html)
    assert sheets(printed(html, chromium_path, tmp_path)) == slides(html)


@pytest.mark.parametrize("name", ["customer_value", "segments", "review_deck"])
def test_chinese_pages_have_no_english_sentence(published, open_page, name):
    page, *_ = open_page(published[name, "zh"].report.read_text(encoding="utf-8"))
    text = page.inner_text("main")
    # Four English words in a row are a sentence that was left behind; names are shorter.
    assert re.findall(r"(?:\b[A-Za-z]{2,}\b[ ,]+){4,}", text) == []
