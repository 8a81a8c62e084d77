"""Ranges, choices and cross-checks; and the contract between models, cells and files."""

from pathlib import Path

import pytest

from relkit.errors import ParameterError
from relkit.run.models import MODELS
from relkit.run.notebook import read_notebook
from relkit.run.params import check_report, read_parameter_cell
from relkit.run.runner import NO_REPORTS, check

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "notebooks").glob("*.ipynb"))
FILES = sorted(p for p in (ROOT / "params").glob("*/*.yaml") if p.parent.name not in NO_REPORTS)


def specs_of(name):
    return read_parameter_cell(read_notebook(ROOT / "notebooks" / f"{name}.ipynb", name), name)


def faults_of(notebook, **given):
    with pytest.raises(ParameterError) as caught:
        check_report(notebook, specs_of(notebook), given, "weekly.yaml")
    return str(caught.value)


def test_there_is_a_model_for_each_shipped_notebook():
    assert sorted(MODELS) == [path.stem for path in SHIPPED]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_model_knows_exactly_the_names_in_the_cell(path):
    specs = specs_of(path.stem)
    assert sorted(spec.name for spec in specs) == sorted(MODELS[path.stem].model_fields)
    assert all(spec.comment for spec in specs)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_defaults_in_the_cell_are_allowed(path):
    check_report(path.stem, specs_of(path.stem), {}, "defaults")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_parameter_file_is_right(path):
    assert check(path).parameters


@pytest.mark.parametrize(
    ("notebook", "given", "words"),
    [
        ("customer_value", {"annual_discount_rate": 10},
         "annual_discount_rate=10.0 must be in [0, 1); give 10 % as 0.10"),
        ("customer_value", {"annual_discount_rate": 1.0}, "must be in [0, 1)"),
        ("customer_value", {"annual_discount_rate": -0.1}, "must be in [0, 1)"),
        ("customer_value", {"horizon": 0}, "horizon=0.0 must be a positive"),
        ("customer_value", {"horizon": 3650.0},
         "horizon=3650.0 at unit='week' is 69.95 years; it must be one day to 50 years"),
        ("customer_value", {"horizon": 0.1}, "it must be one day to 50 years"),
        ("customer_value", {"top_customers": 0}, "top_customers=0 must be 1 to 200"),
        ("customer_value", {"top_customers": 201}, "top_customers=201 must be 1 to 200"),
        ("customer_value", {"max_set_aside": 1.5}, "max_set_aside=1.5 must be 0 to 1"),
        ("customer_value", {"unit": "weeks"}, "did you mean 'week'?"),
        ("customer_value", {"unit": "year"}, "unit='year' must be one of day, week, month"),
        ("customer_value", {"grain": "month"}, "must be one of exact, hour, day, week"),
        ("customer_value", {"later_rows": "ignore"}, "must be one of fault, set_aside"),
        ("customer_value", {"language": "fr"}, "language='fr' must be one of en, zh"),
        ("customer_value", {"source": " "}, "must name a source"),
        ("customer_value", {"as_of": "1998-06-31"}, "must be a day of the calendar"),
        ("customer_value", {"as_of": "30.06.1998"}, "must be a day of the calendar"),
        ("customer_value", {"as_of": "19980630"}, "must be a day of the calendar"),
        ("customer_value", {"as_of": "1998-06-30", "calibration_end": "1998-06-30"},
         "calibration_end='1998-06-30' must be before as_of='1998-06-30'"),
        ("review_deck", {"as_of": "1998-06-30", "compare_to": "1998-07-01"},
         "compare_to='1998-07-01' must be before as_of='1998-06-30'"),
        ("review_deck", {"period": "year"}, "must be one of week, month, quarter"),
        ("review_deck", {"win_back": 101}, "win_back=101 must be 1 to 100"),
        ("segments", {"bands": 1}, "bands=1 must be 2 to 10"),
        ("segments", {"review_share": 0.0}, "review_share=0.0 must be in (0, 1]"),
        ("segments", {"exchange_rate": 0.0}, "exchange_rate=0.0 must be a positive, finite"),
        ("segments", {"care_hours": -1.0}, "care_hours=-1.0 must be a positive, finite number"),
        ("segments", {"care_uplift": -2.0}, "must be a share of at least -1; give 8 % as 0.08"),
        ("segments", {"hour_cost": -1.0}, "hour_cost=-1.0 must be 0 or more"),
        ("segments", {"tier_rules": "clv_rank"}, "must name tier rules, such as params/tiers/"),
        ("segments", {"review_file": "verdicts.xlsx"}, "must name a CSV file, such as reviews/"),
        ("segments", {"as_of": "1998-06-30", "compare_to": "1998-06-30"},
         "compare_to='1998-06-30' must be before as_of='1998-06-30'"),
        ("review_deck", {"tier_shares": []}, "at least one"),
        ("review_deck", {"tier_shares": [10.0]}, "give 10 % as 0.10"),
        ("review_deck", {"tier_shares": [0.1, 0.0]}, "must be shares between 0 and 1"),
        ("review_deck", {"tier_shares": [0.4, 0.6]}, "sum to 1, and must leave a rest"),
        # 0.1 added ten times is 0.9999999999999999 in floating point.
        ("review_deck", {"tier_shares": [0.1] * 10}, "must leave a rest"),
    ],
)  # fmt: skip
def test_values_that_make_no_sense(notebook, given, words):
    assert words in faults_of(notebook, **given)


@pytest.mark.parametrize(
    ("notebook", "given"),
    [
        ("customer_value", {"annual_discount_rate": 0.0, "top_customers": 200}),
        ("customer_value", {"max_set_aside": 1, "horizon": 0.5}),
        ("customer_value", {"max_set_aside": None}),
        ("review_deck", {"max_set_aside": 0.0}),
        ("customer_value", {"as_of": None, "calibration_end": "1998-07-01"}),
        ("segments", {"bands": 10, "review_share": 1.0, "health_rules": None, "hour_cost": 0.0}),
        ("review_deck", {"tier_shares": [0.5]}),
        ("review_deck", {"win_back": 1, "period": "quarter", "compare_to": None}),
    ],
)
def test_values_at_the_edge_are_allowed(notebook, given):
    values = check_report(notebook, specs_of(notebook), given, "weekly.yaml")
    assert {name: values[name] for name in given} == given


def test_types_and_ranges_are_said_together_in_the_order_of_the_cell():
    said = faults_of("customer_value", top_customers=0, horizon="long", surce="x", unit="weeks")
    lines = said.splitlines()
    assert lines[0] == "weekly.yaml: 4 faults"
    order = [spec.name for spec in specs_of("customer_value")]
    known = [line.removeprefix("  - ").split("=")[0] for line in lines[1:-1]]
    assert known == sorted(known, key=order.index)
    assert "unknown parameter 'surce'; did you mean 'source'?" in lines[-1]
