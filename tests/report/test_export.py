"""Tables that are safe to open, and land where they should."""

import hashlib
import io

import pandas as pd
import pytest

from relkit.errors import ParameterError
from relkit.report.export import csv_text, save_table, tables_folder
from relkit.report.tier_table import save_tier_table

FRAME = pd.DataFrame(
    {
        "contact": ["00042", "=1+1", "+49", "-5", "@SUM(A1)", "\tx", "\rx", "客户"],
        "amount": [-1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
    }
)


def test_text_that_looks_like_a_formula_is_text(tmp_path, monkeypatch):
    monkeypatch.setenv("RELKIT_TABLES", str(tmp_path / "tables"))
    saved = save_table(FRAME, "win_back")
    assert (saved.name, saved.rows, saved.files) == (
        "win_back", 8, ("win_back.csv", "win_back.parquet"),
    )  # fmt: skip
    written = (tmp_path / "tables/win_back.csv").read_bytes()
    assert written.startswith(b"\xef\xbb\xbf")
    back = pd.read_csv(tmp_path / "tables/win_back.csv", dtype={"contact": str})
    assert list(back["contact"])[:5] == ["00042", "'=1+1", "'+49", "'-5", "'@SUM(A1)"]
    assert back["amount"].iloc[0] == -1.5  # a negative number is a number
    assert written.decode("utf-8-sig").count("'\t") == 1
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "tables/win_back.parquet"), FRAME)


def test_heads_and_categories_are_neutralised_too():
    frame = pd.DataFrame({"=cmd": pd.Categorical(["=a", "b"])})
    assert csv_text(frame) == "'=cmd\r\n'=a\r\nb\r\n"


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_every_sign_that_a_spreadsheet_computes_from_is_neutralised(sign):
    frame = pd.DataFrame({"a": [f"{sign}1+1"], f"{sign}b": ["x"]})
    back = pd.read_csv(io.StringIO(csv_text(frame), newline=""), dtype=str)
    assert list(back.columns) == ["a", f"'{sign}b"]
    assert back["a"].tolist() == [f"'{sign}1+1"]


def test_one_rule_for_the_names_of_all_tables(tmp_path, monkeypatch):
    monkeypatch.setenv("RELKIT_TABLES", str(tmp_path / "tables"))
    for name in ("../x", "", "a b", "x" * 81, None, "-a"):
        said = []
        for save in (lambda n: save_table(FRAME, n), lambda n: save_tier_table(None, None, name=n)):
            with pytest.raises(ParameterError) as caught:
                save(name)
            said.append(str(caught.value))
        assert said[0] == said[1]


def test_the_same_frame_gives_the_same_files(tmp_path, monkeypatch):
    digests = []
    for folder in ("one", "two"):
        monkeypatch.setenv("RELKIT_TABLES", str(tmp_path / folder))
        frame = FRAME.copy()
        frame.attrs["made"] = folder  # what a frame remembers of its making is not data
        save_table(frame, "t")
        digests.append([hashlib.sha256((tmp_path / folder / f"t.{kind}").read_bytes()).hexdigest()
                        for kind in ("csv", "parquet")])  # fmt: skip
    assert digests[0] == digests[1]


def test_by_hand_tables_go_into_the_project(tmp_path, monkeypatch):
    monkeypatch.delenv("RELKIT_TABLES", raising=False)
    for folder in ("notebooks/deep", "params"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "notebooks/deep")
    assert tables_folder() == tmp_path / "outputs/interactive/tables"
    save_table(FRAME, "t")
    assert (tmp_path / "outputs/interactive/tables/t.csv").is_file()


@pytest.mark.parametrize("name", ["../up", "", "a/b", "a b", ".hidden", "x" * 81, None])
def test_a_name_that_leaves_the_folder_is_refused(name):
    with pytest.raises(ParameterError, match="must be 1 to 80"):
        save_table(FRAME, name)


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(ParameterError, match="two columns are called a"):
        save_table(pd.DataFrame([[1, 2]], columns=["a", "a"]), "t")
