"""A notebook's parameter cell and a YAML file -> checked parameters.

The cell tagged ``parameters`` is the one place where a notebook says what it
takes: names, types, defaults, and a comment each. A file gives values for some
of the names. Everything that can be known to be wrong is found here, before a
kernel starts, and all of it is said at once.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relkit.errors import NotebookError, did_you_mean
from relkit.run.parameter_file import command_line_value, plain_value, raise_faults

_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "None": "null",
}
_TYPES_ALLOWED = "str, int, float, bool, X | None, list[X] and Literal['a', 'b']"
_EXAMPLE = 'name: type = literal  # comment, such as  unit: str = "week"  # unit of T'


@dataclass(frozen=True, slots=True)
class ValueType:
    """What a parameter may hold, read from its annotation.

    Attributes:
        names: Of str, int, float, bool, None, list.
        choices: The values of a Literal; empty where any value of the type will do.
        item: What a list holds.
    """

    names: tuple[str, ...]
    choices: tuple[Any, ...] = ()
    item: ValueType | None = None

    def __str__(self) -> str:
        words = [_WORDS[name] for name in self.names if name in _WORDS and name != "None"]
        if self.choices:
            words.append(f"one of {', '.join(map(repr, self.choices))}")
        if self.item is not None:
            words.append(f"a list of which each is {self.item}")
        return " or ".join([*words, *(["null"] if "None" in self.names else [])])

    def convert(self, value: Any) -> Any:
        """The value as this type holds it; a whole number may stand for a float.

        Raises:
            ValueError: it does not fit; the message is the hint, often empty.
        """
        if value is None and "None" in self.names:
            return None
        if any(type(value) is type(choice) and value == choice for choice in self.choices):
            return value
        if self.choices and not set(self.names) - {"None"}:
            raise ValueError(did_you_mean(str(value), [str(choice) for choice in self.choices]))
        if isinstance(value, list) and self.item is not None:
            return [self.item.convert(item) for item in value]
        name = type(value).__name__  # so that a bool is no int
        if name in self.names and name != "list":
            return value
        if name == "int" and "float" in self.names:
            return float(value)
        if name == "str" and self._would_hold(value):
            raise ValueError("; take the quotes away")
        if name in ("int", "float", "bool") and "str" in self.names:
            raise ValueError(f'; put it in quotes: "{"" if value is None else value}"')
        raise ValueError

    def _would_hold(self, text: str) -> bool:
        """Whether the text without its quotes would do."""
        try:
            bare = plain_value(text)
            return not isinstance(bare, str) and self.convert(bare) is not None
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """One parameter of a notebook.

    Attributes:
        name: As it is assigned in the cell.
        annotation: The type as written there.
        type: The same, read.
        default: The literal in the cell.
        comment: What stands behind the ``#``; empty if nothing does.
    """

    name: str
    annotation: str
    type: ValueType
    default: Any
    comment: str


def read_parameter_cell(
    notebook: Mapping[str, Any], name: str = "notebook"
) -> tuple[ParameterSpec, ...]:
    """The parameters of a notebook, in the order of its cell.

    Args:
        notebook: The notebook as JSON (format 4) or as an nbformat node.
        name: What messages call it.

    Raises:
        NotebookError: not exactly one code cell has the tag ``parameters``, or a
            line in it is not an annotated literal.
    """
    tagged = [
        number
        for number, cell in enumerate(notebook["cells"], 1)
        if cell.get("cell_type") == "code"
        and "parameters" in cell.get("metadata", {}).get("tags", [])
    ]
    if len(tagged) != 1:
        found = (
            f"{len(tagged)} cells are tagged 'parameters' (cells {', '.join(map(str, tagged))})"
            if tagged
            else "no code cell is tagged 'parameters'"
        )
        raise NotebookError(
            f"{name}: {found}, exactly one is required; "
            "tags are set in JupyterLab under Property Inspector > Common Tools"
        )
    source = notebook["cells"][tagged[0] - 1]["source"]
    return _read_cell(source if isinstance(source, str) else "".join(source), tagged[0], name)


def _read_cell(source: str, number: int, name: str) -> tuple[ParameterSpec, ...]:
    where = f"{name}: cell {number} (parameters)"
    try:
        lines = ast.parse(source).body
    except SyntaxError as error:
        raise NotebookError(
            f"{where}: line {error.lineno} is not plain Python ({error.msg}); "
            f"only lines such as  {_EXAMPLE}  are allowed"
        ) from None
    specs: list[ParameterSpec] = []
    faults: list[str] = []
    comments = _comments(source)
    for line in lines:
        if isinstance(line, ast.ImportFrom) and line.module in ("typing", "__future__"):
            continue  # Literal has to come from somewhere
        try:
            spec = _read_line(line, comments)
            if spec.name in {earlier.name for earlier in specs}:
                raise ValueError(f"'{spec.name}' is given a second time")
            specs.append(spec)
        except ValueError as fault:
            faults.append(f"line {line.lineno}: {fault}")
    if faults:
        raise NotebookError(f"{where}: only lines such as  {_EXAMPLE}  are allowed", faults)
    return tuple(specs)


def _read_line(line: ast.stmt, comments: Mapping[int, str]) -> ParameterSpec:
    """One parameter; ValueError with words if the line is anything else."""
    if isinstance(line, ast.Assign):
        raise ValueError(f"'{ast.unparse(line)}' has no type; write name: type = value")
    if not isinstance(line, ast.AnnAssign) or not isinstance(line.target, ast.Name):
        raise ValueError(f"'{ast.unparse(line).splitlines()[0]}' gives no parameter a value")
    name = line.target.id
    if line.value is None:
        raise ValueError(f"'{name}' has no default")
    try:
        default = ast.literal_eval(line.value)
    except ValueError:
        raise ValueError(
            f"'{name}' is computed ({ast.unparse(line.value)}); compute it in a later cell"
        ) from None
    wanted = _read_type(line.annotation)
    try:
        default = wanted.convert(default)
    except ValueError:
        raise ValueError(
            f"the default {default!r} of '{name}' is not {ast.unparse(line.annotation)}"
        ) from None
    comment = comments.get(line.end_lineno or line.lineno, "")
    return ParameterSpec(name, ast.unparse(line.annotation), wanted, default, comment)


def _read_type(node: ast.expr) -> ValueType:
    """An annotation, read; ValueError with words if it is not one of the types allowed."""
    if isinstance(node, ast.Constant) and node.value is None:
        return ValueType(("None",))
    if isinstance(node, ast.Name) and node.id in _WORDS:
        return ValueType((node.id,))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        left, right = _read_type(node.left), _read_type(node.right)
        return ValueType(
            left.names + right.names, left.choices + right.choices, left.item or right.item
        )
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        if node.value.id == "list":
            return ValueType(("list",), item=_read_type(node.slice))
        if node.value.id == "Literal":
            inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            if all(isinstance(choice, ast.Constant) for choice in inside):
                choices = tuple(choice.value for choice in inside)  # type: ignore[attr-defined]
                return ValueType((), choices)
    raise ValueError(f"the type {ast.unparse(node)} cannot be checked; types are {_TYPES_ALLOWED}")


def _comments(source: str) -> dict[int, str]:
    """Line number -> the comment on it, without its ``#``."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: token.string.lstrip("#").strip()
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def check_parameters(
    specs: Sequence[ParameterSpec], given: Mapping[str, Any], path: str | Path
) -> dict[str, Any]:
    """Every parameter of the notebook with its value: given, else the default.

    Args:
        specs: What the notebook takes.
        given: What the file gives; names and values.
        path: Where ``given`` comes from, for messages.

    Raises:
        ParameterError: unknown names and values of the wrong type, all of them.
    """
    values, faults = sort_out(specs, given)
    raise_faults(str(path), list(faults.values()))
    return values


def sort_out(
    specs: Sequence[ParameterSpec], given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Checked values (the default where there is a fault) and faults by name."""
    values = {spec.name: spec.default for spec in specs}
    faults: dict[str, str] = {}
    by_name = {spec.name: spec for spec in specs}
    for name, value in given.items():
        if name not in by_name:
            hint = did_you_mean(name, by_name) or f"; it takes {', '.join(by_name) or 'none'}"
            faults[name] = f"unknown parameter '{name}'{hint}"
            continue
        try:
            values[name] = by_name[name].type.convert(value)
        except ValueError as hint:
            shown = "null" if value is None else repr(value)
            faults[name] = f"{name}={shown} must be {by_name[name].type}{hint}"
    return values, faults


def override(specs: Sequence[ParameterSpec], pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Values from the command line, ``--set name=text``, read by the type they are for.

    A parameter that takes text gets the text as it stands, so a date needs no
    quotes inside quotes there; ``null`` is null where null is allowed.

    Raises:
        ParameterError: a text is no value of YAML; names and types are not judged here.
    """
    by_name = {spec.name: spec for spec in specs}
    values: dict[str, Any] = {}
    for name, text in pairs:
        wanted = by_name[name].type if name in by_name else ValueType(("str",))
        takes_text = "str" in wanted.names or any(isinstance(c, str) for c in wanted.choices)
        if text == "null" and "None" in wanted.names:
            values[name] = None
        elif takes_text:
            values[name] = text
        else:
            values[name] = command_line_value(name, text)
    return values


def check_report(
    notebook: str, specs: Sequence[ParameterSpec], given: Mapping[str, Any], shown: str
) -> dict[str, Any]:
    """Checked parameters of a report: the cell's types, then the model's ranges.

    Args:
        notebook: Name of the notebook, which may have a model.
        specs: What its parameter cell says.
        given: What the file and the command line say.
        shown: What messages call the file.

    Raises:
        ParameterError: every fault of both kinds, in the order of the cell.
    """
    from relkit.run.models import model_faults

    values, faults = sort_out(specs, given)
    # A default stands in for what is already at fault, so that the rest is checked too.
    for name, fault in model_faults(notebook, values).items():
        if name or not faults:
            faults.setdefault(name, fault)
    order = [spec.name for spec in specs]
    ranked = sorted(faults, key=lambda name: order.index(name) if name in order else len(order))
    lines = [line for name in ranked for line in faults[name].splitlines()]
    raise_faults(shown, lines)
    return values
