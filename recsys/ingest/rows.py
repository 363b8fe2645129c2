"""What readers yield: records with the rows that they were found in, and rows that gave none."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from recsys.domain import Article, Click, Impression

Record = Article | Impression | Click


@dataclass(frozen=True, slots=True)
class Found:
    """A record and where it stands; ``row`` is counted from 1, in text files it is the number of the line."""

    file: str
    row: int
    record: Record


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row of a file, or a part of it, that was not taken, and why."""

    file: str
    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Repair:
    """A row that was taken after a correction, and which."""

    file: str
    row: int
    reason: str


Entry = Found | Refusal | Repair


def records(entries: Iterable[Entry]) -> Iterator[Record]:
    """The records alone."""
    return (entry.record for entry in entries if isinstance(entry, Found))
