"""Tables and views of databases, read once into the engine.

A database's address, with its password, is in an environment variable. It is never said:
what a driver complains of is told in words of our own, or with the address taken out.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from relkit.data.mapping import SourceMapping
from relkit.data.table_mapping import TableMapping
from relkit.errors import SourceError, did_you_mean

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

_BATCH_ROWS = 50_000
# What drivers say → what it means. They have no classes in common, but much the same words.
_MEANINGS = (
    (r"password authentication|no password supplied|role .* does not exist|access denied for user",
     "refuses the user or the password; put right the address in {variable}"),
    (r"permission denied|insufficient privilege|not authori[sz]ed|select command denied",
     "gives no right to read {table}; ask for SELECT on it"),
    (r"database .* does not exist|unknown database",
     "has no database of the name that {variable} gives"),
    (r"connection refused|could not connect|connection failed|timed? ?out|could not translate"
     r"|name or service not known|nodename nor servname|unreachable|failed to resolve",
     "cannot be reached; is it running, and are host and port in {variable} right?"),
    (r"know how to connect|could not parse|invalid url|no backend",
     "has an address of no known kind; write in {variable} something like "
     "postgres://user:password@host:5432/crm"),
    (r"port could not be cast|invalid port|invalid ipv6|missing .=. after|invalid connection opt",
     "has an address that cannot be read; write it in {variable} as "
     "postgres://user:password@host:5432/crm, and @ : / # in a password as %40 %3A %2F %23"),
    (r"missing dependencies|no module named|failed to import",
     "is of a kind whose driver is not installed; install ibis-framework with the extra of the "
     "database's name"),
    (r"unable to open database|no such file|cannot open (file|database)|does not exist",
     "names a file that is not there or may not be opened; put right the path in {variable}"),
)  # fmt: skip


class Database:
    """A database of a source, connected to by an environment variable's address.

    Raises:
        SourceError: no such variable, or the database does not let us in.
    """

    def __init__(self, mapping: SourceMapping, table: TableMapping) -> None:
        import ibis

        self.variable, self.table = table.connection or "", table.table or ""
        self.where = f"{mapping.shown}, {table.name}: the database of {self.variable}"
        self.address = os.environ.get(self.variable, "")
        if not self.address:
            raise SourceError(
                f"{mapping.shown}: the environment variable {self.variable} is not set; it has to "
                "hold the database's address, like postgres://user:password@host:5432/crm"
            )
        try:
            self.backend: Any = ibis.connect(self.address)
        except Exception as fault:
            raise self._told(fault) from None

    @property
    def shown(self) -> str:
        """What stands for a path: the variable and the table."""
        return f"{self.variable}: {self.table}"

    def open(self) -> ir.Table:
        """The mapped table or view.

        Raises:
            SourceError: it is not there, or may not be read.
        """
        schema, _, name = self.table.rpartition(".")
        try:
            return self.backend.table(name, database=schema or None)
        except Exception as fault:
            if type(fault).__name__ != "TableNotFound":
                raise self._told(fault) from None
        names = self._names(schema)
        raise SourceError(
            f"{self.where} has no table or view {self.table}{did_you_mean(name, names)}; "
            f"there are {', '.join(names[:10]) or 'none'}, as far as we may see"
        )

    def _names(self, schema: str) -> list[str]:
        try:
            return sorted(self.backend.list_tables(database=schema or None))
        except Exception:
            return []

    def read(self, rows: ir.Table, into: Any, name: str) -> tuple[int, int, str]:
        """Copy rows into the engine `into` as the table `name`: their number, size, hash.

        Raises:
            SourceError: they may not be read, or change while they are.
        """
        import pyarrow as pa

        digest, size = hashlib.sha256(), 0

        def numbered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            nonlocal size
            first = 1
            for batch in batches:
                count = batch.num_rows
                for column in batch.columns:
                    for buffer in column.buffers():
                        if buffer is not None:
                            digest.update(buffer)
                            size += buffer.size
                front = [
                    pa.array([0] * count, pa.int32()),
                    pa.array(range(first, first + count), pa.int64()),
                    pa.array([False] * count),
                ]
                first += count
                yield pa.record_batch([*front, *batch.columns], schema=schema)

        try:
            before = _content(rows)
            reader = rows.to_pyarrow_batches(chunk_size=_BATCH_ROWS)
            front = [("file", pa.int32()), ("row", pa.int64()), ("misaligned", pa.bool_())]
            schema = pa.schema([*map(pa.field, *zip(*front, strict=True)), *reader.schema])
            incoming = pa.RecordBatchReader.from_batches(schema, numbered(iter(reader)))
            into.con.register("incoming", incoming)
            into.con.execute(f"CREATE TABLE {name} AS SELECT * FROM incoming")
            into.con.unregister("incoming")
            after = _content(rows)
        except Exception as fault:
            raise self._told(fault) from None
        read = into.con.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0]
        self._refuse_changes(before, read, after)
        return read, size, digest.hexdigest()

    def _refuse_changes(
        self, before: tuple[int, int | None], read: int, after: tuple[int, int | None]
    ) -> None:
        """Rows that were other ones while they were read, or others than before.

        Raises:
            SourceError: their number or their content changed.
        """
        still = (
            "read a table or view that stands still, such as a snapshot of last night, without "
            "random() or now() in what is mapped"
        )
        if not before[0] == read == after[0]:
            raise SourceError(
                f"{self.where}: {self.table} changes while it is read: {before[0]:,} rows before, "
                f"{read:,} read, {after[0]:,} after; {still}"
            )
        if before != after:
            raise SourceError(
                f"{self.where}: {self.table} changes while it is read: it has {read:,} rows "
                f"before and after, but not the same ones; {still}"
            )

    def _told(self, fault: Exception) -> SourceError:
        said = str(fault)
        for pattern, meaning in _MEANINGS:
            if re.search(pattern, said, re.IGNORECASE):
                told = meaning.format(variable=self.variable, table=self.table)
                return SourceError(f"{self.where} {told}")
        return SourceError(f"{self.where} cannot be read: {self._scrubbed(said)}")

    def _scrubbed(self, said: str) -> str:
        """The first line of what a driver said, without the address and its password."""
        line = next((line for line in said.splitlines() if line.strip()), "no reason is given")
        secrets = {self.address, *_split_secrets(self.address)}
        for secret in sorted(secrets - {""}, key=len, reverse=True):
            line = line.replace(secret, "***")
        return re.sub(r"(://[^:/@\s]*:)[^@\s]*@|(password=)\S+", r"\1\2***", line)[:200]


def _split_secrets(address: str) -> Iterator[str]:
    """User, password and what a wrong reading may take for a part of them."""
    before = address.partition("://")[2].rpartition("@")[0]
    for part in (before, *re.split(r"[:@/]", before)):
        yield from (part, unquote(part))


def _content(rows: ir.Table) -> tuple[int, int | None]:
    """How many rows there are, and a sum over all that stands in them, in any order.

    The database hashes each row as one text and adds the hashes up, so that a value that
    changes, or moves from one row to another, changes the sum. None where it cannot hash.
    """
    import ibis
    from ibis.common.exceptions import IbisError

    # Nothing at all and a text that says so are told apart by the mark before each.
    said = [rows[name].cast("string") for name in rows.columns]
    parts = [text.isnull().ifelse("-", "+" + text.fill_null("")) for text in said]
    whole = ibis.literal("\x1f").join(parts) if len(parts) > 1 else parts[0]
    counted = rows.aggregate(n=rows.count())
    summed = rows.aggregate(n=rows.count(), content=whole.hash().cast("decimal(38, 0)").sum())
    try:
        found = summed.to_pyarrow().to_pylist()[0]
    except (IbisError, NotImplementedError):
        found = counted.to_pyarrow().to_pylist()[0]
    content = found.get("content")
    return int(found["n"]), None if content is None else int(content)


def attach(engine: Any, path: str, shown: str, table: str, alias: str) -> None:
    """Let the engine see a DuckDB file as `alias`, if it has the table.

    Raises:
        SourceError: no DuckDB file, or no such table in it.
    """
    literal = path.replace("'", "''")
    try:
        engine.raw_sql(f"ATTACH '{literal}' AS {alias} (READ_ONLY)")
    except Exception:
        raise SourceError(
            f"{shown} is declared as duckdb, but cannot be opened as a DuckDB database; it is of "
            "another format or version, damaged, or open for writing elsewhere"
        ) from None
    schema, _, name = table.rpartition(".")
    listed = engine.con.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = ? UNION ALL "
        "SELECT schema_name, view_name FROM duckdb_views() "
        "WHERE database_name = ? AND NOT internal",
        [alias, alias],
    ).fetchall()
    if ((schema or "main"), name) not in listed:
        names = sorted(each if where == "main" else f"{where}.{each}" for where, each in listed)
        raise SourceError(
            f"{shown} has no table or view {table}{did_you_mean(table, names)}; "
            f"there are {', '.join(names) or 'none'}"
        )
