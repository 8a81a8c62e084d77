"""Automatic tags, and the file of verdicts that no run may lose."""

import csv
import math
import os

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relkit.errors import ParameterError, SourceError
from relkit.segments import review_queue
from relkit.segments.review_queue import read_review_queue, top_by_rfm, update_review_queue
from relkit.segments.scores import rfm_scores


def scores(rows):
    """(days since last, frequency, spend) of customers c000, c001, …"""
    days, frequency, spend = zip(*rows, strict=True)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:03d}" for i in range(len(rows))],
            "frequency": frequency,
            "recency": 1000.0 - np.asarray(days, dtype=float),
            "T": 1000.0,
            "total_spend": np.asarray(spend, dtype=float),
        }
    )
    frame.attrs["unit"] = "day"
    return frame


@pytest.mark.parametrize("n", [1, 2, 4, 5, 6, 9, 15, 99, 1000])
def test_exactly_a_fifth_rounded_up_where_all_differ(n):
    random = np.random.default_rng(n)
    frame = scores([(d, f, s) for d, f, s in random.permutation(3 * n).reshape(n, 3)])
    found = top_by_rfm(rfm_scores(frame))
    assert len(found.to_frame()) == found.wanted == -(-n // 5)
    assert found.tied_out == 0


def test_customers_alike_in_everything_stand_or_fall_together():
    best, alike = (1, 9, 900), (5, 5, 500)
    rest = [(50 + i, 0, 10 + i) for i in range(6)]
    found = top_by_rfm(rfm_scores(scores([best, alike, alike, alike, *rest])))
    # ceil(.2 × 10) is 2; behind the best, three are alike and one place is left.
    assert found.to_frame()["customer_id"].tolist() == ["c000"]
    assert (found.wanted, found.tied_out) == (2, 1)
    fits = top_by_rfm(rfm_scores(scores([best, alike, alike, alike, *rest])), share=0.4)
    assert fits.to_frame()["customer_id"].tolist() == ["c000", "c001", "c002", "c003"]


def test_all_tied_tag_nobody_and_one_customer_is_the_top():
    assert top_by_rfm(rfm_scores(scores([(5, 1, 9)] * 7))).to_frame().empty
    assert len(top_by_rfm(rfm_scores(scores([(5, 1, 9)]))).to_frame()) == 1


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)),
        min_size=1,
        max_size=40,
    ),
    st.randoms(),
)
@settings(max_examples=50, deadline=None)
def test_nobody_below_the_edge_is_better_and_order_never_matters(rows, random):
    frame = scores(rows)
    made = rfm_scores(frame)
    found = top_by_rfm(made)
    chosen = set(found.to_frame()["customer_id"])
    assert len(chosen) == math.ceil(0.2 * len(rows) - 1e-9) - found.tied_out
    sums = made.to_frame().set_index("customer_id")["rfm_sum"]
    outside = sums.drop(list(chosen))
    if chosen and len(outside):
        assert sums[list(chosen)].min() >= outside.max()
    order = list(range(len(rows)))
    random.shuffle(order)
    moved = frame.iloc[order]
    moved.attrs["unit"] = "day"
    again = top_by_rfm(rfm_scores(moved)).to_frame()
    pd.testing.assert_frame_equal(again, found.to_frame())
    # Alike in all three values: both in or both out.
    for row in set(rows):
        alike = {f"c{i:03d}" for i, other in enumerate(rows) if other == row}
        assert alike <= chosen or not alike & chosen


@pytest.mark.parametrize("share", [0, 1.1, "a fifth", -0.2])
def test_shares_that_are_none(share):
    with pytest.raises(ParameterError, match=r"must be in \(0, 1\]"):
        top_by_rfm(rfm_scores(scores([(1, 1, 1)])), share)


# ---- the file ------------------------------------------------------------------------------


def write(path, *rows, head="customer_id,label,suggested,reviewer,reviewed_at,status"):
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def lines(path):
    return path.read_text(encoding="utf-8-sig").splitlines()


def test_verdicts_survive_runs_that_add_and_drop_customers(tmp_path):
    path = tmp_path / "key.csv"
    first = update_review_queue(path, ["007", "b", "c"])
    assert (first.added, first.waiting, first.gone) == (3, 3, 0)
    text = path.read_text(encoding="utf-8-sig")
    text = text.replace("b,,key,,,in_queue", "b,not_key,key,Li,2026-02-03,in_queue")
    text = text.replace("007,,key,,,in_queue", "007,key,key,Li,2026/2/4,in_queue")
    path.write_text(text, encoding="utf-8-sig")
    second = update_review_queue(path, ["c", "007", "d"])
    assert lines(path) == [
        "customer_id,label,suggested,reviewer,reviewed_at,status",
        "007,key,key,Li,2026-02-04,in_queue",
        "b,not_key,key,Li,2026-02-03,gone",
        "c,,key,,,in_queue",
        "d,,key,,,in_queue",
    ]
    assert (second.added, second.returned, second.gone, second.waiting) == (1, 0, 1, 2)
    third = update_review_queue(path, ["b", "007"])
    assert (third.added, third.returned, third.gone) == (0, 1, 2)
    assert "b,not_key,key,Li,2026-02-03,in_queue" in lines(path)
    assert third.reviews().to_numpy().tolist() == [
        ["007", "2026-02-04", "key", "Li"],
        ["b", "2026-02-03", "not_key", "Li"],
    ]


def test_the_same_run_again_changes_no_byte(tmp_path):
    path = tmp_path / "key.csv"
    update_review_queue(path, ["a", "=b", "c,d", '"e"'])
    before, at = path.read_bytes(), path.stat().st_mtime_ns
    again = update_review_queue(path, ["a", "=b", "c,d", '"e"'])
    assert path.read_bytes() == before
    assert path.stat().st_mtime_ns == at
    assert again.added == 0
    assert "'=b" in before.decode("utf-8-sig")  # a spreadsheet runs nothing
    assert again.to_frame()["customer_id"].tolist() == ["a", "=b", "c,d", '"e"']


def test_columns_of_people_and_their_order_are_kept(tmp_path):
    path = write(
        tmp_path / "key.csv",
        '"said ""no"", twice",a,key,key,Wu,2026-01-05',
        head="remark,customer_id,suggested,label,reviewer,reviewed_at",
    )
    found = update_review_queue(path, ["a", "b"])
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["remark"] == 'said "no", twice'
    assert [row["customer_id"] for row in rows] == ["a", "b"]
    assert found.accuracy().value == 1


def test_accuracy_with_wilson_and_n(tmp_path):
    rows = [f"c{i},{'key' if i < 23 else 'not_key'},key,Li,2026-01-01,in_queue" for i in range(25)]
    found = read_review_queue(write(tmp_path / "key.csv", *rows, "open,,key,,,in_queue"))
    accuracy = found.accuracy()
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(23, 25, method="wilson")
    assert (accuracy.value, accuracy.n) == (0.92, 25)
    assert (accuracy.low, accuracy.high) == pytest.approx((low, high))
    assert found.waiting == 1


def test_without_verdicts_there_is_no_accuracy(tmp_path):
    assert update_review_queue(tmp_path / "key.csv", ["a"]).accuracy() is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"", "columns customer_id, label"),
        (b"customer_id;label;suggested\na;;key\n", "save it with commas"),
        (b"customer_id,label,suggested,reviewer\na,,key,\n", "columns reviewed_at are missing"),
        (
            b"customer_id,label,suggested,reviewer,reviewed_at\na,,key,\n",
            "line 2 and 0 more have another number of cells than the head, 5",
        ),
        (
            b'customer_id,label,suggested,reviewer,reviewed_at\na,,key,"Li,\nb,,key,,\n',
            "never closed",
        ),
        (
            b"customer_id,label,suggested,reviewer,reviewed_at\na,kee,key,Li,2026-01-01\n"
            b"a,key,key,Li,1/2/26\n,,key,,\nb,key,key,Li,\n",
            r"(?s)line 2: label 'kee' .* did you mean 'key'.*line 3: the customer of line 2 again"
            r".*line 3: reviewed_at '1/2/26'.*line 4: customer_id is empty"
            r".*line 5: a verdict without reviewed_at",
        ),
    ],
)
def test_a_broken_file_is_an_error_that_loses_nothing(tmp_path, content, message):
    path = tmp_path / "key.csv"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message):
        update_review_queue(path, ["a", "b"])
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["key.csv"]


def test_ids_that_a_spreadsheet_changed_are_not_taken_for_other_customers(tmp_path):
    path = write(tmp_path / "key.csv", "", "123,key,key,Li,2026-01-01,in_queue")
    with pytest.raises(SourceError, match=r"line 3: a number whose .* leading zeros"):
        update_review_queue(path, ["00123"])
    write(path, "1.23457E+15,key,key,Li,2026-01-01,in_queue")
    with pytest.raises(SourceError, match="line 2: a rounded number"):
        update_review_queue(path, ["1234567890123456"])


def test_an_interruption_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = write(tmp_path / "key.csv", "a,key,key,Li,2026-01-01,in_queue")
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(review_queue.os, "fsync", full)
    with pytest.raises(SourceError, match="No space left on device"):
        update_review_queue(path, ["a", "b"])
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["key.csv"]


def test_somebody_who_saves_meanwhile_is_not_overwritten(tmp_path, monkeypatch):
    path = write(tmp_path / "key.csv", "a,,key,,,in_queue")
    made = review_queue._as_csv

    def saved_meanwhile(rows):
        write(path, "a,key,key,Li,2026-01-01,in_queue")
        return made(rows)

    monkeypatch.setattr(review_queue, "_as_csv", saved_meanwhile)
    with pytest.raises(SourceError, match="saved by somebody"):
        update_review_queue(path, ["a", "b"])
    assert lines(path)[1] == "a,key,key,Li,2026-01-01,in_queue"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a", "a"],), "1 customers are given twice"),
        (([" "],), "a customer_id is empty"),
        ((["a"], "top"), "hold the tag 'top'"),
    ],
)
def test_tags_that_cannot_be_queued(tmp_path, arguments, message):
    with pytest.raises(ParameterError, match=message):
        update_review_queue(tmp_path / "key.csv", *arguments)
    assert os.listdir(tmp_path) == []


def test_places_that_cannot_be_written(tmp_path):
    with pytest.raises(SourceError, match="in a folder that exists"):
        update_review_queue(tmp_path / "no" / "key.csv", ["a"])
    with pytest.raises(SourceError, match="in a folder that exists"):
        update_review_queue(tmp_path, ["a"])
    with pytest.raises(SourceError, match="no such review file"):
        read_review_queue(tmp_path / "key.csv")


def test_the_verdicts_have_the_columns_of_the_table_reviews(tmp_path):
    import relkit as rk

    path = write(tmp_path / "key.csv", "a,key,key,Li,2026-01-01,in_queue", "b,,key,,,in_queue")
    reviews = read_review_queue(path).reviews()
    assert sorted(reviews) == sorted(rk.contracts.reviews.columns)
    assert len(reviews) == 1
