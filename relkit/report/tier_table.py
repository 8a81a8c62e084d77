"""The tier table that goes to the people who look after customers, as XLSX and CSV.

Its columns are those of the source's template: 客户名称, 所属行业, 客户分层, 核心决策人,
近期动态, 维系负责人 and the core goal of the tier. A customer's name, who decides there and
the name of who looks after them are personal: they are written only after
``rk.set_privacy(show_personal=True)``. Otherwise the customer's pseudonym (the id, where
ids may be shown), ``…`` and the owner's id stand in their places.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from relkit.errors import DataError, ParameterError
from relkit.privacy import WITHHELD, current_privacy, shown_id
from relkit.report.blocks import Saved
from relkit.report.export import check_table_name, csv_text, tables_folder
from relkit.report.statements import listed, say, term
from relkit.report.workbook import Sheet, workbook_bytes

if TYPE_CHECKING:
    from relkit.report.statements import Statement
    from relkit.studies.customer_facts import CustomerFacts

COLUMNS = ("customer", "industry", "tier", "decision_maker", "recent", "owner", "goal")
# Silence longer than this is news too.
_RECENT_DAYS = 90


def tier_table(
    facts: CustomerFacts,
    tiers: pd.DataFrame,
    goals: Mapping[str, str] | None = None,
    *,
    with_ids: bool = False,
) -> pd.DataFrame:
    """The tier table in the current language, ready to be read.

    Args:
        facts: As made by ``rk.customer_facts``.
        tiers: Frame with customer_id and tier, one row a customer; the rows of the table,
            by tier (as a categorical column orders them, else as the goals do, else by
            name), then by customer_id.
        goals: The core goal of each tier; 'not supplied' stands where there is none.
        with_ids: One column more, with customer ids (pseudonyms unless ids may be shown).

    Returns:
        Text only, under the headers of the template in the current language.

    Raises:
        DataError: no tiers, repeated ids, customers without a tier.
        ParameterError: a goal for a tier that nobody knows.
    """
    rows = _rows(facts, tiers, goals)
    absent = term("tier_table.not_supplied")
    personal = current_privacy().show_personal
    ids = [shown_id(each) for each in rows["customer_id"]]
    names = _texts(rows, "name", absent)
    deciders = _texts(rows, "decision_maker", absent)
    owners = _texts(rows, "owner_id", absent)
    if personal:
        owned = _texts(rows, "owner_name", absent)
        owners = [who or number for who, number in zip(owned, owners, strict=True)]
        names = [
            name if name not in ("", absent) else i for name, i in zip(names, ids, strict=True)
        ]
    else:
        names = ids
        deciders = [WITHHELD if who not in ("", absent) else who for who in deciders]
    recent = [_recent(row) for row in rows.to_dict("records")]
    tier = [str(each) for each in rows["tier"]]
    cells = {
        "customer": names,
        "industry": _texts(rows, "industry", absent),
        "tier": tier,
        "decision_maker": deciders,
        "recent": recent,
        "owner": owners,
        "goal": [(goals or {}).get(each) or absent for each in tier],
    }
    if with_ids:
        cells["customer_id"] = ids
    table = pd.DataFrame({term(f"tier_table.{key}"): column for key, column in cells.items()})
    # What may be shown was decided here; names of columns are not to decide it once more.
    table.attrs["holds"] = dict.fromkeys(table.columns, "plain")
    return table


def save_tier_table(
    facts: CustomerFacts,
    tiers: pd.DataFrame,
    goals: Mapping[str, str] | None = None,
    *,
    name: str = "tier_table",
    with_ids: bool = False,
) -> Saved:
    """Write the tier table as ``name.xlsx`` and ``name.csv`` among the tables of the run.

    The workbook is for people: text cells, no formula, the header frozen. In CSV a
    spreadsheet guesses what a cell is, so that ids may lose their zeros on opening there.

    Args:
        facts: As for ``tier_table``, like the others.
        name: Letters, digits, ``_`` and ``-``; becomes the file name.

    Raises:
        ParameterError, DataError: as ``tier_table``; a name that cannot be a file's.
    """
    check_table_name(name)
    table = tier_table(facts, tiers, goals, with_ids=with_ids)
    book = workbook_bytes([Sheet(term("tier_table.sheet"), table)])
    folder = tables_folder()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.xlsx").write_bytes(book)
    (folder / f"{name}.csv").write_bytes(csv_text(table).encode("utf-8-sig", "replace"))
    return Saved(name=name, rows=len(table), files=(f"{name}.xlsx", f"{name}.csv"))


def _rows(
    facts: CustomerFacts, tiers: pd.DataFrame, goals: Mapping[str, str] | None
) -> pd.DataFrame:
    absent = [name for name in ("customer_id", "tier") if name not in tiers.columns]
    if absent or tiers.empty:
        raise DataError(
            f"tier table: {len(tiers)} rows, no column {', '.join(absent) or 'missing'}; "
            "customer_id and tier of at least one customer are required"
        )
    rows = tiers[["customer_id", "tier"]].reset_index(drop=True)
    rows["customer_id"] = rows["customer_id"].astype("str")
    faults = []
    twice = rows.loc[rows["customer_id"].duplicated(), "customer_id"]
    if len(twice):
        faults.append(
            f"customer_id is repeated in {len(twice):,} rows (first: {shown_id(twice.iloc[0])})"
        )
    without = rows.loc[rows["tier"].isna(), "customer_id"]
    if len(without):
        faults.append(
            f"{len(without):,} customers have no tier (first: {shown_id(without.iloc[0])}); call "
            "it 'unassigned' where the rules leave them out"
        )
    if faults:
        raise DataError("tier table: customers that cannot be listed", faults)
    known = _order(tiers, goals or {})
    unknown = [tier for tier in goals or {} if tier not in known]
    if unknown:
        raise ParameterError(
            f"goals: nobody is in tier {', '.join(unknown)}; the tiers are {', '.join(known)}"
        )
    rows["place"] = rows["tier"].astype("str").map(known.index)
    rows = rows.sort_values(["place", "customer_id"], ignore_index=True)
    return rows.merge(facts.to_frame(), on="customer_id", how="left")


def _order(tiers: pd.DataFrame, goals: Mapping[str, str]) -> list[str]:
    held = sorted({str(tier) for tier in tiers["tier"]})
    if isinstance(tiers["tier"].dtype, pd.CategoricalDtype):
        first = [str(tier) for tier in tiers["tier"].cat.categories]
    else:
        first = list(goals)
    return [*(tier for tier in first if tier in held), *(t for t in held if t not in first)]


def _texts(rows: pd.DataFrame, column: str, absent: str) -> list[str]:
    """A column as text, empty where a customer has nothing; 'not supplied' where nobody has."""
    if column not in rows:
        return [absent if column != "owner_name" else ""] * len(rows)
    return ["" if pd.isna(value) else str(value) for value in rows[column]]


def _recent(row: Mapping[Any, Any]) -> str:
    """What happened last, from days and counts; nothing that anybody wrote."""
    parts: list[Statement] = []
    for key in ("last_purchase_at", "last_touch_at"):
        at = row.get(key)
        if isinstance(at, pd.Timestamp) and at == at:
            parts.append(say(f"tier_table.{key}", at=at))
    for key in ("open_complaints", "open_tickets"):
        count = row.get(key)
        if isinstance(count, (int, float)) and count == count and count > 0:
            parts.append(say(f"tier_table.{key}", n=int(count)))
            break  # an open complaint is an open ticket
    ends = row.get("days_to_renewal")
    if isinstance(ends, (int, float)) and 0 <= ends <= _RECENT_DAYS:
        parts.append(say("tier_table.renewal", at=row["contract_ends_on"]))
    if not parts:
        return term("tier_table.nothing")
    return listed(parts, "; ").text()
