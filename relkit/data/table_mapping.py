"""What a source YAML says of one table: where it is, how it is written, which column is which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from relkit.data.schemas import Contract
from relkit.data.values import Reading
from relkit.errors import did_you_mean

FORMATS = ("csv", "parquet", "excel", "duckdb", "database", "cdnow")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "gb18030", "big5", "cp1252")
_TEXT_KEYS = (
    "package",
    "time_zone",
    "separator",
    "decimal",
    "thousands",
    "currency_sign",
    "encoding",
    "dates",
    "sheet",
    "table",
)
_SWITCH_KEYS = ("line_items", "order_in_first_row", "refunds_are_positive")
# Key → the formats that it is for.
_ONLY_FOR = {
    "separator": ("csv",),
    "encoding": ("csv",),
    "sheet": ("excel",),
    "header_row": ("csv", "excel"),
    "table": ("duckdb", "database"),
    "connection": ("database",),
}
# What may stand for the whole source, and for one table.
SETTINGS = (
    "format", "files", *_TEXT_KEYS, *_SWITCH_KEYS, "header_row", "connection", "kinds", "words",
)  # fmt: skip
TABLE_KEYS = (*SETTINGS, "columns", "split")


@dataclass(frozen=True, slots=True)
class TableMapping:
    """What a source YAML says of one table, checked.

    Attributes:
        name: Of the table.
        format: One of FORMATS.
        columns: Our column → theirs, or an expression of theirs.
        constants: Our column → what stands in every row.
        reading: How times and numbers are written.
        files: Paths or glob patterns, as written; of a database there are none.
        package: Installed package that holds the files, or None.
        separator: Between the fields of a CSV.
        encoding: Of a CSV.
        header_row: Row that the names of the columns stand in, from 1.
        sheet: Of a workbook, or None for its only one.
        table: Table or view of a database.
        connection: The environment variable that holds a database's address.
        line_items: Whether rows with one transaction_id are lines that add up.
        order_in_first_row: Whether an order's day, customer and amount stand in one of
            its rows only, and the others leave them empty.
        split: Mark between several customers in one row, or None; each then gets a row.
    """

    name: str
    format: str
    columns: Mapping[str, str]
    reading: Reading
    constants: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    package: str | None = None
    separator: str = ","
    encoding: str = "utf-8"
    header_row: int = 1
    sheet: str | None = None
    table: str | None = None
    connection: str | None = None
    line_items: bool = False
    order_in_first_row: bool = False
    split: str | None = None

    @property
    def mapped(self) -> tuple[str, ...]:
        return (*self.columns, *self.constants)


@dataclass(slots=True)
class TableDraft:
    """One table's settings on their way to a TableMapping, with the faults met so far.

    Attributes:
        contract: What the table must hold.
        content: The table's own settings over those of the whole source.
        own: The keys of its own; their faults are said with the table's name.
        alone: Whether the source has no other table, so that all is said of this one.
    """

    contract: Contract
    content: Mapping[str, Any]
    own: frozenset[str]
    alone: bool = False
    faults: list[str] = field(default_factory=list)

    def check(self) -> TableMapping:
        texts = {key: self._text(key) for key in _TEXT_KEYS}
        switches = {key: self._switch(key) for key in _SWITCH_KEYS}
        format_ = self._format()
        columns, constants = self._columns()
        made = TableMapping(
            name=self.contract.name,
            format=format_,
            columns=columns,
            constants=constants,
            reading=self._reading(texts, switches["refunds_are_positive"]),
            files=self._files(format_),
            package=texts["package"],
            separator=self._separator(texts["separator"]),
            encoding=self._encoding(texts["encoding"]),
            header_row=self._header_row(),
            sheet=texts["sheet"],
            table=self._table(format_, texts["table"]),
            connection=self._connection(format_),
            line_items=switches["line_items"] and self.contract.name == "transactions",
            order_in_first_row=switches["order_in_first_row"],
            split=self._split(),
        )
        self._together(made, switches)
        return made

    def _fault(self, key: str, text: str) -> None:
        self.faults.append(f"{self.contract.name}: {text}" if key in self.own else text)

    def _text(self, key: str) -> str | None:
        value = self.content.get(key)
        if value is None or isinstance(value, str):
            return value or None
        self._fault(key, f"{key} must be text; found {value!r}")
        return None

    def _switch(self, key: str) -> bool:
        value = self.content.get(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        self._fault(key, f"{key} must be true or false; found {value!r}")
        return False

    def _format(self) -> str:
        declared = self.content.get("format")
        if declared in FORMATS:
            for key, formats in _ONLY_FOR.items():
                # What is said for the whole source may be for another of its tables.
                fitting = declared in formats or not (self.alone or key in self.own)
                if self.content.get(key) is not None and not fitting:
                    only = " and ".join(formats)
                    self._fault(key, f"{key} is for format: {only} only, not for {declared}")
            return str(declared)
        hint = did_you_mean(str(declared), FORMATS)
        listed = ", ".join(FORMATS)
        self._fault("format", f"format must be one of {listed}; found {declared!r}{hint}")
        return ""

    def _files(self, format_: str) -> tuple[str, ...]:
        if format_ == "database":
            return ()
        files = self.content.get("files")
        listed = files if isinstance(files, list) else [files]
        if listed and all(isinstance(item, str) and item for item in listed):
            return tuple(listed)
        self._fault("files", "files must name a file, a pattern like data/orders/*.csv, or a list")
        return ()

    def _columns(self) -> tuple[dict[str, str], dict[str, str]]:
        name, columns = self.contract.name, self.content.get("columns")
        required, known = self.contract.required, self.contract.columns
        if not isinstance(columns, dict):
            self.faults.append(
                f"{name} must map our columns to the file's, one a line: "
                + ", ".join(f"{column}: …" for column in required)
            )
            return {}, {}
        plain: dict[str, str] = {}
        constants: dict[str, str] = {}
        for ours, theirs in columns.items():
            if ours not in known:
                hint = did_you_mean(str(ours), known)
                self.faults.append(
                    f"{name}: unknown column '{ours}'{hint}; known: {', '.join(known)}"
                )
            elif isinstance(theirs, dict) and set(theirs) == {"constant"}:
                constants[ours] = str(theirs["constant"])
            elif theirs is not None and not isinstance(theirs, str):
                self.faults.append(
                    f"{name}: {ours} must name a column, or be {{constant: …}}; found {theirs!r}"
                )
            elif theirs:
                plain[ours] = theirs
        self.faults += [
            f"{name}: {column} is required; write '{column}: ' and the file's column for it"
            for column in required
            if not columns.get(column)
        ]
        self._key_is_whole({*plain, *constants})
        return plain, constants

    def _key_is_whole(self, given: set[str]) -> None:
        missing = [part for part in self.contract.key if part not in given]
        if missing and len(self.contract.key) > 1:
            self.faults += [
                f"{self.contract.name}: {part} is part of the key and has to be mapped"
                for part in missing
                if part not in self.contract.required
            ]

    def _separator(self, separator: str | None) -> str:
        separator = {"tab": "\t", "\\t": "\t"}.get(separator or ",", separator or ",")
        if len(separator) != 1:
            self._fault(
                "separator", f"separator must be one character or 'tab'; found '{separator}'"
            )
        return separator

    def _encoding(self, encoding: str | None) -> str:
        encoding = (encoding or "utf-8").lower()
        encoding = {"utf8": "utf-8", "gbk": "gb18030", "gb2312": "gb18030"}.get(encoding, encoding)
        if encoding not in ENCODINGS:
            hint = did_you_mean(encoding, ENCODINGS)
            listed = ", ".join(ENCODINGS)
            self._fault("encoding", f"encoding must be one of {listed}; found '{encoding}'{hint}")
        return encoding

    def _split(self) -> str | None:
        split = self.content.get("split")
        if split is None:
            return None
        mark = split.get("customer_id") if isinstance(split, dict) and len(split) == 1 else None
        if not isinstance(mark, str) or len(mark) != 1:
            self._fault("split", 'split must be like {customer_id: ";"}, a mark of one character')
        elif self.contract.name == "transactions" or len(self.contract.key) != 1:
            self._fault("split", "split is for what several customers share, such as touches")
        elif "customer_id" not in self.contract.columns or self.contract.key == ("customer_id",):
            self._fault("split", f"split: {self.contract.name} has one customer a row")
        return str(mark)

    def _header_row(self) -> int:
        row = self.content.get("header_row")
        if row is None:
            return 1
        if isinstance(row, str) and row.isdigit() and int(row) > 0:
            return int(row)
        self._fault("header_row", f"header_row must be a row's number, from 1; found {row!r}")
        return 1

    def _table(self, format_: str, table: str | None) -> str | None:
        if format_ in ("duckdb", "database") and table is None:
            self.faults.append(
                f"{self.contract.name}: table must name a table or view of the database, "
                "like public.orders"
            )
        return table

    def _connection(self, format_: str) -> str | None:
        connection = self.content.get("connection")
        if isinstance(connection, dict) and set(connection) == {"env"}:
            variable = connection["env"]
            if isinstance(variable, str) and variable.isidentifier():
                return variable
        if connection is not None or format_ == "database":
            # What was found is not said: it may be the address with its password.
            self._fault(
                "connection",
                "connection must name the environment variable that holds the database's "
                "address, like connection: {env: CRM_DB}; the address itself stands in no file",
            )
        return None

    def _reading(self, texts: Mapping[str, str | None], refunds_are_positive: bool) -> Reading:
        decimal, thousands = texts["decimal"] or ".", texts["thousands"]
        if decimal not in (".", ","):
            self._fault("decimal", f"decimal must be '.' or ','; found '{decimal}'")
        if thousands is not None and (len(thousands) != 1 or thousands == decimal):
            self._fault(
                "thousands",
                f"thousands must be one character other than decimal; found '{thousands}'",
            )
        dates = texts["dates"]
        if dates is not None and "%" not in dates:
            self._fault("dates", f"dates must be a pattern like '%d/%m/%Y'; found '{dates}'")
        return Reading(
            decimal=decimal,
            thousands=thousands,
            currency_sign=texts["currency_sign"],
            dates=dates or ("%Y%m%d" if self.content.get("format") == "cdnow" else None),
            time_zone=texts["time_zone"],
            words=self._words(),
            refunds_are_positive=refunds_are_positive,
        )

    def _words(self) -> dict[str, dict[str, str]]:
        """Column → their word → ours; `kinds` is the short form for the column kind."""
        words, kinds = self.content.get("words"), self.content.get("kinds")
        if words is not None and not (
            isinstance(words, dict) and all(isinstance(each, dict) for each in words.values())
        ):
            self._fault("words", "words must be like {channel: {Call: phone, Mail: email}}")
            words = None
        said = {str(column): dict(each) for column, each in (words or {}).items()}
        if isinstance(kinds, dict):
            said["kind"] = kinds
        elif kinds is not None:
            said["kind"] = {"": str(kinds)}
        return {column: each for column, each in said.items() if self._fit(column, each)}

    def _fit(self, column: str, words: Mapping[str, str]) -> bool:
        contract = self.contract
        choices = contract.choices(column) if column in contract.columns else ()
        if not choices:
            if "words" in self.own or "kinds" in self.own:
                self.faults.append(f"{contract.name}: words: {column} is no column of few words")
            return False
        if set(words.values()) <= set(choices) and "" not in words:
            return True
        if column == "kind" and self.content.get("kinds") is not None:
            listed = " or ".join(choices)
            self._fault(
                "kinds", f"kinds must map the file's words to {listed}, like {{Sale: {choices[0]}}}"
            )
        else:
            listed = ", ".join(choices)
            self._fault("words", f"words: {column} must map the file's words to one of {listed}")
        return False

    def _together(self, made: TableMapping, switches: Mapping[str, bool]) -> None:
        """What only makes sense beside something else."""
        if self.contract.name != "transactions":
            return
        if made.line_items and "transaction_id" not in made.columns:
            self._fault("line_items", "line_items: true needs transaction_id in the column mapping")
        if made.order_in_first_row and not made.line_items:
            self._fault("order_in_first_row", "order_in_first_row: true needs line_items: true")
        if switches["refunds_are_positive"] and "kind" not in made.mapped:
            self._fault(
                "refunds_are_positive",
                "refunds_are_positive: true needs kind in the column mapping",
            )
