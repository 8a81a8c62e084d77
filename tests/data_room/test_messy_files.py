"""Files that nobody cleaned: whatever stands in them, every row is accounted for."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relkit.data.sources import open_source
from relkit.errors import RelkitError

YAML = """\
name: Messy
format: csv
files: messy.csv
transactions:
  transaction_id: order
  customer_id: customer
  occurred_at: day
  amount: amount
  category: note
"""
HEADER = "order,customer,day,amount,note\n"
NOTES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)


def opened(text: str, newline: str = "\n"):
    """The source of one CSV in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "messy.yaml").write_text(YAML, encoding="utf-8")
        (place / "messy.csv").write_bytes(text.replace("\n", newline).encode("utf-8"))
        source = open_source(place / "messy.yaml", max_set_aside=1)
        return source, source.set_aside()


def quoted(note: str) -> str:
    return '"' + note.replace('"', '""') + '"'


# What is wrong with a row, and the reason that must be given: text of the row by its number.
FAULTS = {
    "customer_id is empty": "o{i},,2025-01-02,5,",
    "customer_id is in scientific notation": "o{i},1.5E+07,2025-01-02,5,",
    "transaction_id is empty": ",c1,2025-01-02,5,",
    "occurred_at is empty": "o{i},c1,,5,",
    "occurred_at is unreadable": "o{i},c1,13/14/2025,5,",
    "occurred_at has an offset from UTC": "o{i},c1,2025-01-02T10:00:00+01:00,5,",
    "occurred_at is in the future": "o{i},c1,2999-01-01,5,",
    "amount is empty": "o{i},c1,2025-01-02,,",
    "amount is text": "o{i},c1,2025-01-02,five,",
    "amount is not finite": "o{i},c1,2025-01-02,inf,",
    "row has too many or too few fields": "o{i},c1,2025-01-02,5,note,more",
    "duplicate": "first,c0,2025-01-01,1,kept",
}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(
        st.one_of(
            st.sampled_from([*FAULTS, "blank line"]),
            st.tuples(st.sampled_from(["c1", "c2", " c1 ", "c1.0"]), NOTES),
        ),
        max_size=25,
    ),
    newline=st.sampled_from(["\n", "\r\n"]),
    ends_with_newline=st.booleans(),
)
def test_each_row_is_used_or_listed_under_its_reason(rows, newline, ends_with_newline):
    lines = ["first,c0,2025-01-01,1,kept"]
    expected: Counter[str] = Counter()
    used = 1
    for i, row in enumerate(rows):
        if row == "blank line":
            lines.append("")
        elif isinstance(row, str):
            lines.append(FAULTS[row].format(i=i))
            expected[row] += 1
        else:
            customer, note = row
            # A lone carriage return inside quotes would be changed with the newlines.
            lines.append(f"o{i},{customer},2025-01-03,7.25,{quoted(note.replace(chr(10), ' '))}")
            used += 1
    text = HEADER + "\n".join(lines) + ("\n" if ends_with_newline else "")
    source, listed = opened(text, newline)
    assert source.account.used == used
    assert dict(source.account.reasons) == dict(expected)
    assert source.account.read == used + expected.total()
    assert source.files[0].rows == source.account.read
    assert listed["reason"].value_counts().to_dict() == dict(expected)
    # The number under which a row is listed is the one it has in a spreadsheet.
    in_file = ["", HEADER, *lines]
    for number, order, reason in listed[["row", "order", "reason"]].itertuples(index=False):
        assert in_file[number].startswith(order or "")
        assert reason in expected


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    body=st.text(
        st.one_of(
            st.sampled_from(list(',"\n\r\t;.-+:eE0123456789 ')),
            st.characters(codec="utf-8", exclude_categories=["Cs"]),
        ),
        max_size=200,
    )
)
def test_any_text_is_accounted_for_or_refused_in_words(body):
    text = HEADER + "ok,c1,2025-01-01,5,\n" + body
    try:
        source, listed = opened(text)
    except RelkitError:
        return  # in words; any other exception would fail here
    account = source.account
    assert account.read == account.used + account.set_aside
    assert len(listed) == account.set_aside == sum(account.reasons.values())
    assert source.transactions.count().to_pyarrow().as_py() == account.used
    # Python's own reader is what an analyst would check it with.
    with contextlib.suppress(csv.Error):
        records = [r for r in csv.reader(io.StringIO(text, newline="")) if r]
        assert account.read == len(records) - 1


@pytest.mark.parametrize("note", ["=1+1", "<script>", "@cmd", "a\x00b", "line\nbreak", '"', "'"])
def test_odd_text_is_carried_along_as_text(note):
    source, _ = opened(HEADER + f"o1,c1,2025-01-01,5,{quoted(note)}\n")
    assert source.transactions.category.to_pyarrow().to_pylist() == [note]


def test_columns_named_like_ours_do_not_collide():
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "messy.csv").write_text("row,file,reason\n,2025-01-01,5\nc,2025-01-01,5\n")
        (place / "messy.yaml").write_text(
            "name: M\nformat: csv\nfiles: messy.csv\n"
            "transactions: {customer_id: row, occurred_at: file, amount: reason}\n"
        )
        listed = open_source(place / "messy.yaml", max_set_aside=1).set_aside()
    assert listed.iloc[0].to_dict() == {
        "file": "messy.csv",
        "row": 2,
        "row (original)": "",
        "file (original)": "2025-01-01",
        "reason (original)": "5",
        "reason": "customer_id is empty",
    }


def test_the_machines_own_zone_changes_nothing(monkeypatch):
    text = HEADER + "o1,c1,2025-01-01 00:30:00,5,\no2,c1,2025-01-01T23:30:00,5,\n"
    before, _ = opened(text)
    monkeypatch.setitem(os.environ, "TZ", "Pacific/Kiritimati")
    after, _ = opened(text)
    assert before.span == after.span
    times = [s.transactions.occurred_at.to_pyarrow().to_pylist() for s in (before, after)]
    assert times[0] == times[1]
