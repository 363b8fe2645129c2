"""Reader of EB-NeRD, the news log of Ekstra Bladet, in its official layout (https://recsys.eb.dk/dataset)."""

import logging
from collections.abc import Iterator
from math import inf
from pathlib import Path

from recsys.domain import Article, Click, Context, Impression, RecsysError, Timestamp
from recsys.ingest.batches import Batch, check_timezone
from recsys.ingest.parquet import read_parquet
from recsys.ingest.rows import Entry, Found, Refusal

logger = logging.getLogger(__name__)

WEEKS = ("train", "validation")
HOUR = 3600.0
DEVICES = {1.0: "desktop", 2.0: "mobile", 3.0: "tablet"}
ARTICLE_COLUMNS = (
    "title", "subtitle", "body", "category_str", "published_time", "premium", "url", "article_length", "image_ids",
)  # fmt: skip  # not total_inviews, total_pageviews, total_read_time: they count what came later
BEHAVIOR_COLUMNS = ("impression_id", "user_id", "impression_time", "article_ids_inview", "article_ids_clicked")
HISTORY_COLUMNS = ("user_id", "article_id_fixed", "impression_time_fixed")


def rows(path: Path, *, timezone: str = "UTC") -> Iterator[Entry]:
    """Stream the catalogue, then each week: its earlier clicks, and its impressions with their clicks.

    Args:
        path: the folder of ``articles.parquet`` and of ``train/`` or ``validation/`` or both, or one such week.
        timezone: the zone of the times, which the files do not state.

    Raises:
        RecsysError: when a file is missing, is not Parquet, or lacks a column.
    """
    check_timezone(timezone)
    catalogue, weeks = _find(path.absolute())
    if catalogue is not None:
        yield from _articles(catalogue, timezone)
    for week in weeks:
        yield from _history(week, timezone)
        yield from _behaviors(week, timezone)


def _find(path: Path) -> tuple[Path | None, list[Path]]:
    """The catalogue's file and the folders of the weeks."""
    weeks = [path / name for name in WEEKS if (path / name / "behaviors.parquet").is_file()]
    if weeks and (path / "articles.parquet").is_file():
        return path / "articles.parquet", weeks
    if weeks or not (path / "behaviors.parquet").is_file():
        raise RecsysError(
            f"{path} is not an EB-NeRD folder: expected are articles.parquet and, in train/ or validation/ or both, "
            "behaviors.parquet and history.parquet; or one such week's folder."
        )
    for file in (path / "articles.parquet", path.parent / "articles.parquet"):
        if file.is_file():
            return file, [path]
    logger.warning("No articles.parquet in %s or above it: articles become known ids without content.", path)
    return None, [path]


def _articles(file: Path, timezone: str) -> Iterator[Entry]:
    pictures = _Pictures(file.parent / "images")
    for batch in read_parquet(file, required=["article_id"], optional=ARTICLE_COLUMNS, timezone=timezone):
        ids, titles, summaries = batch.ids("article_id"), batch.texts("title"), batch.texts("subtitle")
        bodies, sections, urls = batch.texts("body"), batch.texts("category_str"), batch.texts("url")
        published, premium = batch.times("published_time"), batch.flags("premium")
        lengths, image_ids = batch.numbers("article_length"), batch.optional_text_lists("image_ids")
        yield from batch.refusals()
        for row in batch.accepted():
            article = Article(
                article_id=ids[row],
                title=titles[row],
                summary=summaries[row],
                body=bodies[row],
                section=sections[row],
                language="da",
                url=urls[row],
                image=pictures.of(ids[row], image_ids[row]),
                published_at=published[row],
                premium=premium[row],
                length=_length(lengths[row], bodies[row]),
            )
            yield batch.found(row, article)


def _behaviors(week: Path, timezone: str) -> Iterator[Entry]:
    optional = ("read_time", "next_read_time", "article_id", "device_type", "is_subscriber")
    file = week / "behaviors.parquet"
    for batch in read_parquet(
        file, required=BEHAVIOR_COLUMNS, optional=optional, timezone=timezone, file=f"{week.name}/{file.name}"
    ):
        ids, users, times = batch.ids("impression_id"), batch.ids("user_id"), batch.instants("impression_time")
        shown, clicked = batch.text_lists("article_ids_inview"), batch.optional_text_lists("article_ids_clicked")
        contexts, waits, dwells = _contexts(batch), batch.numbers("read_time"), batch.numbers("next_read_time")
        yield from batch.refusals()
        for row in batch.accepted():
            at, user = times[row], users[row]
            items = tuple(item for item in shown[row] if item is not None)
            if not items or len(items) < len(shown[row]):
                yield batch.refuse(row, "article_ids_inview is empty or has gaps")
                continue
            yield batch.found(row, Impression(ids[row], user, at, items, contexts[row]))
            known_at = at + max(waits[row] or 0.0, 0.0)  # read_time is the time until the click, and nothing else
            opened = clicked[row] or ()
            dwell = _dwell(dwells[row]) if len(set(opened)) == 1 else None  # of several, which was read so long?
            for article in opened:
                if article is None:
                    yield batch.refuse(row, "article_ids_clicked has gaps")
                else:
                    click = Click(_event_id(user, article, at), user, article, at, ids[row], known_at, dwell)
                    yield batch.found(row, click)


def _contexts(batch: Batch) -> list[Context]:
    being_read, devices, subscribers = (
        batch.texts("article_id"),
        batch.numbers("device_type"),
        batch.flags("is_subscriber"),
    )
    return [
        Context("front" if article is None else "article", article, DEVICES.get(device or 0.0), subscriber)
        for article, device, subscriber in zip(being_read, devices, subscribers, strict=True)
    ]


def _history(week: Path, timezone: str) -> Iterator[Entry]:
    """Clicks from before the week: they came with its files, so they are known from its start on and not before."""
    file = week / "history.parquet"
    if not file.is_file():
        logger.warning("No history.parquet in %s: its readers start without a history.", week)
        return
    start = _start(week, timezone)
    for batch in read_parquet(
        file, required=HISTORY_COLUMNS, optional=["read_time_fixed"], timezone=timezone, rows=128,
        file=f"{week.name}/{file.name}",
    ):  # fmt: skip
        users, times = batch.ids("user_id"), batch.time_lists("impression_time_fixed")
        articles, dwells = batch.text_lists("article_id_fixed"), batch.number_lists("read_time_fixed")
        yield from batch.refusals()
        for row in batch.accepted():
            dwell = dwells[row] or [None] * len(times[row])
            if not len(times[row]) == len(articles[row]) == len(dwell):
                yield batch.refuse(row, "the lists of the history are not of one length")
                continue
            for at, article, seconds in zip(times[row], articles[row], dwell, strict=True):
                yield _backfilled(batch, row, users[row], article, at, seconds, start)


def _backfilled(
    batch: Batch, row: int, user: str, article: str | None, at: Timestamp | None, dwell: float | None, start: Timestamp
) -> Found | Refusal:
    if at is None or article is None:
        return batch.refuse(row, "a click of the history has no time or no article")
    if at >= start:
        return batch.refuse(row, "a click of the history is not before its week")
    click = Click(_event_id(user, article, at), user, article, at, None, start, _dwell(dwell), backfilled=True)
    return batch.found(row, click)


def _dwell(seconds: float | None) -> float | None:
    return None if seconds is None or seconds < 0 else seconds


def _start(week: Path, timezone: str) -> Timestamp:
    """Start of the week: the hour of its first impression; -inf when it has none."""
    first = inf
    for batch in read_parquet(week / "behaviors.parquet", required=["impression_time"], timezone=timezone):
        first = min([first, *(time for time in batch.times("impression_time") if time is not None and time >= 0)])
    return -inf if first == inf else first // HOUR * HOUR


def _event_id(user: str, article: str, at: Timestamp) -> str:
    """One id for equal readers, articles and times; of copies that bear other times, see database.backfill."""
    return f"{user}:{article}:{int(at)}"


def _length(length: float | None, body: str | None) -> int | None:
    if length is not None:
        return int(length)
    return None if body is None else len(body)


class _Pictures:
    """Which articles have a picture in the folder, looked up in one listing of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.names = {file.name for file in folder.iterdir()} if folder.is_dir() else set()

    def of(self, article_id: str, image_ids: list[str | None] | None) -> str | None:
        for name in (*(image_ids or ()), article_id):
            if f"{name}.jpg" in self.names:
                return str(self.folder / f"{name}.jpg")
        return None
