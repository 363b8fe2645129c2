"""Moves a whole log in time, so that a recorded sample ends where the present begins."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from recsys.domain import Article, Click, Impression, Timestamp
from recsys.ingest.validate import Record


def shifted(records: Iterable[Record], seconds: float) -> Iterator[Record]:
    """The same records ``seconds`` later; refusals pass as they are."""
    for record in records:
        if isinstance(record, Impression | Click):
            yield replace(record, at=record.at + seconds, known_at=record.known_at + seconds)
        elif isinstance(record, Article):
            published, expires = _later(record.published_at, seconds), _later(record.expires_at, seconds)
            yield replace(record, published_at=published, expires_at=expires)
        else:
            yield record


def _later(at: Timestamp | None, seconds: float) -> Timestamp | None:
    return None if at is None else at + seconds
