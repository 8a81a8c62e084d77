"""A library of tags: what each means, who answers for it, and how old its data may be.

A tag is a formula with a name. One without a formula is refused, and so is one whose
own examples disagree with it. A tag whose data are too old is stale: it says nothing
about anybody, rather than what was true some time ago.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.privacy import shown_id
from relkit.segments.rule_text import (
    AllOf,
    Comparison,
    Condition,
    comparisons,
    condition_text,
    holds,
    parse_condition,
)
from relkit.yaml_fields import Fields
from relkit.yaml_files import find_upwards, read_yaml

EXAMPLE = "params/tags/registry.yaml"
CURRENT, STALE, NOT_SUPPLIED = "current", "stale", "not_supplied"
_KEYS = ("name", "formula", "notes", "data", "owner", "fresh_days", "yes", "no")
_REQUIRED = ("name", "data", "owner", "fresh_days")


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag of the library.

    Attributes:
        key: What programs call it.
        name: What people call it, by language (en, zh).
        formula: A condition over columns, in the language of tier rules; None where the tag
            comes from notes.
        notes: The keyword tag that it comes from; None where it has a formula.
        data: The table whose age counts.
        owner: Who answers for it, by language; one text serves both.
        fresh_days: How old the data may be, in days.
    """

    key: str
    name: Mapping[str, str]
    formula: Condition | None
    notes: str | None
    data: str
    owner: Mapping[str, str]
    fresh_days: int

    @property
    def meaning(self) -> str:
        """The formula written out, or where it comes from."""
        return f"notes: {self.notes}" if self.formula is None else condition_text(self.formula)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the formula speaks of."""
        if self.formula is None:
            return ()
        return tuple(dict.fromkeys(each.variable for each in comparisons(self.formula)))


@dataclass(frozen=True, slots=True)
class TagRegistry:
    """The tags of a file, in its order."""

    tags: tuple[Tag, ...]

    def to_frame(self) -> pd.DataFrame:
        """tag, name_en, name_zh, formula, data, owner, fresh_days."""
        return pd.DataFrame(
            [
                (
                    *(tag.key, tag.name["en"], tag.name["zh"], tag.meaning),
                    *(tag.data, tag.owner["en"], tag.fresh_days),
                )
                for tag in self.tags
            ],
            columns=["tag", "name_en", "name_zh", "formula", "data", "owner", "fresh_days"],
        )


@dataclass(frozen=True, slots=True)
class TagState:
    """What became of a tag on some data.

    Attributes:
        tag: Which.
        state: 'current', 'stale' or 'not_supplied' (its table, or a column, is missing).
        missing: The table or columns that are.
        age_days: How old its data are; None where they are not supplied.
        customers: Who have it; None unless it is current.
        unknown: Of whom it cannot be said, since a value is missing; None as before.
    """

    tag: Tag
    state: str
    missing: tuple[str, ...]
    age_days: int | None
    customers: int | None
    unknown: int | None


@dataclass(frozen=True, slots=True, eq=False)
class CustomerTags:
    """Every tag for every customer.

    Attributes:
        as_of: The day that the age of data is counted to.
        states: One each, in the order of the file.
    """

    as_of: dt.date
    states: tuple[TagState, ...]
    _customers: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """customer_id, then a column a tag: True, False, or missing where it is not known.

        A tag that is stale or not supplied is missing for everyone.
        """
        return self._customers.copy()

    def states_frame(self) -> pd.DataFrame:
        """tag, state, missing, age_days, fresh_days, owner, customers, unknown."""
        frame = pd.DataFrame(
            [
                {
                    "tag": each.tag.key,
                    "state": each.state,
                    "missing": ", ".join(each.missing),
                    "age_days": each.age_days,
                    "fresh_days": each.tag.fresh_days,
                    "owner": each.tag.owner["en"],
                    "customers": each.customers,
                    "unknown": each.unknown,
                }
                for each in self.states
            ]
        )
        whole = ["age_days", "customers", "unknown"]
        return frame.astype(dict.fromkeys(whole, "Int64"))

    def of(self, customer_id: str) -> dict[str, bool | None]:
        """The current tags of one customer: yes, no, or None where it is not known.

        Raises:
            DataError: there is no such customer.
        """
        chosen = self._customers[self._customers["customer_id"] == str(customer_id)]
        if chosen.empty:
            raise DataError(
                f"customer {shown_id(customer_id)} has no tags; ids are compared as text: take one "
                "from the frame that was tagged"
            )
        row = chosen.iloc[0]
        return {
            each.tag.key: None if pd.isna(row[each.tag.key]) else bool(row[each.tag.key])
            for each in self.states
            if each.state == CURRENT
        }


def read_tags(path: str | os.PathLike[str] = EXAMPLE) -> TagRegistry:
    """Read a library of tags from a YAML, and try every example in it.

    Each tag has ``name`` (en, zh), ``formula`` (as in tier rules) or ``notes`` (a keyword
    tag), ``data`` (the table whose age counts), ``owner``, ``fresh_days``, and for a formula
    ``yes`` and ``no``: values of its columns for which it must and must not hold.

    Args:
        path: Such as ``params/tags/registry.yaml``; looked for from the working directory
            upwards.

    Raises:
        SourceError: there is no such file, or it is no YAML.
        ParameterError: a tag without a formula, without an owner, whose examples disagree
            with it, …; all faults at once.
    """
    found, root = find_upwards(path, what="tag")
    shown = found.relative_to(root).as_posix() if found.is_relative_to(root) else found.name
    content, _ = read_yaml(found, shown, example=EXAMPLE)
    return tags_from(content, shown)


def tags_from(content: Mapping[str, Any], shown: str = "tags") -> TagRegistry:
    """A library from what a file says; errors as ``read_tags``."""
    faults: list[str] = []
    tags = [_read_tag(str(key), said, faults) for key, said in content.items()]
    if not tags:
        faults.append("no tag; at least one is required")
    for code in ("en", "zh"):
        names = [tag.name[code] for tag in tags if tag is not None]
        twice = sorted({name for name in names if names.count(name) > 1})
        faults += [
            f"two tags are called '{name}' in {code}; readers need two names" for name in twice
        ]
    if faults:
        raise ParameterError(f"{shown}: tags that cannot be used", faults)
    return TagRegistry(tuple(tag for tag in tags if tag is not None))


def _read_tag(key: str, said: Any, faults: list[str]) -> Tag | None:
    """One tag, or None with what is wrong with it added to the faults."""
    if not isinstance(said, Mapping) or not key.isidentifier():
        faults.append(f"{key}: a tag is 'key:' with name, formula, … below, the key one word")
        return None
    fields = Fields(said)
    wrong = fields.faults
    for name in said:
        if name not in _KEYS:
            wrong.append(f"unknown key '{name}'{did_you_mean(str(name), _KEYS)}")
    wrong += [f"has no {name}" for name in _REQUIRED if said.get(name) in (None, "")]
    name = fields.languages("name")
    if name and not (isinstance(said["name"], Mapping) and len(said["name"]) == 2):
        wrong.append("name must have both en and zh")
    owner = fields.languages("owner")
    fresh = fields.number("fresh_days", 1)
    if fresh == fresh and not float(fresh).is_integer():
        wrong.append(f"fresh_days: {said['fresh_days']} must be whole days")
    formula = _formula(fields, said)
    faults += [f"{key}: {fault}" for fault in wrong]
    if wrong:
        return None
    notes = fields.text("notes") or None
    return Tag(key, name, formula, notes, fields.text("data"), owner, int(fresh))


def _formula(fields: Fields, said: Mapping[str, Any]) -> Condition | None:
    text, notes = fields.text("formula"), fields.text("notes")
    if bool(text) == bool(notes):
        fields.faults.append(
            "has no formula; a tag that nobody can recompute is none: give formula: a condition, "
            "or notes: a keyword tag"
            if not text
            else "has both a formula and notes; give one of them"
        )
        return None
    if notes:
        return None
    try:
        formula = parse_condition(text)
    except ParameterError as fault:
        fields.faults.append(f"formula: {fault}")
        return None
    columns = {each.variable: type(each.value) for each in comparisons(formula)}
    for key, wanted in (("yes", True), ("no", False)):
        example = _example(key, fields, columns)
        if example is not None and bool(holds(formula, example)[0]) != wanted:
            verb = "does not hold" if wanted else "holds"
            fields.faults.append(f"the formula {verb} for its own example {key}: {said[key]}")
    return formula


def _example(key: str, fields: Fields, columns: Mapping[str, type]) -> dict[str, np.ndarray] | None:
    section = fields.section(key)
    if set(section) != set(columns):
        fields.faults.append(
            f"{key} must be an example with just the columns of the formula: {', '.join(columns)}; "
            f"found {', '.join(section) or 'none'}"
        )
        return None
    example: dict[str, np.ndarray] = {}
    for name, kind in columns.items():
        value = section[name]
        if kind is str:
            words = {True: "yes", False: "no"}.get(value) if isinstance(value, bool) else value
            example[name] = np.array([None if words is None else str(words)], dtype=object)
        elif value is None:
            example[name] = np.array([np.nan])
        else:
            example[name] = np.array([fields.amount(f"{key}: {name}", value)])
    return example


def tag_customers(
    registry: TagRegistry,
    customers: pd.DataFrame,
    *,
    as_of: dt.date | str,
    data_until: Mapping[str, dt.date | str],
    note_tags: pd.DataFrame | None = None,
) -> CustomerTags:
    """Every tag of the library for every customer.

    Args:
        registry: As read by ``rk.read_tags``.
        customers: One row a customer: customer_id, and the columns that formulas speak of;
            flags say ``yes`` or ``no`` in formulas. A tag with a column that is not there is
            not supplied.
        as_of: The day that ages are counted to.
        data_until: The last day in each table that there is, such as ``source.span_of``
            says; a tag of a table that is not named is not supplied.
        note_tags: As made by ``rk.tag_notes``: a tag from notes holds for the customers in
            it whose note is at most ``fresh_days`` old on ``as_of``.

    Raises:
        DataError: no customers, repeated ids, a column of another kind than its formula.
        ParameterError: a day that is none, or data from after ``as_of``.
    """
    day = _day(as_of, "as_of")
    until = {table: _day(at, f"data_until: {table}") for table, at in data_until.items()}
    later = [f"{table}: {at}" for table, at in until.items() if at > day]
    if later:
        raise ParameterError(f"data_until lies after as_of={day}: {', '.join(later)}")
    ids = _ids(customers)
    states, columns = [], {"customer_id": ids}
    for tag in registry.tags:
        values, missing = _values(tag, customers, ids, note_tags, day)
        if tag.data not in until:
            missing = tuple(dict.fromkeys((tag.data, *missing)))
        age = None if tag.data not in until else (day - until[tag.data]).days
        state = (
            NOT_SUPPLIED if missing else STALE if age is None or age > tag.fresh_days else CURRENT
        )
        if state != CURRENT or values is None:
            values = pd.Series([pd.NA] * len(ids), dtype="boolean")
        known = state == CURRENT
        count, unknown = (int(values.sum()), int(values.isna().sum())) if known else (None, None)
        states.append(TagState(tag, state, missing, age, count, unknown))
        columns[tag.key] = values
    return CustomerTags(day, tuple(states), pd.DataFrame(columns))


def _day(value: dt.date | str, name: str) -> dt.date:
    try:
        return pd.Timestamp(value).date()
    except (TypeError, ValueError):
        raise ParameterError(f"{name}={value!r} must be a day such as 2024-12-29") from None


def _ids(customers: pd.DataFrame) -> pd.Series:
    if "customer_id" not in customers.columns or customers.empty:
        raise DataError(
            "tags: a frame with customer_id and at least one customer is required; "
            f"found {len(customers)} rows"
        )
    ids = customers["customer_id"].astype("str").reset_index(drop=True)
    twice = ids[ids.duplicated()]
    if len(twice):
        raise DataError(
            f"tags: customer_id is repeated in {len(twice):,} rows (first: "
            f"{shown_id(twice.iloc[0])}); give one row a customer"
        )
    return ids


def _values(
    tag: Tag, customers: pd.DataFrame, ids: pd.Series, notes: pd.DataFrame | None, day: dt.date
) -> tuple[pd.Series | None, tuple[str, ...]]:
    """Yes, no or missing for each customer; or the columns that are not there."""
    if tag.formula is None:
        if notes is None:
            return None, ("notes",)
        age = (pd.Timestamp(day) - pd.to_datetime(notes["last_at"]).dt.normalize()).dt.days
        chosen = notes[(notes["tag"] == tag.notes) & (age <= tag.fresh_days) & (age >= 0)]
        return ids.isin(chosen["customer_id"].astype("str")).astype("boolean"), ()
    missing = tuple(name for name in tag.columns if name not in customers.columns)
    if missing:
        return None, missing
    kinds = {each.variable: type(each.value) for each in comparisons(tag.formula)}
    columns = {name: _column(tag, customers[name], kind) for name, kind in kinds.items()}
    true = holds(tag.formula, columns)
    # Not known only where the missing value would decide: "no" beside it settles an "and".
    values = pd.Series(true, dtype="boolean")
    values[_could_hold(tag.formula, columns) & ~true] = pd.NA
    return values, ()


def _could_hold(condition: Condition, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Where a condition is true or would be for some value in place of a missing one."""
    if isinstance(condition, Comparison):
        return holds(condition, columns) | np.asarray(pd.isna(columns[condition.variable]))
    parts = [_could_hold(part, columns) for part in condition.parts]
    together = np.logical_and if isinstance(condition, AllOf) else np.logical_or
    return np.asarray(together.reduce(parts), dtype=bool)


def _column(tag: Tag, series: pd.Series, kind: type) -> np.ndarray:
    """A column as the rule language takes it: numbers with nan, or words with None."""
    flag = pd.api.types.is_bool_dtype(series.dtype)
    numeric = pd.api.types.is_numeric_dtype(series.dtype) and not flag
    if (kind is str) == numeric:
        found = "numbers" if numeric else "a yes or no" if flag else "words"
        raise DataError(
            f"tag {tag.key}: its formula compares {series.name} with "
            f"{'a word' if kind is str else 'a number'}, but the column holds {found}"
        )
    if numeric:
        return np.asarray(series.to_numpy(dtype=float, na_value=np.nan))
    if flag:
        series = series.map({True: "yes", False: "no"}, na_action="ignore")
    return np.asarray(series.astype(object).where(series.notna(), None), dtype=object)
