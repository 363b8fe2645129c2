"""Rows of a file as batches of columns: columns are checked once per file, cells once per row."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from recsys.domain import RecsysError, Timestamp
from recsys.ingest import cells
from recsys.ingest.plain import Cells
from recsys.ingest.rows import Found, Record, Refusal, Repair

logger = logging.getLogger(__name__)

T = TypeVar("T")
ROWS = 2048  # in a batch: many enough to be fast, few enough to keep memory flat
BYTES = 2**20  # about as many in a batch, however long its rows are

Parsed = tuple[int, int, list[Any] | str]  # a row's number, its size in bytes, and its cells, or why it has none


@dataclass(frozen=True)
class Batch:
    """Some rows of a file by column; taking a column notes which rows must be refused because of it."""

    file: str
    places: Sequence[int]  # of the rows in the file, counted from 1
    columns: dict[str, Any]  # Arrow arrays, or lists of Python values
    timezone: str
    reasons: dict[int, str] = field(default_factory=dict)  # by row of the batch

    def ids(self, name: str) -> list[str]:
        """A text that every row must have; "" in rows that are refused."""
        return self._required(name, self.texts(name), "")

    def texts(self, name: str) -> list[str | None]:
        """A text that a row may have; an empty one is none."""
        return [text or None for text in self._take(name, cells.texts, "a text")]

    def pictures(self, name: str) -> list[str | bytes | None]:
        """The path or address of a picture, or the picture itself, that a row may have."""
        return [picture or None for picture in self._take(name, cells.pictures, "a text or a picture")]

    def instants(self, name: str) -> list[Timestamp]:
        """A time that every row must have; 0 in rows that are refused."""
        return self._required(name, self.times(name), 0.0)

    def times(self, name: str) -> list[Timestamp | None]:
        """A time that a row may have."""
        return self._take(name, partial(cells.times, timezone=self.timezone), "a time")

    def numbers(self, name: str) -> list[float | None]:
        """A finite number that a row may have."""
        return self._take(name, cells.numbers, "a number")

    def flags(self, name: str) -> list[bool | None]:
        """A yes or no that a row may have."""
        return self._take(name, cells.flags, "true or false")

    def text_lists(self, name: str) -> list[list[str | None]]:
        """A list of texts that every row must have."""
        return self._required(name, self.optional_text_lists(name), [])

    def optional_text_lists(self, name: str) -> list[list[str | None] | None]:
        """A list of texts that a row may have."""
        return self._take(name, partial(cells.lists, convert=cells.texts), "a list of texts")

    def time_lists(self, name: str) -> list[list[Timestamp | None]]:
        """A list of times that every row must have."""
        convert = partial(cells.lists, convert=partial(cells.times, timezone=self.timezone))
        return self._required(name, self._take(name, convert, "a list of times"), [])

    def number_lists(self, name: str) -> list[list[float | None] | None]:
        """A list of numbers that a row may have."""
        return self._take(name, partial(cells.lists, convert=cells.numbers), "a list of numbers")

    def found(self, row: int, record: Record) -> Found:
        """A record of one row of the batch."""
        return Found(self.file, self.places[row], record)

    def refuse(self, row: int, reason: str) -> Refusal:
        """The refusal of one row of the batch."""
        return Refusal(self.file, self.places[row], reason)

    def repair(self, row: int, reason: str) -> Repair:
        """The correction of one row of the batch."""
        return Repair(self.file, self.places[row], reason)

    def refusals(self) -> Iterator[Refusal]:
        """The rows refused because of the columns taken so far."""
        for row, reason in sorted(self.reasons.items()):
            yield self.refuse(row, reason)

    def accepted(self) -> Iterator[int]:
        """The other rows."""
        return (row for row in range(len(self.places)) if row not in self.reasons)

    def _take(self, name: str, convert: Callable[[Any], Cells[T]], wanted: str) -> list[T | None]:
        if name not in self.columns:
            return [None] * len(self.places)
        taken = convert(self.columns[name])
        for row in taken.bad:
            self.reasons.setdefault(row, f"{name} is not {wanted}")
        return taken.values

    def _required(self, name: str, values: list[T | None], placeholder: T) -> list[T]:
        for row, value in enumerate(values):
            if value is None:
                self.reasons.setdefault(row, f"{name} is missing")
        return [placeholder if value is None else value for value in values]


def batched(file: str, names: Sequence[str], rows: Iterable[Parsed], timezone: str) -> Iterator[Batch]:
    """Rows whose cells stand in the order of ``names``, as batches."""
    waiting, size = list[Parsed](), 0
    for row in rows:
        waiting.append(row)
        size += row[1]
        if len(waiting) == ROWS or size >= BYTES:
            yield _batch(file, names, waiting, timezone)
            waiting, size = [], 0
    if waiting:
        yield _batch(file, names, waiting, timezone)


def present(
    path: Path, names: list[str], required: Sequence[str], optional: Sequence[str], *, tell_unread: bool = False
) -> list[str]:
    """Those of the wanted columns that a file has; ``tell_unread`` warns of the columns that nobody wants.

    Raises:
        RecsysError: when a required column is not there, or a wanted one is there twice.
    """
    missing = [name for name in required if name not in names]
    if missing:
        raise RecsysError(f"{path} has no column {', '.join(missing)}; it has {', '.join(names) or 'none at all'}.")
    wanted = [name for name in (*required, *optional) if name in names]
    repeated = [name for name in wanted if names.count(name) > 1]
    if repeated:
        raise RecsysError(f"{path} has more than one column {', '.join(repeated)}: keep one.")
    unread = [name for name in names if name not in wanted]
    if unread and tell_unread:
        logger.warning("%s: these columns are not read: %s.", path, ", ".join(unread))
    return wanted


def check_timezone(timezone: str) -> None:
    """Refuse a time zone that does not exist.

    Raises:
        RecsysError: with examples of names that do.
    """
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        raise RecsysError(f"There is no time zone {timezone!r}: name one such as UTC or Europe/Copenhagen.") from error


def _batch(file: str, names: Sequence[str], rows: list[Parsed], timezone: str) -> Batch:
    nothing = [None] * len(names)
    cells_ = [nothing if isinstance(content, str) else content for _, _, content in rows]
    columns = {name: [row[place] for row in cells_] for place, name in enumerate(names)}
    reasons = {row: content for row, (_, _, content) in enumerate(rows) if isinstance(content, str)}
    return Batch(file, [number for number, _, _ in rows], columns, timezone, reasons)
