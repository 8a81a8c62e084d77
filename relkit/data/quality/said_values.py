"""What CRM, interviews and surveys say of customers, in one form; the newest of each."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from relkit.data.quality.supplied import Tables, has, supplied

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

# An answered question of these kinds is a survey's value of the field.
SCORES = MappingProxyType({"satisfaction": "csat", "csat": "csat", "nps": "nps", "ces": "ces"})


def missing_tables(tables: Tables) -> tuple[str, ...]:
    """The tables without which there is nothing to compare; none where two are there."""
    names = ("customers", "interviews", "survey_values")
    there = [name for name in names if has(tables, name)]
    return tuple(name for name in names if name not in there) if len(there) < 2 else ()


def said_values(tables: Tables) -> pd.DataFrame:
    """customer_id, field, source, value, at: the newest of each in interviews and surveys."""
    import pandas as pd

    columns = ["customer_id", "field", "value"]
    parts = []
    for source, name, when in (
        ("interview", "interviews", "interviewed_at"),
        ("survey", "survey_values", "answered_at"),
    ):
        if has(tables, name):
            rows = supplied(tables, name, (*columns, when))
            parts.append(_newest(rows, when).assign(source=source))
    named = {field for part in parts for field in part["field"]}
    scored = {field: kind for field, kind in SCORES.items() if field in named}
    if scored and has(tables, "feedback"):
        parts += [_newest_scores(tables, field, kind) for field, kind in scored.items()]
    whole = pd.concat(parts, ignore_index=True).sort_values(["at", "value"], kind="stable")
    return whole.drop_duplicates(["customer_id", "field", "source"], keep="last")


def _newest(rows: ir.Table, when: str) -> pd.DataFrame:
    """One row a customer and field; of two at one instant the later one in the alphabet."""
    import ibis

    at = rows[when].cast("timestamp")
    plain = rows.select(
        customer_id=rows.customer_id.cast("string"),
        field=rows.field.cast("string"),
        value=rows["value"].cast("string"),
        at=at,
    )
    plain = plain.filter(plain.at.notnull(), plain["value"].strip() != "")
    newest = ibis.window(
        group_by=["customer_id", "field"], order_by=[plain.at.desc(), plain["value"].desc()]
    )
    numbered = plain.mutate(place=ibis.row_number().over(newest))
    first: pd.DataFrame = (
        numbered.filter(numbered.place == 0).drop("place").to_pyarrow().to_pandas()
    )
    return first


def _newest_scores(tables: Tables, field: str, kind: str) -> pd.DataFrame:
    import ibis

    rows = supplied(tables, "feedback", ("customer_id", "kind", "answered_at", "score"))
    rows = rows.filter(rows.kind == kind, rows.score.notnull(), rows.answered_at.notnull())
    rows = rows.select("customer_id", "answered_at", field=ibis.literal(field), value=rows.score)
    frame = _newest(rows, "answered_at").assign(source="survey")
    return frame.assign(value=frame["value"].map(_short))


def _short(number: str) -> str:
    """A number without the decimals that it does not have."""
    return number.removesuffix(".0")


def with_crm(said: pd.DataFrame, tables: Tables, names: list[str]) -> pd.DataFrame:
    """What was said, and what the CRM has on the same customers."""
    import ibis
    import pandas as pd

    said = said[said["field"].isin(names)]
    if not has(tables, "customers"):
        return said
    customers = supplied(tables, "customers", ("customer_id",))
    columns = [name for name in names if name in customers.columns and name != "customer_id"]
    if not columns:
        return said
    texts = {name: _as_text(customers[name]) for name in columns}
    # What the CRM knows of a field is needed of those who were asked about anything.
    asked = ibis.memtable(said[["customer_id"]].drop_duplicates().reset_index(drop=True))
    wide = customers.select(customer_id=customers.customer_id.cast("string"), **texts)
    frame = wide.semi_join(asked, "customer_id").to_pyarrow().to_pandas()
    long = frame.melt("customer_id", var_name="field", value_name="value").dropna(subset="value")
    long = long[long["value"].str.strip() != ""]
    numeric = [name for name in columns if customers[name].type().is_numeric()]
    number = long["field"].isin(numeric)
    long["value"] = long["value"].mask(number, long["value"].map(_short))
    return pd.concat([said, long.assign(source="crm")], ignore_index=True)


def _as_text(column: ir.Column) -> ir.StringValue:
    if column.type().is_timestamp():
        day: ir.StringValue = column.strftime("%Y-%m-%d")
        return day
    return column.cast("string")
