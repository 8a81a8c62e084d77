"""One person under two ids: planted ones found, nobody joined to a stranger, shares by hand."""

import itertools
import math

import ibis
import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.data.quality import identity
from relkit.data.quality.supplied import NotSupplied
from relkit.errors import DataError, ParameterError

SECOND_IDS = rk.WorldFaults(
    missing_customer=0, negative_amount=0, future_date=0, hundredfold_amount=0,
    unknown_customer=0, duplicate=0, disagreement=0, second_id=0.05, silent_weeks=0,
)  # fmt: skip
LEAP = pd.Timestamp("1980-02-29")
FIELDS = ["customer_id", "name", "email", "phone", "birthday", "created_at"]


def strangers(n=60):
    """Customers of whom no two share anything."""
    return [
        (f"s{i}", f"Stranger {i}", f"s{i}@example.com", f"+1-555-0{i:06d}",
         pd.Timestamp("1950-01-01") + pd.Timedelta(days=97 * i), pd.Timestamp("2020-01-01"))
        for i in range(n)
    ]  # fmt: skip


def table_of(*people, n=60):
    """Those people among strangers; of what is left out nothing is known."""
    rows = [*strangers(n), *(tuple(p.get(field) for field in FIELDS) for p in people)]
    frame = pd.DataFrame(rows, columns=FIELDS)
    return {
        "customers": frame.astype({"birthday": "datetime64[us]", "created_at": "datetime64[us]"})
    }


def person(customer_id, **known):
    return {"customer_id": customer_id, **known}


def joined(found):
    rows = found.identity_map
    return set(zip(rows["customer_id"], rows["joined_id"], strict=True))


def pairs(found, status):
    rows = found.pairs[found.pairs["status"] == status]
    return set(zip(rows["customer_id"], rows["other_id"], rows["rule"], strict=True))


# Rules and how values are compared, by hand


BORN, LATER = pd.Timestamp("1981-03-31"), pd.Timestamp("1982-04-30")
WRITTEN = [
    ({"email": "Ada@Example.com"}, {"email": " ada@example.COM "}),
    ({"email": "bea@example.com"}, {"email": "ｂｅａ＠example.com"}),
    ({"name": "Cy Li", "phone": "+86 138-0013"}, {"name": "cy  LI", "phone": "0086138 0013"}),
    ({"name": "李 明", "phone": "138 0013 8000"}, {"name": "李明", "phone": "1３８ 0013 8000"}),
    ({"name": "Di Li", "birthday": BORN}, {"name": "Di-Li", "birthday": BORN}),
    ({"phone": "13900138000", "birthday": LEAP}, {"phone": "139-0013-8000", "birthday": LEAP}),
]
NO_EVIDENCE = [
    ({"name": "Ed Li"}, {"name": "Ed Li"}),  # a name alone
    ({"phone": "13700138000"}, {"phone": "13700138000"}),  # a number alone
    ({"birthday": LATER}, {"birthday": LATER}),
    ({"email": "ed at home"}, {"email": "ed at home"}),  # no address
    ({"email": ""}, {"email": ""}),
    ({"name": "Flo Li", "phone": "12"}, {"name": "Flo Li", "phone": "12"}),  # no number
    ({"email": "g@example.com", "name": "Gus Li"}, {"email": "g@example.com", "name": "Bo Ma"}),
]


def test_a_person_is_found_however_the_values_are_written_and_on_evidence_only():
    people = []
    for i, two in enumerate([*WRITTEN, *NO_EVIDENCE]):
        people += [
            person(f"p{i:02d}{letter}", **one) for letter, one in zip("ab", two, strict=True)
        ]
    found = rk.quality.identity_duplicates(table_of(*people, n=400))
    expected = {(f"p{i:02d}{letter}", f"p{i:02d}a") for i in range(len(WRITTEN)) for letter in "ab"}
    assert joined(found) == expected
    assert (found.people, found.duplicates, found.ids) == (6, 6, 400 + len(people))
    rules = found.identity_map.drop_duplicates("joined_id").set_index("joined_id")["rule"]
    assert rules.tolist() == [
        "email",
        "email",
        "name_phone",
        "name_phone",
        "name_birthday",
        "phone_birthday",
    ]


def test_what_contradicts_is_listed_and_not_joined():
    twins = [
        person("a", name="Ada", phone="13800138000", birthday=LEAP),
        person("b", name="Bea", phone="13800138000", birthday=LEAP),
    ]
    found = rk.quality.identity_duplicates(table_of(*twins))
    assert pairs(found, "contradicted") == {("a", "b", "phone_birthday")}
    assert found.contradicted == 1
    assert joined(found) == set()


def test_a_new_address_does_not_part_people_but_a_new_address_and_number_do():
    one = person("a", name="Ada Li", birthday=LEAP, email="a@example.com", phone="13800138000")
    moved = one | {"customer_id": "b", "email": "b@example.com"}
    stranger = moved | {"phone": "13900139000"}
    assert rk.quality.identity_duplicates(table_of(one, moved)).duplicates == 1
    found = rk.quality.identity_duplicates(table_of(one, stranger))
    assert (found.duplicates, found.contradicted) == (0, 1)


def test_someone_in_between_does_not_join_two_who_are_not_the_same():
    # b has no name: it could be a or c, and a is not c.
    found = rk.quality.identity_duplicates(
        table_of(
            person("a", name="Ada Li", email="x@example.com"),
            person("b", email="x@example.com", phone="13800138000",
                   birthday=LEAP),
            person("c", name="Bo Ma", phone="13800138000", birthday=LEAP),
        )
    )  # fmt: skip
    assert joined(found) == set()
    assert pairs(found, "contradicted") == {("a", "b", "email"), ("b", "c", "phone_birthday")}


def test_a_switchboard_is_nobodys_own():
    office = [person(f"o{i}", email="office@example.com", phone="02012345678") for i in range(4)]
    found = rk.quality.identity_duplicates(table_of(*office))
    assert joined(found) == set()
    shared = found.shared.set_index("field")
    assert shared.loc["email", ["limit", "values", "ids"]].tolist() == [3, 1, 4]
    assert shared.loc["phone", ["limit", "values", "ids"]].tolist() == [3, 1, 4]
    # Three of them may be one person; the limit is a parameter.
    assert rk.quality.identity_duplicates(table_of(*office[:3])).duplicates == 2
    assert rk.quality.identity_duplicates(table_of(*office), max_shared=4).duplicates == 3


def test_a_placeholder_is_no_evidence():
    nobody = [
        person(f"n{i}", name=f"Nobody {i % 3}", birthday=pd.Timestamp("1900-01-01"))
        for i in range(6)
    ]
    found = rk.quality.identity_duplicates(table_of(*nobody, n=300))
    assert joined(found) == set()
    assert found.shared.set_index("field").loc["birthday", "ids"] == 6


def test_the_first_created_is_kept():
    found = rk.quality.identity_duplicates(
        table_of(
            person("a", email="x@example.com", created_at=pd.Timestamp("2021-01-01")),
            person("b", email="x@example.com", created_at=pd.Timestamp("2020-01-01")),
            person("c", email="x@example.com"),
        )
    )
    assert joined(found) == {("a", "b"), ("b", "b"), ("c", "b")}
    assert set(found.identity_map["rule"]) == {"email"}
    rows = found.join(pd.DataFrame({"customer_id": ["c", "s1", "a"], "x": [1, 2, 3]}))
    assert rows["customer_id"].tolist() == ["b", "s1", "b"]


def test_groups_are_those_of_a_plain_search():
    rng = np.random.default_rng(4)
    edges = [(str(a), str(b)) for a, b in rng.integers(0, 80, (60, 2)) if a != b]
    found = identity._groups(edges)
    neighbours = {}
    for a, b in edges:
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
    for start in neighbours:
        reached, waiting = {start}, [start]
        while waiting:
            new = neighbours[waiting.pop()] - reached
            reached |= new
            waiting += new
        assert {each for each in found if found[each] == found[start]} == reached
        assert found[start] in reached


# Chance


def test_pairs_by_chance_are_as_many_as_there_are():
    """Independent names and birthdays agree as often as is said, and nobody is joined."""
    rng = np.random.default_rng(11)
    n = 6_000
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(n)],
            "name": [f"name {i}" for i in rng.integers(0, 400, n)],
            "birthday": pd.Timestamp("1950-01-01")
            + pd.to_timedelta(rng.integers(0, 1000, n), unit="D"),
        }
    )
    found = rk.quality.identity_duplicates({"customers": frame})
    rule = found.rules.set_index("rule").loc["name_birthday"]
    expected = n * (n - 1) / 2 / 400 / 1000
    assert rule["by_chance"] == pytest.approx(expected, rel=0.02)
    assert abs(rule["pairs"] - expected) < 4 * math.sqrt(expected)
    assert rule["status"] == "explained by chance"
    assert joined(found) == set()
    assert len(pairs(found, "explained by chance")) == rule["pairs"]


# The world plants people under two ids and lists them


@pytest.fixture(scope="module", params=[1, 2])
def world(request):
    tables = ["transactions", "customers"]
    return rk.simulate_world(2_000, seed=request.param, faults=SECOND_IDS, tables=tables)


@pytest.fixture(scope="module")
def found(world):
    return rk.quality.identity_duplicates(world.tables)


def planted(world):
    listed = world.truth["faults"]
    return set(zip(listed["key"], listed["was"], strict=True))


def without(found):
    rows = found.identity_map[found.identity_map["customer_id"] != found.identity_map["joined_id"]]
    return set(zip(rows["customer_id"], rows["joined_id"], strict=True))


def test_planted_people_are_found_and_no_other(world, found):
    assert len(planted(world)) > 30
    assert without(found) == planted(world)  # recall 1, precision 1


def test_planted_people_are_found_without_an_address(world):
    """The fiction numbers are few, so names, numbers and birthdays have to do it together."""
    customers = world.tables["customers"].drop(columns="email")
    found = rk.quality.identity_duplicates({"customers": customers})
    status = found.rules.set_index("rule")["status"]
    assert status["email"] == "not supplied"
    assert planted(world) <= without(found)
    # Some 0.2 pairs are expected to share a name and a birthday by chance.
    assert len(without(found) - planted(world)) <= 1


def test_the_clean_world_has_nobody_twice():
    clean = rk.simulate_world(3_000, seed=5, faults=None, accounts=0, tables=["customers"])
    assert rk.quality.identity_duplicates(clean.tables).duplicates == 0


def test_nothing_personal_is_in_the_result(world, found):
    customers = world.tables["customers"]
    personal = {
        str(value).lower()
        for column in ("name", "email", "phone", "birthday")
        for value in customers[column].dropna()
    }
    frames = (found.pairs, found.identity_map, found.rules, found.shared)
    cells = {str(value).lower() for frame in frames for column in frame for value in frame[column]}
    assert not cells & personal
    ids = {*found.pairs["customer_id"], *found.pairs["other_id"]}
    assert ids <= set(customers["customer_id"])


def test_a_report_shows_pseudonyms_of_all_three_ids(world, found):
    from relkit.privacy import protected

    for frame in (found.pairs, found.identity_map, found.to_frame()):
        assert len(frame)
        shown = protected(frame).to_string()
        assert "SYN-C" not in shown


# Repeat share


def by_hand(transactions):
    """Customers with purchases on two days or more, and all customers: plain loops."""
    days = {}
    for customer, when, amount in zip(
        transactions["customer_id"],
        transactions["occurred_at"],
        transactions["amount"],
        strict=True,
    ):
        if amount >= 0:
            days.setdefault(customer, set()).add(when.date())
    return days


def test_repeat_share_equals_a_hand_count_and_the_world_without_the_fault(world, found):
    share = rk.quality.repeat_share(world.tables, found, period="year")
    days = by_hand(world.tables["transactions"])
    assert share.before.n == len(days)
    assert share.before.value == sum(len(d) > 1 for d in days.values()) / len(days)
    original = dict(planted(world))
    rows = world.tables["transactions"]
    whole = by_hand(rows.assign(customer_id=[original.get(c, c) for c in rows["customer_id"]]))
    assert share.after.n == len(whole)
    assert share.after.value == sum(len(d) > 1 for d in whole.values()) / len(whole)
    assert share.joined == len(days) - len(whole) == len(planted(world))
    # Duplicates do not inflate: joined, it is the world in which nobody got a second id.
    parameters = world.parameters
    clean = rk.simulate_world(
        parameters["customers"], seed=parameters["seed"], faults=None,
        tables=["transactions", "customers"],
    )  # fmt: skip
    as_it_is = rk.quality.repeat_share(clean.tables)
    assert as_it_is.after is None
    assert as_it_is.before == share.after
    for year in (2022, 2023, 2024):
        of_year = {c: d for c, d in whole.items() if min(d).year == year}
        row = share.by_cohort[
            (share.by_cohort["cohort"] == pd.Timestamp(year, 1, 1))
            & (share.by_cohort["stage"] == "after")
        ].iloc[0]
        assert row["customers"] == len(of_year)
        assert row["repeaters"] == sum(len(d) > 1 for d in of_year.values())


def shop():
    transactions = pd.DataFrame(
        [
            ("a", "2024-01-10 09:00", 10.0), ("a", "2024-01-10 18:00", 10.0),  # one day
            ("b", "2024-02-01", 5.0), ("b", "2024-05-01", 5.0),
            ("c", "2024-02-02", 5.0), ("c2", "2024-03-03", 5.0),  # one person
            ("d", "2024-04-01", 5.0), ("d", "2024-04-20", -5.0),  # a refund is no purchase
            ("e", "2024-06-01", -1.0),  # nor a customer
        ],
        columns=["customer_id", "occurred_at", "amount"],
    )  # fmt: skip
    transactions["occurred_at"] = pd.to_datetime(transactions["occurred_at"], format="mixed")
    touches = pd.DataFrame(
        [("a", "email", True), ("a", "email", True), ("b", "email", None), ("b", "phone", True),
         ("c2", "phone", True), ("d", "phone", False), ("zz", "email", True)],
        columns=["customer_id", "channel", "delivered"],
    ).astype({"delivered": "boolean"})  # fmt: skip
    customers = table_of(person("c", email="c@example.com"), person("c2", email="c@example.com"))[
        "customers"
    ]
    return {"transactions": transactions, "touches": touches, "customers": customers}


def test_repeat_share_of_a_small_shop_by_hand():
    tables = shop()
    found = rk.quality.identity_duplicates(tables)
    share = rk.quality.repeat_share(tables, found, period="quarter")
    assert (share.before.value, share.before.n) == (1 / 5, 5)  # b of a b c c2 d
    assert (share.after.value, share.after.n) == (2 / 4, 4)  # b and c of a b c d
    cohorts = [
        (str(row.cohort.date()), row.stage, row.customers, row.repeaters)
        for row in share.by_cohort.itertuples()
    ]
    assert cohorts == [
        ("2024-01-01", "before", 4, 1),
        ("2024-01-01", "after", 3, 2),
        ("2024-04-01", "before", 1, 0),
        ("2024-04-01", "after", 1, 0),
    ]
    channels = [
        (row.channel, row.stage, row.customers, row.repeaters)
        for row in share.by_channel.itertuples()
    ]
    # Of d's contact it is known that it failed; c is reached as c2 once they are joined.
    assert channels == [
        ("email", "before", 2, 1),
        ("email", "after", 2, 1),
        ("phone", "before", 2, 1),
        ("phone", "after", 2, 2),
    ]
    exact = rk.quality.repeat_share(tables, grain="exact", channels=False)
    assert (exact.before.value, exact.by_channel) == (2 / 5, None)  # a bought twice that day


def test_shares_come_with_their_wilson_interval():
    rows = rk.quality.repeat_share(shop()).by_cohort
    for row in rows.itertuples():
        wilson = rk.wilson_interval(row.repeaters, row.customers)
        assert (row.share, row.low, row.high) == (wilson.value, wilson.low, wilson.high)


# Sources and what is not supplied


def test_a_source_and_its_frames_say_the_same(tmp_path):
    written = rk.write_world(tmp_path / "w", customers=200, seed=5, accounts=20)
    source = rk.open_source(
        written.source, as_of=written.as_of, later_rows="set_aside", max_set_aside=0.2
    )
    found = rk.quality.identity_duplicates(source)
    frames = {"customers": source.customers.to_pyarrow().to_pandas()}
    assert joined(found) == joined(rk.quality.identity_duplicates(frames))
    share = rk.quality.repeat_share(source, found)
    days = by_hand(source.transactions.to_pyarrow().to_pandas())
    assert share.before.n == len(days)
    assert set(share.by_channel["channel"]) == {"phone", "email", "sms", "wechat", "app"}
    engine = ibis.get_backend(source.customers)
    query = "SELECT table_name FROM information_schema.tables"
    kept = [name for (name,) in engine.raw_sql(query).fetchall() if "quality" in name]
    assert kept == []  # what was computed on the way is let go of


def test_without_customers_it_is_not_supplied():
    transactions = shop()["transactions"]
    found = rk.quality.try_identity({"transactions": transactions})
    assert found == NotSupplied(("customers",))
    with pytest.raises(DataError, match="not supplied: customers"):
        rk.quality.identity_duplicates({"transactions": transactions})
    share = rk.quality.repeat_share({"transactions": transactions}, found)
    assert (share.before.n, share.after, share.joined, share.by_channel) == (5, None, 0, None)


def test_faults_are_said():
    twice = pd.DataFrame({"customer_id": ["a", "a"], "email": ["x@example.com"] * 2})
    with pytest.raises(DataError, match="2 rows and 1 ids"):
        rk.quality.identity_duplicates({"customers": twice})
    with pytest.raises(DataError, match="no column 'customer_id'"):
        rk.quality.identity_duplicates({"customers": twice.rename(columns={"customer_id": "id"})})
    with pytest.raises(ParameterError) as fault:
        rk.quality.identity_duplicates({"customers": twice}, max_shared=1, max_chance=5)
    assert len(fault.value.faults) == 2
    with pytest.raises(ParameterError, match="did you mean 'quarter'"):
        rk.quality.repeat_share(shop(), period="quater")
    with pytest.raises(DataError, match="no purchase"):
        rk.quality.repeat_share({"transactions": shop()["transactions"].tail(1)})


def test_nobody_at_all_is_nobody_twice():
    frame = pd.DataFrame(
        {"customer_id": pd.Series([], dtype="str"), "email": pd.Series([], dtype="str")}
    )
    found = rk.quality.identity_duplicates({"customers": frame})
    assert (found.ids, found.duplicates) == (0, 0)
    assert set(found.rules["status"]) == {"not supplied"}
    assert list(itertools.chain.from_iterable(found.pairs.to_numpy())) == []
