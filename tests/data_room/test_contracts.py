"""The contracts: pandera's own validation and relkit's single pass find the same faults."""

from __future__ import annotations

import datetime as dt

import ibis
import numpy as np
import pandas as pd
import pandera.ibis as pa
import pytest
from pandera.errors import SchemaErrorReason

import relkit as rk
from relkit.data.checking import Mapped, check_rows
from relkit.data.contracts import TABLES, contracts
from relkit.data.engine import keep
from relkit.data.keys import mark_repeats
from relkit.data.schemas import Circumstances

SQL = {"id": "VARCHAR", "choice": "VARCHAR", "text": "VARCHAR", "number": "DOUBLE",
       "flag": "BOOLEAN", "time": "TIMESTAMP", "day": "DATE"}  # fmt: skip
DAYS = [dt.datetime(2024, 1, 5), dt.datetime(2024, 3, 1)]
DAYS += [dt.datetime(1900, 1, 1), dt.datetime(2999, 1, 1)]


def some_values(contract, name, rng, rows):
    """Good values and bad ones, mixed, with gaps."""
    match contract.kind(name):
        case "id":
            pool = [f"{name[0]}{i}" for i in range(rows)] + ["1.5E+10"] * 5
        case "choice":
            pool = [*contract.choices(name), "bogus"]
        case "text":
            pool = ["EUR", "word", "USD"]
        case "number":
            pool = [0.0, 1.0, 5.0, 10.5, 11.0, -3.0, 200.0, 1e13]
        case "flag":
            pool = [True, False]
        case _:
            pool = DAYS
    values = [pool[i] for i in rng.integers(len(pool), size=rows)]
    return [
        None if gap else value for value, gap in zip(values, rng.random(rows) < 0.1, strict=True)
    ]


def dirty_table(contract, seed, rows=300):
    """A table in DuckDB with the contract's own types, full of faults."""
    rng = np.random.default_rng(seed)
    engine = ibis.duckdb.connect()
    columns = ", ".join(f'"{name}" {SQL[contract.kind(name)]}' for name in contract.columns)
    engine.raw_sql(f"CREATE TABLE dirty ({columns})")
    columns = [some_values(contract, name, rng, rows) for name in contract.columns]
    marks = ", ".join("?" for _ in contract.columns)
    lines = [list(line) for line in zip(*columns, strict=True)]
    engine.con.executemany(f"INSERT INTO dirty VALUES ({marks})", lines)
    return engine, engine.table("dirty")


def faults_by_pandera(contract, table):
    """Fault → rows, as pandera's lazy validation counts them."""
    with pytest.raises(pa.errors.SchemaErrors) as caught:
        contract.validate(table)
    found = {}
    for error in caught.value.schema_errors:
        cases = error.failure_cases
        cases = cases.to_pandas() if isinstance(cases, ibis.Table) else cases
        if error.reason_code == SchemaErrorReason.SERIES_CONTAINS_NULLS:
            found[f"{error.schema.name} is empty"] = len(cases)
        elif error.reason_code == SchemaErrorReason.DUPLICATES:
            found["repeated key"] = len(cases)
        else:
            found[error.check.error] = len(cases)
    return found


def as_raw(table):
    """A table as rows of a file: numbered, with columns that have no names yet."""
    places = {name: f"column_{i}" for i, name in enumerate(table.columns)}
    columns = {place: table[name] for name, place in places.items()}
    raw = table.select(file=0, row=ibis.row_number(), misaligned=False, **columns)
    return raw, Mapped({name: (place,) for name, place in places.items()})


def faults_by_relkit(contract, engine, table):
    """Fault → rows, from the one pass over the same rows."""
    checked = check_rows(contract, *as_raw(table))
    found = {}
    for faults, rows in checked.counts().items():
        for reason in checked.reasons_of(faults):
            found[reason.en] = found.get(reason.en, 0) + rows
    return found


@pytest.mark.parametrize("name", TABLES)
def test_pandera_and_the_single_pass_find_the_same_faults(name):
    contract = contracts()[name]
    engine, table = dirty_table(contract, seed=len(name))
    theirs = faults_by_pandera(contract, table)
    theirs.pop("repeated key", None)
    assert len(theirs) > 1
    assert faults_by_relkit(contract, engine, table) == theirs


def test_the_run_circumstances_reach_both():
    contract = contracts(Circumstances(dt.date(2024, 2, 1), "EUR"))["transactions"]
    engine, table = dirty_table(contract, seed=5)
    theirs = faults_by_pandera(contract, table)
    theirs.pop("repeated key", None)
    assert theirs["currency is another"] > 0
    later = table.filter(table.occurred_at >= "2024-02-02").count().to_pyarrow().as_py()
    assert theirs["occurred_at is in the future"] == later > 0
    assert faults_by_relkit(contract, engine, table) == theirs


def test_repeated_keys_are_found_by_both():
    contract = contracts()["owners"]
    engine = ibis.duckdb.connect()
    rows = "('a', 'x'), ('b', 'y'), ('a', 'x'), ('c', 'p'), ('c', 'q')"
    engine.raw_sql(f"CREATE TABLE owners AS SELECT * FROM (VALUES {rows}) t(owner_id, role)")
    table = engine.table("owners")
    alone = check_rows(contract, *as_raw(table))
    checked = mark_repeats(contract, alone, lambda n, r: keep(engine, n, r))
    counts = {checked.reasons_of(f)[0].en: n for f, n in checked.counts().items() if f}
    # The second 'a' equals the first; neither 'c' can be trusted.
    assert counts == {"duplicate": 1, "owner_id repeated with other content": 2}
    assert faults_by_pandera(contract, table) == {"repeated key": 4}


def test_analysts_hold_their_own_frames_against_a_contract():
    good = pd.DataFrame(
        {
            "transaction_id": ["1", "2"],
            "customer_id": ["a", "b"],
            "occurred_at": pd.to_datetime(["2025-01-01", "2025-01-02"]),
            "amount": [10.0, -2.0],
            "kind": ["purchase", "refund"],
            "note": ["kept", "as it is"],
        }
    )
    assert rk.contracts.transactions.validate(good).count().to_pyarrow().as_py() == 2
    bad = good.assign(amount=[-10.0, float("inf")])
    with pytest.raises(pa.errors.SchemaErrors) as caught:
        rk.contracts.transactions.validate(bad)
    said = caught.value.failure_cases["check"].astype(str).tolist()
    assert {"amount is not finite", "sign of amount disagrees with kind"} <= set(said)
    with pytest.raises(AttributeError, match="did you mean 'tickets'"):
        _ = rk.contracts.ticket


def test_a_contract_says_what_it_asks_for():
    told = rk.contracts.tickets.to_frame().set_index("column")
    assert told.loc["customer_id", "refers_to"] == "customers"
    assert not told.loc["opened_at", "may_be_empty"]
    assert told.loc["resolved_at", "may_be_empty"]
    assert told.loc["kind", "choices"] == "complaint, question, incident, request"
