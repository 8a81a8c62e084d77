"""Sources with more than transactions: each table mapped, checked, accounted for."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from relkit.data.sources import open_source
from relkit.errors import DataError, ParameterError, SourceError
from relkit.privacy import pseudonym

YAML = """\
name: Company
format: csv
tables:
  transactions:
    files: data/transactions.csv
    columns: {customer_id: customer, occurred_at: day, amount: amount}
"""
SALES = "customer,day,amount\n1,2025-01-01,10\n2,2025-01-02,20\n2,2025-02-01,5\n"
CUSTOMERS = "id,owner\n1,x\n2.0,\n3,y\n"


@pytest.fixture
def company(project):
    """Writes tables as CSV with columns of our own names, and the YAML that maps them."""

    def make(settings="", columns=None, **tables):
        yaml = YAML
        (project / "data/transactions.csv").write_text(SALES)
        for name, content in tables.items():
            (project / f"data/{name}.csv").write_text(content)
            theirs = content.split("\n")[0].split(",")
            mapped = (columns or {}).get(name) or {column: column for column in theirs}
            lines = ", ".join(f"{ours}: {column}" for ours, column in mapped.items())
            if name != "transactions":
                yaml += f"  {name}:\n    files: data/{name}.csv\n    columns: {{{lines}}}\n"
                yaml += f"{settings}"
        (project / "params/sources/company.yaml").write_text(yaml)
        return "params/sources/company.yaml"

    return make


def test_a_table_that_is_not_mapped_is_not_supplied(company):
    source = open_source(company())
    assert source.tables == ("transactions",)
    assert not source.has("touches")
    with pytest.raises(DataError, match=r"not supplied: touches; params/sources/company.yaml"):
        _ = source.touches
    with pytest.raises(DataError, match="not supplied: customers"):
        source.account_of("customers")
    with pytest.raises(ParameterError, match="did you mean 'touches'"):
        source.has("touchs")


def test_transactions_of_unknown_customers_are_set_aside(company):
    customers = {"customers": {"customer_id": "id", "owner_id": "owner"}}
    path = company(columns=customers, customers=CUSTOMERS.replace("2.0,", "9,"))
    with pytest.raises(DataError) as caught:
        open_source(path)
    two = pseudonym("2")
    said = f"customer_id is not in customers in 2 rows (first: row 3, '{two}'; row 4, '{two}')"
    assert said in str(caught.value)
    source = open_source(path, max_set_aside=0.7)
    assert source.account.reasons == {"customer_id is not in customers": 2}
    assert source.account.reasons_zh == {"customer_id 不在 customers 表中": 2}
    assert source.customers.customer_id.execute().tolist() == ["1", "9", "3"]


def test_a_customer_whose_own_row_fails_is_known_all_the_same(company):
    content = "customer_id,created_at\n1,2020-01-01\n2,garbled\n3,2020-01-01\n"
    source = open_source(company(customers=content), max_set_aside=0.4)
    assert source.account.set_aside == 0
    account = source.account_of("customers")
    assert (account.read, account.used) == (3, 2)
    assert source.set_aside("customers")["created_at"].tolist() == ["garbled"]
    assert source.set_aside("customers")["reason"].tolist() == ["created_at is unreadable"]


def test_ids_are_one_across_tables_however_they_are_written(company):
    touches = (
        "touch_id,customer_id,occurred_at,channel\na,1.0,2025-01-01,Email\nb, 2 ,2025-01-03,PHONE\n"
    )
    customers = {"customers": {"customer_id": "id"}}
    source = open_source(company(columns=customers, customers=CUSTOMERS, touches=touches))
    rows = source.touches.order_by("touch_id").execute()
    assert rows["customer_id"].tolist() == ["1", "2"]
    assert rows["channel"].tolist() == ["email", "phone"]


def faults_of(path, table):
    source = open_source(path, max_set_aside=1.0)
    account = source.account_of(table)
    assert account.read == account.used + account.set_aside
    assert len(source.set_aside(table)) == account.set_aside
    return dict(account.reasons)


# One good row and one row a fault, by hand.
BAD_ROWS = {
    "touches": (
        "touch_id,customer_id,occurred_at,channel,delivered,opened,replied\n"
        "1,1,2025-01-01,email,yes,yes,no\n2,1,2025-01-01,email,,yes,no\n"
        "3,1,2025-01-01,email,no,yes,no\n4,1,2025-01-01,pigeon,,,\n"
        "5,1,2025-01-01,sms,perhaps,,\n6,,2025-01-01,sms,,,\n",
        {"opened but not delivered": 1, "delivered is not true or false": 1,
         "customer_id is empty": 1,
         "channel is not one of phone, email, sms, wechat, visit, app, event, other": 1},
    ),
    "feedback": (
        "feedback_id,customer_id,asked_at,answered_at,kind,score,scale_min,scale_max\n"
        "1,1,2025-01-01,,nps,,,\n2,1,2025-01-01,2025-01-02,nps,10,,\n"
        "3,1,2025-01-01,2025-01-02,csat,5,1,5\n4,1,2025-01-03,2025-01-02,nps,3,,\n"
        "5,1,2025-01-01,2025-01-02,nps,11,,\n6,1,2025-01-01,2025-01-02,csat,6,1,5\n"
        "7,1,2025-01-01,2025-01-02,csat,0,1,5\n8,1,2025-01-01,2025-01-02,csat,1,5,1\n",
        {"answered_at is before asked_at": 1, "score is outside its scale": 4 - 1 + 1,
         },
    ),
    "tickets": (
        "ticket_id,customer_id,opened_at,first_reply_at,resolved_at,kind\n"
        "1,1,2025-01-02,,,complaint\n2,1,2025-01-02,2025-01-03,2025-01-04,question\n"
        "3,1,2025-01-02,2025-01-01,,question\n4,1,2025-01-02,,2025-01-01,request\n",
        {"first_reply_at is before opened_at": 1, "resolved_at is before opened_at": 1},
    ),
    "engagement": (
        "customer_id,date,event,count\n1,2025-01-01,login,3\n1,2025-01-02,login,0\n"
        "1,2025-01-03,login,-1\n1,2025-01-04,,1\n1,2025-01-01,login,3\n",
        {"count is below 0": 1, "event is empty": 1, "duplicate": 1},
    ),
    "contracts": (
        "contract_id,customer_id,starts_on,ends_on,annual_value,status\n"
        "1,1,2025-01-01,2030-01-01,10,active\n2,1,2025-01-01,2025-01-01,10,lost\n"
        "3,1,2025-01-01,2026-01-01,-1,lost\n",
        {"ends_on is not after starts_on": 1, "annual_value is below 0": 1},
    ),
    "assignments": (
        "experiment_id,customer_id,arm,assigned_at\ne,1,a,2025-01-01\ne,2,a,2025-01-01\n"
        "e,2,b,2025-01-01\nf,2,b,2025-01-01\n",
        {"experiment_id and customer_id repeated with other content": 2},
    ),
    "referrals": (
        "customer_id,referred_customer_id,referred_at\n1,2,2025-01-01\n2,2,2025-01-01\n",
        {"customer refers itself": 1},
    ),
    "owner_history": (
        "customer_id,owner_id,starts_on,ends_on\n1,x,2024-01-01,2024-06-01\n"
        "1,y,2024-06-01,\n2,x,2024-01-01,2024-07-01\n2,y,2024-06-01,2024-09-01\n",
        {"owners overlap": 2},
    ),
}  # fmt: skip
BAD_ROWS["feedback"][1]["scale_max is not above scale_min"] = 1
BAD_ROWS["feedback"][1]["score is outside its scale"] = 3


@pytest.mark.parametrize("table", BAD_ROWS)
def test_each_fault_of_a_table_is_found_and_no_other(company, table):
    content, expected = BAD_ROWS[table]
    if table == "feedback":
        # Its scale is upside down, and so the score lies outside it as well.
        expected = {**expected, "score is outside its scale": 4}
        expected.pop("scale_max is not above scale_min")
    assert faults_of(company(**{table: content}), table) == expected


def test_owners_that_are_nobody_are_found(company):
    owners = "owner_id,role\nx,sales\n"
    customers = "customer_id,owner_id\n1,x\n2,nobody\n3,\n"
    path = company(owners=owners, customers=customers)
    assert faults_of(path, "customers") == {"owner_id is not in owners": 1}


def test_a_referral_of_nobody_is_found(company):
    rows = "customer_id,referred_customer_id,referred_at\n1,2,2025-01-01\n1,77,2025-01-01\n"
    path = company(customers="customer_id\n1\n2\n", referrals=rows)
    assert faults_of(path, "referrals") == {"referred_customer_id is not in customers": 1}


def test_as_of_a_day_nothing_later_is_known(company):
    tickets = (
        "ticket_id,customer_id,opened_at,resolved_at,kind\n"
        "1,1,2025-01-01,2025-01-20,complaint\n2,1,2025-01-01,2025-01-05,complaint\n"
        "3,1,2025-01-12,,complaint\n"
    )
    feedback = (
        "feedback_id,customer_id,asked_at,answered_at,kind,score\n1,1,2025-01-01,2025-01-20,nps,9\n"
    )
    source = open_source(
        company(tickets=tickets, feedback=feedback), as_of="2025-01-10", later_rows="set_aside"
    )
    rows = source.tickets.order_by("ticket_id").execute()
    assert rows["ticket_id"].tolist() == ["1", "2"]
    assert rows["resolved_at"].isna().tolist() == [True, False]  # the first was open that day
    assert source.feedback.execute()[["answered_at", "score"]].isna().all(axis=None)
    assert source.account_of("tickets").reasons == {"after as_of": 1}


def test_consent_that_is_not_stated_is_unknown(company):
    content = "customer_id,consent_email,birthday\n1,yes,1958-03-01\n2,no,\n3,,1999-12-31\n"
    rows = open_source(company(customers=content)).customers.order_by("customer_id").execute()
    assert [None if pd.isna(v) else bool(v) for v in rows["consent_email"]] == [True, False, None]
    assert str(rows["birthday"].iloc[0])[:10] == "1958-03-01"


def test_constants_and_words_of_ones_own(company, project):
    touches = "id,who,when,how\n1,1,2025-01-01,Call\n2,1,2025-01-02,Mail\n"
    path = company(
        columns={"touches": {"touch_id": "id", "customer_id": "who", "occurred_at": "when"}},
        touches=touches,
    )
    text = (project / path).read_text()
    head = "columns: {touch_id"
    (project / path).write_text(
        text.replace(
            head,
            "words: {channel: {Call: phone, Mail: email}}\n    "
            "columns: {channel: how, direction: {constant: outbound}, touch_id",
        )
    )
    rows = open_source(path).touches.order_by("touch_id").execute()
    assert rows["channel"].tolist() == ["phone", "email"]
    assert rows["direction"].tolist() == ["outbound", "outbound"]


def test_tables_are_read_when_they_are_asked_for(company, project):
    path = company(owners="owner_id\nx\n")
    source = open_source(path)
    assert [f["path"] for f in source.describe()["files"]] == ["data/transactions.csv"]
    (project / "data/owners.csv").write_text("owner_id\nx\ny\n")
    assert source.owners.count().to_pyarrow().as_py() == 2
    described = source.describe()
    assert [f["path"] for f in described["files"]] == ["data/transactions.csv", "data/owners.csv"]
    assert described["tables"]["owners"]["used"] == 2


def test_faults_of_a_mapping_with_tables_are_said_at_once(project):
    (project / "params/sources/bad.yaml").write_text(
        "name: Bad\nformat: csv\ndecimal: ';'\ntouches: {customer_id: c}\ntables:\n"
        "  customer: {files: a.csv, columns: {}}\n"
        "  touches: {files: a.csv, column: {}, columns: {customer_id: c, chanel: x}}\n"
        "  assignments: {columns: {experiment_id: e, customer_id: c, assigned_at: t}}\n"
    )
    with pytest.raises(SourceError) as caught:
        open_source("params/sources/bad.yaml")
    said = str(caught.value)
    for fault in (
        "unknown key 'touches'; map it under tables:",
        "there is no table 'customer'; did you mean 'customers'?",
        "touches: unknown key 'column'; did you mean 'columns'?",
        "touches: unknown column 'chanel'; did you mean 'channel'?",
        "touches: occurred_at is required",
        "assignments: arm is required",
        "files must name a file",
        "tables: transactions is required",
    ):
        assert fault in said, fault
    assert said.count("decimal must be") == 1


def test_the_last_day_is_that_of_the_transactions(company):
    source = open_source(company(owners="owner_id\nx\n"))
    assert source.as_of == dt.date(2025, 2, 1)


def test_a_source_of_another_table_alone_says_what_it_lacks(project):
    path = project / "params/sources/touches.yaml"
    path.write_text(
        "name: T\nformat: csv\ntables:\n"
        "  touches: {files: data/t.csv, columns: {touch_id: i, customer_id: c, occurred_at: t, "
        "channel: k}}\n"
    )
    with pytest.raises(SourceError) as caught:
        open_source("params/sources/touches.yaml")
    (fault,) = caught.value.faults
    assert fault.startswith("tables: transactions is required, and only touches is mapped;")
    assert "Add them beside the others, like transactions: {files: data/orders.csv" in fault
