"""What a record must be to enter the log, and why one is refused."""

from dataclasses import replace
from datetime import UTC, datetime
from math import isfinite

from recsys.domain import Article, Click, Context, Impression, Timestamp

MOST_CHARACTERS = {"section": 128, "language": 35, "device": 32, "placement": 128}  # what the schema has room for
LONGEST_ID = 128
LARGEST_INTEGER = 2**31 - 1  # of an SQL integer
LATEST = datetime(2200, 1, 1, tzinfo=UTC).timestamp()


def why_refused(record: Article | Impression | Click) -> str | None:
    """The reason why a record cannot enter the database; None when it can."""
    if isinstance(record, Click):
        return _click_reason(record)
    if isinstance(record, Impression):
        return _impression_reason(record)
    return _article_reason(record)


def without_repeats(impression: Impression) -> Impression:
    """The impression with each article once, where it stood first; the same object when nothing stands twice."""
    once = tuple(dict.fromkeys(impression.items))
    return impression if len(once) == len(impression.items) else replace(impression, items=once)


def _article_reason(article: Article) -> str | None:
    for text in (article.title, article.summary, article.body, article.author, article.url, article.image):
        if text is not None and not _storable(text):
            return "a text of the article holds a character that cannot be stored"
    times = [time for time in (article.published_at, article.expires_at) if time is not None]
    if not all(isfinite(time) and abs(time) < LATEST for time in times):
        return "published_at or expires_at is out of range (seconds are expected, not milliseconds)"
    if article.length is not None and not 0 <= article.length <= LARGEST_INTEGER:
        return "length is not a count of characters"
    return (
        _id_reason("article_id", article.article_id)
        or _label_reason("section", article.section)
        or _label_reason("language", article.language)
    )


def _impression_reason(impression: Impression) -> str | None:
    if not impression.items:
        return "the list is empty"
    if not all(_is_id(item) for item in impression.items):
        return f"an article of the list has no id of 1 to {LONGEST_ID} characters"
    return (
        _id_reason("impression_id", impression.impression_id)
        or _id_reason("user_id", impression.user_id)
        or _times_reason(impression.at, impression.known_at)
        or _context_reason(impression.context)
    )


def _click_reason(click: Click) -> str | None:
    if click.dwell_seconds is not None and not 0 <= click.dwell_seconds < LATEST:
        return "dwell_seconds is not a length of time"
    if not 0 <= click.weight <= LARGEST_INTEGER:
        return "weight is not a number from 0 up"
    if click.impression_id is not None and not _is_id(click.impression_id):
        return f"impression_id is not 1 to {LONGEST_ID} characters"
    return (
        _id_reason("event_id", click.event_id)
        or _id_reason("user_id", click.user_id)
        or _id_reason("article_id", click.article_id)
        or _times_reason(click.at, click.known_at)
    )


def _context_reason(context: Context) -> str | None:
    if context.page not in (None, "front", "article"):
        return "page is neither front nor article"
    if context.context_article is not None and not _is_id(context.context_article):
        return f"context_article is not 1 to {LONGEST_ID} characters"
    return _label_reason("device", context.device) or _label_reason("placement", context.placement)


def _times_reason(at: Timestamp, known_at: Timestamp) -> str | None:
    if not (isfinite(at) and isfinite(known_at)):
        return "a time is not a finite number"
    if at < 0 or known_at < 0:
        return "a time is before 1970"
    if at >= LATEST or known_at >= LATEST:
        return "a time is after 2200 (seconds are expected, not milliseconds)"
    return "known_at is before at" if known_at < at else None


def _id_reason(name: str, value: str) -> str | None:
    return None if _is_id(value) else f"{name} is not 1 to {LONGEST_ID} characters"


def _label_reason(name: str, value: str | None) -> str | None:
    most = MOST_CHARACTERS[name]
    if value is None or (len(value) <= most and _storable(value)):
        return None
    return f"{name} is longer than {most} characters or holds one that cannot be stored"


def _is_id(value: str) -> bool:
    return 0 < len(value) <= LONGEST_ID and _storable(value)


def _storable(text: str) -> bool:
    """Neither SQLite nor PostgreSQL takes half a surrogate pair, and PostgreSQL no zero character."""
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return False
    return "\0" not in text
