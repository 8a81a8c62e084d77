"""A source's YAML: where its files are and which of their columns is which of ours."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from relkit.data.tables import TABLES
from relkit.data.values import Reading
from relkit.errors import SourceError, did_you_mean

FORMATS = ("csv", "parquet", "cdnow")
CURRENCY = re.compile("[A-Z]{3}")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "gb18030", "big5", "cp1252")
_TEXT_KEYS = (
    "package",
    "currency",
    "time_zone",
    "separator",
    "decimal",
    "thousands",
    "currency_sign",
    "encoding",
    "dates",
)
_SWITCH_KEYS = ("synthetic", "line_items", "refunds_are_positive")
_CSV_KEYS = ("separator", "encoding")
KEYS = ("name", "format", "files", *_TEXT_KEYS, *_SWITCH_KEYS, "kinds", *TABLES)


@dataclass(frozen=True, slots=True)
class SourceMapping:
    """What a source YAML says, checked.

    Attributes:
        shown: The YAML's path as people know it, relative to the project root.
        path: The YAML itself.
        root: The project root: the folder that `shown` starts from.
        sha256: Hash of the YAML, so that a run can be traced to its mapping.
        name: The source's name by language, 'en' and 'zh'.
        format: One of FORMATS.
        package: Installed package that holds the files, or None.
        files: Paths or glob patterns, as written.
        columns: Our column → theirs, for the table `transactions`.
        reading: How times and amounts are written in the files.
        separator: Between the fields of a CSV.
        encoding: Of a CSV.
        currency: Of all amounts, or None where it is not known.
        line_items: Whether rows with one transaction_id are lines that add up.
        synthetic: Whether the customers are simulated; shown on every page.
    """

    shown: str
    path: Path
    root: Path
    sha256: str
    name: Mapping[str, str]
    format: str
    files: tuple[str, ...]
    columns: Mapping[str, str]
    reading: Reading
    package: str | None = None
    separator: str = ","
    encoding: str = "utf-8"
    currency: str | None = None
    line_items: bool = False
    synthetic: bool = False


class _PlainLoader(yaml.SafeLoader):
    """YAML without the surprises of YAML 1.1: `no`, `010`, `12:30`, `2025-01-01` stay text."""


_PlainLoader.yaml_implicit_resolvers = {}

_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$", re.IGNORECASE), list("tTfF")
)
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:~|null|)$", re.IGNORECASE), ["~", "n", "N", ""]
)
_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"])


def _mapping_without_repeats(loader: _PlainLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    # A key given twice would silently win over the first; the reader sees only one.
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key '{key}' stands twice", key_node.start_mark
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_PlainLoader.add_constructor("tag:yaml.org,2002:map", _mapping_without_repeats)


def find_upwards(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """A file and the folder its relative path starts from.

    A relative path is looked for in the working directory, then in each folder
    above, so that a notebook in `notebooks/` and a run from the project root
    find the same file.

    Raises:
        SourceError: there is no such file; near names are given.
    """
    wanted = Path(path).expanduser()
    here = Path.cwd()
    for start in (here, *here.parents):
        found = start / wanted
        if found.is_file():
            found = Path(os.path.abspath(found))
            # Where the layout of a project shows, its root is known whatever the path was.
            if found.parts[-3:-1] == ("params", "sources"):
                return found, found.parents[2]
            plain = not wanted.is_absolute() and ".." not in wanted.parts
            return found, start if plain else found.parent
    if wanted.is_dir():
        raise SourceError(f"{path} is a folder; name the source YAML inside it")
    raise SourceError(f"{path}: no such source file; {_near_files(wanted)}")


def _near_files(wanted: Path) -> str:
    here = Path.cwd()
    for root in (here, *here.parents):
        folder = root / wanted.parent
        if folder.is_dir():
            names = sorted(p.name for p in folder.iterdir() if p.suffix in (".yaml", ".yml"))
            if names:
                hint = did_you_mean(wanted.name, names)
                return f"{wanted.parent} holds {', '.join(names)}{hint}"
    return "looked from the working directory upwards; give the path of a YAML as in params/sources"


def read_mapping(path: str | os.PathLike[str]) -> SourceMapping:
    """Read and check a source YAML.

    Raises:
        SourceError: no such file, not YAML, or faults in it; all faults at once.
    """
    found, root = find_upwards(path)
    try:
        shown = found.relative_to(root).as_posix()
    except ValueError:
        shown = found.name
    text = found.read_bytes()
    try:
        content = yaml.load(text.decode("utf-8-sig"), Loader=_PlainLoader)
    except UnicodeDecodeError:
        raise SourceError(f"{shown} is not a text file in UTF-8; save it as UTF-8") from None
    except yaml.YAMLError as fault:
        raise SourceError(f"{shown} is not readable as YAML: {_yaml_fault(fault)}") from None
    if not isinstance(content, dict):
        raise SourceError(
            f"{shown} must be a list of 'key: value' lines, as in params/sources/template.yaml"
        )
    draft = _Draft(content)
    draft.check()
    if draft.faults:
        raise SourceError(f"{shown}: {_counted(len(draft.faults))}", draft.faults)
    return SourceMapping(
        shown=shown,
        path=found,
        root=root,
        sha256=hashlib.sha256(text).hexdigest(),
        **draft.settings,
    )


def _counted(faults: int) -> str:
    return "1 fault" if faults == 1 else f"{faults} faults"


def _yaml_fault(fault: yaml.YAMLError) -> str:
    mark = getattr(fault, "problem_mark", None)
    problem = getattr(fault, "problem", None) or str(fault)
    where = f"line {mark.line + 1}: " if mark is not None else ""
    return f"{where}{problem}"


@dataclass(slots=True)
class _Draft:
    """The YAML's content on its way to a SourceMapping, with the faults met so far."""

    content: dict[Any, Any]
    faults: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        for key in self.content:
            if key not in KEYS:
                self.faults.append(f"unknown key '{key}'{did_you_mean(str(key), KEYS)}")
        texts = {key: self._text(key) for key in _TEXT_KEYS}
        switches = {key: self._switch(key) for key in _SWITCH_KEYS}
        self.settings = {
            "name": self._name(),
            "format": self._format(),
            "files": self._files(),
            "columns": self._columns(),
            "package": texts["package"],
            "separator": self._separator(texts["separator"]),
            "encoding": self._encoding(texts["encoding"]),
            "currency": self._currency(texts["currency"]),
            "line_items": switches["line_items"],
            "synthetic": switches["synthetic"],
            "reading": self._reading(texts, switches["refunds_are_positive"]),
        }
        if switches["line_items"] and "transaction_id" not in self.settings["columns"]:
            self.faults.append("line_items: true needs transaction_id in the column mapping")
        if switches["refunds_are_positive"] and "kind" not in self.settings["columns"]:
            self.faults.append("refunds_are_positive: true needs kind in the column mapping")

    def _text(self, key: str) -> str | None:
        value = self.content.get(key)
        if value is None or isinstance(value, str):
            return value or None
        self.faults.append(f"{key} must be text; found {value!r}")
        return None

    def _currency(self, currency: str | None) -> str | None:
        if currency is not None and not CURRENCY.fullmatch(currency):
            self.faults.append(
                f"currency must be a three-letter code such as EUR or CNY; found '{currency}'"
            )
        return currency

    def _switch(self, key: str) -> bool:
        value = self.content.get(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        self.faults.append(f"{key} must be true or false; found {value!r}")
        return False

    def _name(self) -> dict[str, str]:
        name = self.content.get("name")
        if isinstance(name, str) and name:
            return {"en": name, "zh": name}
        if isinstance(name, dict) and name and set(name) <= {"en", "zh"}:
            some = next(str(text) for text in name.values())
            return {language: str(name.get(language, some)) for language in ("en", "zh")}
        self.faults.append("name must be text, or {en: …, zh: …}")
        return {}

    def _format(self) -> str:
        declared = self.content.get("format")
        if declared in FORMATS:
            if declared != "csv":
                self.faults += [
                    f"{key} is for format: csv only, not for {declared}"
                    for key in _CSV_KEYS
                    if self.content.get(key) is not None
                ]
            return str(declared)
        hint = did_you_mean(str(declared), FORMATS)
        self.faults.append(f"format must be one of {', '.join(FORMATS)}; found {declared!r}{hint}")
        return ""

    def _files(self) -> tuple[str, ...]:
        files = self.content.get("files")
        listed = files if isinstance(files, list) else [files]
        if listed and all(isinstance(item, str) and item for item in listed):
            return tuple(listed)
        self.faults.append("files must name a file, a pattern like data/orders/*.csv, or a list")
        return ()

    def _columns(self) -> dict[str, str]:
        table = TABLES["transactions"]
        columns = self.content.get("transactions")
        required = [column.name for column in table.columns if column.required]
        if not isinstance(columns, dict):
            self.faults.append(
                "transactions must map our columns to the file's, one a line: "
                + ", ".join(f"{name}: …" for name in required)
            )
            return {}
        known = [column.name for column in table.columns]
        for name, theirs in columns.items():
            if name not in known:
                hint = did_you_mean(str(name), known)
                self.faults.append(
                    f"transactions: unknown column '{name}'{hint}; known: {', '.join(known)}"
                )
            elif theirs is not None and not isinstance(theirs, str):
                self.faults.append(f"transactions: {name} must name a column; found {theirs!r}")
        self.faults += [
            f"transactions: {name} is required; write '{name}: ' and the file's column for it"
            for name in required
            if not columns.get(name)
        ]
        return {n: t for n, t in columns.items() if n in known and isinstance(t, str) and t}

    def _separator(self, separator: str | None) -> str:
        separator = {"tab": "\t", "\\t": "\t"}.get(separator or ",", separator or ",")
        if len(separator) != 1:
            self.faults.append(f"separator must be one character or 'tab'; found '{separator}'")
        return separator

    def _encoding(self, encoding: str | None) -> str:
        encoding = (encoding or "utf-8").lower()
        encoding = {"utf8": "utf-8", "gbk": "gb18030", "gb2312": "gb18030"}.get(encoding, encoding)
        if encoding not in ENCODINGS:
            hint = did_you_mean(encoding, ENCODINGS)
            self.faults.append(
                f"encoding must be one of {', '.join(ENCODINGS)}; found '{encoding}'{hint}"
            )
        return encoding

    def _reading(self, texts: dict[str, str | None], refunds_are_positive: bool) -> Reading:
        decimal, thousands = texts["decimal"] or ".", texts["thousands"]
        if decimal not in (".", ","):
            self.faults.append(f"decimal must be '.' or ','; found '{decimal}'")
        if thousands is not None and (len(thousands) != 1 or thousands == decimal):
            self.faults.append(
                f"thousands must be one character other than decimal; found '{thousands}'"
            )
        dates = texts["dates"]
        if dates is not None and "%" not in dates:
            self.faults.append(f"dates must be a pattern like '%d/%m/%Y'; found '{dates}'")
        return Reading(
            decimal=decimal,
            thousands=thousands,
            currency_sign=texts["currency_sign"],
            dates=dates or ("%Y%m%d" if self.content.get("format") == "cdnow" else None),
            time_zone=texts["time_zone"],
            kinds=self._kinds(),
            refunds_are_positive=refunds_are_positive,
        )

    def _kinds(self) -> dict[str, str]:
        kinds = self.content.get("kinds")
        if kinds is None:
            return {}
        if isinstance(kinds, dict) and set(kinds.values()) <= {"purchase", "refund"}:
            return {str(theirs): ours for theirs, ours in kinds.items()}
        self.faults.append(
            "kinds must map the file's words to purchase or refund, like {Sale: purchase}"
        )
        return {}
