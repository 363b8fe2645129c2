"""Arrow columns of any type as plain Python cells: a cell that does not fit is named, never raised."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys.columns import Bools, Floats

T = TypeVar("T")
TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
FARTHEST = 7_500_000_000  # seconds around 1970 in which time zones are applied: the years 1732 to 2207


@dataclass(frozen=True)
class Cells(Generic[T]):
    """The cells of a column, None where it is empty, and the indices of those that do not fit (None as well)."""

    values: list[T | None]
    bad: list[int]


def texts(column: Any) -> Cells[str]:
    """Cells as text; whole numbers become their digits, so that ids may be written as numbers."""
    column = _plain(column)
    kind = column.type
    if pa.types.is_integer(kind):
        column, kind = column.cast(pa.string()), pa.string()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        try:
            return Cells(column.to_pylist(), [])
        except UnicodeDecodeError:
            column, kind = column.view(pa.binary() if pa.types.is_string(kind) else pa.large_binary()), pa.binary()
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _decoded(column.to_pylist())
    if pa.types.is_floating(kind):
        return Cells([_digits(value) for value in column.to_pylist()], [])
    return _unfit(column)


def numbers(column: Any) -> Cells[float]:
    """Cells as finite floats; NaN is an empty cell."""
    column = _plain(column)
    if not _is_number(column.type):
        return _unfit(column)
    values, valid = _floats(column.cast(pa.float64(), safe=False))
    return _finite(values, valid & ~np.isnan(values))


def flags(column: Any) -> Cells[bool]:
    """Cells as booleans; of the numbers only 0 and 1 are."""
    found = numbers(column)
    bad = [index for index, value in enumerate(found.values) if value not in (None, 0.0, 1.0)]
    return Cells([None if value not in (0.0, 1.0) else value == 1.0 for value in found.values], found.bad + bad)


def times(column: Any, timezone: str) -> Cells[float]:
    """Cells as seconds since 1970 UTC: timestamps, dates, or numbers that are such seconds already.

    Timestamps without a zone and dates are read in ``timezone``.
    """
    column = _plain(column)
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("ms"))
    if not pa.types.is_timestamp(column.type):
        return numbers(column)
    ticks, valid = _floats(column.cast(pa.int64()))
    seconds = ticks / TICKS[column.type.unit]
    if column.type.tz is None and timezone != "UTC":
        seconds = _to_utc(seconds, timezone)
    return _finite(seconds, valid)


def lists(column: Any, convert: Callable[[Any], Cells[T]]) -> Cells[list[T | None]]:
    """Cells as lists whose elements are read by ``convert``; a list with an element that does not fit does not fit."""
    column = _plain(column)
    if not _is_list(column.type):
        return _unfit(column)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    ends = np.cumsum(lengths)
    inner = convert(pc.list_flatten(column))
    values = [
        inner.values[end - length : end] if valid else None
        for end, length, valid in zip(ends.tolist(), lengths.tolist(), column.is_valid().to_pylist(), strict=True)
    ]
    bad = np.unique(np.searchsorted(ends, inner.bad, side="right")).tolist()
    for index in bad:
        values[index] = None
    return Cells(values, bad)


def _plain(column: Any) -> Any:
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        return column.dictionary_decode()
    if pa.types.is_string_view(column.type):
        return column.cast(pa.large_string())
    return column.cast(pa.large_binary()) if pa.types.is_binary_view(column.type) else column


def _unfit(column: Any) -> Cells[Any]:
    """All cells empty, and bad where they held something."""
    bad = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False)).tolist()
    return Cells([None] * len(column), bad)


def _is_number(kind: Any) -> bool:
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind))


def _is_list(kind: Any) -> bool:
    types = pa.types
    checks = (
        types.is_list,
        types.is_large_list,
        types.is_fixed_size_list,
        types.is_list_view,
        types.is_large_list_view,
    )
    return any(check(kind) for check in checks)


def _floats(column: Any) -> tuple[Floats, Bools]:
    valid: Bools = column.is_valid().to_numpy(zero_copy_only=False)
    values = np.asarray(pc.fill_null(column, 0).to_numpy(zero_copy_only=False), np.float64)
    return values, valid


def _finite(values: Floats, valid: Bools) -> Cells[float]:
    fit = valid & np.isfinite(values)
    cells = [value if good else None for value, good in zip(values.tolist(), fit.tolist(), strict=True)]
    return Cells(cells, np.flatnonzero(valid & ~fit).tolist())


def _to_utc(seconds: Floats, timezone: str) -> Floats:
    """Clock readings of a zone as UTC; of an hour that comes twice the first is meant."""
    import pandas as pd  # here because it is slow to import, and most logs are in UTC

    clock = np.clip(np.floor(seconds), -FARTHEST, FARTHEST).astype(np.int64)
    local = pd.DatetimeIndex(clock.astype("datetime64[s]"))
    zoned = local.tz_localize(timezone, ambiguous=np.ones(len(local), np.bool_), nonexistent="shift_forward")
    utc = zoned.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64)
    return np.asarray(seconds + (utc - clock), np.float64)


def _decoded(values: list[bytes | None]) -> Cells[str]:
    texts_, bad = list[str | None](), list[int]()
    for index, value in enumerate(values):
        try:
            texts_.append(None if value is None else value.decode())
        except UnicodeDecodeError:
            texts_.append(None)
            bad.append(index)
    return Cells(texts_, bad)


def _digits(value: float | None) -> str | None:
    """An id column with gaps often comes as floats: 12.0 is the id "12"."""
    if value is None or np.isnan(value):
        return None
    return str(int(value)) if value.is_integer() else str(value)
