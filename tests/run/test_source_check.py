"""relkit check SOURCE: what is there, what is missing, and what it is enough for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relkit.errors import DataError
from relkit.run.inspection import inspect_file

YAML = """\
name: Shop
format: csv
tables:
  transactions:
    files: data/orders.csv
    columns: {customer_id: customer, occurred_at: day, amount: amount}
  owners:
    files: data/owners.csv
    columns: {owner_id: id}
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    for folder in ("params/sources", "data", "notebooks"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data/orders.csv").write_text("customer,day,amount\n1,2025-01-01,10\n")
    (tmp_path / "data/owners.csv").write_text("id\nx\ny\nx\n")
    (tmp_path / "params/sources/shop.yaml").write_text(YAML)
    for name, line in {
        "value": "source.transactions",
        "contacts": "source.touches.count()",
        "either": "source.touches if source.has('touches') else None",
    }.items():
        cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
        book = {"cells": [cell | {"source": [line]}], "metadata": {}, "nbformat": 4}
        (tmp_path / f"notebooks/{name}.ipynb").write_text(json.dumps(book | {"nbformat_minor": 5}))
    monkeypatch.chdir(tmp_path)
    return Path("params/sources/shop.yaml")


def test_what_is_there_and_what_it_is_enough_for(shop):
    Path("data/owners.csv").write_text("id\nx\ny\n")
    said = inspect_file(shop)
    assert "params/sources/shop.yaml: 1 rows read, 1 used, 0 set aside" in said
    assert "  owners: 2 rows read, 2 used, 0 set aside" in said
    assert "  not supplied: customers, touches, feedback" in said
    assert "  enough for value" in said
    assert "  not enough for contacts: not supplied: touches" in said
    assert "  enough for either" in said  # it asks first


def test_a_table_that_fails_is_said_with_all_that_is_right(shop):
    with pytest.raises(DataError) as caught:
        inspect_file(shop)
    said = str(caught.value)
    assert "params/sources/shop.yaml: 1 rows read, 1 used" in said
    assert "  owners: cannot be used, see below" in said
    assert "duplicate in 1 row (first: row 4" in said
    assert caught.value.exit_code == 1
