"""People under two ids, sources that disagree, surveys: what is said, drawn and listed."""

import re
from pathlib import Path

import pandas as pd
import pytest

import relkit as rk
from relkit.data.quality.supplied import NotSupplied
from relkit.report import blocks, people_tables
from relkit.report.findings import quality_people as findings
from relkit.report.plots import quality_people as plots
from relkit.report.statements import Statement
from relkit.report.vocabulary import all_texts

# Each with what it has to say of the plain frames.
NO_TABLE = NotSupplied(("customers", "interviews"))
CUSTOMER = re.compile(r"SYN-[CA]\d+")


@pytest.fixture(scope="module")
def results():
    world = rk.simulate_world(
        1_500, seed=3, accounts=250, faults=rk.WorldFaults(second_id=0.05),
        tables=["transactions", "customers", "interviews", "survey_values", "feedback", "touches"],
    )  # fmt: skip
    # Rows that a source would set aside.
    rows = world.tables["transactions"].dropna(subset="customer_id")
    tables = {**world.tables, "transactions": rows[rows["occurred_at"].dt.year < 2099]}
    identity = rk.quality.identity_duplicates(tables)
    return {
        "tables": tables,
        "identity": identity,
        "repeat": rk.quality.repeat_share(tables, identity, period="year"),
        "as_is": rk.quality.repeat_share({"transactions": tables["transactions"]}),
        "agreement": rk.quality.triangulate(
            tables, ["industry", "region", "decision_maker", "strategic_fit"]
        ),
        "survey": rk.quality.survey_response(tables, period="quarter", strata="region", target=30),
        "sends": rk.quality.response_per_send(tables),
    }


def statements(results):
    """Every finding on real results."""
    survey = results["survey"]
    return [
        *(
            getattr(findings, name)(results["identity"])
            for name in (
                "identity",
                "identity_rules",
                "identity_by_chance",
                "identity_contradicted",
            )
        ),
        findings.repeat_share(results["repeat"]),
        findings.repeat_share(results["as_is"]),
        findings.repeat_share_note(results["repeat"]),
        findings.repeat_channel_note(results["repeat"]),
        *(
            getattr(findings, f"triangulation{part}")(results["agreement"])
            for part in ("", "_worst", "_kappa", "_odd", "_unmeasured")
        ),
        *(
            getattr(findings, f"survey{part}")(survey, kind)
            for part in ("", "_silent", "_target", "_lag", "_weighted")
            for kind in ("nps", "csat")
        ),
        findings.survey_double(survey),
        findings.sends(results["sends"]),
        findings.sends_note(results["sends"]),
    ]


def test_all_is_said_in_both_languages(results):
    said = [each for each in statements(results) if each is not None]
    assert len(said) >= 22
    for each in said:
        for code in ("en", "zh"):
            text = each.text(code)
            assert text
            assert not re.search(r"nan|None|\{|\}", text)
        assert re.search("[\u4e00-\u9fff]", each.text("zh"))
        assert not re.search("[\u4e00-\u9fff]", each.text("en"))


# Headlines recomputed from the tables


def test_the_headline_of_identity_is_a_count_of_the_map(results):
    said = findings.identity(results["identity"])
    rows = results["identity"].identity_map
    people = rows["joined_id"].nunique()
    assert said.values["people"] == people > 10
    assert said.values["duplicates"] == len(rows) - people
    assert said.values["ids"] == len(results["tables"]["customers"])
    assert said.values["share"] == said.values["duplicates"] / said.values["ids"]
    assert said.key == "identity.found"


def test_the_repeat_share_is_that_of_the_transactions(results):
    rows = results["tables"]["transactions"]
    assert set(rows["kind"]) == {"purchase"}
    days = rows.groupby("customer_id")["occurred_at"].agg(lambda when: when.dt.date.nunique())
    said = findings.repeat_share(results["repeat"])
    assert said.values["before"] == (days > 1).mean()
    joined = results["identity"].join(rows)
    after = joined.groupby("customer_id")["occurred_at"].agg(lambda when: when.dt.date.nunique())
    assert said.values["after"] == (after > 1).mean() > said.values["before"]
    assert said.values["joined"] == len(days) - len(after)
    assert findings.repeat_share(results["as_is"]).key == "repeat.as_is"


def test_the_conflicts_are_those_of_the_list(results):
    found = results["agreement"]
    said = findings.triangulation(found)
    assert said.values["conflicts"] == len(found.conflicts) > 10
    assert said.values["share"] == pytest.approx(1 - len(found.conflicts) / said.values["n"])
    worst = findings.triangulation_worst(found).values["share"]
    by_field = found.conflicts["field"].value_counts()
    compared = found.fields.set_index("field")["compared"]
    assert worst.value == pytest.approx(min(1 - by_field / compared.loc[by_field.index]))
    assert "strategic fit" in findings.triangulation_unmeasured(found).text("en")
    odd = findings.triangulation_odd(found)
    alone = found.conflicts.loc[found.conflicts["odd_one_out"] != "", "odd_one_out"]
    assert odd.values["of"] == len(alone)
    assert odd.values["n"] == alone.value_counts().max()


def test_the_score_is_that_of_the_newest_answers(results):
    rows = results["tables"]["feedback"]
    nps = rows[(rows["kind"] == "nps") & rows["score"].notna()].sort_values("answered_at")
    newest = nps.drop_duplicates("customer_id", keep="last")["score"].astype(float)
    said = findings.survey(results["survey"])
    assert said.key == "survey.nps"
    score = 100 * ((newest >= 9).mean() - (newest <= 6).mean())
    assert said.values["score"] == pytest.approx(score)
    silent = findings.survey_silent(results["survey"])
    asked = rows.loc[rows["kind"] == "nps", "customer_id"].nunique()
    assert silent.values["silent"] == pytest.approx(1 - len(newest) / asked)
    target = findings.survey_target(results["survey"]).values
    waves = results["survey"].waves
    waves = waves[waves["kind"] == "nps"]
    assert target["met"] == (waves["scored"] >= 30).sum()
    assert target["wanted"] == pytest.approx(100 * 1.959964 * (0.25 / 30) ** 0.5, rel=1e-6)
    csat = findings.survey(results["survey"], "csat")
    assert csat.key == "survey.mean"
    assert csat.values["most"] == 5


def test_the_answer_rate_of_sends_adds_up(results):
    said = findings.sends(results["sends"])
    assert said.values["answered"] <= said.values["asked"]
    assert said.values["requests"] == len(results["tables"]["feedback"])


# Where there is nothing to say


def test_what_is_not_supplied_is_said_and_nothing_is_drawn():
    for headline in (findings.identity, findings.triangulation, findings.survey, findings.sends):
        said = headline(NO_TABLE)
        assert said.key.endswith(".not_supplied")
        assert "customers, interviews" in said.text("en")
        assert "未提供" in said.text("zh")
    others = [
        *("identity_rules", "identity_by_chance", "identity_contradicted"),
        *("triangulation_worst", "triangulation_kappa", "triangulation_odd"),
        *("triangulation_unmeasured", "survey_silent", "survey_target", "survey_double"),
        *("survey_lag", "survey_weighted", "sends_note"),
    ]
    assert [getattr(findings, name)(NO_TABLE) for name in others] == [None] * len(others)
    assert plots.agreement(NO_TABLE) is None
    assert plots.survey_scores(NO_TABLE) is None
    assert plots.survey_answers(NO_TABLE) is None
    names = ["identity_rules", "agreement", "agreement_pairs", "conflicts", "survey_kinds"]
    names += ["survey_waves", "survey_answers", "survey_strata", "sends"]
    assert [getattr(people_tables, name)(NO_TABLE) for name in names] == [None] * len(names)


def test_transactions_alone_still_have_a_repeat_share():
    """As CDNOW: no customers, no touches."""
    rows = pd.DataFrame(
        {
            "customer_id": ["a", "a", "b"],
            "occurred_at": pd.to_datetime(["1997-01-01", "1997-02-01", "1997-01-05"]),
            "amount": [10.0, 12.0, 9.0],
        }
    )
    tables = {"transactions": rows}
    found = rk.quality.try_identity(tables)
    share = rk.quality.repeat_share(tables, found)
    assert findings.repeat_share(share).text("en").startswith("50.0%")
    assert findings.repeat_channel_note(share) is None
    assert people_tables.repeat_channels(share) is None
    assert blocks.figure(plots.repeat_share(share)).alt.text


def test_each_other_headline():
    people = pd.DataFrame({"customer_id": [f"c{i}" for i in range(20)],
                           "email": [f"c{i}@example.com" for i in range(20)]})  # fmt: skip
    nobody = rk.quality.identity_duplicates({"customers": people})
    assert findings.identity(nobody).key == "identity.none"
    assert findings.identity_rules(nobody).key == "identity.no_rule"
    bare = rk.quality.identity_duplicates({"customers": people[["customer_id"]]})
    assert findings.identity(bare).key == "identity.nothing_to_compare"
    said = pd.DataFrame({"customer_id": ["c0"], "field": ["region"], "value": ["x"]})
    interviews = said.assign(interviewed_at=pd.Timestamp("2024-01-01"))
    crm = people.assign(region="x")
    alike = rk.quality.triangulate({"customers": crm, "interviews": interviews})
    assert findings.triangulation(alike).key == "triangulation.agree"
    assert findings.triangulation_worst(alike) is None
    apart = rk.quality.triangulate({"customers": people, "interviews": interviews})
    assert findings.triangulation(apart).key == "triangulation.nothing"
    assert plots.agreement(apart) is None
    silent = pd.DataFrame({"customer_id": ["a"], "asked_at": [pd.Timestamp("2024-01-01")],
                           "kind": ["ces"]})  # fmt: skip
    survey = rk.quality.survey_response({"feedback": silent})
    assert findings.survey(survey).key == "survey.no_score"
    assert findings.survey_silent(survey) is None
    assert plots.survey_scores(survey) is None
    with pytest.raises(rk.ParameterError, match="nobody was asked; there are ces"):
        findings.survey(survey, "nps")


# Pictures and tables


@pytest.mark.parametrize("code", ["en", "zh"])
def test_every_picture_says_what_it_shows(results, code):
    rk.set_language(code)
    drawn = [
        plots.repeat_share(results["repeat"]),
        plots.repeat_share(results["as_is"]),
        plots.agreement(results["agreement"]),
        plots.survey_scores(results["survey"]),
        plots.survey_answers(results["survey"], "csat"),
    ]
    for ax in drawn:
        words = [text.get_text() for text in ax.figure.findobj(lambda a: hasattr(a, "get_text"))]
        figure = blocks.figure(ax)
        assert figure.alt.text.endswith("." if code == "en" else "。")
        assert figure.csv
        assert not any("nan" in word for word in words)
        if code == "zh":
            assert any(re.search("[\u4e00-\u9fff]", word) for word in words)


def test_the_repeat_chart_draws_the_table(results):
    ax = plots.repeat_share(results["repeat"])
    heights = sorted(bar.get_height() for bar in ax.patches)
    assert heights == pytest.approx(sorted(results["repeat"].by_cohort["share"]))


def test_the_agreement_chart_draws_the_table(results):
    ax = plots.agreement(results["agreement"])
    rows = results["agreement"].fields
    points = sorted(float(x) for x in ax.lines[0].get_xdata())
    assert points == pytest.approx(sorted(rows["share"].dropna()))
    texts = [text.get_text() for text in ax.texts]
    assert "not measurable: one source only" in texts


@pytest.mark.parametrize("code", ["en", "zh"])
def test_tables_are_in_words_and_under_pseudonyms(results, code):
    rk.set_language(code)
    made = [
        people_tables.identity_rules(results["identity"]),
        people_tables.repeat_cohorts(results["repeat"]),
        people_tables.repeat_channels(results["repeat"]),
        people_tables.agreement(results["agreement"]),
        people_tables.agreement_pairs(results["agreement"]),
        people_tables.conflicts(results["agreement"], 5),
        people_tables.survey_kinds(results["survey"]),
        people_tables.survey_waves(results["survey"]),
        people_tables.survey_answers(results["survey"]),
        people_tables.survey_strata(results["survey"]),
        people_tables.sends(results["sends"]),
    ]
    for block in made:
        assert block.rows
        page = repr(block.to_json() if hasattr(block, "to_json") else block)
        assert not CUSTOMER.search(page)
        assert not re.search(r"\bnan\b|rule_of|told_by|answer_of|question\.", page)
    conflicts = made[5]
    crm = [column.name for column in conflicts.columns].index("crm")
    field = [column.name for column in conflicts.columns].index("field")
    withheld = "decision maker" if code == "en" else "决策人"
    for row in conflicts.rows:
        assert (row[crm] == "…") == (row[field] == withheld)


def test_every_key_is_used_and_every_one_used_is_there():
    room = Path(findings.__file__).parents[1]
    texts = room / "texts" / "quality_people.yaml"
    mine = set(re.findall(r"^([a-z_]+\.[a-z_0-9]+):", texts.read_text(encoding="utf-8"), re.M))
    assert mine <= set(all_texts())
    code = "".join(
        path.read_text(encoding="utf-8")
        for path in (room / "findings/quality_people.py", room / "plots/quality_people.py",
                     room / "people_tables.py", room / "quality_words.py")
    )  # fmt: skip
    built = ("rule_of.", "rule_status.", "told_by.", "agreement_status.", "question.",
             "score_status.", "answer_of.", "wave_of.", "field.", "table.repeat_")  # fmt: skip
    unused = {key for key in mine if f'"{key}"' not in code and not key.startswith(built)}
    assert {key for key in unused if key not in ("label.channel",)} == set()


def test_every_word_of_a_result_has_a_text():
    from relkit.data.quality import (
        identity,
        repeat_customers,
        survey_weights,
        surveys,
        triangulation,
    )
    from relkit.data.quality.survey_sums import PERIODS
    from relkit.report.quality_words import key_of

    keys = [f"rule_of.{rule}" for rule in identity.RULES]
    keys += [
        key_of("rule_status", status)
        for status in (identity.USED, identity.BY_CHANCE, identity.NOTHING, identity.MISSING)
    ]
    keys += [f"told_by.{source}" for source in triangulation.SOURCES]
    keys += [
        key_of("agreement_status", status)
        for status in (triangulation.MEASURED, triangulation.ONE_SOURCE, triangulation.NOBODY,
                       triangulation.NO_VALUES)
    ]  # fmt: skip
    keys += [
        key_of("score_status", status)
        for status in (surveys.MEASURED, surveys.NO_SCORES, surveys.TOO_FEW, surveys.ALIKE,
                       surveys.SEVERAL_SCALES, survey_weights.EMPTY_STRATUM)
    ]  # fmt: skip
    keys += [f"question.{kind}" for kind in ("nps", "csat", "ces", "interview", "other")]
    keys += [f"wave_of.{period}" for period in PERIODS]
    keys += [key_of("answer_of", answer) for answer in (*surveys.NPS_CLASSES, surveys.NO_ANSWER)]
    assert set(keys) <= set(all_texts())
    assert repeat_customers.PERIODS.keys() <= {"month", "quarter", "year"}
    assert all(isinstance(Statement(all_texts()[key]), Statement) for key in keys)
