"""CRM, interview and survey held against each other, field by field."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from relkit.data.quality.agreement import cohen_kappa, fleiss_kappa
from relkit.data.quality.said_values import missing_tables, said_values, with_crm
from relkit.data.quality.supplied import NotSupplied, Tables
from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.intervals import normal_quantile, wilson_interval
from relkit.personal import WITHHELD, is_personal
from relkit.privacy import current_privacy

if TYPE_CHECKING:
    import pandas as pd

SOURCES = ("crm", "interview", "survey")
PAIRS = tuple(combinations(SOURCES, 2))
MEASURED, ONE_SOURCE = "measured", "one source only"
NOBODY, NO_VALUES = "no customer in two sources", "no values"


@dataclass(frozen=True, slots=True, eq=False)
class Triangulation:
    """How far the sources say the same of the same customers.

    Attributes:
        fields: One row a field: field, sources (that know it), crm, interview, survey
            (customers with a value; of the CRM those in another source too), two, three
            (customers with values in so many sources), compared (two or three), agree,
            conflicts, share, low, high (of those who agree; Wilson), fleiss_kappa (of
            customers with three values), rule ('equal', 'within 0.5', 'bands 2, 4'),
            status ('measured', 'one source only', 'no customer in two sources', 'no values'). What
            could not be computed is nan, and the status says why.
        pairs: One row a field and two sources: field, first, second, customers, agree,
            share, low, high, kappa, kappa_low, kappa_high; kappa is nan where all values
            are one, or where a tolerance makes no categories.
        conflicts: One row a customer and field on which sources differ: customer_id,
            field, crm, interview, survey (as they stand in the source), interviewed_at,
            answered_at, odd_one_out (the one that differs from two others, or empty).
            Values of personal fields are withheld unless they may be shown.
        customers: Customers in an interview or a survey.
        level: Of the intervals.
    """

    fields: pd.DataFrame
    pairs: pd.DataFrame
    conflicts: pd.DataFrame
    customers: int
    level: float

    @property
    def compared(self) -> int:
        """Customer and field values held against another source."""
        return int(self.fields["compared"].sum())

    @property
    def agree(self) -> int:
        """Those on which all sources say the same."""
        return int(self.fields["agree"].sum())

    def to_frame(self) -> pd.DataFrame:
        """One row a field."""
        return self.fields.copy()


def try_triangulation(tables: Tables, **options: Any) -> Triangulation | NotSupplied:
    """`triangulate` for a report that goes on where fewer than two sources are supplied."""
    missing = missing_tables(tables)
    return NotSupplied(missing) if missing else triangulate(tables, **options)


def triangulate(
    tables: Tables,
    fields: Iterable[str] | None = None,
    *,
    tolerance: Mapping[str, float] | None = None,
    bands: Mapping[str, Sequence[float]] | None = None,
    level: float = 0.95,
) -> Triangulation:
    """Hold what the CRM, interviews and surveys say of customers against each other.

    Of several interviews or answers of one customer on one field the newest counts. Texts
    agree when they are equal without case and surplus blanks; fields that hold numbers
    only, when the numbers are equal, or as `tolerance` and `bands` say.

    Args:
        tables: A source, or tables by name: `interviews` (customer_id, field, value,
            interviewed_at), `survey_values` (the same with answered_at), `customers` with
            the fields as columns, and `feedback`, whose scores stand for fields named
            satisfaction, csat, nps or ces. Two of the three sources are needed.
        fields: Those to compare; all that interviews or surveys name.
        tolerance: Field → largest difference of two numbers that agree.
        bands: Field → ascending cut points; numbers agree in the same band, of which a
            cut point belongs to the upper.
        level: Of the intervals.

    Raises:
        DataError: not supplied; or a value is no number where a tolerance or bands are
            given.
        ParameterError: an option that cannot be meant.

    Source: Wilson (1927); Cohen (1960) and Fleiss (1971) for kappa.
    """
    normal_quantile(level)
    missing = missing_tables(tables)
    if missing:
        raise DataError(
            f"not supplied: {', '.join(missing)}; two of customers (the CRM), interviews and "
            "survey_values are needed to compare"
        )
    said = said_values(tables)
    names = sorted(set(said["field"])) if fields is None else _listed(fields)
    rules = _rules(names, dict(tolerance or {}), dict(bands or {}))
    known = with_crm(said, tables, names)
    rows: list[dict[str, Any]] = []
    pairs: list[dict[str, Any]] = []
    conflicts: list[pd.DataFrame] = []
    faults: list[str] = []
    for name in names:
        try:
            values = _field_values(known[known["field"] == name], rules[name])
        except DataError as fault:
            faults.append(str(fault))
            continue
        rows.append(_field_row(name, values, rules[name], level))
        pairs += _pair_rows(name, values, rules[name], level)
        conflicts.append(_conflicts(name, values))
    if faults:
        raise DataError("fields given a tolerance or bands must hold numbers", faults)
    return _result(rows, pairs, conflicts, said["customer_id"].nunique(), level)


@dataclass(frozen=True, slots=True)
class _Rule:
    """When two values of a field agree."""

    tolerance: float | None = None
    bands: tuple[float, ...] | None = None

    @property
    def text(self) -> str:
        if self.tolerance is not None:
            return f"within {self.tolerance:g}"
        if self.bands is not None:
            return "bands " + ", ".join(f"{cut:g}" for cut in self.bands)
        return "equal"


def _listed(fields: Any) -> list[str]:
    names = [fields] if isinstance(fields, str) else list(fields)
    if not names or not all(isinstance(name, str) for name in names):
        raise ParameterError(f"fields={fields!r} must name at least one field")
    return list(dict.fromkeys(names))


def _rules(names: list[str], tolerance: dict[str, Any], bands: dict[str, Any]) -> dict[str, _Rule]:
    faults = [
        f"{name}: no such field{did_you_mean(name, names)}; there are {', '.join(names) or 'none'}"
        for name in [*tolerance, *bands]
        if name not in names
    ]
    faults += [f"{name} has both a tolerance and bands" for name in tolerance if name in bands]
    for name, width in tolerance.items():
        if not _is_number(width) or width < 0:
            faults.append(f"tolerance of {name}: {width!r} must be a number, 0 or more")
    for name, cuts in bands.items():
        ascending = all(_is_number(cut) for cut in cuts) and list(cuts) == sorted(set(cuts))
        if not len(cuts) or not ascending:
            faults.append(f"bands of {name}: {cuts!r} must be ascending numbers")
    if faults:
        raise ParameterError("values cannot be compared in this way", faults)
    rules = {name: _Rule() for name in names}
    rules |= {name: _Rule(tolerance=float(width)) for name, width in tolerance.items()}
    rules |= {name: _Rule(bands=tuple(map(float, cuts))) for name, cuts in bands.items()}
    return rules


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _field_values(known: pd.DataFrame, rule: _Rule) -> pd.DataFrame:
    """One row a customer: what each source says, as it stands and (code_…) as it is compared."""
    import numpy as np
    import pandas as pd

    wide = known.pivot(index="customer_id", columns="source", values="value")
    when = known.pivot(index="customer_id", columns="source", values="at")
    wide = wide.reindex(columns=list(SOURCES)).astype(object)
    numbers = pd.DataFrame(
        {source: pd.to_numeric(wide[source], errors="coerce").astype(float) for source in SOURCES}
    )
    text = wide.notna().to_numpy() & ~np.isfinite(numbers.to_numpy())
    if text.any() and rule != _Rule():
        name = str(known["field"].iloc[0])
        raise DataError(f"{name}: {int(text.sum()):,} of {int(wide.notna().sum().sum()):,} "
                        f"values are no numbers, but the rule is '{rule.text}'")  # fmt: skip
    codes = wide.map(_plain, na_action="ignore") if text.any() else numbers
    if rule.bands is not None:
        which = np.digitize(numbers.to_numpy(), rule.bands)
        codes = numbers.where(numbers.isna(), which)
    for source in SOURCES:
        wide[f"code_{source}"] = codes[source]
    for source, column in (("interview", "interviewed_at"), ("survey", "answered_at")):
        wide[column] = when.get(source, pd.NaT)
    wide["values"] = codes.notna().to_numpy().sum(axis=1)
    wide["agrees"] = [_agree(row, rule) for row in codes.itertuples(index=False)]
    return wide


def _plain(value: str) -> str:
    import unicodedata

    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


def _agree(values: Iterable[Any], rule: _Rule) -> bool:
    known = [value for value in values if value == value and value is not None]
    if rule.tolerance is not None and known:
        # A difference of .1 is not exact in binary.
        return max(known) - min(known) <= rule.tolerance + 1e-9
    return len(set(known)) <= 1


def _field_row(name: str, values: pd.DataFrame, rule: _Rule, level: float) -> dict[str, Any]:
    known = {source: int(values[source].notna().sum()) for source in SOURCES}
    compared = values[values["values"] >= 2]
    agree = int(compared["agrees"].sum())
    there = [source for source in SOURCES if known[source]]
    status = (NO_VALUES, ONE_SOURCE, NOBODY, NOBODY)[len(there)]
    if len(compared):
        status = MEASURED
    share = wilson_interval(agree, len(compared), level) if len(compared) else None
    return {
        "field": name,
        "sources": ", ".join(there),
        **known,
        "two": int((values["values"] == 2).sum()),
        "three": int((values["values"] == 3).sum()),
        "compared": len(compared),
        "agree": agree,
        "conflicts": len(compared) - agree,
        "share": math.nan if share is None else share.value,
        "low": math.nan if share is None else share.low,
        "high": math.nan if share is None else share.high,
        "fleiss_kappa": _fleiss(values[values["values"] == 3], rule),
        "rule": rule.text,
        "status": status,
    }


def _fleiss(values: pd.DataFrame, rule: _Rule) -> float:
    if values.empty or rule.tolerance is not None:
        return math.nan
    codes = values[[f"code_{source}" for source in SOURCES]]
    counts = codes.stack().groupby(level=0).value_counts().unstack(fill_value=0)
    kappa = fleiss_kappa(counts.to_numpy())
    return math.nan if kappa is None else kappa


def _pair_rows(
    name: str, values: pd.DataFrame, rule: _Rule, level: float
) -> Iterable[dict[str, Any]]:
    for first, second in PAIRS:
        both = values[[f"code_{first}", f"code_{second}"]].dropna()
        if both.empty:
            continue
        agree = sum(_agree(row, rule) for row in both.itertuples(index=False))
        share = wilson_interval(agree, len(both), level)
        kappa = None
        if rule.tolerance is None:
            kappa = cohen_kappa(list(both.iloc[:, 0]), list(both.iloc[:, 1]), level)
        yield {
            "field": name,
            "first": first,
            "second": second,
            "customers": len(both),
            "agree": agree,
            "share": share.value,
            "low": share.low,
            "high": share.high,
            "kappa": math.nan if kappa is None else kappa.value,
            "kappa_low": math.nan if kappa is None else kappa.low,
            "kappa_high": math.nan if kappa is None else kappa.high,
        }


_CONFLICT = ("customer_id", "field", *SOURCES, "interviewed_at", "answered_at", "odd_one_out")


def _conflicts(name: str, values: pd.DataFrame) -> pd.DataFrame:
    rows = values[(values["values"] >= 2) & ~values["agrees"]].reset_index()
    rows.columns.name = None
    rows = rows.assign(field=name)
    odd = []
    for _, row in rows.iterrows():
        codes = {source: row[f"code_{source}"] for source in SOURCES}
        lonely = [s for s, code in codes.items() if list(codes.values()).count(code) == 1]
        odd.append(lonely[0] if row["values"] == 3 and len(lonely) == 1 else "")
    rows["odd_one_out"] = odd
    if is_personal(name, beside=("customer_id",)) and not current_privacy().show_personal:
        for source in SOURCES:
            rows[source] = rows[source].mask(rows[source].notna(), WITHHELD)
    return rows[list(_CONFLICT)]


def _result(
    rows: list[dict[str, Any]],
    pairs: list[dict[str, Any]],
    conflicts: list[pd.DataFrame],
    customers: int,
    level: float,
) -> Triangulation:
    import pandas as pd

    listed = pd.concat(conflicts, ignore_index=True) if conflicts else pd.DataFrame()
    listed = listed.reindex(columns=list(_CONFLICT))
    texts = dict.fromkeys(["customer_id", "field", "odd_one_out"], "str")
    times = dict.fromkeys(["interviewed_at", "answered_at"], "datetime64[us]")
    listed = listed.astype({**texts, **times})
    figures = ["customers", "agree", "share", "low", "high", "kappa", "kappa_low", "kappa_high"]
    return Triangulation(
        fields=pd.DataFrame(rows),
        pairs=pd.DataFrame(pairs, columns=["field", "first", "second", *figures]),
        conflicts=listed.sort_values(["customer_id", "field"], ignore_index=True),
        customers=int(customers),
        level=float(level),
    )
