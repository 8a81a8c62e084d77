"""The one currency of a table's amounts: as the source declares it, or as its column says."""

from __future__ import annotations

from typing import Any

from relkit.data.complaints import in_rows
from relkit.data.files import RawRows
from relkit.data.mapping import SourceMapping
from relkit.data.table_mapping import TableMapping
from relkit.errors import DataError
from relkit.privacy import shown_cell
from relkit.yaml_fields import CURRENCY

# As many as a message lists.
_MOST = 5


def currency_of(mapping: SourceMapping, table: TableMapping, raw: RawRows) -> str | None:
    """The code of the currency that all amounts of a table are in, None where nobody says.

    Raises:
        DataError: the column has several and none is declared, or what is no code.
    """
    if mapping.currency is not None or "currency" not in table.mapped:
        return mapping.currency
    counts = _counted(table, raw)
    if len(counts) > 1:
        # A column of names, mapped by mistake, would list everybody.
        said = [f"{_shown(code)} in {in_rows(n)}" for code, n in counts[:_MOST]]
        more = f" and {len(counts) - _MOST:,} more" if len(counts) > _MOST else ""
        raise DataError(
            f"{mapping.shown}, {table.name}: several currencies, {', '.join(said)}{more}; one run "
            "has one: convert the amounts, or set currency: and max_set_aside to leave the others "
            "out"
        )
    if counts and not CURRENCY.fullmatch(counts[0][0]):
        raise DataError(
            f"{mapping.shown}, {table.name}: currency says '{_shown(counts[0][0])}', which is no "
            "three-letter code such as EUR or CNY; set currency: to the code, and take the column "
            "out of the mapping"
        )
    return counts[0][0] if counts else None


def _counted(table: TableMapping, raw: RawRows) -> list[tuple[str, int]]:
    """What stands in the column, in alphabetical order, each with its rows."""
    if "currency" in table.constants:
        return [(str(table.constants["currency"]), 0)]
    column = raw.rows[f"column_{raw.columns.index(table.columns['currency'])}"]
    code = column.cast("string").strip().nullif("")
    found = raw.rows.select(code=code).drop_null().group_by("code").agg(n=lambda t: t.count())
    listed: list[dict[str, Any]] = found.order_by("code").to_pyarrow().to_pylist()
    return [(each["code"], each["n"]) for each in listed]


def _shown(code: str) -> str:
    return shown_cell("currency", code)
