"""A synthetic world on disk: the same bytes, whole or not at all, truth apart."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import relkit as rk
from relkit.data import world_files
from relkit.data.world_parameters import CONSUMERS_PER_BLOCK

ROOT = Path(__file__).parents[2]
SMALL = {"customers": 400, "accounts": 50, "seed": 7}


def hashes(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def written_elsewhere(folder, hash_seed):
    code = (
        "import sys, relkit as rk; "
        f"rk.write_world(sys.argv[1], {SMALL['customers']}, accounts={SMALL['accounts']}, "
        f"seed={SMALL['seed']}, csv=True)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": f"UTC+{hash_seed}"}
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, cwd=ROOT, env=environment)
    return hashes(folder)


def test_the_same_arguments_write_the_same_bytes_in_other_processes(tmp_path):
    one = written_elsewhere(tmp_path / "one", "1")
    two = written_elsewhere(tmp_path / "two", "2")
    assert one == two
    assert len(one) > 40
    three = rk.write_world(tmp_path / "three", **{**SMALL, "seed": 8}, csv=True)
    other = hashes(three.folder)
    assert set(other) == set(one)
    assert other["data/transactions.parquet"] != one["data/transactions.parquet"]


def test_files_hold_the_tables_and_the_truth(tmp_path):
    written = rk.write_world(tmp_path / "world", **SMALL, csv=True)
    world = rk.simulate_world(**SMALL)
    for name, frame in world.tables.items():
        table = pq.read_table(written.folder / "data" / f"{name}.parquet")
        assert table.column_names == list(frame.columns)
        assert table.num_rows == len(frame) == written.rows[name]
        key = frame.columns[0]
        assert (
            table[key].to_pylist()
            == frame[key].astype(object).where(frame[key].notna(), None).to_list()
        )
        assert pd.read_csv(written.folder / "data" / f"{name}.csv", dtype=str).shape == frame.shape
    for name, frame in world.truth.items():
        assert pq.read_metadata(written.folder / "truth" / f"{name}.parquet").num_rows == len(frame)
    amounts = pd.read_csv(written.folder / "data" / "transactions.csv")["amount"]
    assert amounts.to_list() == world.tables["transactions"]["amount"].to_list()
    assert written.to_frame().set_index("table")["rows"].to_dict() == (
        world.to_frame().set_index("table")["rows"].to_dict()
    )
    assert written.as_of == world.as_of


def test_no_trace_of_the_machine_or_the_time(tmp_path):
    folder = rk.write_world(tmp_path / "a_telling_name", **SMALL).folder
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"a_telling_name" not in content
            assert b"pandas" not in content
    record = json.loads((folder / "world.json").read_text())
    files = hashes(folder)
    del files["world.json"]
    assert record["files"] == files
    assert record["synthetic"] is True
    assert record["parameters"]["seed"] == 7


@pytest.mark.parametrize("form", ["world.yaml", "world_csv.yaml"])
def test_the_source_opens_from_anywhere(tmp_path, monkeypatch, form):
    written = rk.write_world(tmp_path / "sub" / "world", 3_000, accounts=20, csv=True)
    monkeypatch.chdir(tmp_path)
    source = rk.open_source(
        f"sub/world/params/sources/{form}",
        as_of=written.as_of,
        later_rows="set_aside",
        max_set_aside=0.05,
    )
    assert source.synthetic
    account = source.account
    assert account.read == account.used + account.set_aside == written.rows["transactions"]
    faults = pd.read_parquet(written.folder / "truth" / "faults.parquet")
    planted = faults[faults["table"] == "transactions"]["kind"].value_counts()
    reasons = account.reasons
    assert reasons["customer_id is empty"] == planted["missing_customer"]
    assert reasons["sign of amount disagrees with kind"] == planted["negative_amount"]
    assert reasons["occurred_at is in the future"] == planted["future_date"]
    assert reasons["duplicate"] == planted["duplicate"]
    assert sum(planted) - planted["hundredfold_amount"] == (
        account.set_aside - reasons["after as_of"]
    )
    assert "truth" not in Path(f"sub/world/params/sources/{form}").read_text()


@pytest.mark.parametrize(
    "tables",
    [
        ["transactions", "customers", "tickets"],
        pytest.param(None, marks=pytest.mark.slow),
    ],
)
def test_a_clean_world_keeps_every_contract(tmp_path, tables):
    written = rk.write_world(tmp_path / "world", 2_000, faults=None, tables=tables)
    source = rk.open_source(written.source)
    assert set(source.tables) == set(written.rows)
    for table in source.tables:
        if tables is None or table in tables:
            assert source.account_of(table).set_aside == 0, table
            assert source.account_of(table).used == written.rows[table]


@pytest.mark.slow
def test_of_the_planted_faults_only_those_of_transactions_break_a_contract(tmp_path):
    written = rk.write_world(tmp_path / "world", 5_000)
    source = rk.open_source(written.source, max_set_aside=0.05, as_of="2025-06-29",
                            later_rows="set_aside")  # fmt: skip
    for table in set(source.tables) - {"transactions"}:
        assert source.account_of(table).set_aside == 0, table


class Interrupted(BaseException):
    pass


@pytest.mark.parametrize("fault", [Interrupted, OSError(28, "No space left on device")])
def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch, fault):
    blocks = world_files.world_blocks

    def half(world):
        yield next(blocks(world))
        raise fault

    monkeypatch.setattr(world_files, "world_blocks", half)
    wanted = rk.RelkitError if isinstance(fault, OSError) else Interrupted
    with pytest.raises(wanted):
        rk.write_world(tmp_path / "world", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_rewrite_that_fails_keeps_the_earlier_world(tmp_path, monkeypatch):
    folder = rk.write_world(tmp_path / "world", **SMALL).folder
    before = hashes(folder)

    def broken(world):
        raise OSError(28, "No space left on device")
        yield

    monkeypatch.setattr(world_files, "world_blocks", broken)
    with pytest.raises(rk.RelkitError, match="No space left on device"):
        rk.write_world(folder, **SMALL)
    assert hashes(folder) == before
    assert list(tmp_path.iterdir()) == [folder]


def test_its_own_folder_is_replaced_and_others_are_not(tmp_path):
    folder = rk.write_world(tmp_path / "world", **SMALL, csv=True).folder
    rk.write_world(folder, **SMALL)
    assert not list(folder.rglob("*.csv"))
    (folder / "notes.txt").write_text("mine")
    before = hashes(folder)
    with pytest.raises(rk.ParameterError, match=r"notes\.txt.*nothing was changed"):
        rk.write_world(folder, **SMALL)
    assert hashes(folder) == before
    other = tmp_path / "other"
    other.mkdir()
    rk.write_world(other, **SMALL)  # an empty folder holds nothing to lose
    for name, content in (("thesis.docx", "x"), ("world.json", "[]"), ("world.json", "{}")):
        taken = tmp_path / f"taken {name}{content}"
        taken.mkdir()
        (taken / name).write_text(content)
        with pytest.raises(rk.ParameterError, match="name another folder"):
            rk.write_world(taken, **SMALL)
        assert (taken / name).read_text() == content
    file = tmp_path / "file"
    file.write_text("x")
    link = tmp_path / "link"
    link.symlink_to(folder)
    for path in (file, link, file / "below"):
        with pytest.raises(rk.RelkitError):
            rk.write_world(path, **SMALL)
    assert link.is_symlink()


def test_a_changed_file_of_the_world_is_not_lost(tmp_path):
    folder = rk.write_world(tmp_path / "world", **SMALL).folder
    source = folder / "params" / "sources" / "world.yaml"
    source.write_text(source.read_text() + "# corrected by hand\n")
    with pytest.raises(rk.ParameterError, match=r"world\.yaml"):
        rk.write_world(folder, **SMALL)
    assert "corrected by hand" in source.read_text()


def test_arguments_are_checked_before_anything_is_written(tmp_path):
    with pytest.raises(rk.ParameterError, match="2 faults|customers=0") as caught:
        rk.write_world(tmp_path / "world", customers=0, kind="round")
    assert len(caught.value.faults) == 2
    with pytest.raises(rk.ParameterError, match="transactions too"):
        rk.write_world(tmp_path / "world", 10, tables=["customers"])
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_world(tmp_path):
    """Blocks are written one by one: row groups of a block each, none held back."""
    written = rk.write_world(tmp_path / "world", 3 * CONSUMERS_PER_BLOCK, kind="pure", faults=None)
    file = pq.ParquetFile(written.folder / "data" / "customers.parquet")
    sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert sizes == [CONSUMERS_PER_BLOCK] * 3


@pytest.mark.slow
def test_seconds_and_memory(tmp_path):
    """20,000 customers in 5 s; three times as many blocks need no more memory to write."""
    code = (
        "import resource, sys, time, pandas, relkit as rk; "
        "began = time.process_time(); {job}; "
        "print(time.process_time() - began, "
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )

    def run(job):
        said = subprocess.run(
            [sys.executable, "-c", code.format(job=job), str(tmp_path / "world")],
            check=True, capture_output=True, text=True, cwd=ROOT,
        ).stdout  # fmt: skip
        return map(float, said.split())

    seconds, _ = run("rk.simulate_world(20_000)")
    assert seconds < 5
    _, two_blocks = run("rk.write_world(sys.argv[1], 20_000)")
    _, six_blocks = run("rk.write_world(sys.argv[1], 60_000)")
    assert six_blocks < 1.25 * two_blocks


def test_what_a_command_prints(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = rk.write_world("out", **SMALL).describe()
    assert said.startswith("Synthetic world in out\n")
    assert "as_of: 2024-12-29" in said
    assert "out/params/sources/world.yaml" in said
