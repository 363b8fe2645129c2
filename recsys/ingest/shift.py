"""Moves a whole log in time, so that a recorded sample ends where the present begins."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from recsys.domain import Click, Impression, Timestamp
from recsys.ingest.rows import Record


def shifted(records: Iterable[Record], seconds: float) -> Iterator[Record]:
    """The same records ``seconds`` later."""
    for record in records:
        if isinstance(record, Impression | Click):
            yield replace(record, at=record.at + seconds, known_at=record.known_at + seconds)
        else:
            published, expires = _later(record.published_at, seconds), _later(record.expires_at, seconds)
            yield replace(record, published_at=published, expires_at=expires)


def _later(at: Timestamp | None, seconds: float) -> Timestamp | None:
    return None if at is None else at + seconds
