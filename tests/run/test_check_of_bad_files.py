"""`relkit check` and `relkit ids` on what cannot be read: words, and never a password."""

import builtins
import re
from types import SimpleNamespace

import pandas as pd
import pytest
from click.testing import CliRunner

from relkit.cli import main
from relkit.data.reading_faults import in_words
from relkit.errors import DataError, SourceError
from relkit.run.notebook import _raised

YAML = """\
name: S
format: {format}
{where}
transactions: {{customer_id: c, occurred_at: t, amount: a}}
"""
RAW = re.compile(r"Traceback|duckdb|pyarrow|ibis\.|Exception|Error:|s3cret")


@pytest.fixture
def project(project, monkeypatch):
    (project.root / "data").mkdir()
    (project.root / "params/sources").mkdir()
    monkeypatch.chdir(project.root)
    return project


def said(project, *words, format="csv", where="files: data/x.csv"):
    yaml = project.root / "params/sources/x.yaml"
    yaml.write_text(YAML.format(format=format, where=where))
    done = CliRunner().invoke(main, list(words) or ["check", "params/sources/x.yaml"])
    assert done.exit_code == 1, done.output
    # What is raised past the commands would be a traceback to the user.
    assert isinstance(done.exception, SystemExit)
    assert not RAW.search(done.output)
    return done.output


def test_parquet_that_is_damaged_in_its_middle(project):
    file = project.root / "data/x.parquet"
    rows = {"c": [f"C{i}" for i in range(3000)], "t": "2025-01-01", "a": range(3000)}
    pd.DataFrame(rows).to_parquet(file)
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 4 : len(whole) // 4 + 200] = b"\xff" * 200
    file.write_bytes(whole)
    where = "files: data/x.parquet"
    text = said(project, format="parquet", where=where)
    assert "params/sources/x.yaml" in text
    assert "damaged in its middle; copy or export it again" in text
    ids = said(
        project, "ids", "params/sources/x.yaml", "--out", "w.csv", format="parquet", where=where
    )
    assert "damaged in its middle" in ids
    assert not (project.root / "w.csv").exists()


def test_a_run_says_it_in_the_same_words():
    error = SimpleNamespace(
        ename="InvalidInputException",
        evalue="Failed to read Parquet file: KX-70411",
        traceback=["…"],
    )
    failure = _raised("cell 3 of notebooks/x.ipynb", error, str)
    assert failure.message.startswith("cell 3 of notebooks/x.ipynb: a file cannot be read to its")
    assert "KX" not in failure.message


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3cret", "has an address of no known kind"),
        ("nosuch://u:s3cret@host/x", "has an address of no known kind"),
        ("postgres://u:s3@s3cret@h:port/x", "has an address that cannot be read"),
        ("postgres://u:s3cret@127.0.0.1:1/x", "cannot be reached"),
        ("mysql://u:s3cret@127.0.0.1/x", "driver is not installed"),
        ("duckdb:///nowhere/s3cret.db", "names a file that is not there"),
        ("", "the environment variable CRM is not set"),
    ],
)
def test_addresses_that_lead_nowhere(project, monkeypatch, address, words):
    monkeypatch.setenv("CRM", address)
    where = "connection: {env: CRM}\ntable: orders"
    assert words in said(project, format="database", where=where)


def test_a_file_that_may_not_be_read(project, monkeypatch):
    (project.root / "data/x.csv").write_text("c,t,a\n1,2025-01-01,5\n")

    def refused(*_):
        raise PermissionError(13, "Permission denied", "data/x.csv")

    monkeypatch.setattr("relkit.data.opening.load", refused)
    assert "data/x.csv may not be read by this user; ask for the right" in said(project)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (MemoryError(), "do not fit in this machine's memory"),
        (type("OutOfMemoryException", (Exception,), {"__module__": "duckdb"})("x"), "no room left"),
        (type("OtherError", (Exception,), {"__module__": "_duckdb"})("a@b.test\nmore"), r"\(…\)"),
    ],
)
def test_what_else_goes_wrong_while_rows_are_read(fault, words):
    with pytest.raises(SourceError, match=f"^here: .*{words}"), in_words("here"):
        raise fault


def test_errors_in_words_and_faults_of_relkit_stay_what_they_are():
    for fault in (DataError("x"), KeyError("x"), builtins.ZeroDivisionError()):
        with pytest.raises(type(fault)), in_words("here"):
            raise fault
