"""The index page: complete, safe to open, in the language of its reports."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from relkit.run.index import WORDS, read_entries, write_index
from relkit.run.publish import Outputs

HOSTILE = "<img src=x onerror=alert(1)>\"'&"


@pytest.fixture
def outputs(tmp_path):
    place = Outputs(tmp_path / "outputs")
    place.root.mkdir()
    return place


def add(place, name, run_id, status="published", pages=("report.html",), latest=True, **more):
    home = place.report(name) if status == "published" else place.failed(name)
    folder = home / run_id
    (folder / "tables").mkdir(parents=True)
    for page in pages:
        (folder / page).touch()
    record = {
        "report": name, "run_id": run_id, "status": status, "title": name.title(),
        "started_at": "2026-01-02T03:04:05.000Z", "seconds": {"execute": 2.25}, "gates": [],
        "parameters": {"n": 1}, "finding": "", "question": "", "language": "en", "message": None,
    } | more  # fmt: skip
    (folder / "run.json").write_text(json.dumps(record))
    if status == "published" and latest:
        link = home / "latest"
        link.unlink(missing_ok=True)
        link.symlink_to(run_id)


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.words, self.languages = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name == "href" and tag == "a":
                self.links.append(value)
            if value == "Content-Security-Policy":
                self.policy = dict(attributes)["content"]
            if name == "lang":
                self.languages.append((tag, value))
            assert not name.startswith("on"), (tag, name)
            assert name != "src", (tag, value)
            assert tag != "link" or name != "href" or value == "data:,"

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def page_of(place):
    return Page(write_index(place).read_text(encoding="utf-8"))


def test_every_run_is_there_and_every_link_leads_to_a_file(outputs):
    add(outputs, "value-shop", "20260101T000000Z-aaaa")
    add(outputs, "value-shop", "20260102T000000Z-bbbb", pages=("report.html", "deck.html"))
    add(outputs, "value-shop", "20251231T000000Z-cccc", "failed", ("notebook.ipynb",), message="x")
    add(outputs, "a b#c-größe", "20260101T000000Z-dddd")
    page = page_of(outputs)
    assert "value-shop/20260102T000000Z-bbbb/deck.html" in page.links
    assert "value-shop/20260101T000000Z-aaaa/report.html" in page.links
    assert ".failed/value-shop/20251231T000000Z-cccc/notebook.ipynb" in page.links
    for link in page.links:
        assert (outputs.root / unquote(link)).exists(), link
    assert not [link for link in page.links if link.endswith("tables")]  # there are none in it
    assert page.tags.count("h1") == 1
    assert page.tags.count("h2") == 2
    assert "2026-01-02 03:04 UTC" in page.text
    assert WORDS["en"]["failed_since"] not in page.text  # it failed before the newest good run


def test_a_newer_failure_is_said_beside_the_last_good_run(outputs):
    add(outputs, "value-shop", "20260101T000000Z-aaaa")
    add(outputs, "value-shop", "20260102T000000Z-bbbb", "failed", message="disk is full")
    add(outputs, "other-shop", "20260102T000000Z-cccc", "interrupted", message="killed")
    page = page_of(outputs)
    assert f"{WORDS['en']['failed_since']} disk is full" in page.text
    assert f"{WORDS['en']['never']} killed" in page.text
    (other, value) = read_entries(outputs)
    assert (other.latest, other.stale) == (None, False)
    assert value.stale
    assert value.latest.run_id == "20260101T000000Z-aaaa"


def test_the_link_says_which_run_is_current_not_the_name(outputs):
    add(outputs, "value-shop", "20260101T000000Z-aaaa")
    add(outputs, "value-shop", "20260102T000000Z-bbbb", latest=False)
    (entry,) = read_entries(outputs)
    assert entry.latest.run_id == "20260101T000000Z-aaaa"


def test_gates_are_counted(outputs):
    gates = [{"statement": "x", "passed": passed} for passed in (True, True, False, None)]
    add(outputs, "value-shop", "20260101T000000Z-aaaa", gates=gates)
    assert "gates: 2 passed 1 undecided 1 failed" in page_of(outputs).text


def test_text_from_records_stays_text(outputs):
    add(
        outputs, "value-shop", "20260101T000000Z-aaaa", title=HOSTILE, finding=HOSTILE,
        parameters={HOSTILE: HOSTILE}, gates=[{"statement": HOSTILE, "passed": True}],
    )  # fmt: skip
    add(outputs, "value-shop", "20260102T000000Z-bbbb", "failed", message=HOSTILE)
    text = write_index(outputs).read_text()
    page = Page(text)
    assert "img" not in page.tags
    assert "script" not in page.tags
    assert page.text.count(HOSTILE) == 6  # title, notice, finding, name, value, failed run
    # One file that asks nobody for anything; the fonts are inside.
    assert "default-src 'none'" in page.policy
    assert "script-src" not in page.policy
    assert not re.search(r"url\((?!data:)|@import", text)
    assert "@font-face" in text


def test_characters_that_turn_a_line_around_are_spelled_out(outputs):
    add(outputs, "value-shop", "20260101T000000Z-aaaa", finding="abc\u202edef\x1b[31m")
    assert "abc[U+202E]def[U+001B][31m" in page_of(outputs).text


def test_the_page_speaks_the_language_of_most_reports(outputs):
    add(outputs, "value-shop", "20260101T000000Z-aaaa", language="zh", title="客户价值")
    add(outputs, "segments-shop", "20260101T000000Z-bbbb", language="zh", title="客户分群")
    add(outputs, "review-shop", "20260101T000000Z-cccc", language="en", title="Review")
    page = page_of(outputs)
    assert page.languages[0] == ("html", "zh-Hans")
    assert ("h2", "en") in page.languages
    assert WORDS["zh"]["title"] in page.text
    assert WORDS["en"].keys() == WORDS["zh"].keys()


def test_a_record_that_cannot_be_read_leaves_the_others(outputs):
    add(outputs, "value-shop", "20260101T000000Z-aaaa")
    for content in ("", "[]", "{not json"):
        folder = outputs.report("broken") / f"run-{len(content)}"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(content)
    assert [entry.name for entry in read_entries(outputs)] == ["value-shop"]
    page_of(outputs)


def test_the_same_runs_give_the_same_bytes(outputs):
    add(outputs, "value-shop", "20260101T000000Z-aaaa")
    assert write_index(outputs).read_bytes() == write_index(outputs).read_bytes()
