"""What can go wrong, said so that the reader knows what to do next.

Every message names what was found, what is required and what to do. All faults
of one input are collected and raised together, so that a second try can succeed.
"""

from __future__ import annotations

from collections.abc import Iterable


class RelkitError(Exception):
    """A fault that relkit understands; its text alone is shown, no traceback.

    Args:
        heading: One line: where, and what is wrong.
        faults: One line each, where there is more than one thing to say.

    Attributes:
        exit_code: What a command ends with; 1 failed, 2 wrong use, 75 busy.
    """

    exit_code = 1

    def __init__(self, heading: str, faults: Iterable[str] = ()) -> None:
        self.heading = heading
        self.faults = tuple(faults)
        super().__init__("\n".join([heading, *(f"  - {fault}" for fault in self.faults)]))


class DataError(RelkitError):
    """The data cannot give an honest answer as they are."""


class SourceError(RelkitError):
    """A source cannot be opened, or does not hold what its mapping says."""


class FitError(RelkitError):
    """A model has no answer for these data, and a number would be a guess."""


class ParameterError(RelkitError):
    """A parameter is unknown, of the wrong type, or out of range."""

    exit_code = 2


class NotebookError(RelkitError):
    """A notebook is not one that can be run with parameters."""

    exit_code = 2


class RunError(RelkitError):
    """A run did not come to its end; nothing was published."""


class BusyError(RelkitError):
    """Another run of the same report holds its lock."""

    exit_code = 75


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint ``; did you mean 'x'?`` for a near miss, else the empty string."""
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""
