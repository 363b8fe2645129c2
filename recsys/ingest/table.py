"""Reader of this project's own table format: a folder of articles, impressions and clicks, one file each."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from recsys.domain import Article, Click, Context, Impression, RecsysError, Timestamp
from recsys.ingest.batches import Batch, check_timezone, read_parquet
from recsys.ingest.validate import Record

TABLES = ("articles", "impressions", "clicks")
ARTICLE_COLUMNS = (
    "title", "summary", "body", "section", "author", "language", "url", "image", "published_at", "expires_at",
    "premium", "length",
)  # fmt: skip
CONTEXT_COLUMNS = ("page", "context_article", "device", "subscriber", "placement")
CLICK_COLUMNS = ("impression_id", "known_at", "dwell_seconds", "weight", "backfilled")


def read(path: Path, *, timezone: str = "UTC") -> Iterator[Record]:
    """Stream the articles, then the impressions, then the clicks, as far as each has a file.

    Args:
        path: a folder with ``articles.parquet``, ``impressions.parquet``, ``clicks.parquet``, or some of them.
        timezone: the zone of timestamps that do not state one; numbers are seconds since 1970 UTC.

    Raises:
        RecsysError: when none of the files is there, or one is not Parquet or lacks a column.
    """
    check_timezone(timezone)
    if not any((path / f"{table}.parquet").is_file() for table in TABLES):
        raise RecsysError(f"{path} holds none of articles.parquet, impressions.parquet and clicks.parquet.")
    for batch in _batches(path, "articles", ["article_id"], ARTICLE_COLUMNS, timezone):
        yield from _articles(batch, path.absolute())
    required = ["impression_id", "user_id", "at", "items"]
    for batch in _batches(path, "impressions", required, ("known_at", *CONTEXT_COLUMNS), timezone):
        yield from _impressions(batch)
    required = ["event_id", "user_id", "article_id", "at"]
    for batch in _batches(path, "clicks", required, CLICK_COLUMNS, timezone):
        yield from _clicks(batch)


def _batches(
    folder: Path, table: str, required: Sequence[str], optional: Sequence[str], timezone: str
) -> Iterator[Batch]:
    file = folder / f"{table}.parquet"
    if file.is_file():
        yield from read_parquet(file, required=required, optional=optional, timezone=timezone)


def _articles(batch: Batch, folder: Path) -> Iterator[Record]:
    ids, titles, summaries = batch.ids("article_id"), batch.texts("title"), batch.texts("summary")
    bodies, sections, authors = batch.texts("body"), batch.texts("section"), batch.texts("author")
    languages, urls, images = batch.texts("language"), batch.texts("url"), batch.texts("image")
    published, expires = batch.times("published_at"), batch.times("expires_at")
    premium, lengths = batch.flags("premium"), batch.numbers("length")
    yield from batch.refusals()
    for row in batch.accepted():
        length, image = lengths[row], images[row]
        yield Article(
            article_id=ids[row],
            title=titles[row],
            summary=summaries[row],
            body=bodies[row],
            section=sections[row],
            author=authors[row],
            language=languages[row],
            url=urls[row],
            image=None if image is None else _located(image, folder),
            published_at=published[row],
            expires_at=expires[row],
            premium=premium[row],
            length=None if length is None else int(length),
        )


def _impressions(batch: Batch) -> Iterator[Record]:
    ids, users, times = batch.ids("impression_id"), batch.ids("user_id"), batch.instants("at")
    known, shown = batch.times("known_at"), batch.text_lists("items")
    pages, being_read, devices = batch.texts("page"), batch.texts("context_article"), batch.texts("device")
    subscribers, placements = batch.flags("subscriber"), batch.texts("placement")
    yield from batch.refusals()
    for row in batch.accepted():
        items = tuple(item or "" for item in shown[row])
        context = Context(pages[row], being_read[row], devices[row], subscribers[row], placements[row])  # type: ignore[arg-type]  # validated later
        yield Impression(ids[row], users[row], times[row], items, context, _or_at(known[row], times[row]))


def _clicks(batch: Batch) -> Iterator[Record]:
    ids, users, articles = batch.ids("event_id"), batch.ids("user_id"), batch.ids("article_id")
    times, known, lists = batch.instants("at"), batch.times("known_at"), batch.texts("impression_id")
    dwells, weights, backfilled = batch.numbers("dwell_seconds"), batch.numbers("weight"), batch.flags("backfilled")
    yield from batch.refusals()
    for row in batch.accepted():
        weight = weights[row]
        yield Click(
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


def _located(image: str, folder: Path) -> str:
    """A picture's address, or its path from the root."""
    return image if image.startswith(("http://", "https://")) else str(folder / image)


def _or_at(known_at: Timestamp | None, at: Timestamp) -> Timestamp:
    return at if known_at is None else known_at
