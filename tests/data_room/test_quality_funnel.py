"""Rows read → complete → accurate → timely → compliant → usable: counted by hand, and planted."""

import pandas as pd
import pytest

import relkit as rk
from relkit.data.contracts import contracts
from relkit.data.quality.row_funnel import STEPS, Loss, TableFunnel, step_of
from relkit.errors import DataError, ParameterError

WANTED = ["transactions", "customers", "touches", "interviews", "survey_values"]
# What each planted fault breaks, and the step at which its row leaves.
PLANTED = {
    "missing_customer": ("complete", "customer_id is empty"),
    "negative_amount": ("accurate", "sign of amount disagrees with kind"),
    "unknown_customer": ("accurate", "customer_id is not in customers"),
    "duplicate": ("accurate", "duplicate"),
    "future_date": ("timely", "occurred_at is in the future"),
}


def opened(written, as_of=None):
    return rk.open_source(
        written.source, as_of=as_of or written.as_of, later_rows="set_aside", max_set_aside=1.0
    )


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """The same world with planted faults and without, as folders."""
    home = tmp_path_factory.mktemp("worlds")
    return {
        faults: rk.write_world(home / str(faults), 1_000, seed=5, faults=faults, tables=WANTED)
        for faults in ("planted", None)
    }


@pytest.fixture(scope="module")
def sources(worlds):
    return {faults: opened(written) for faults, written in worlds.items()}


@pytest.fixture(scope="module")
def funnels(sources):
    return {faults: rk.quality.funnel(source) for faults, source in sources.items()}


def data(written, name, folder="data"):
    return pd.read_parquet(written.folder / folder / f"{name}.parquet")


def assert_adds_up(funnel, rows_read):
    """Each table's parts sum to the rows that its file holds, and all of them to the whole."""
    for each in (*funnel.tables, funnel.overall):
        parts = [each.later, *(each.lost(step) for step in STEPS), each.usable]
        assert sum(parts) == each.read
        assert each.left("compliant") == each.usable
    assert {each.table: each.read for each in funnel.tables} == rows_read
    assert funnel.overall.read == sum(rows_read.values())
    lost = funnel.losses()["rows"].sum()
    assert funnel.overall.read == funnel.overall.later + lost + funnel.overall.usable


@pytest.mark.parametrize("faults", ["planted", None])
def test_counts_add_up_to_the_rows_read(worlds, funnels, faults):
    rows_read = {name: len(data(worlds[faults], name)) for name in WANTED}
    assert_adds_up(funnels[faults], {n: rows_read[n] for n in rows_read})


def test_planted_faults_are_all_found_at_their_step(worlds, funnels):
    truth = data(worlds["planted"], "faults", "truth")
    listed = truth["kind"].value_counts()
    found = funnels["planted"].losses().query("table == 'transactions'")
    counted = found.set_index(["step", "reason"])["rows"]
    for kind, key in PLANTED.items():
        assert listed[kind] > 0
        assert counted[key] == listed[kind], kind
    # And nothing else: no false positive.
    assert counted.sum() == listed[list(PLANTED)].sum()
    transactions = funnels["planted"].of("transactions")
    assert transactions.broken == counted.sum()


def test_the_clean_world_breaks_no_contract(funnels):
    assert [each.broken for each in funnels[None].tables] == [0] * len(WANTED)
    assert funnels[None].of("transactions").usable_share == 1


def test_rows_of_the_future_stand_apart(worlds, funnels):
    until = pd.Timestamp(worlds[None].as_of) + pd.Timedelta(days=1)
    for name, column in (("transactions", "occurred_at"), ("customers", "created_at"),
                         ("touches", "occurred_at"), ("interviews", "interviewed_at")):  # fmt: skip
        assert funnels[None].of(name).later == (data(worlds[None], name)[column] >= until).sum()


def test_statements_grow_old(worlds, sources, funnels):
    end = pd.Timestamp(worlds[None].as_of)
    for name, column in (("interviews", "interviewed_at"), ("survey_values", "answered_at")):
        days = data(worlds[None], name)[column].dt.normalize()
        old = ((end - days).dt.days > 365).sum()
        assert funnels[None].of(name).lost("timely") == old > 0
    older = rk.quality.funnel(sources[None], max_age_days=10_000)
    assert older.of("interviews").lost("timely") == 0
    assert older.max_age_days == 10_000


def test_consent_of_customers_and_of_each_contact(worlds, funnels):
    people, touches = data(worlds[None], "customers"), data(worlds[None], "touches")
    until = pd.Timestamp(worlds[None].as_of) + pd.Timedelta(days=1)
    consents = people.set_index("customer_id").filter(like="consent_")
    known = people[people["created_at"] < until]
    nowhere = ~known.filter(like="consent_").fillna(False).astype(bool).any(axis=1)
    assert funnels[None].of("customers").lost("compliant") == nowhere.sum() > 0

    touches = touches[touches["occurred_at"] < until]
    asked = touches[
        (touches["direction"] == "outbound")
        & touches["channel"].isin(["email", "phone", "sms", "wechat"])
    ]
    wide = consents.rename(columns=lambda name: name.removeprefix("consent_"))
    long = wide.stack(future_stack=True)
    given = long.reindex(pd.MultiIndex.from_frame(asked[["customer_id", "channel"]]))
    said = funnels[None].of("touches")
    assert said.asked_consent == len(asked)
    assert said.lost("compliant") == len(asked) - (given == True).fillna(False).sum()  # noqa: E712
    reasons = {loss.reason: loss.rows for loss in said.losses}
    assert reasons == {
        "no consent on record": given.isna().sum(),
        "consent refused": (given == False).fillna(False).sum(),  # noqa: E712
    }


SHOP_YAML = """\
name: Shop
format: csv
tables:
  transactions:
    files: data/shop.csv
    columns: {transaction_id: id, customer_id: customer, occurred_at: day, amount: amount}
  touches:
    files: data/touches.csv
    columns: {customer_id: customer, occurred_at: day, channel: channel}
"""


@pytest.fixture
def shop(project):
    """Nine transactions and two contacts, each fault of them put there by hand."""
    (project / "data/shop.csv").write_text(
        "id,customer,day,amount\n"
        "1,a,2025-01-01,10\n"
        "2,a,2025-01-02,10\n"
        "2,a,2025-01-02,10\n"  # duplicate
        "3,,2025-01-02,10\n"  # incomplete
        "4,,2025-01-02,ten\n"  # incomplete, and inaccurate too
        "5,b,2025-01-03,ten\n"  # inaccurate
        "6,b,2099-01-03,10\n"  # not timely
        "7,b,2099-01-03,ten\n"  # inaccurate, and not timely too
        "8,b,2025-02-01,10\n"  # after the day
    )
    (project / "data/touches.csv").write_text(
        "customer,day,channel\na,2025-01-02,email\nb,2025-01-02,visit\n"
    )
    path = project / "params/sources/shop.yaml"
    path.write_text(SHOP_YAML)
    return rk.open_source(path, as_of="2025-01-31", later_rows="set_aside", max_set_aside=1.0)


def test_a_row_leaves_at_its_first_step(shop):
    found = rk.quality.funnel(shop)
    assert_adds_up(found, {"transactions": 9, "touches": 2})
    one = found.of("transactions")
    assert [one.later, one.in_scope] == [1, 8]
    assert [one.left(step) for step in STEPS] == [6, 3, 2, 2]
    assert one.usable_share == 2 / 8
    assert not one.is_measured("compliant")
    assert one.is_measured("timely")


def test_consent_that_nobody_recorded_is_none(shop):
    touches = rk.quality.funnel(shop).of("touches")
    assert (touches.asked_consent, touches.lost("compliant"), touches.usable) == (1, 1, 1)
    assert touches.losses == (
        Loss("compliant", "no consent on record", "无同意记录", 1, breaks_contract=False),
    )


def test_transactions_alone_need_no_consent(make_source):
    source = rk.open_source(make_source("customer,day,amount\na,2025-01-01,1\nb,2025-01-02,2\n"))
    found = rk.quality.funnel(source)
    assert_adds_up(found, {"transactions": 2})
    assert found.overall.usable == 2
    assert found.losses().empty


def test_every_reason_of_the_contracts_belongs_to_a_step():
    """By what the check looks at, said once more: times are timely, the rest is accurate."""
    from relkit.data.values import Reason

    of_time = (" is in the future", " is before 1970-01-02")
    seen = set()
    for name, held in contracts().items():
        checks = [c for column in held.schema.columns.values() for c in column.checks]
        for check in (*checks, *held.schema.checks):
            times = {c for c in held.columns if held.kind(c) in ("time", "day")}
            needs = set(check.statistics.get("needs", ())) if check.statistics else set()
            ordered = bool(needs) and needs <= times
            wanted = "timely" if check.error.endswith(of_time) or ordered else "accurate"
            assert step_of(Reason(check.error, check.title, "")) == wanted, (name, check.error)
            seen.add(wanted)
    assert seen == {"timely", "accurate"}


def test_what_does_not_add_up_cannot_be_made():
    with pytest.raises(DataError, match="do not add up"):
        TableFunnel("touches", 5, 1, (), 3, True, True)


@pytest.mark.parametrize("days", [0, -1, 1.5, True, "365"])
def test_an_age_that_cannot_be_meant(shop, days):
    with pytest.raises(ParameterError, match="max_age_days"):
        rk.quality.funnel(shop, max_age_days=days)


def test_a_table_that_is_not_there(shop):
    with pytest.raises(ParameterError, match="no table 'tickets'; it has transactions, touches"):
        rk.quality.funnel(shop).of("tickets")
