"""What an engine, a library or the machine complains of while data are read, in words.

Every fault that is known has words where it is found. What is left, a page of a Parquet
file that is damaged in its middle, a disk that is full, a file that another program has
locked, shows only when rows are asked for, and must not reach a reader as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from relkit.errors import SourceError
from relkit.privacy import shown_text

_DAMAGED = ("corrupt", "thrift", "snappy", "zstd", "gzip", "parquet", "page", "deserialize",
            "magic", "decompress")  # fmt: skip
# The beginnings of the modules whose errors are about what they read.
_READERS = ("duckdb", "_duckdb", "pyarrow", "ibis", "python_calamine")


@contextmanager
def in_words(where: str) -> Iterator[None]:
    """Turn what goes wrong while rows are read into a SourceError.

    Args:
        where: The source and the files, as messages begin.

    Raises:
        SourceError: a file is damaged, may not be read, or does not fit in the memory.
    """
    try:
        yield
    except PermissionError as fault:
        raise SourceError(
            f"{where}: {fault.filename or 'a file'} may not be read by this user; ask for the "
            "right to read it"
        ) from None
    except MemoryError:
        raise SourceError(
            f"{where}: the rows do not fit in this machine's memory; read fewer files at once, "
            "or as Parquet, which is read in parts"
        ) from None
    except Exception as fault:
        if not type(fault).__module__.startswith(_READERS):
            raise
        raise SourceError(_meaning(where, fault)) from None


def _meaning(where: str, fault: Exception) -> str:
    meaning = meaning_of(type(fault).__name__, str(fault))
    if meaning is not None:
        return f"{where}: {meaning}"
    first = shown_text(str(fault).strip().partition("\n")[0])[:200]
    return f"{where}: the rows cannot be read ({first}); export the file again, or report this"


def meaning_of(kind: str, said: str) -> str | None:
    """What an engine's complaint means, by the name of its class and its words, if known."""
    if not kind.endswith("Exception"):
        return None
    lower = said.lower()
    if "OutOfMemory" in kind or "no space left" in lower or "could not allocate" in lower:
        return (
            "there is no room left while the rows are read; free memory and disk, or read fewer "
            "files at once"
        )
    if any(word in lower for word in _DAMAGED):
        return (
            "a file cannot be read to its end, since it is damaged in its middle; copy or export "
            "it again"
        )
    return None
