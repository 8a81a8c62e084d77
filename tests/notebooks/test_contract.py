"""What every shipped notebook keeps to, so that people and machines can rely on it."""

import ast
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return json.loads(request.param.read_text(encoding="utf-8"))


def source(cell):
    return "".join(cell["source"])


def tags(cell):
    return cell["metadata"].get("tags", [])


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_the_three_notebooks_are_there():
    assert {"customer_value", "segments", "review_deck"} <= {path.stem for path in NOTEBOOKS}


def test_no_stored_output(notebook):
    for cell in code_cells(notebook):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
    assert "papermill" not in notebook["metadata"]


def test_every_cell_has_its_own_id(notebook):
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)


def test_kernel_is_named_as_every_machine_names_it(notebook):
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


def test_exactly_one_parameter_cell_of_annotated_commented_literals(notebook):
    (cell,) = [cell for cell in code_cells(notebook) if "parameters" in tags(cell)]
    text = source(cell)
    lines = text.splitlines()
    for node in ast.parse(text).body:
        assert isinstance(node, ast.AnnAssign), ast.unparse(node)
        ast.literal_eval(node.value)
        assert "  # " in lines[node.end_lineno - 1], f"{ast.unparse(node)} has no comment"


def test_short_and_flat(notebook):
    assert len(notebook["cells"]) <= 40
    for cell in code_cells(notebook):
        text = source(cell)
        if "parameters" in tags(cell):
            continue
        assert len(text.splitlines()) <= 12, text
        assert not any(line.lstrip().startswith(("%", "!")) for line in text.splitlines()), text
        kinds = (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.If, ast.For, ast.While)
        assert not [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)], text


def test_the_story_is_told_in_both_languages(notebook):
    for cell in notebook["cells"]:
        if cell["cell_type"] != "markdown":
            continue
        text = source(cell)
        _, _, rest = text.partition("<!-- en -->")
        english, _, chinese = rest.partition("<!-- zh -->")
        assert english.strip(), text
        assert chinese.strip(), text
        # The same headings in both, and Chinese where it is said to be.
        assert [line.split()[0] for line in english.splitlines() if line.startswith("#")] == [
            line.split()[0] for line in chinese.splitlines() if line.startswith("#")
        ]
        assert any("\u4e00" <= character <= "\u9fff" for character in chinese)


def test_it_opens_with_its_question_and_closes_with_where_it_comes_from(notebook):
    first, last = notebook["cells"][0], notebook["cells"][-1]
    assert first["cell_type"] == "markdown"
    assert "\n# " in source(first)
    assert "?" in source(first)
    assert source(last).startswith("rk.provenance(")
