"""A parameter file: flat YAML, read strictly.

YAML 1.1 and 1.2 read ``no``, ``12:30``, ``010`` and dates differently, and a
report must not depend on which reader it met. Where readers disagree the value is
refused, with what to write in its place; what is accepted here means the same to
plain papermill.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from relkit.errors import ParameterError, did_you_mean

DEEPEST = 4
# YAML 1.1 and 1.2 disagree on what these mean, so no value of theirs is ever guessed.
_SURPRISES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"yes|no|on|off", re.I),
        'is a truth value to some YAML readers and a word to others; write true, false or "{0}"',
    ),
    (
        re.compile(r"\d{4}-\d\d?-\d\d?([Tt ].*)?"),
        'is a date object to some YAML readers; write it in quotes: "{0}"',
    ),
    (
        re.compile(r"[-+]?\d+(:[0-5]?\d)+(\.\d*)?"),
        'is counted in sixties by some YAML readers (12:30 is 750); write it in quotes: "{0}"',
    ),
    (
        re.compile(r"[-+]?0(\d[\d_.]*|[xob][\da-f_]+)", re.I),
        "is octal, hexadecimal or binary to some YAML readers (010 is 8); "
        'write a plain number, or text in quotes: "{0}"',
    ),
    (
        re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)e[-+]?\d+", re.I),
        "is text to some YAML readers; write the number in full",
    ),
    (
        re.compile(r"[-+]?(\d*_[\d_.]*|\d[\d_]*_?\.[\d_]*)"),
        'is a number only to some YAML readers; write it without _, or in quotes: "{0}"',
    ),
    (re.compile(r"[-+]?\.(inf|nan)", re.I), "is no finite number; leave the parameter out"),
    (re.compile(r"<<|="), 'has a meaning of its own in YAML; write it in quotes: "{0}"'),
)
_INTEGER = re.compile(r"[-+]?(0|[1-9]\d*)")
# The signed exponent is what every reader agrees on: 1.5e+3.
_FLOAT = re.compile(r"[-+]?((0|[1-9]\d*)\.\d*|\.\d+)(e[-+]\d+)?", re.I)


def plain_value(text: str) -> Any:
    """An unquoted YAML scalar, where all YAML readers agree on it.

    Raises:
        ValueError: they do not; the message says what to write.
    """
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    if _INTEGER.fullmatch(text):
        if len(text) > 18:
            raise ValueError(f'{text} is too long for a number; write it in quotes: "{text}"')
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise ValueError(f"{text} is too large for a number")
        return number
    for pattern, meaning in _SURPRISES:
        if pattern.fullmatch(text):
            raise ValueError(f"{text} {meaning.format(text)}")
    return text


def read_parameter_file(path: Path, shown: str | None = None) -> dict[str, Any]:
    """A flat YAML mapping of parameter names to values; an empty file is an empty mapping.

    Args:
        path: The file.
        shown: What messages call it; the path as given unless said.

    Raises:
        ParameterError: missing, not UTF-8, not YAML, not flat, or with values that
            YAML readers take in different ways; all faults at once.
    """
    import yaml

    shown = shown or str(path)
    text = _read_text(path, shown)
    try:
        _refuse_machinery(text, shown)
        document = yaml.compose(text, Loader=_untyped_loader())
    except (yaml.YAMLError, RecursionError) as error:
        mark: Any = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ParameterError(f"{shown}: {where}not readable as YAML: {problem}") from None
    if document is None:
        return {}
    if not isinstance(document, yaml.MappingNode):
        raise ParameterError(
            f"{shown}: holds {_kind(document)}; a flat mapping of name: value is required"
        )
    values: dict[str, Any] = {}
    faults: list[str] = []
    for key_node, value_node in document.value:
        line = key_node.start_mark.line + 1
        try:
            key = _node_value(key_node)
            if not isinstance(key, str):
                raise ValueError(f"a name is required before the colon, found {key_node.value!r}")
            if key in values:
                raise ValueError(f"'{key}' is given a second time")
            values[key] = None
            values[key] = _node_value(value_node)
        except ValueError as fault:
            faults.append(f"line {line}: {fault}")
    raise_faults(shown, faults)
    return values


def _read_text(path: Path, shown: str) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        here = sorted(p.name for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        there = f"; {path.parent.name} holds {', '.join(here)}" if here else ""
        hint = did_you_mean(path.name, here) or there
        raise ParameterError(f"{shown}: no such file{hint}") from None
    except UnicodeDecodeError as error:
        raise ParameterError(
            f"{shown}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from None
    except OSError as error:
        raise ParameterError(f"{shown}: cannot be read: {error.strerror}") from None


def _untyped_loader() -> Any:
    """A loader that gives every plain scalar as its text, for ``plain_value`` to judge."""
    import yaml

    class Untyped(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

    return Untyped


def _refuse_machinery(text: str, shown: str) -> None:
    """Tags, anchors, aliases and deep nesting have no place in a flat file."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        mark: Any = event.start_mark
        line = mark.line + 1
        tag = getattr(event, "tag", None)
        if tag:
            raise ParameterError(f"{shown}: line {line}: take the YAML tag {tag} away")
        if getattr(event, "anchor", None):
            raise ParameterError(
                f"{shown}: line {line}: write the value out; & and * are not used here"
            )
        if depth > DEEPEST:  # said before the whole is read, which takes long when it is deep
            raise ParameterError(f"{shown}: line {line}: too many lists inside lists")


def _node_value(node: Any) -> Any:
    """A scalar or a list of scalars; ValueError with words for anything else."""
    import yaml

    if isinstance(node, yaml.ScalarNode):
        return plain_value(node.value) if node.style is None else node.value
    if isinstance(node, yaml.SequenceNode):
        return [_node_value(item) for item in node.value]
    raise ValueError("a mapping inside the mapping; parameters are flat, name: value")


def _kind(node: Any) -> str:
    return "a list" if isinstance(node.value, list) else f"only {str(node.value)[:40]!r}"


def command_line_value(name: str, text: str) -> Any:
    """The value of ``--set name=text``, under the same rules as a file's."""
    import yaml

    try:
        node = yaml.compose(text, Loader=_untyped_loader())
        return None if node is None else _node_value(node)
    except (yaml.YAMLError, RecursionError, ValueError) as fault:
        why = str(fault) if type(fault) is ValueError else f"{text!r} is no value"
        raise ParameterError(f"--set {name}: {why}") from None


def raise_faults(shown: str, faults: Sequence[str]) -> None:
    """One fault stands behind the file's name, several stand below it."""
    if len(faults) == 1:
        raise ParameterError(f"{shown}: {faults[0]}")
    if faults:
        raise ParameterError(f"{shown}: {len(faults)} faults", faults)
