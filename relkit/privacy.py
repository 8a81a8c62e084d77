"""What may be shown of people: pseudonyms in place of ids, and nothing personal.

A report goes to more readers than the table it was made from. So a customer's id
leaves as a keyed pseudonym, the same in every report of one key, and names,
addresses, birthdays and free text stay behind, unless a parameter says otherwise.
Whoever has the data and the key can look a pseudonym up; a reader cannot.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relkit.errors import ParameterError
from relkit.personal import (
    WITHHELD,
    has_address,
    is_customer_id,
    is_personal,
    looks_right,
    shape,
    without_addresses,
)

if TYPE_CHECKING:
    import pandas as pd

KEY_VARIABLE = "RELKIT_PSEUDONYM_KEY"
SHORTEST_KEY = 16
_WHOLE = re.compile(r"-?\d+\.0+")

# What a column of a frame holds, where ``frame.attrs["holds"]`` says it (see ``protected``).
CUSTOMER_ID, PERSONAL, ANYTHING, PLAIN = "customer_id", "personal", "anything", "plain"
# The mark of a plain frame that was protected before it was shown.
GUARDED = "<!-- relkit: protected -->"
LOOKS_LIKE = ("number", "time", "day", "choice", "flag", "currency")


@dataclass(frozen=True, slots=True)
class Privacy:
    """What may be shown.

    Attributes:
        show_ids: Customer ids as they are, in place of pseudonyms.
        show_personal: Names, addresses, birthdays and free text.
    """

    show_ids: bool = False
    show_personal: bool = False


_current = Privacy()


def set_privacy(*, show_ids: bool = False, show_personal: bool = False) -> Privacy:
    """Choose what may be shown of people from here on; nothing by default.

    Raises:
        ParameterError: one of the two is neither true nor false.
    """
    global _current
    faults = [
        f"{name}={value!r} must be true or false"
        for name, value in (("show_ids", show_ids), ("show_personal", show_personal))
        if not isinstance(value, bool)
    ]
    if faults:
        raise ParameterError("what may be shown of people must be said plainly", faults)
    _current = Privacy(show_ids, show_personal)
    return _current


def current_privacy() -> Privacy:
    """What may be shown now."""
    return _current


@contextmanager
def showing(privacy: Privacy) -> Iterator[Privacy]:
    """Use a choice for the length of a ``with`` block, then the one before."""
    global _current
    before, _current = _current, privacy
    try:
        yield privacy
    finally:
        _current = before


def pseudonym(customer_id: object) -> str:
    """The pseudonym of an id, like ``3f9a1-0cd77-e2b08``: the same for the same key.

    Sixty bits: among ten million customers two share one with a probability of 4e-5.

    Source: HMAC with SHA-256 (RFC 2104), its first fifteen hexadecimal digits.

    Raises:
        ParameterError: the key is too short, or cannot be kept anywhere.
    """
    return _keyed(_key(), customer_id)


def _keyed(key: bytes, customer_id: object) -> str:
    digest = hmac.digest(key, str(customer_id).encode("utf-8", "surrogatepass"), "sha256")
    digits = digest.hex()
    return f"{digits[:5]}-{digits[5:10]}-{digits[10:15]}"


def shown_id(customer_id: object) -> str:
    """An id as readers see it: its pseudonym, unless ids may be shown."""
    return str(customer_id) if _current.show_ids else pseudonym(customer_id)


def shown_text(text: str) -> str:
    """A text without e-mail addresses and telephone numbers, unless personal data may be shown."""
    return text if _current.show_personal else without_addresses(text)


def shown_cell(holds: str, text: str) -> str:
    """What a message may say of a cell that is wrong: itself, or only how it is written.

    Args:
        holds: What its column should hold: 'number', 'time', 'day', 'choice', 'flag',
            'currency', 'customer_id', 'personal', 'plain' or 'anything'.
        text: What stands there.

    Returns:
        The text where it looks like what it should be, the pseudonym of an id, and of
        all other texts their shape: 'like Aaa Aaaa'.
    """
    if holds == CUSTOMER_ID:
        return shown_id(_as_id(text))
    if _current.show_personal or (holds in LOOKS_LIKE and looks_right(holds, text)):
        return text
    if holds == PLAIN:
        return shown_text(text)
    return WITHHELD if holds == PERSONAL else f"like {shape(text)}"


def shown_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as a record may hold them: what names a customer or a person is not said."""
    return {name: _shown_parameter(str(name), value) for name, value in parameters.items()}


def _shown_parameter(name: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_shown_parameter(name, each) for each in value]
    if isinstance(value, Mapping):
        return shown_parameters(value)
    if value is None or isinstance(value, bool):
        return value
    if is_customer_id(name) or is_customer_id(name.removesuffix("s")):
        return shown_id(value)
    if is_personal(name) or is_personal(name.removesuffix("s")):
        return value if _current.show_personal else WITHHELD
    return shown_text(value) if isinstance(value, str) else value


def protected(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame as it may leave: ids as pseudonyms, personal columns withheld.

    Args:
        frame: Any table. Columns go by their names in English or Chinese, some (name,
            text, note, …) only beside an id. Where a frame has columns of another's
            naming, ``frame.attrs`` may say more: ``customer_ids`` lists columns of ids,
            ``holds`` maps a column to what it holds, as in ``shown_cell``, and ``shifted``
            is the word in the column reason that marks rows whose cells may stand
            anywhere.

    Returns:
        The frame itself where there is nothing to protect, else a copy. Empty cells
        stay empty.
    """
    privacy = _current
    if privacy.show_ids and privacy.show_personal:
        return frame
    holds = dict(frame.attrs.get("holds", {}))
    holds |= dict.fromkeys(frame.attrs.get("customer_ids", ()), CUSTOMER_ID)
    names = [*map(str, frame.columns), *(["customer_id"] if holds else [])]
    changed: dict[int, Any] = {}
    for place, name in enumerate(frame.columns):
        held = holds.get(name) or _held_by_name(str(name), names)
        cells = frame.iloc[:, place]
        shown = _shown_column(cells, held, privacy)
        if shown is not cells:
            changed[place] = shown
    if "shifted" in frame.attrs and not privacy.show_personal:
        changed |= _without_shifted(frame, changed, holds)
    if not changed:
        return frame
    safe = frame.copy()
    for place, cells in changed.items():
        safe.isetitem(place, cells)
    return safe


def _held_by_name(name: str, beside: Iterable[str]) -> str:
    if is_customer_id(name):
        return CUSTOMER_ID
    return PERSONAL if is_personal(name, beside) else PLAIN


def _shown_column(cells: pd.Series, held: str, privacy: Privacy) -> pd.Series:
    """The cells themselves where nothing has to be withheld."""
    if held == CUSTOMER_ID:
        # A figure with a fraction names nobody, whatever its column is called.
        if privacy.show_ids or cells.dtype.kind in "bmM":
            return cells
        key = _key()
        return cells.map(lambda cell: _keyed(key, _as_id(cell)), na_action="ignore")
    if privacy.show_personal:
        return cells
    if held == PERSONAL:
        return cells.map(lambda _: WITHHELD, na_action="ignore")
    if held in LOOKS_LIKE or held == ANYTHING:
        return cells.map(lambda cell: cell and shown_cell(held, str(cell)), na_action="ignore")
    if cells.dtype.kind not in "biufcmM" and cells.map(_has_address).any():
        return cells.map(_without_address, na_action="ignore")
    return cells


def _without_shifted(
    frame: pd.DataFrame, changed: Mapping[int, Any], holds: Mapping[Any, str]
) -> dict[int, Any]:
    """Columns without the cells of rows in which any cell may be another's."""
    shifted = frame["reason"].str.contains(frame.attrs["shifted"], regex=False)
    if not shifted.any():
        return {}
    return {
        place: changed.get(place, frame.iloc[:, place]).where(~shifted, WITHHELD)
        for place, name in enumerate(frame.columns)
        if name in holds and name != "reason"
    }


def _has_address(cell: object) -> bool:
    return isinstance(cell, str) and has_address(cell)


def _without_address(cell: object) -> object:
    return shown_text(cell) if isinstance(cell, str) else cell


def _as_id(cell: object) -> str:
    """An id as the tables have it: 17850.0 is '17850', blanks around it are none."""
    text = str(cell).strip()
    return text.partition(".")[0] if _WHOLE.fullmatch(text) else text


def _key() -> bytes:
    given = os.environ.get(KEY_VARIABLE)
    if given is None:
        return _kept_key(_key_file())
    if len(given) < SHORTEST_KEY:
        raise ParameterError(
            f"{KEY_VARIABLE} has {len(given)} characters; at least {SHORTEST_KEY} are required, "
            "since a short key can be guessed"
        )
    return given.encode("utf-8")


def _key_file() -> Path:
    """Beside the settings of the user, never in the project or among its outputs."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return Path(home) / "relkit" / "pseudonym.key"


@lru_cache(maxsize=4)
def _kept_key(path: Path) -> bytes:
    """The key of this user; drawn once, then kept, so that pseudonyms stay the same."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn = base64.b64encode(os.urandom(32))
        # Written aside and linked: of two that begin at once, both read the first one's.
        aside = path.with_name(f"{path.name}.{os.getpid()}")
        aside.touch(mode=0o600)
        aside.write_bytes(drawn)
        try:
            os.link(aside, path)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
        found = path.read_bytes().strip()
    except OSError as fault:
        raise ParameterError(
            f"the key of the pseudonyms cannot be kept in the user's settings folder "
            f"({fault.strerror}); set {KEY_VARIABLE} to a secret of at least {SHORTEST_KEY} "
            "characters, or let the notebook show ids with show_ids: true"
        ) from None
    if len(found) < SHORTEST_KEY:
        raise ParameterError(
            "the key of the pseudonyms in the user's settings folder is cut off; remove "
            f"relkit/pseudonym.key there, or set {KEY_VARIABLE}"
        )
    return found


# What a notebook shows of a plain frame


def displayed(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame as a notebook may show it: protected, its index too."""
    names = [name for name in frame.index.names if name is not None]
    if not names or set(names) & set(frame.columns):
        return protected(frame)
    return protected(frame.reset_index()).set_index(names)


def guard_displays(shell: Any) -> None:
    """Let a notebook's kernel show plain frames and series as they may leave.

    A frame as the last expression of a cell is shown by pandas itself, past every block
    of relkit. The kernel is told to show it protected, with a mark by which a run knows
    that it may be published.

    Args:
        shell: The kernel's interactive shell, as ``get_ipython()`` gives it.
    """
    formatters = shell.display_formatter.formatters
    for kind in ("DataFrame", "Series"):
        for module in ("pandas", f"pandas.core.{'frame' if kind == 'DataFrame' else 'series'}"):
            formatters["text/plain"].for_type_by_name(module, kind, _plain_display)
            formatters["text/html"].for_type_by_name(module, kind, _html_display)


def _plain_display(shown: Any, printer: Any, _: bool) -> None:
    printer.text(str(_protected_display(shown)))


def _html_display(shown: Any) -> str | None:
    safe = _protected_display(shown)
    html = (safe.to_frame() if hasattr(safe, "to_frame") else safe)._repr_html_()
    return None if html is None else f"{GUARDED}{html}"


def _protected_display(shown: Any) -> Any:
    if not hasattr(shown, "to_frame"):
        return displayed(shown)
    name = "values" if shown.name is None else shown.name
    return displayed(shown.to_frame(name))[name].rename(shown.name)


def _guard_this_kernel() -> None:
    console = sys.modules.get("IPython")
    shell = console.get_ipython() if console is not None else None
    if shell is not None:
        guard_displays(shell)


_guard_this_kernel()
