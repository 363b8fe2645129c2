"""One value of a CSV or JSON file as a text, a number, a flag, a time or a list; what does not fit is a ValueError."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite, isnan
from typing import Any, Generic, TypeVar

T = TypeVar("T")
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])", re.ASCII)  # as seconds: a day of 1970
NOT_KNOWN = ("", "null", "nan")  # in the text of a number, a flag or a time, in any case
FLAGS = {"true": True, "false": False, "yes": True, "no": False, "t": True, "f": False}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Cells(Generic[T]):
    """The cells of a column, None where it is empty, and the indices of those that do not fit (None as well)."""

    values: list[T | None]
    bad: list[int]


def each(values: Iterable[object], convert: Callable[[Any], T | None]) -> Cells[T]:
    """The values converted one by one; those of which ``convert`` raises ValueError do not fit."""
    cells, bad = list[T | None](), list[int]()
    for index, value in enumerate(values):
        try:
            cells.append(None if value is None else convert(value))
        except (ValueError, OverflowError):
            cells.append(None)
            bad.append(index)
    return Cells(cells, bad)


def text(value: object) -> str | None:
    """A text; whole numbers become their digits, so that ids may be written as numbers."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("neither text nor a number")  # noqa: TRY004 - each() counts ValueErrors
    return digits(value)


def digits(value: float) -> str | None:
    """An id column with gaps often comes as floats: 12.0 is the id "12", NaN is none."""
    if isinstance(value, float) and not value.is_integer():
        return None if isnan(value) else str(value)
    return str(int(value))


def number(value: object) -> float | None:
    """A finite number, also written out; what is NOT_KNOWN is none."""
    if isinstance(value, str):
        value = value.strip()
        if value.lower() in NOT_KNOWN:
            return None
        if not NUMBER.fullmatch(value):
            raise ValueError("not a number")
    elif not isinstance(value, int | float | Decimal):
        raise ValueError("not a number")  # noqa: TRY004
    found = float(value)
    if isnan(found):
        return None
    if not isfinite(found):
        raise ValueError("not finite")
    return found


def flag(value: object) -> bool | None:
    """True or false as such, as a word of FLAGS, or as 1 or 0."""
    if isinstance(value, str) and value.strip().lower() in FLAGS:
        return FLAGS[value.strip().lower()]
    found = number(value)
    if found not in (None, 0.0, 1.0):
        raise ValueError("neither true nor false")
    return None if found is None else found == 1.0


def moment(value: object) -> tuple[float, bool] | None:
    """Seconds since 1970 and whether they are UTC: of a clock whose zone is not stated they are its reading.

    A number is such seconds (UTC), but for eight digits of a DATE; anything else is an ISO 8601 date or time.
    """
    if isinstance(value, str) and _is_iso(words := value.strip()):
        value = datetime.fromisoformat(words)
    if isinstance(value, datetime):
        stated = value.tzinfo is not None
        return ((value if stated else value.replace(tzinfo=UTC)) - EPOCH).total_seconds(), stated
    seconds = number(value)
    return None if seconds is None else (seconds, True)


def _is_iso(words: str) -> bool:
    return bool(DATE.fullmatch(words)) or (words.lower() not in NOT_KNOWN and not NUMBER.fullmatch(words))


def elements(value: object) -> list[object] | None:
    """The elements of a list: a list, a text of a JSON array, or a text of words between spaces."""
    if isinstance(value, list):
        return value
    if not isinstance(value, str):
        raise ValueError("not a list")  # noqa: TRY004
    if not value.lstrip().startswith("["):
        return list(value.split()) or None
    found = from_json(value)
    if not isinstance(found, list):
        raise ValueError("not a list")  # noqa: TRY004
    return found


def from_json(value: str) -> object:
    """The value that a JSON text stands for.

    Raises:
        ValueError: when it is not JSON, or nested too deep.
    """
    try:
        return json.loads(value)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
