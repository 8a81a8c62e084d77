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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from relkit.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd

KEY_VARIABLE = "RELKIT_PSEUDONYM_KEY"
SHORTEST_KEY = 16

CUSTOMER_IDS = frozenset({"customer_id", "referred_customer_id"})
PERSONAL = frozenset(
    {
        *("email", "e_mail", "phone", "mobile", "birthday", "date_of_birth", "address"),
        *("customer_name", "first_name", "last_name", "full_name", "contact_name"),
        "decision_maker",
    }
)
# A column of these names is about a person only beside the id of one: a table of
# models has names too.
PERSONAL_BESIDE_AN_ID = frozenset(
    {"name", "text", "comment", "note", "notes", "description", "reason_text"}
)
_IDS = CUSTOMER_IDS | {"owner_id", "feedback_id", "ticket_id", "touch_id", "need_id"}
_ADDRESS = re.compile(r"[^\s@<>,;:'\"()]{1,64}@[^\s@<>,;:'\"()]{1,255}\.[A-Za-z]{2,24}")
WITHHELD = "…"


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
    """A text without the e-mail addresses in it, unless personal data may be shown."""
    return text if _current.show_personal else _ADDRESS.sub(WITHHELD, text)


def protected(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame as it may leave: ids as pseudonyms, personal columns withheld.

    Args:
        frame: Any table. Ids are the columns customer_id and referred_customer_id, and
            those that ``frame.attrs["customer_ids"]`` names; personal columns go by
            their names, some (name, text, note, ...) only beside an id.

    Returns:
        The frame itself where there is nothing to protect, else a copy. Empty cells
        stay empty.
    """
    privacy = _current
    ids = CUSTOMER_IDS | set(frame.attrs.get("customer_ids", ()))
    about_people = bool((ids | _IDS) & set(frame.columns))
    changed = {}
    for column in frame.columns:
        values = frame[column]
        if column in ids:
            if not privacy.show_ids:
                changed[column] = values.map(partial(_keyed, _key()), na_action="ignore")
        elif privacy.show_personal:
            continue
        elif column in PERSONAL or (about_people and column in PERSONAL_BESIDE_AN_ID):
            changed[column] = values.map(lambda _: WITHHELD, na_action="ignore")
        elif values.dtype.kind not in "biufcmM" and values.map(_has_address).any():
            changed[column] = values.map(_without_address, na_action="ignore")
    return frame.assign(**changed) if changed else frame


def _has_address(cell: object) -> bool:
    return isinstance(cell, str) and "@" in cell and _ADDRESS.search(cell) is not None


def _without_address(cell: object) -> object:
    return shown_text(cell) if isinstance(cell, str) else cell


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
