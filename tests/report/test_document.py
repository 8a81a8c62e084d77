"""What of a notebook reaches a reader."""

import pytest

from relkit.errors import NotebookError, ParameterError
from relkit.report import blocks
from relkit.report.document import Prose, arrange, in_language, read_document
from relkit.report.nodes import Slide
from relkit.report.statements import statement
from relkit.report.theme import new_axes


def notebook(*cells):
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells)}


def markdown(source, *tags):
    return {"cell_type": "markdown", "source": source, "metadata": {"tags": list(tags)}}


def code(*shown, tags=()):
    outputs = [{"output_type": "execute_result", "data": b._repr_mimebundle_()} for b in shown]
    outputs += [
        {"output_type": "stream", "name": "stderr", "text": "a warning"},
        {"output_type": "display_data", "data": {"text/plain": "plain", "text/html": "<b>x</b>"}},
    ]
    return {
        "cell_type": "code",
        "source": "x = 1",
        "outputs": outputs,
        "metadata": {"tags": list(tags)},
    }


def test_each_language_gets_its_part():
    source = "Before\n<!-- en -->\nEnglish\n<!-- zh -->\n中文\n  <!-- en -->\nMore"
    assert in_language(source, "en") == "Before\n\nEnglish\n\nMore"
    assert in_language(source, "zh") == "Before\n\n中文"
    assert in_language("text <!-- en --> in a line", "zh") == "text <!-- en --> in a line"
    with pytest.raises(NotebookError, match="cell 3: <!-- fr -->"):
        in_language("<!-- fr -->\nFrançais", "en", 3)


def test_title_lead_and_story():
    read = read_document(
        notebook(
            markdown(["# The *question*\n", "\n", "Who decides.\n", "\n", "More."]),
            markdown("## Section"),
            markdown("for analysts", "notebook-only"),
        ),
        "en",
    )
    assert (read.title, read.lead) == ("The *question*", "Who decides.")
    assert read.parts == (Prose("More."), Prose("## Section"))


def test_only_blocks_of_shown_cells_are_read():
    said = blocks.slide("Shown")
    read = read_document(
        notebook(
            code(blocks.slide("Hidden"), tags=["parameters"]),
            code(blocks.slide("Hidden"), tags=["injected-parameters"]),
            code(said, blocks.text("words")),
        ),
        "en",
    )
    assert read.parts == (said, blocks.text("words"))


def test_the_appendix_comes_after_the_story():
    read = read_document(
        notebook(code(blocks.slide("method", appendix=True), blocks.slide("answer"))), "en"
    )
    assert [s.headline.text for s in read.slides] == ["answer", "method"]
    assert [p.headline.text for p in read.parts if isinstance(p, Slide)] == ["method", "answer"]


def test_provenance_is_found_wherever_it_stands():
    inside = blocks.details("Data", blocks.provenance({"name": "A"}, synthetic=True))
    read = read_document(notebook(code(blocks.slide("x", inside))), "en")
    assert read.provenance.line == "A"
    assert read.synthetic
    assert read_document(notebook(), "en").provenance is None


def test_what_is_no_notebook_is_refused():
    with pytest.raises(NotebookError, match="no cells"):
        read_document({}, "en")
    with pytest.raises(ParameterError, match="must be en or zh"):
        read_document(notebook(), "fr")


def test_layout_follows_the_content():
    import pandas as pd

    half, full = (blocks.figure(new_axes(size), alt="x") for size in ("half", "full"))
    words, row = blocks.text("w"), blocks.tiles(blocks.tile("n", 1, "count"))
    wide = blocks.table(pd.DataFrame({c: [1] for c in "abcdef"}))
    said = statement(en="x", zh="x")
    assert arrange((half, words)).layout == "split"
    assert arrange((half, words)).side == (words,)
    assert arrange((full, row, words)) == arrange((row, full, words))
    assert arrange((full, row, words)).top == (row,)
    assert arrange((full, row, words)).below == (words,)
    assert arrange((wide, words)).layout == "stack"
    assert arrange((half, wide)).layout == "split"
    assert arrange((half, wide)).even
    assert arrange((row, blocks.text(said))).layout == "words"
