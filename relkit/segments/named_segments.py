"""Names for RFM codes: champions, loyal, at risk; every code has exactly one.

A mapping file gives each segment its codes as patterns, ``R 4-5, F 3, M 1-2``; a
letter that is left out may be anything. A code without a name, or with two, is an
error that lists it, so no customer is ever without a segment.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from relkit.errors import ParameterError, did_you_mean
from relkit.segments.scores import RfmScores
from relkit.yaml_files import find_upwards, read_yaml

EXAMPLE = "params/tiers/rfm_segments.yaml"
LETTERS = ("R", "F", "M")
MOST_BANDS = 100
_KEYS = ("title", "bands", "segments")
_SHOWN = 12  # codes named in an error; there can be a thousand


@dataclass(frozen=True, slots=True)
class SegmentNames:
    """A name for every RFM code.

    Attributes:
        bands: Of each score.
        names: In the order of the file.
        code_segment: Number of the segment of each code, shape (bands, bands, bands),
            by r, f and m less one.
        label: What readers call each segment, by language.
        title: What the mapping is called, by language.
    """

    bands: int
    names: tuple[str, ...]
    code_segment: np.ndarray
    label: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    title: Mapping[str, str] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """Columns r, f, m, segment; a row a code."""
        r, f, m = np.indices(self.code_segment.shape).reshape(3, -1) + 1
        names = np.array(self.names, dtype=object)[self.code_segment.ravel()]
        return pd.DataFrame({"r": r, "f": f, "m": m, "segment": names})


@dataclass(frozen=True, slots=True)
class RfmSegments:
    """The named segment of every customer.

    Attributes:
        customers: One row a customer: customer_id, r, f, m, total_spend, segment.
        names: That were used.
    """

    customers: pd.DataFrame
    names: SegmentNames

    def to_frame(self) -> pd.DataFrame:
        return self.customers.copy()

    def sizes(self) -> pd.DataFrame:
        """Columns segment, customers, share, total_spend, spend_share; empty ones included.

        spend_share is nan where all spend together is not positive.
        """
        grouped = self.customers.groupby("segment")["total_spend"]
        names = list(self.names.names)
        customers = grouped.size().reindex(names, fill_value=0).to_numpy()
        spend = grouped.sum().reindex(names, fill_value=0.0).to_numpy()
        whole = spend.sum()
        return pd.DataFrame(
            {
                "segment": names,
                "customers": customers,
                "share": customers / len(self.customers),
                "total_spend": spend,
                "spend_share": spend / whole if whole > 0 else np.full(len(names), np.nan),
            }
        )


def read_rfm_segments(path: str | os.PathLike[str]) -> SegmentNames:
    """Read a mapping of RFM codes to names, such as ``params/tiers/rfm_segments.yaml``.

    Raises:
        SourceError: there is no such file, or it is no YAML.
        ParameterError: unknown keys, patterns that are none, codes without a name or
            with two; all faults at once.
    """
    found, root = find_upwards(path, what="RFM segments")
    shown = found.relative_to(root).as_posix() if found.is_relative_to(root) else found.name
    content, _ = read_yaml(found, shown, example=EXAMPLE)
    return segment_names(content, shown)


def segment_names(content: Mapping[str, Any], shown: str = "RFM segments") -> SegmentNames:
    """A mapping from what a file says; errors as ``read_rfm_segments``.

    Args:
        content: Keys title, bands, and segments: for each name its codes, or its codes
            and label.
        shown: What errors call it.
    """
    faults = [f"unknown key '{k}'{did_you_mean(str(k), _KEYS)}" for k in content if k not in _KEYS]
    bands = _bands(content.get("bands"), faults)
    said = content.get("segments")
    if not isinstance(said, Mapping) or not said:
        faults.append("segments: at least one is required, such as 'champions: R 5, F 4-5'")
        said = {}
    shape = (bands, bands, bands)
    owners: list[tuple[str, np.ndarray]] = []
    labels: dict[str, Mapping[str, str]] = {}
    for name, body in said.items():
        body = body if isinstance(body, Mapping) else {"codes": body}
        codes = body.get("codes")
        held = np.zeros(shape, dtype=bool)
        for pattern in [codes] if isinstance(codes, str) else codes or [""]:
            try:
                held[np.ix_(*_pattern(str(pattern), bands))] = True
            except ParameterError as fault:
                faults.append(f"segment '{name}': {fault}")
        label = body.get("label") or {}
        labels[str(name)] = label if isinstance(label, Mapping) else {"en": label, "zh": label}
        owners.append((str(name), held))
    if faults:
        raise ParameterError(f"{shown}: RFM segments that cannot be used", faults)
    _check_cover(shown, owners)
    number = np.argmax([held for _, held in owners], axis=0)
    title = content.get("title") or {}
    title = title if isinstance(title, Mapping) else {"en": title, "zh": title}
    return SegmentNames(bands, tuple(name for name, _ in owners), number, labels, title)


def rfm_segments(scores: RfmScores, names: SegmentNames) -> RfmSegments:
    """The named segment of every customer.

    Args:
        scores: As made by ``rk.rfm_scores``.
        names: For as many bands.

    Raises:
        ParameterError: the bands differ.
    """
    if scores.bands != names.bands:
        raise ParameterError(
            f"the scores have {scores.bands} bands and the names are for {names.bands}; score with "
            f"bands={names.bands}, or write names for {scores.bands}"
        )
    kept = ["customer_id", "r", "f", "m", "total_spend"]
    customers = scores.customers[kept].reset_index(drop=True)
    r, f, m = (customers[letter].to_numpy() - 1 for letter in ("r", "f", "m"))
    segment = np.array(names.names, dtype=object)[names.code_segment[r, f, m]]
    return RfmSegments(customers.assign(segment=segment), names)


def _bands(said: object, faults: list[str]) -> int:
    text = str(said)
    if not text.isdecimal() or not 2 <= int(text) <= MOST_BANDS:
        faults.append(f"bands: '{said}' must be a whole number from 2 to {MOST_BANDS}")
        return 2
    return int(text)


def _pattern(text: str, bands: int) -> list[np.ndarray]:
    """The scores that each letter may have, counted from 0."""
    allowed = {letter: np.arange(bands) for letter in LETTERS}
    seen: set[str] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*([RFMrfm])\s*(\d+)(?:\s*[-–]\s*(\d+))?\s*", part)
        if match is None:
            raise ParameterError(f"'{text}' is no pattern; write 'R 4-5, F 3'")
        letter, low = match[1].upper(), int(match[2])
        high = int(match[3] or low)
        if not 1 <= low <= high <= bands or letter in seen:
            raise ParameterError(
                f"'{text}': each letter stands once, with scores from 1 to {bands}, the lower first"
            )
        seen.add(letter)
        allowed[letter] = np.arange(low - 1, high)
    return [allowed[letter] for letter in LETTERS]


def _check_cover(shown: str, owners: Sequence[tuple[str, np.ndarray]]) -> None:
    times = np.sum([held for _, held in owners], axis=0)
    faults = []
    if (times == 0).any():
        faults.append(f"{int((times == 0).sum())} codes have no segment: {_listed(times == 0)}")
    for (first, one), (second, other) in itertools.combinations(owners, 2):
        if (one & other).any():
            both = one & other
            faults.append(f"{int(both.sum())} codes are both {first} and {second}: {_listed(both)}")
    faults += [f"segment '{name}' has no code" for name, held in owners if not held.any()]
    if faults:
        raise ParameterError(f"{shown}: every RFM code needs exactly one segment", faults)


def _listed(codes: np.ndarray) -> str:
    found: Iterable[Any] = np.argwhere(codes)[:_SHOWN] + 1
    texts = ["-".join(map(str, code)) for code in found]
    more = int(codes.sum()) - len(texts)
    return ", ".join(texts) + (f" and {more} more" if more > 0 else "")
