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
    kind, said = type(fault).__name__, str(fault).lower()
    if "OutOfMemory" in kind or "no space left" in said or "could not allocate" in said:
        return (
            f"{where}: there is no room left while the rows are read; free memory and disk, or "
            "read fewer files at once"
        )
    damaged = ("corrupt", "thrift", "snappy", "zstd", "gzip", "parquet", "page", "deserialize",
               "magic", "decompress")  # fmt: skip
    if any(word in said for word in damaged):
        return (
            f"{where}: a part of it cannot be read to its end; the file is damaged in its "
            "middle, so copy or export it again"
        )
    first = shown_text(str(fault).strip().partition("\n")[0])[:200]
    return f"{where}: the rows cannot be read ({first}); export the file again, or report this"
