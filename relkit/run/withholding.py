"""What a run keeps of a notebook's outputs: nothing of a person past the blocks.

Blocks are protected when they are made, and plain frames when the kernel shows them. What
else a cell shows, prints or raises may hold anything that is in the data; it stays with
whoever ran the notebook unless the parameters show_ids and show_personal both say so.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any

from relkit import errors
from relkit.personal import WITHHELD
from relkit.privacy import GUARDED, Privacy, showing, shown_parameters
from relkit.report.nodes import MIME as BLOCK_MIME

_INJECTED = "injected-parameters"
NOTE = (
    "what this cell showed beside blocks and frames is not published, since it may name "
    "people; show_ids and show_personal, both true, publish it\n"
)
# Words of Python's own messages; whatever stands between them may come from the data.
_PYTHONS_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        a all already an and are argument arguments as at attribute axis base be boolean
        broadcast bytes by call callable cannot class column columns comparison could
        convert datetime decode defined dict division does dtype empty exceeded expected
        file float for found from function get got has have import in index indices infer
        input int integer invalid is iterable join key keys keyword length list literal
        local many match matching maximum missing mixed module most must name names no non
        none not number object of on only operand operands or out positional range recursion
        referenced required scalar sequence series set shape shapes single size slice str
        string subscriptable supported take takes than that the to together too tuple type
        types unexpected unhashable unknown unpack unsupported use value values variable was
        were with within without wrong zero
        """,
    )
)
_OUR_ERRORS = frozenset(
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.RelkitError)
)
_CODE_LINE = re.compile(r"\s*(-+> ?)?\d+ ?|\s*(Cell|File|Input) ?|-{20,}|\s*\.\.\.|Traceback|\s*$")
_ASSIGNED = re.compile(r"(\w+) = ")


def asked_for(parameters: Mapping[str, Any]) -> Privacy:
    """What a run's parameters let it show."""
    said = [parameters.get(name) is True for name in ("show_ids", "show_personal")]
    return Privacy(*said)


def kept_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A run's parameters as its record may hold them."""
    with showing(asked_for(parameters)):
        return shown_parameters(parameters)


def kept_message(message: str, notebook: Mapping[str, Any], privacy: Privacy) -> str:
    """What Python said of an error, in words that stand in the code or are Python's own.

    ``could not convert string to float: 'Ana'`` came from the data where the notebook's
    code does not hold the name; it is kept as ``could not convert string to float: '…'``.
    """
    if privacy.show_ids and privacy.show_personal:
        return message
    known = _words_of_code(notebook["cells"])

    def kept(found: re.Match[str]) -> str:
        word = found[0]
        return word if word in known or word.lower() in _PYTHONS_WORDS else WITHHELD

    masked = re.sub(r"\w+", kept, message)
    return re.sub(rf"{WITHHELD}(?:[\s\-.,:/@+]*{WITHHELD})+", WITHHELD, masked)


def kept_notebook(notebook: Any, parameters: Mapping[str, Any]) -> Any:
    """A copy of an executed notebook with what may be kept of its outputs.

    Args:
        notebook: nbformat 4, executed, all of it or up to a failure.
        parameters: Of the run.
    """
    privacy = asked_for(parameters)
    kept = copy.deepcopy(notebook)
    if privacy.show_ids and privacy.show_personal:
        return kept
    shown = kept_parameters(parameters)
    changed = {name: value for name, value in shown.items() if value != parameters[name]}
    noted = kept.get("metadata", {}).get("papermill", {}).get("parameters")
    if noted is not None:
        noted.update({name: value for name, value in changed.items() if name in noted})
    for cell in kept["cells"]:
        if _INJECTED in cell.get("metadata", {}).get("tags", []):
            cell["source"] = _injected(cell["source"], changed)
        if cell.get("cell_type") == "code" and cell.get("outputs"):
            cell["outputs"] = list(_kept_outputs(cell["outputs"], notebook, privacy))
    return kept


def _injected(source: str, changed: Mapping[str, Any]) -> str:
    lines = []
    for line in source.splitlines():
        name = found[1] if (found := _ASSIGNED.match(line)) else ""
        lines.append(f"{name} = {changed[name]!r}" if name in changed else line)
    return "\n".join(lines)


def _kept_outputs(
    outputs: Iterable[Any], notebook: Mapping[str, Any], privacy: Privacy
) -> Iterable[Any]:
    noted = False
    for output in outputs:
        data = output.get("data", {})
        guarded = "".join(data.get("text/html", "")).startswith(GUARDED)
        images = {kind: value for kind, value in data.items() if kind.startswith("image/")}
        if BLOCK_MIME in data or guarded:
            yield output
        elif output["output_type"] == "error":
            yield _kept_error(output, notebook, privacy)
        elif images and not any("svg" in kind for kind in images):
            output["data"] = images
            yield output
        elif not noted:
            # Once a cell, however much it printed.
            noted = True
            stream = {"output_type": "stream", "name": "stdout", "text": NOTE}
            yield type(output)(stream)


def _kept_error(output: Any, notebook: Mapping[str, Any], privacy: Privacy) -> Any:
    """An error without what came from the data; relkit's own say nothing of it."""
    if output["ename"] in _OUR_ERRORS:
        return output
    output["evalue"] = kept_message(output["evalue"], notebook, privacy)
    lines = "\n".join(output["traceback"]).split("\n")
    output["traceback"] = [
        line if _CODE_LINE.match(_plain(line)) else kept_message(_plain(line), notebook, privacy)
        for line in lines
    ]
    return output


def _plain(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line)


def _words_of_code(cells: Iterable[Mapping[str, Any]]) -> set[str]:
    words: set[str] = set()
    for cell in cells:
        injected = _INJECTED in cell.get("metadata", {}).get("tags", [])
        if cell.get("cell_type") == "code" and not injected:
            words.update(re.findall(r"\w+", "".join(cell.get("source", ""))))
    return words
