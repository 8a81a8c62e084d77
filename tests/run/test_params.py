"""The parameter cell and what it lets through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relkit.errors import NotebookError, ParameterError
from relkit.run.params import check_parameters, override, read_parameter_cell


def cell(source, *tags):
    return {"cell_type": "code", "source": source, "metadata": {"tags": list(tags)}}


def specs_of(source):
    return read_parameter_cell({"cells": [cell(source, "parameters")]}, "notebooks/x.ipynb")


SPECS = specs_of(
    """# What this report is about.
from typing import Literal
source: str = "params/sources/cdnow.yaml"  # where from
as_of: str | None = None  # last day; "1998-06-30"
horizon: float = 52
top: int = 20
strict: bool = False
shares: list[float] = [
    0.1,
    0.2,
]  # top tenth, next fifth
language: Literal["en", "zh"] = "en"
offset: float = -1.5
"""
)


def test_names_types_defaults_and_comments_are_read_in_order():
    assert [(s.name, s.annotation, s.default, s.comment) for s in SPECS] == [
        ("source", "str", "params/sources/cdnow.yaml", "where from"),
        ("as_of", "str | None", None, 'last day; "1998-06-30"'),
        ("horizon", "float", 52.0, ""),
        ("top", "int", 20, ""),
        ("strict", "bool", False, ""),
        ("shares", "list[float]", [0.1, 0.2], "top tenth, next fifth"),
        ("language", "Literal['en', 'zh']", "en", ""),
        ("offset", "float", -1.5, ""),
    ]


def test_source_may_be_kept_as_lines():
    lines = ["n: int = 1\n", "m: int = 2"]
    assert [s.name for s in specs_of(lines)] == ["n", "m"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("n = 1", "'n = 1' has no type; write name: type = value"),
        ("n: int", "'n' has no default"),
        ("n: int = 2 * 3", "'n' is computed (2 * 3); compute it in a later cell"),
        ("n: int = len('abc')", "'n' is computed"),
        ("n: int = 'abc'", "the default 'abc' of 'n' is not int"),
        ("n: int = True", "the default True of 'n' is not int"),
        ("n: dict = {}", "the type dict cannot be checked"),
        ("n: int = 1\nn: int = 2", "line 2: 'n' is given a second time"),
        ("print('hello')", "gives no parameter a value"),
        ("import os", "gives no parameter a value"),
        ("x.y: int = 1", "gives no parameter a value"),
        ("%matplotlib inline", "line 1 is not plain Python"),
    ],
)
def test_lines_that_are_no_annotated_literal(line, words):
    with pytest.raises(NotebookError) as caught:
        specs_of(line)
    assert words in str(caught.value)
    assert "notebooks/x.ipynb: cell 1 (parameters)" in str(caught.value)


def test_all_such_lines_are_said_at_once():
    with pytest.raises(NotebookError) as caught:
        specs_of("a = 1\nb: int = 2\nc: int = b")
    assert len(caught.value.faults) == 2


def test_exactly_one_cell_is_tagged():
    plain, tagged = cell("a: int = 1"), cell("a: int = 1", "parameters")
    text = {"cell_type": "markdown", "source": "", "metadata": {"tags": ["parameters"]}}
    with pytest.raises(NotebookError, match="no code cell is tagged 'parameters', exactly one"):
        read_parameter_cell({"cells": [plain, text]})
    with pytest.raises(NotebookError, match=r"2 cells are tagged 'parameters' \(cells 2, 4\)"):
        read_parameter_cell({"cells": [text, tagged, plain, tagged]})


def test_what_is_given_comes_before_defaults():
    values = check_parameters(SPECS, {"horizon": 39, "as_of": "1998-06-30"}, "x.yaml")
    assert values == {
        "source": "params/sources/cdnow.yaml",
        "as_of": "1998-06-30",
        "horizon": 39.0,
        "top": 20,
        "strict": False,
        "shares": [0.1, 0.2],
        "language": "en",
        "offset": -1.5,
    }
    assert type(values["horizon"]) is float


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"horzon": 1}, "unknown parameter 'horzon'; did you mean 'horizon'?"),
        ({"zzz": 1}, "unknown parameter 'zzz'; it takes source, as_of,"),
        ({"top": "abc"}, "top='abc' must be a whole number"),
        ({"top": "20"}, "top='20' must be a whole number; take the quotes away"),
        ({"top": 2.5}, "top=2.5 must be a whole number"),
        ({"top": True}, "top=True must be a whole number"),
        ({"top": None}, "top=null must be a whole number"),
        ({"horizon": False}, "horizon=False must be a number"),
        ({"strict": 1}, "strict=1 must be true or false"),
        ({"source": 3}, 'source=3 must be text; put it in quotes: "3"'),
        ({"as_of": 1998}, 'as_of=1998 must be text or null; put it in quotes: "1998"'),
        ({"shares": 0.1}, "shares=0.1 must be a list of which each is a number"),
        ({"shares": [0.1, "b"]}, "shares=[0.1, 'b'] must be a list"),
        ({"language": "zhh"}, "language='zhh' must be one of 'en', 'zh'; did you mean 'zh'?"),
    ],
)
def test_names_and_types_are_strict(given, words):
    with pytest.raises(ParameterError) as caught:
        check_parameters(SPECS, given, "params/x/weekly.yaml")
    assert str(caught.value).startswith("params/x/weekly.yaml: ")
    assert words in str(caught.value)


def test_every_fault_is_said():
    with pytest.raises(ParameterError) as caught:
        check_parameters(SPECS, {"tpo": 1, "horizon": "x", "strict": None}, "x.yaml")
    assert caught.value.heading == "x.yaml: 3 faults"
    assert len(caught.value.faults) == 3


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()), st.lists
)


@given(st.dictionaries(st.sampled_from([s.name for s in SPECS]), anything))
def test_values_are_of_the_types_in_the_cell_or_refused(given):
    try:
        values = check_parameters(SPECS, given, "x.yaml")
    except ParameterError:
        return
    assert type(values["top"]) is int
    assert type(values["horizon"]) is float
    assert type(values["strict"]) is bool
    assert values["as_of"] is None or type(values["as_of"]) is str
    assert all(type(share) is float for share in values["shares"])
    assert values["language"] in ("en", "zh")


def test_the_command_line_reads_by_type():
    pairs = [
        ("as_of", "1998-06-30"), ("source", "no"), ("top", "3"), ("horizon", "4"),
        ("strict", "true"), ("shares", "[0.1, 0.3]"), ("language", "zh"),
    ]  # fmt: skip
    assert override(SPECS, pairs) == {
        "as_of": "1998-06-30", "source": "no", "top": 3, "horizon": 4,
        "strict": True, "shares": [0.1, 0.3], "language": "zh",
    }  # fmt: skip
    assert override(SPECS, [("as_of", "null")]) == {"as_of": None}
    with pytest.raises(ParameterError, match="--set top: 010 is octal"):
        override(SPECS, [("top", "010")])
