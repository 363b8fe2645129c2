"""Columns of any type as Python cells: a cell that does not fit is named, never raised.

A column is an Arrow array (Parquet), or a list of Python values (CSV, JSON), which are read one by one (see ``plain``).
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys.columns import Bools, Floats
from recsys.ingest import plain
from recsys.ingest.plain import Cells

T = TypeVar("T")
TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
FARTHEST = 7_500_000_000  # seconds around 1970 in which time zones are applied: the years 1732 to 2207


def texts(column: Any) -> Cells[str]:
    """Cells as text; whole numbers become their digits, so that ids may be written as numbers."""
    if isinstance(column, list):
        return plain.each(column, plain.text)
    column = _plain(column)
    kind = column.type
    if pa.types.is_integer(kind):
        column, kind = column.cast(pa.string()), pa.string()
    if _is_text(kind):
        try:
            return Cells(column.to_pylist(), [])
        except UnicodeDecodeError:
            column, kind = column.view(pa.binary() if pa.types.is_string(kind) else pa.large_binary()), pa.binary()
    if _is_binary(kind):
        return plain.each(column.to_pylist(), plain.text)
    if pa.types.is_floating(kind):
        return plain.each(column.to_pylist(), plain.digits)
    return _unfit(column)


def pictures(column: Any) -> Cells[str | bytes]:
    """Cells as texts (paths and addresses), or as bytes (pictures themselves)."""
    if not isinstance(column, list) and _is_binary((column := _plain(column)).type):
        return Cells(column.to_pylist(), [])
    found = texts(column)
    return Cells([*found.values], found.bad)


def numbers(column: Any) -> Cells[float]:
    """Cells as finite floats; NaN is an empty cell."""
    if _is_written(column):
        return _written(column, plain.number)
    column = _plain(column)
    if not _is_number(column.type):
        return _unfit(column)
    values, valid = _floats(column.cast(pa.float64(), safe=False))
    return _finite(values, valid & ~np.isnan(values))


def flags(column: Any) -> Cells[bool]:
    """Cells as booleans; of the numbers only 0 and 1 are."""
    if _is_written(column):
        return _written(column, plain.flag)
    found = numbers(column)
    bad = [index for index, value in enumerate(found.values) if value not in (None, 0.0, 1.0)]
    return Cells([None if value not in (0.0, 1.0) else value == 1.0 for value in found.values], found.bad + bad)


def times(column: Any, timezone: str) -> Cells[float]:
    """Cells as seconds since 1970 UTC: timestamps, dates, ISO 8601 texts, or numbers that are such seconds already.

    Dates and times without a zone are read in ``timezone``.
    """
    if _is_written(column):
        return _written_times(_written(column, plain.moment), timezone)
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
    if _is_written(column):
        cut = _written(column, plain.elements)
        lengths = np.array([0 if value is None else len(value) for value in cut.values], np.int64)
        inner = convert([element for value in cut.values if value is not None for element in value])
        return _cut(inner, lengths, [value is not None for value in cut.values], cut.bad)
    column = _plain(column)
    if not _is_list(column.type):
        return _unfit(column)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    return _cut(convert(pc.list_flatten(column)), lengths, column.is_valid().to_pylist(), [])


def _cut(inner: Cells[T], lengths: Any, valid: list[bool], bad: list[int]) -> Cells[list[T | None]]:
    """The elements of all lists as lists again; ``bad`` are cells that are none."""
    ends = np.cumsum(lengths)
    values = [
        inner.values[end - length : end] if whole else None
        for end, length, whole in zip(ends.tolist(), lengths.tolist(), valid, strict=True)
    ]
    unfit = np.unique(np.searchsorted(ends, inner.bad, side="right")).tolist()
    for index in unfit:
        values[index] = None
    return Cells(values, sorted({*bad, *unfit}))


def _is_written(column: Any) -> bool:
    """Whether the cells are to be read one by one: Python values, or texts."""
    return isinstance(column, list) or _is_text(_plain(column).type)


def _written(column: Any, convert: Callable[[Any], T | None]) -> Cells[T]:
    if isinstance(column, list):
        return plain.each(column, convert)
    read = texts(column)
    found = plain.each(read.values, convert)
    return Cells(found.values, sorted({*read.bad, *found.bad}))


def _written_times(moments: Cells[tuple[float, bool]], timezone: str) -> Cells[float]:
    seconds = [None if moment is None else moment[0] for moment in moments.values]
    clocks = [row for row, moment in enumerate(moments.values) if moment is not None and not moment[1]]
    if clocks and timezone != "UTC":
        utc = _to_utc(np.array([seconds[row] for row in clocks], np.float64), timezone)
        for row, second in zip(clocks, utc.tolist(), strict=True):
            seconds[row] = second
    return Cells(seconds, moments.bad)


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


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_binary(kind: Any) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


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
