"""The page of a customer, the words of clusters and keywords, in both languages."""

import datetime as dt

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from relkit.intervals import wilson_interval
from relkit.privacy import WITHHELD, Privacy, pseudonym, showing
from relkit.report import blocks, findings, plots
from relkit.report.language import Language, speaking
from relkit.report.profile_page import (
    profile_appendix,
    profile_facts,
    profile_page,
    profile_parts,
    profile_tags,
)
from relkit.report.vocabulary import all_texts
from relkit.segments.clusters import Clusters, ClusterStability
from relkit.segments.keywords import KeywordAccuracy, TagAccuracy
from relkit.segments.tags import Tag
from relkit.studies.profile import _FIELDS, CustomerProfile, ProfileFact, TagFact

mpl.use("agg")
VALUES = {
    "name": "Jo Doe", "industry": "retail", "decision_maker": "王芳", "owner_id": "0007",
    "clv": 1234.5, "clv_low": 1000.0, "clv_high": 1500.0, "probability_alive": 0.83,
    "last_at": pd.Timestamp("2024-12-01"), "first_at": pd.Timestamp("2023-01-05"),
    "purchases": 7, "total_spend": 980.5, "tier": "A", "rfm": "5-4-3", "last_channel": "wechat",
    "contract_status": "renewed", "last_nps": 9.0, "hours_to_resolve": 12.345,
    "open_tickets": 0,
}  # fmt: skip


def profile(values=VALUES, tags=(), missing=("feedback",)):
    lines = [
        ProfileFact(
            section, name, "known" if name in values else
            "not_supplied" if section == "contracts" else "nothing",
            word.rstrip("*"), word.endswith("*"), values.get(name),
        )
        for section, fields in _FIELDS.items()
        for name, word in fields.items()
    ]  # fmt: skip
    events = pd.DataFrame(
        {
            "at": pd.to_datetime(["2023-01-05", "2024-06-01", "2024-12-01"]),
            "kind": ["purchase", "complaint", "purchase"],
            "amount": [10.0, np.nan, 20.0],
        }
    )
    day = dt.date(2024, 12, 29)
    return CustomerProfile("secret-id-42", day, tuple(lines), tags, missing, events)


def tag(key, state, value=None, age=3):
    names, owner = {"en": f"Tag {key}", "zh": f"标签{key}"}, {"en": "care", "zh": "客服"}
    return TagFact(Tag(key, names, None, "x", "notes", owner, 2), state, value, age)


def test_headline_by_what_is_known():
    whole = findings.profile_answer(profile())
    assert whole.text() == (
        f"Customer {pseudonym('secret-id-42')}: $1,234.50 to come, 83% likely still a customer; "
        "bought 7 times, last on 1 December 2024"
    )
    without = {name: value for name, value in VALUES.items() if name != "clv"}
    assert "value to come not supplied" in findings.profile_answer(profile(without)).text()
    assert findings.profile_answer(profile({})).text().endswith("no purchase on record")
    assert "未来价值" in whole.text("zh")


@pytest.mark.parametrize("code", ["en", "zh"])
def test_page_in_both_languages_names_nobody(code):
    tags = (tag("a", "current", True), tag("b", "stale"), tag("c", "not_supplied"))
    with speaking(Language(code)):
        pages = profile_page(profile(tags=tags)), profile_appendix(profile(tags=tags))
        ax = plots.profile_events(profile())
        pages = (*pages, blocks.figure(ax))
    whole = str([page.to_json() for page in pages])
    for secret in ("Jo Doe", "王芳", "secret-id-42"):
        assert secret not in whole
    assert pseudonym("secret-id-42") in whole
    assert WITHHELD in whole


def test_facts_as_readers_see_them():
    table = profile_facts(profile())
    rows = {row[1]: row[2] for row in table.rows}
    assert rows["Name"] == WITHHELD
    assert rows["Future value"] == "$1,234.50"
    assert rows["Chance still a customer"] == "83%"
    assert rows["Last purchase"] == "1 December 2024"
    assert rows["Channel of the last contact"] == "WeChat"
    assert rows["Status of the last contract"] == "renewed"
    assert rows["Last NPS"] == "9"
    assert rows["Hours to resolve (median)"] == "12.3"
    assert rows["Open tickets"] == "0"  # a count of none is 0; what is not there is not
    assert rows["Tickets"] == "none"
    assert rows["Contracts"] == "not supplied"
    with showing(Privacy(show_personal=True)):
        assert ("Customer", "Name", "Jo Doe") in profile_facts(profile()).rows


def table_columns(table):
    """The cells of a table block, column by column."""
    return list(zip(*table.rows, strict=True))


def test_a_stale_tag_is_called_stale_and_shows_no_value():
    tags = (
        tag("a", "current", True), tag("b", "current", False), tag("c", "current", None),
        tag("d", "stale", None, age=40), tag("e", "not_supplied", None, age=None),
    )  # fmt: skip
    names, said, _ = table_columns(profile_tags(profile(tags=tags)))
    assert list(names) == ["Tag a", "Tag b", "Tag c", "Tag d", "Tag e"]
    assert list(said) == [
        "yes", "no", "not known", "stale: data 40 days old, at most 2", "not supplied",
    ]  # fmt: skip
    assert profile_tags(profile()) is None


def test_every_word_of_a_page_is_there():
    known = all_texts()
    for section, fields in _FIELDS.items():
        assert f"profile.section_{section}" in known
        assert all(f"profile.{name}" in known for name in fields)
    from relkit.data.contracts import CHANNELS

    assert all(f"channel.{name}" in known for name in CHANNELS)


def test_a_line_for_each_part():
    tags = (tag("a", "current", True), tag("b", "stale"), tag("c", "current", False))
    rows = dict(profile_parts(profile(tags=tags)).rows)
    assert rows["Customer"] == (
        "Name: …; Industry: retail; Key decision maker: …; Account owner (number): 0007"
    )
    assert rows["Tier and RFM"] == "Tier: A; RFM (R-F-M): 5-4-3"
    assert rows["Contracts"] == "Status of the last contract: renewed"
    assert rows["Satisfaction"] == "Last NPS: 9"
    assert rows["Tag"] == "Tag a (stale: Tag b)"
    bare = dict(profile_parts(profile({})).rows)
    assert bare["Contracts"] == "not supplied"
    assert bare["Tickets"] == "none"
    with speaking(Language("zh")):
        assert dict(profile_parts(profile(tags=tags)).rows)["标签"] == "标签a（已过期：标签b）"


def test_events_are_drawn_and_counted():
    ax = plots.profile_events(profile())
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["Complaints", "Purchases"]
    assert [len(line.get_xdata()) for line in ax.get_lines()] == [1, 2]


def clusters(bootstrap, shuffled):
    stability = ClusterStability(bootstrap, shuffled, 500) if bootstrap else None
    frame = pd.DataFrame(
        {
            "cluster": [1, 2], "customers": [70, 30], "share": [0.7, 0.3],
            "frequency": [0.0, 8.0], "frequency_low": [0.0, 6.0], "frequency_high": [1.0, 9.0],
        }
    )  # fmt: skip
    people = pd.DataFrame({"customer_id": [f"c{i}" for i in range(100)], "cluster": 1})
    return Clusters(
        people,
        ("frequency",),
        (),
        "k-means",
        "silhouette",
        pd.DataFrame(),
        100,
        stability,
        0,
        frame,
    )


def test_the_headline_says_whether_stability_exceeds_noise():
    above = findings.cluster_stability(clusters((0.95, 0.97), (0.5,) * 19))
    assert above.key == "clusters.exceeds"
    assert "stability of 0.96 exceeds the 0.50 to 0.50 of 19 shuffled copies" in above.text()
    within = findings.cluster_stability(clusters((0.95,), (*(0.5,) * 18, 0.97)))
    assert within.key == "clusters.within"
    assert "does not exceed the 0.50 to 0.97" in within.text()
    assert "并不高于" in within.text("zh")
    few = findings.cluster_stability(clusters((), ()))
    assert "too few to tell" in few.text()


def test_what_clusters_mean_never_says_that_groups_exist():
    for found in (clusters((0.9,), (0.1,) * 19), clusters((0.9,), (0.95,) * 19), clusters((), ())):
        meaning = findings.clusters_meaning(found).text()
        assert "Use the clusters to describe" in meaning
        assert "highest mean silhouette" in findings.clusters_method(found).text()
        assert "取平均轮廓系数最高者" in findings.clusters_method(found).text("zh")


@pytest.mark.filterwarnings("ignore:The set_bad function")
def test_cluster_pictures():
    found = clusters((0.9,), tuple(np.linspace(0.1, 0.5, 19)))
    texts = [text.get_text() for text in plots.cluster_profiles(found).texts]
    assert sorted(texts) == ["0", "8"]
    ax = plots.cluster_stability(found)
    assert len(ax.get_lines()[0].get_xdata()) == 19
    assert list(ax.get_lines()[1].get_xdata()) == [0.9, 0.9]
    from relkit.errors import DataError

    with pytest.raises(DataError, match="too few"):
        plots.cluster_stability(clusters((), ()))


def test_accuracy_of_keywords_is_said_with_its_interval():
    def row(name, labelled, tagged, right):
        return TagAccuracy(
            name, "all", labelled, tagged, right,
            wilson_interval(right, tagged) if tagged else None,
            wilson_interval(right, labelled) if labelled else None,
        )  # fmt: skip

    found = KeywordAccuracy(200, (row("latent_need", 10, 20, 10), row("my_own", 40, 10, 10)))
    text = findings.keyword_accuracy(found).text()
    # Wilson, 10 of 20: 29.9 to 70.1 %; 10 of 40: 14.2 to 40.2 % (by hand).
    assert "at least 50% (30–70%) of what they name (weakest: latent need)" in text
    assert "at least 25% (14–40%) of what people found (weakest: my_own)" in text
    nothing = KeywordAccuracy(5, (row("latent_need", 0, 0, 0),))
    assert findings.keyword_accuracy(nothing).key == "keywords.unmeasured"
