"""The library of tags: refused without a formula, tried on its examples, stale is not a value."""

import copy
import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from relkit.errors import DataError, ParameterError, SourceError
from relkit.segments.tags import read_tags, tag_customers, tags_from

ROOT = Path(__file__).parents[2]
GOOD = {
    "regular": {
        "name": {"en": "Regular", "zh": "常客"},
        "formula": "frequency >= 8 and days_since_last <= 90",
        "data": "transactions",
        "owner": "care",
        "fresh_days": "31",
        "yes": {"frequency": "8", "days_since_last": "90"},
        "no": {"frequency": "7", "days_since_last": "90"},
    },
    "mail": {
        "name": {"en": "May be mailed", "zh": "可发邮件"},
        "formula": "consent_email = yes",
        "data": "customers",
        "owner": "care",
        "fresh_days": "365",
        "yes": {"consent_email": True},
        "no": {"consent_email": "no"},
    },
    "unmet": {
        "name": {"en": "Latent need", "zh": "潜在需求"},
        "notes": "latent_need",
        "data": "notes",
        "owner": "sales",
        "fresh_days": "30",
    },
}
CUSTOMERS = pd.DataFrame(
    {
        "customer_id": ["a", "b", "c", "d"],
        "frequency": [8, 7, np.nan, np.nan],
        "days_since_last": [90.0, np.nan, 10.0, 91.0],
        "consent_email": pd.array([True, False, pd.NA, True], dtype="boolean"),
    }
)
NOTES = pd.DataFrame(
    {
        "customer_id": ["a", "b", "c"],
        "tag": ["latent_need", "latent_need", "dissatisfaction"],
        "notes": [1, 1, 1],
        "last_at": pd.to_datetime(["2024-06-01", "2024-05-31", "2024-06-20"]),
    }
)
UNTIL = {"transactions": "2024-06-30", "customers": "2024-07-01", "notes": "2024-07-01"}


def tagged(customers=CUSTOMERS, until=UNTIL, notes=NOTES, registry=GOOD):
    return tag_customers(
        tags_from(registry), customers, as_of="2024-07-01", data_until=until, note_tags=notes
    )


def changed(key="regular", **said):
    registry = copy.deepcopy(GOOD)
    for name, value in said.items():
        if value is None:
            registry[key].pop(name, None)
        else:
            registry[key][name] = value
    return registry


def test_each_tag_by_hand():
    found = tagged()
    table = found.to_frame()
    # c lacks the frequency that decides; b and d are decided by what is known.
    assert table["regular"].astype(object).where(table["regular"].notna(), None).tolist() == [
        True, False, None, False,
    ]  # fmt: skip
    assert table["mail"].isna().tolist() == [False, False, True, False]
    # The note of a is 30 days old on the day, that of b 31.
    assert table["unmet"].tolist() == [True, False, False, False]
    assert found.of("c") == {"regular": None, "mail": None, "unmet": False}
    states = found.states_frame().set_index("tag")
    assert states["customers"].tolist() == [1, 2, 1]
    assert states["unknown"].tolist() == [1, 1, 0]
    assert states["age_days"].tolist() == [1, 0, 0]


@pytest.mark.parametrize(("day", "state"), [("2024-05-31", "current"), ("2024-05-30", "stale")])
def test_a_stale_tag_says_nothing_about_anybody(day, state):
    found = tagged(until=UNTIL | {"transactions": day})
    assert found.states[0].state == state
    assert found.states[0].age_days == {"current": 31, "stale": 32}[state]
    if state == "stale":
        assert found.to_frame()["regular"].isna().all()
        assert found.states[0].customers is None
        assert "regular" not in found.of("a")


def test_what_is_missing_is_not_supplied_and_never_no():
    found = tagged(customers=CUSTOMERS.drop(columns="frequency"), notes=None)
    states = found.states_frame().set_index("tag")
    assert states["state"].tolist() == ["not_supplied", "current", "not_supplied"]
    assert states["missing"].tolist() == ["frequency", "", "notes"]
    assert found.to_frame()[["regular", "unmet"]].isna().all().all()
    without = tagged(until={"customers": "2024-07-01"})
    assert without.states[0].missing == ("transactions",)
    assert without.states[0].age_days is None


def test_neither_order_nor_index_matters():
    mixed = CUSTOMERS.sample(frac=1, random_state=3)
    mixed.index = [5] * len(mixed)
    first, second = tagged().to_frame(), tagged(customers=mixed).to_frame()
    pd.testing.assert_frame_equal(
        first, second.sort_values("customer_id", ignore_index=True), check_like=True
    )


@pytest.mark.parametrize(
    ("registry", "said"),
    [
        (changed(formula=None), "regular: has no formula; a tag that nobody can recompute"),
        (changed(notes="latent_need"), "regular: has both a formula and notes"),
        (changed(owner=None), "regular: has no owner"),
        (changed(fresh_days=None), "regular: has no fresh_days"),
        (changed(fresh_days="0"), "fresh_days: 0 must be at least 1"),
        (changed(fresh_days="1.5"), "must be whole days"),
        (changed(name={"en": "Regular"}), "name must have both en and zh"),
        (changed(name={"en": "Latent need", "zh": "别的"}), "two tags are called 'Latent need'"),
        (changed(formula="frequency >="), "formula: 'frequency >='"),
        (changed(yes=None), "yes must be an example with just the columns of the formula"),
        (
            changed(yes={"frequency": "7", "days_since_last": "1"}),
            "the formula does not hold for its own example yes",
        ),
        (
            changed(no={"frequency": "9", "days_since_last": "1"}),
            "the formula holds for its own example no",
        ),
        (changed(formulas="x"), "unknown key 'formulas'; did you mean 'formula'"),
        ({}, "at least one is required"),
        ({"two words": {}}, "the key one word"),
    ],
)
def test_tags_that_are_refused(registry, said):
    with pytest.raises(ParameterError) as raised:
        tags_from(registry)
    assert said in str(raised.value)


def test_all_faults_are_said_at_once():
    registry = changed(owner=None, formula=None) | {"mail": {"formula": "x > 1"}}
    with pytest.raises(ParameterError) as raised:
        tags_from(registry)
    assert {line.split(":")[0].strip(" -") for line in raised.value.faults} == {"regular", "mail"}
    assert len(raised.value.faults) >= 6


@pytest.mark.parametrize(
    ("customers", "said"),
    [
        (CUSTOMERS.iloc[:0], "found 0 rows"),
        (CUSTOMERS.assign(customer_id="a"), "customer_id is repeated in 3 rows"),
        (CUSTOMERS.assign(frequency="many"), "compares frequency with a number, but the column"),
        (CUSTOMERS.assign(consent_email=1), "compares consent_email with a word, but the column"),
    ],
)
def test_customers_that_cannot_be_tagged(customers, said):
    with pytest.raises(DataError, match=said):
        tagged(customers=customers)


def test_days_that_cannot_be_meant():
    with pytest.raises(ParameterError, match="data_until: transactions='soon'"):
        tagged(until={"transactions": "soon"})
    with pytest.raises(ParameterError, match="lies after as_of=2024-07-01: notes: 2024-07-02"):
        tagged(until={"notes": dt.date(2024, 7, 2)})
    with pytest.raises(DataError, match="has no tags") as raised:
        tagged().of("nobody-7")
    assert "nobody-7" not in str(raised.value)


def test_the_shipped_library_can_be_read_and_names_known_keyword_tags():
    from relkit.segments.keywords import read_keywords

    library = read_tags(ROOT / "params/tags/registry.yaml")
    assert len(library.to_frame()) == len(library.tags) >= 12
    known = read_keywords(ROOT / "params/tags/keywords.yaml").tags
    assert {tag.notes for tag in library.tags if tag.notes} == set(known)
    with pytest.raises(SourceError, match="no such tag file; .* holds"):
        read_tags(ROOT / "params/tags/register.yaml")


def test_a_library_of_a_hundred_and_twenty_tags():
    registry = {
        f"spent_{amount}": {
            "name": {"en": f"Spent {amount}", "zh": f"消费{amount}"},
            "formula": f"total_spend >= {amount}",
            "data": "transactions",
            "owner": "care",
            "fresh_days": "31",
            "yes": {"total_spend": str(amount)},
            "no": {"total_spend": str(amount - 1)},
        }
        for amount in range(1, 121)
    }
    spend = np.arange(200.0)
    customers = pd.DataFrame({"customer_id": [f"c{i}" for i in range(200)], "total_spend": spend})
    found = tagged(customers=customers, registry=registry)
    assert [each.customers for each in found.states] == [200 - a for a in range(1, 121)]
