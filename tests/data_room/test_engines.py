"""One definition a summary: equal on DuckDB, PostgreSQL, Spark, and in plain pandas."""

from __future__ import annotations

import warnings

import ibis
import numpy as np
import pandas as pd
import pytest

import relkit as rk

AS_OF, START, END = "2025-06-30", "2025-02-01", "2025-03-31"


def company():
    """Tables as an engine has them: repeated days, refunds, gaps, events at the edges."""
    rng = np.random.default_rng(11)
    n = 600
    hours = pd.to_timedelta(rng.integers(0, 180 * 24, n), unit="h")
    transactions = pd.DataFrame(
        {
            "customer_id": rng.choice([f"c{i:02d}" for i in range(60)], n),
            "occurred_at": pd.Timestamp("2025-01-01") + hours,
            "amount": np.round(rng.normal(30, 20, n), 2),
        }
    )
    transactions["kind"] = np.where(transactions["amount"] < 0, "refund", "purchase")
    edges = pd.DatetimeIndex(
        ["2025-02-01 00:00:00", "2025-03-31 23:59:59", "2025-04-01 00:00:00", "2025-01-31 23:59:00"]
    )
    touches = pd.DataFrame(
        {
            "customer_id": rng.choice([f"c{i:02d}" for i in range(50)], n),
            "occurred_at": list(edges)
            + list(pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 170, n - 4), "D")),
            "channel": rng.choice(["phone", "email", "sms"], n),
            "direction": rng.choice(["outbound", "inbound"], n, p=[0.8, 0.2]),
            "delivered": rng.choice(["yes", "no", "unknown"], n),
        }
    )
    assignments = pd.DataFrame(
        {
            "customer_id": [f"c{i:02d}" for i in range(60)],
            "arm": rng.choice(["low", "high"], 60),
            "stratum": rng.choice(["gold", "silver"], 60),
            "assigned_at": pd.Timestamp("2025-05-20")
            + pd.to_timedelta(rng.integers(0, 30 * 24, 60), unit="h"),
        }
    )
    covariate = pd.DataFrame(
        {"customer_id": [f"c{i:02d}" for i in range(55)], "x": rng.normal(size=55).round(3)}
    )
    return {
        "transactions": transactions,
        "touches": touches,
        "assignments": assignments,
        "covariate": covariate,
    }


COMPANY = company()


def in_duckdb(_):
    engine = ibis.duckdb.connect()
    for name, frame in COMPANY.items():
        engine.con.register(f"frame_{name}", frame)
        engine.raw_sql(f"CREATE TABLE {name} AS SELECT * FROM frame_{name}")
    return engine


def in_postgres(request):
    import psycopg

    address = request.getfixturevalue("postgres_server")
    types = {"f": "DOUBLE PRECISION", "M": "TIMESTAMP"}
    with psycopg.connect(address) as connection:
        for name, frame in COMPANY.items():
            columns = ", ".join(f"{c} {types.get(frame[c].dtype.kind, 'TEXT')}" for c in frame)
            connection.execute(f"DROP TABLE IF EXISTS {name}")
            connection.execute(f"CREATE TABLE {name} ({columns})")
            with connection.cursor().copy(f"COPY {name} FROM STDIN") as copy:
                for row in frame.itertuples(index=False):
                    copy.write_row(row)
    return ibis.connect(address)


def in_spark(request):
    session = request.getfixturevalue("spark_session")
    types = {"f": "double", "M": "timestamp"}
    for name, frame in COMPANY.items():
        schema = ", ".join(f"{c} {types.get(frame[c].dtype.kind, 'string')}" for c in frame)
        rows = [
            tuple(v.to_pydatetime() if isinstance(v, pd.Timestamp) else v for v in row)
            for row in frame.itertuples(index=False)
        ]
        session.createDataFrame(rows, schema).createOrReplaceTempView(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ibis.pyspark.connect(session)


@pytest.fixture(scope="module", params=[in_duckdb, in_postgres, in_spark], ids=lambda f: f.__name__)
def tables(request):
    engine = request.param(request)
    found = {name: engine.table(name) for name in COMPANY}
    told = found["touches"].delivered
    delivered = (told == "unknown").ifelse(None, told == "yes")
    return found | {"touches": found["touches"].mutate(delivered=delivered)}


def by_hand(rows, as_of):
    """Frequency, recency, T and monetary value of each customer, day by day."""
    lines = []
    for customer, own in rows[
        rows["occurred_at"] < pd.Timestamp(as_of) + pd.Timedelta("1D")
    ].groupby("customer_id"):
        bought = own[own["kind"] == "purchase"]
        days = bought.groupby(bought["occurred_at"].dt.normalize())["amount"].sum()
        if len(days):
            lines.append(
                (
                    customer,
                    len(days) - 1,
                    (days.index[-1] - days.index[0]).days / 7,
                    (pd.Timestamp(as_of) - days.index[0]).days / 7,
                    days.iloc[1:].mean() if len(days) > 1 else np.nan,
                    bought["occurred_at"].min(),
                    bought["occurred_at"].max(),
                    len(bought),
                    own["amount"].sum(),
                )
            )
    names = "customer_id frequency recency T monetary_value first_at last_at purchases total_spend"
    return pd.DataFrame(lines, columns=names.split())


def test_customers(tables):
    summary = rk.rfm_summary(tables["transactions"], as_of=AS_OF, unit="week")
    expected = by_hand(COMPANY["transactions"], AS_OF)
    pd.testing.assert_frame_equal(summary, expected, check_dtype=False, rtol=1e-12)


def test_counted_unique_rows(tables):
    counted = rk.rfm_counts(tables["transactions"], as_of=AS_OF, unit="week")
    summary = rk.rfm_summary(tables["transactions"], as_of=AS_OF, unit="week")
    pd.testing.assert_frame_equal(counted, rk.count_unique_rows(summary))
    expected = by_hand(COMPANY["transactions"], AS_OF).value_counts(["frequency", "recency", "T"])
    assert counted["customers"].sum() == expected.sum()
    assert counted["customers"].tolist() == expected.sort_index().tolist()


def test_contact_rates(tables):
    rates = rk.contact_rates(tables["touches"], START, END, by=("channel",))
    rows = COMPANY["touches"]
    inside = rows["occurred_at"].between("2025-02-01", "2025-03-31 23:59:59.999")
    kept = rows[inside & (rows["direction"] == "outbound") & (rows["delivered"] != "no")]
    expected = kept.groupby(["customer_id", "channel"]).size().reset_index(name="contacts")
    pd.testing.assert_frame_equal(rates[["customer_id", "channel", "contacts"]], expected)
    months = 59 / (365.25 / 12)  # February and March of 2025
    assert rates["contacts_per_unit"].to_numpy() == pytest.approx(expected["contacts"] / months)


def test_contact_rates_of_those_who_had_none(tables):
    rates = rk.contact_rates(
        tables["touches"], START, END, unit="week", customers=tables["assignments"]
    ).set_index("customer_id")
    assert len(rates) == 60
    assert rates.loc["c59", ["contacts", "contacts_per_unit"]].tolist() == [0, 0]
    whole = rk.contact_rates(tables["touches"], START, END, unit="week")
    assert rates["contacts"].sum() == whole["contacts"].sum()


def sums_by_hand(weeks):
    assignments, events = COMPANY["assignments"], COMPANY["transactions"]
    x = COMPANY["covariate"].set_index("customer_id")["x"]
    end = pd.Timestamp(AS_OF) + pd.Timedelta("1D")
    found = {}
    for one in assignments.itertuples():
        for week in range(weeks):
            begin = one.assigned_at + pd.Timedelta(days=7 * week)
            until = begin + pd.Timedelta(days=7)
            if until > end:
                continue
            own = events[events["customer_id"] == one.customer_id]
            y = own.loc[
                (own["occurred_at"] >= begin) & (own["occurred_at"] < until), "amount"
            ].sum()
            known = x.get(one.customer_id, 0.0)
            cell = found.setdefault((one.stratum, one.arm, week), np.zeros(6))
            cell += [1, y, y * y, known, known * known, known * y]
    lines = [(*key, *sums) for key, sums in sorted(found.items())]
    return pd.DataFrame(
        lines,
        columns=["tier", "arm", "week", *["n", "sum_y", "sum_y2", "sum_x", "sum_x2", "sum_xy"]],
    )


def test_experiment_sums(tables):
    outcomes = tables["transactions"].rename(value="amount")
    sums = rk.experiment_sums(
        tables["assignments"], outcomes, AS_OF, weeks=6, covariate=tables["covariate"]
    )
    expected = sums_by_hand(6)
    pd.testing.assert_frame_equal(sums, expected, check_dtype=False, rtol=1e-9)
    assert sums["week"].max() == 4  # the sixth week is over for no one
