"""Reader of plain tables: a folder of articles, impressions and clicks, one file each (see docs/data.md)."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recsys.domain import Article, Click, Context, Impression, Timestamp
from recsys.ingest.batches import Batch, check_timezone
from recsys.ingest.files import find_tables, read_file
from recsys.ingest.pictures import located
from recsys.ingest.rows import Entry, Found

logger = logging.getLogger(__name__)

UNCUT = (
    "%s, row %d: items %r is read as one article. If it is several, write them as a JSON array or with spaces between "
    "them."
)


@dataclass(frozen=True)
class Columns:
    """The columns that a table must have, and those that it may have."""

    required: tuple[str, ...]
    optional: tuple[str, ...]


TABLES = {
    "articles": Columns(
        ("article_id",),
        ("title", "summary", "body", "section", "author", "language", "url", "image", "published_at", "expires_at",
         "premium", "length"),
    ),
    "impressions": Columns(
        ("impression_id", "user_id", "at", "items"),
        ("known_at", "page", "context_article", "device", "subscriber", "placement"),
    ),
    "clicks": Columns(
        ("event_id", "user_id", "article_id", "at"),
        ("impression_id", "known_at", "dwell_seconds", "weight", "backfilled"),
    ),
}  # fmt: skip


def rows(path: Path, *, timezone: str = "UTC", media: Path | None = None) -> Iterator[Entry]:
    """Stream the articles, then the impressions, then the clicks, as far as each has a file.

    Args:
        path: a folder with ``articles``, ``impressions``, ``clicks``, or some of them, as Parquet, CSV or JSON Lines.
        timezone: the zone of times that do not state one; numbers are seconds since 1970 UTC.
        media: the folder for pictures that the table holds as bytes.

    Raises:
        RecsysError: when none of the files is there, or one is unreadable or lacks a column.
    """
    check_timezone(timezone)
    for table, file in find_tables(path, tuple(TABLES)).items():
        columns, warned = TABLES[table], False
        for batch in read_file(file, required=columns.required, optional=columns.optional, timezone=timezone):
            for entry in _entries(table, batch, path.absolute(), media):
                if not warned and (uncut := _uncut(entry)) is not None:
                    logger.warning(UNCUT, file, entry.row, uncut[:80])
                    warned = True
                yield entry


def _uncut(entry: Entry) -> str | None:
    """What looks like several articles and was read as one; None for nothing of that kind."""
    if not isinstance(entry, Found) or not isinstance(entry.record, Impression) or len(entry.record.items) != 1:
        return None
    (item,) = entry.record.items
    return item if any(mark in item for mark in ",;|") else None


def _entries(table: str, batch: Batch, folder: Path, media: Path | None) -> Iterator[Entry]:
    if table == "articles":
        return _articles(batch, folder, media)
    return _impressions(batch) if table == "impressions" else _clicks(batch)


def _articles(batch: Batch, folder: Path, media: Path | None) -> Iterator[Entry]:
    ids, titles, summaries = batch.ids("article_id"), batch.texts("title"), batch.texts("summary")
    bodies, sections, authors = batch.texts("body"), batch.texts("section"), batch.texts("author")
    languages, urls, images = batch.texts("language"), batch.texts("url"), batch.pictures("image")
    published, expires = batch.times("published_at"), batch.times("expires_at")
    premium, lengths = batch.flags("premium"), batch.numbers("length")
    yield from batch.refusals()
    for row in batch.accepted():
        length, (image, left_out) = lengths[row], _image(images[row], folder, media)
        if left_out is not None:
            yield batch.repair(row, left_out)
        article = Article(
            article_id=ids[row],
            title=titles[row],
            summary=summaries[row],
            body=bodies[row],
            section=sections[row],
            author=authors[row],
            language=languages[row],
            url=urls[row],
            image=image,
            published_at=published[row],
            expires_at=expires[row],
            premium=premium[row],
            length=None if length is None else int(length),
        )
        yield batch.found(row, article)


def _impressions(batch: Batch) -> Iterator[Entry]:
    ids, users, times = batch.ids("impression_id"), batch.ids("user_id"), batch.instants("at")
    known, shown = batch.times("known_at"), batch.text_lists("items")
    pages, being_read, devices = batch.texts("page"), batch.texts("context_article"), batch.texts("device")
    subscribers, placements = batch.flags("subscriber"), batch.texts("placement")
    yield from batch.refusals()
    for row in batch.accepted():
        items = tuple(item or "" for item in shown[row])
        context = Context(pages[row], being_read[row], devices[row], subscribers[row], placements[row])  # type: ignore[arg-type]  # validated later
        shown_list = Impression(ids[row], users[row], times[row], items, context, _or_at(known[row], times[row]))
        yield batch.found(row, shown_list)


def _clicks(batch: Batch) -> Iterator[Entry]:
    ids, users, articles = batch.ids("event_id"), batch.ids("user_id"), batch.ids("article_id")
    times, known, lists = batch.instants("at"), batch.times("known_at"), batch.texts("impression_id")
    dwells, weights, backfilled = batch.numbers("dwell_seconds"), batch.numbers("weight"), batch.flags("backfilled")
    yield from batch.refusals()
    for row in batch.accepted():
        weight = weights[row]
        click = Click(
            event_id=ids[row],
            user_id=users[row],
            article_id=articles[row],
            at=times[row],
            impression_id=lists[row],
            known_at=_or_at(known[row], times[row]),
            dwell_seconds=dwells[row],
            weight=1.0 if weight is None else weight,
            backfilled=backfilled[row] or False,
        )
        yield batch.found(row, click)


def _image(picture: str | bytes | None, folder: Path, media: Path | None) -> tuple[str | None, str | None]:
    """What the catalogue keeps of a picture, and why it keeps nothing of one."""
    try:
        return None if picture is None else located(picture, folder, media), None
    except ValueError as error:
        return None, f"a picture was left out: {error}"


def _or_at(known_at: Timestamp | None, at: Timestamp) -> Timestamp:
    return at if known_at is None else known_at
