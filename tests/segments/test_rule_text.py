"""The grammar of rules: what is read, and what is refused with a reason."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relkit.errors import ParameterError
from relkit.segments.rule_text import (
    AllOf,
    AnyOf,
    Comparison,
    condition_text,
    holds,
    parse_condition,
)

R30, F8 = Comparison("R", "<=", 30.0), Comparison("F", ">=", 8.0)
M = Comparison("M", ">=", 10_000.0)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("R <= 30", R30),
        ("30 >= R", R30),
        ("R≤30", R30),
        ("Ｒ＜＝３０", R30),  # full-width, as a Chinese keyboard has it
        ("R <= 30 and F >= 8 and M >= 10000", AllOf((R30, F8, M))),
        ("R <= 30 and (F >= 8 or M >= 10,000)", AllOf((R30, AnyOf((F8, M))))),
        ("R <= 30 且 （F >= 8 或 M >= 1万）", AllOf((R30, AnyOf((F8, M))))),
        ("(R <= 30 and F >= 8) or M >= 10000.0", AnyOf((AllOf((R30, F8)), M))),
        ("((R <= 30))", R30),
        ("clv_rank <= 10 %", Comparison("clv_rank", "<=", 0.1)),
        ("clv_rank <= 10%", Comparison("clv_rank", "<=", 0.1)),
        ("change <= -50 %", Comparison("change", "<=", -0.5)),
        ("M > 9,999.5", Comparison("M", ">", 9999.5)),
        ("M > .5", Comparison("M", ">", 0.5)),
        ("M == 3", Comparison("M", "=", 3.0)),
        ("M <> 3", Comparison("M", "!=", 3.0)),
        ("M > X", Comparison("M", ">", 7.0)),
        ("X < M", Comparison("M", ">", 7.0)),
        ("M > -X", Comparison("M", ">", -7.0)),
        ("3 <= F < X", AllOf((Comparison("F", ">=", 3.0), Comparison("F", "<", 7.0)))),
        ("X > F >= 3", AllOf((Comparison("F", "<", 7.0), Comparison("F", ">=", 3.0)))),
        ("renewal = unclear", Comparison("renewal", "=", "unclear")),
        ("renewal = 'not clear'", Comparison("renewal", "=", "not clear")),
        ("region = “华东（沪）”", Comparison("region", "=", "华东（沪）")),  # as the data have it
        ('region = "O\'Neill"', Comparison("region", "=", "O'Neill")),
        ("地区 != 华东", Comparison("地区", "!=", "华东")),
        (
            "renewal in (lost, 'not clear')",
            AnyOf((Comparison("renewal", "=", "lost"), Comparison("renewal", "=", "not clear"))),
        ),
    ],
)
def test_what_is_read(text, read):
    assert parse_condition(text, {"X": 7.0}) == read


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found the end; a column or a number is required there"),
        ("R", "found the end after 'R'; one of <, <=, =, !=, >=, > is required"),
        ("R <=", "found the end after 'R <='; a column or a number is required"),
        ("R <= 30 adn F >= 8", "found 'adn' after 'R <= 30'; and, or, or the end is required"),
        ("R <= 30 and", "found the end after 'R <= 30 and'; a column or a number"),
        ("(R <= 30", "found the end after '(R <= 30'; and, or, or ')' is required"),
        ("R <= 30)", "found ')' after 'R <= 30'; and, or, or the end is required"),
        ("R <= 10,00", "found ',' after 'R <= 10'"),
        ("R = < 30", "found '<' after 'R ='; a column or a number is required"),
        ("3 < 4", "compares two numbers; name a column in between"),
        ("3 < R > 1", "found '>' after '3 < R'; a second '<' or '<=' is required"),
        ("3 < R < F", "'F' must be a number"),
        ("R in 3", "found '3' after 'R in'; '(' is required"),
        ("R in (a", "found the end after 'R in (a'; ',' or ')' is required"),
        ("R < __import__('os')", "and, or, or the end is required"),
        ("R < 3; drop", "found ';' after 'R < 3'"),
        ("a = 1 and b = 2 or c = 3", "'and' beside 'or' can be read in two ways"),
        ("a = 1 or b = 2 and c = 3", "put the parts that belong together in parentheses"),
    ],
)
def test_what_is_refused_says_what_was_found_and_what_is_required(text, said):
    with pytest.raises(ParameterError) as caught:
        parse_condition(text)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"'{text}'")


def test_a_comparison_with_a_missing_value_is_not_true():
    columns = {
        "R": np.array([1.0, 5.0, np.nan]),
        "w": np.array(["east", None, "west"], dtype=object),
    }
    expected = {
        "R < 3": [True, False, False],
        "R >= 3": [False, True, False],
        "R != 5": [True, False, False],
        "R = 5": [False, True, False],
        "w = east": [True, False, False],
        "w != east": [False, False, True],
        "R < 3 or w = west": [True, False, True],
        "R < 3 and w != west": [True, False, False],
    }
    for text, answer in expected.items():
        assert holds(parse_condition(text), columns).tolist() == answer, text


COMPARED = st.builds(
    Comparison,
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["<", "<=", "=", "!=", ">=", ">"]),
    st.sampled_from([0.0, 1.0, 2.5, -3.0]),
)
# Two levels at least in each, and never and beside and: that is how the parser reads it too.
CONDITIONS = st.recursive(
    COMPARED,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: AllOf(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
    ),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None)
@given(CONDITIONS)
def test_a_condition_written_out_is_read_as_itself(condition):
    assert parse_condition(condition_text(condition)) == condition


@pytest.mark.parametrize("word", ["not clear", "O'Neill", "华东（沪）", "ＡＢＣ", "a and b"])
def test_words_written_out_are_read_as_themselves(word):
    compared = Comparison("w", "=", word)
    assert parse_condition(condition_text(compared)) == compared
