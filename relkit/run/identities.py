"""Which pseudonym stands for whom: for those who have the data and the key."""

from __future__ import annotations

import os
from pathlib import Path

from relkit.errors import RunError

HEADING = "pseudonym,customer_id"


def write_ids(source: str | os.PathLike[str], out: str | os.PathLike[str]) -> str:
    """Write pseudonym and customer_id of every customer of a source as CSV.

    Args:
        source: A source YAML, as for ``open_source``.
        out: The file to write; readable by this user only, never one that is there.

    Returns:
        What a command prints.

    Raises:
        SourceError, DataError: the source cannot be read.
        RunError: the file is there already, or cannot be written.
    """
    import pandas as pd

    from relkit.data.reading_faults import in_words
    from relkit.data.sources import open_source
    from relkit.privacy import pseudonym
    from relkit.report.export import csv_text

    # All customers that can be read, whatever else is wrong with the source.
    with in_words(str(source)):
        opened = open_source(source, max_set_aside=1.0)
        column = opened.transactions.select("customer_id").distinct().order_by("customer_id")
        ids = column.to_pyarrow()["customer_id"].to_pylist()
    frame = pd.DataFrame({"pseudonym": [pseudonym(one) for one in ids], "customer_id": ids})
    target = Path(out)
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise RunError(f"{target}: is there already; name another file, or remove it") from None
    except OSError as fault:
        raise RunError(f"{target}: cannot be written ({fault.strerror})") from fault
    with os.fdopen(handle, "wb") as file:
        file.write(csv_text(frame).encode("utf-8-sig"))
    return f"{len(frame):,} customers in {target}; it holds ids: keep it where the data are"
