"""Files as a stream of batches: columns are checked once per file, cells once per row."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from recsys.domain import RecsysError, Timestamp
from recsys.ingest import cells
from recsys.ingest.cells import Cells
from recsys.ingest.validate import Refusal

T = TypeVar("T")
ROWS = 2048  # in a batch: many enough to be fast, few enough to keep memory flat


@dataclass(frozen=True)
class Batch:
    """Some rows of a file by column; taking a column notes which rows must be refused because of it."""

    file: str
    first: int  # number of the first row, counted from 1
    rows: int
    columns: dict[str, Any]  # Arrow arrays
    timezone: str
    reasons: dict[int, str] = field(default_factory=dict)  # by row of the batch

    def ids(self, name: str) -> list[str]:
        """A text that every row must have; "" in rows that are refused."""
        return self._required(name, self.texts(name), "")

    def texts(self, name: str) -> list[str | None]:
        """A text that a row may have; an empty one is none."""
        return [text or None for text in self._take(name, cells.texts, "a text")]

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

    def refuse(self, row: int, reason: str) -> Refusal:
        """The refusal of one row of the batch."""
        return Refusal(self.file, self.first + row, reason)

    def refusals(self) -> Iterator[Refusal]:
        """The rows refused because of the columns taken so far."""
        for row, reason in sorted(self.reasons.items()):
            yield self.refuse(row, reason)

    def accepted(self) -> Iterator[int]:
        """The other rows."""
        return (row for row in range(self.rows) if row not in self.reasons)

    def _take(self, name: str, convert: Callable[[Any], Cells[T]], wanted: str) -> list[T | None]:
        if name not in self.columns:
            return [None] * self.rows
        taken = convert(self.columns[name])
        for row in taken.bad:
            self.reasons.setdefault(row, f"{name} is not {wanted}")
        return taken.values

    def _required(self, name: str, values: list[T | None], placeholder: T) -> list[T]:
        for row, value in enumerate(values):
            if value is None:
                self.reasons.setdefault(row, f"{name} is missing")
        return [placeholder if value is None else value for value in values]


def read_parquet(
    path: Path, *, required: Sequence[str], optional: Sequence[str] = (), timezone: str = "UTC", rows: int = ROWS
) -> Iterator[Batch]:
    """Stream the named columns of a Parquet file.

    Raises:
        RecsysError: when the file cannot be read, or a required column is not there.
    """
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            wanted = _present(path, file.schema_arrow.names, required, optional)
            first = 1
            for part in file.iter_batches(rows, columns=wanted, use_threads=False):
                yield Batch(
                    path.name, first, len(part), dict(zip(part.schema.names, part.columns, strict=True)), timezone
                )
                first += len(part)
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise RecsysError(f"{path} is not a readable Parquet file ({reason}): write or download it again.") from error


def check_timezone(timezone: str) -> None:
    """Refuse a time zone that does not exist.

    Raises:
        RecsysError: with examples of names that do.
    """
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        raise RecsysError(f"There is no time zone {timezone!r}: name one such as UTC or Europe/Copenhagen.") from error


def _present(path: Path, names: list[str], required: Sequence[str], optional: Sequence[str]) -> list[str]:
    missing = [name for name in required if name not in names]
    if missing:
        raise RecsysError(f"{path} has no column {', '.join(missing)}; it has {', '.join(names) or 'none at all'}.")
    wanted = [name for name in (*required, *optional) if name in names]
    repeated = [name for name in wanted if names.count(name) > 1]
    if repeated:
        raise RecsysError(f"{path} has more than one column {', '.join(repeated)}: keep one.")
    return wanted
