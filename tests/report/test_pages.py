"""Reports and decks as text: escaping, policy, order, bytes."""

import copy
import re
import warnings
from html.parser import HTMLParser
from itertools import pairwise

import pandas as pd
import pytest

from relkit.report import blocks
from relkit.report.document import Document, Prose, read_document
from relkit.report.html import render_report
from relkit.report.language import Language
from relkit.report.slides import CrowdedSlideWarning, render_deck
from relkit.report.statements import statement
from relkit.report.theme import new_axes

HOSTILE = ["<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>", "\u202egnirts",
           "[a](javascript:alert(1))", "**bold**", "$x$", "n" * 10_000,
           "=HYPERLINK(1)"]  # fmt: skip


class Elements(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found, self.text = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def document(*parts, title="Title", code="en"):
    return Document(title, "", Language(code), parts)


@pytest.fixture(params=[render_report, render_deck], ids=["report", "deck"])
def render(request):
    return request.param


@pytest.mark.parametrize("code", ["en", "zh"])
def test_the_same_document_gives_the_same_bytes_within_a_megabyte(
    render, demo_document, record, code
):
    page = render(demo_document(code), record)
    assert render(copy.deepcopy(demo_document(code)), record) == page
    assert len(page.encode()) < 1_000_000


def test_no_code_no_output_no_secret_is_shown(render, demo_document, record):
    page = render(demo_document("en"), record)
    for unseen in ("secret_code", "plain output", "only for analysts", "horizon_weeks: int"):
        assert unseen not in page
    assert not re.search(r"\bnan\b|\binf\b|Traceback", "".join(Elements(page).text))


def test_names_show_as_text(render):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CrowdedSlideWarning)
        frame = pd.DataFrame({"name": HOSTILE, "value": range(len(HOSTILE))})
        said = [statement(en="{x:text}", zh="{x:text}", x=name) for name in HOSTILE]
        page = render(
            document(
                *[blocks.slide(s, blocks.text(s), notes=s, source=s) for s in said],
                blocks.slide("Table", blocks.table(frame, caption=HOSTILE[0], name="t")),
                blocks.slide("Gates", *[blocks.gate(name, False) for name in HOSTILE]),
                blocks.provenance({"name": HOSTILE[0]}, {"a": HOSTILE[1]}),
                title=HOSTILE[1],
            ),
            {"report": HOSTILE[0], "run_id": HOSTILE[1]},
        )
    seen = Elements(page)
    tags = [tag for tag, _ in seen.found]
    assert "img" not in tags
    assert tags.count("script") == (1 if render is render_deck else 0)
    assert "strong" not in tags
    assert not any("onerror" in attrs for _, attrs in seen.found)
    assert not any(str(attrs.get("href", "")).startswith("javascript") for _, attrs in seen.found)
    text = "".join(seen.text)
    assert "\u202e" not in page
    assert "[U+202E]gnirts" in text
    assert "<img src=x onerror=alert(1)>" in text
    assert "**bold**" in text


def test_policy_language_title_and_alt(render, demo_document, record):
    seen = Elements(render(demo_document("zh"), record))
    attrs = [a for tag, a in seen.found if tag == "html"]
    assert attrs == [{"lang": "zh-Hans"}]
    policy = next(a["content"] for t, a in seen.found if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    assert "unsafe-eval" not in policy
    assert "script-src 'unsafe" not in policy
    charts = [a for tag, a in seen.found if tag == "svg"]
    assert len(charts) == 3
    assert all(a["role"] == "img" and len(a["aria-label"]) > 10 for a in charts)


def test_headings_are_in_order_and_ids_are_unique(render, demo_document, record):
    seen = Elements(render(demo_document("en"), record))
    levels = [int(tag[1]) for tag, _ in seen.found if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    ids = [a["id"] for _, a in seen.found if "id" in a]
    assert len(ids) == len(set(ids))


def test_a_chart_that_comes_twice_keeps_its_ids_apart(render):
    ax = new_axes("half")
    ax.plot([1, 2], marker="o")
    shown = blocks.figure(ax, alt="A line")
    seen = Elements(render(document(blocks.slide("a", shown), blocks.slide("b", shown))))
    ids = [a["id"] for _, a in seen.found if "id" in a]
    assert len(ids) == len(set(ids))


def test_a_skipped_heading_level_is_closed_up():
    page = render_report(document(Prose("#### Deep"), Prose("## Section\n\n#### Deeper")))
    main = page.split("<main")[1].split("</main>")[0]
    levels = [tag for tag, _ in Elements(main).found if re.fullmatch("h[1-6]", tag)]
    assert levels == ["h2", "h2", "h3"]


def test_the_footer_says_what_the_record_says(render, demo_document, record):
    text = " ".join("".join(Elements(render(demo_document("en"), record)).text).split())
    for said in ("20260301T030000Z-1a2b3c", "5dea6f5", "0.1.0", "2026-03-01", "9f86d081884c",
                 "69,659 rows", "annual_discount_rate", "matplotlib 3.10.0"):  # fmt: skip
        assert said in text


def test_the_record_alone_is_enough_for_a_footer():
    page = render_report(
        document(Prose("x")),
        {
            "parameters": {"horizon": 52},
            "data": [{"path": "a.csv", "rows": 5, "sha256": "cd" * 32}],
        },
    )
    text = "".join(Elements(page).text)
    assert "a.csv" in text
    assert "cdcdcdcdcdcd" in text
    assert "horizon" in text


def test_simulated_customers_are_said_to_be(render):
    real = document(blocks.slide("a"), blocks.provenance({"name": "A"}))
    fake = document(blocks.slide("a"), blocks.provenance({"name": "A"}, synthetic=True))
    assert "Synthetic data" not in render(real)
    assert "Synthetic data" in render(fake)


def test_a_red_gate_stands_above_every_finding(render):
    def gate(text, passed):
        return blocks.gate(statement(en=text, zh=text), passed)

    open_gate = gate("The fit may stand", None)
    red, green = gate("The total was missed", False), gate("The fit converged", True)
    told = document(blocks.slide("A finding"), blocks.slide("Gates", red, green, open_gate))
    words = "".join(Elements(render(told)).text)
    top = words[: words.index("A finding")]
    assert "Does not hold: 1 of the conditions" in top
    assert "The total was missed" in top
    assert "The fit" not in top
    held = "".join(Elements(render(document(blocks.slide("A finding", green)))).text)
    assert "Does not hold" not in held


def test_no_slides_no_deck():
    assert render_deck(document(Prose("## Only words"))) is None


def test_every_number_of_a_headline_is_in_both_pages(demo_document, record):
    for code in ("en", "zh"):
        read = demo_document(code)
        report, deck = (
            "".join(Elements(render(read, record)).text) for render in (render_report, render_deck)
        )
        for shown in read.slides:
            assert shown.headline.text in report
            assert shown.headline.text in deck


def test_both_languages_carry_the_same_values(demo_document):
    def values(code):
        return [slide.headline.values for slide in demo_document(code).slides]

    assert values("en") == values("zh")


def test_a_slide_that_holds_too_much_is_reported():
    words = "A long sentence about customers that goes on for a while. " * 60
    with pytest.warns(CrowdedSlideWarning, match="slide 2"):
        render_deck(document(blocks.slide("Too much", blocks.text(words))))


def test_a_long_table_is_cut_in_the_deck_and_whole_in_the_report():
    frame = pd.DataFrame({"id": [f"c{i}" for i in range(60)], "n": range(60)})
    read = document(blocks.slide("Sixty", blocks.table(frame)))
    assert render_report(read).count('<th scope="row"') == 60
    deck = render_deck(read)
    assert 10 <= deck.count('<th scope="row"') <= 16
    assert re.search(r"First \d\d of 60 rows", deck)


def test_readers_get_dashes_not_nan():
    frame = pd.DataFrame({"id": ["a"], "x": [float("nan")]})
    page = render_report(document(blocks.table(frame)))
    assert "not measured" in page
    assert "nan" not in "".join(Elements(page).text)


def test_a_notebook_node_reads_like_a_mapping(demo_document):
    import nbformat

    shown = demo_document("en")
    cells = [
        {
            "cell_type": "code",
            "source": "",
            "execution_count": None,
            "metadata": {},
            "outputs": [{"output_type": "display_data", "metadata": {}, "data": data}],
        }
        for data in (slide._repr_mimebundle_() for slide in shown.slides)
    ]
    node = nbformat.from_dict({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells})
    assert read_document(node, "en").slides == shown.slides
