"""`relkit ids` and `relkit world`: what they write, and what they refuse."""

import csv
import hashlib
import hmac
import os
import subprocess
import sys

import pytest

SOURCE = """
name: A shop
format: csv
files: orders.csv
transactions: {customer_id: who, occurred_at: at, amount: paid}
"""


def relkit(folder, *words):
    return subprocess.run(
        [sys.executable, "-m", "relkit", *words], cwd=folder, capture_output=True, text=True
    )


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "shop.yaml").write_text(SOURCE)
    rows = ["who,at,paid", "00042,2024-01-02,5", "7,2024-01-03,6", "00042,2024-02-02,7", ",2024,x"]
    (tmp_path / "orders.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_the_lookup_holds_every_customer_once(shop):
    done = relkit(shop, "ids", "shop.yaml", "--out", "who.csv")
    assert done.returncode == 0, done.stderr
    assert "2 customers" in done.stdout
    assert (shop / "who.csv").stat().st_mode & 0o077 == 0
    with (shop / "who.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    key = os.environ["RELKIT_PSEUDONYM_KEY"].encode()
    for row in rows:
        digits = hmac.new(key, row["customer_id"].encode(), hashlib.sha256).hexdigest()
        assert row["pseudonym"].replace("-", "") == digits[:15]
    assert [row["customer_id"] for row in rows] == ["00042", "7"]


def test_a_file_that_is_there_is_never_written_over(shop):
    (shop / "who.csv").write_text("mine")
    done = relkit(shop, "ids", "shop.yaml", "--out", "who.csv")
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert (shop / "who.csv").read_text() == "mine"


def test_a_world_is_written_and_opens(tmp_path):
    words = ("world", "--out", "made", "--customers", "200", "--seed", "3", "--kind", "pure")
    done = relkit(tmp_path, *words, "--clean")
    assert done.returncode == 0, done.stderr
    assert "Synthetic world in made" in done.stdout
    for name in ("notebooks", "params"):
        (tmp_path / name).mkdir()
    checked = relkit(tmp_path, "check", "made/params/sources/world.yaml")
    assert checked.returncode == 0, checked.stderr
    assert "transactions" in checked.stdout
    again = relkit(tmp_path, "world", "--out", "made", "--customers", "-5")
    assert again.returncode == 2
    assert "customers" in again.stderr
    assert "Traceback" not in again.stderr
