"""Writing what a reader yields: validated, in chunks, so that an import that was killed can simply be run again."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Literal

from sqlalchemy.orm import Session

from recsys.database import articles, events
from recsys.database.bulk import chunks
from recsys.database.session import Sessions, writing
from recsys.domain import Article, Click, Impression, RecsysError, Timestamp
from recsys.ingest import ebnerd, movielens, table
from recsys.ingest.validate import Record, Refusal, why_refused, without_repeats

Kind = Literal["ebnerd", "movielens", "table"]
Progress = Callable[[int], object]

KINDS = ("ebnerd", "movielens", "table")
CHUNK = 5000  # records in a transaction: others wait less than half a second for the write lock
NOT_IN_LIST = "the clicked article is not in its list"


@dataclass(frozen=True)
class ImportReport:
    """What an import read and took; ``articles``, ``impressions``, ``clicks`` count what was already there as well."""

    articles: int
    impressions: int
    clicks: int
    refused: dict[str, int]  # rows by reason
    examples: dict[str, str]  # by reason, where the first such row is
    repaired: dict[str, int]  # rows that were taken after a correction
    new: dict[str, int]  # articles (or changed ones), impressions and clicks that the database did not have
    outside: int  # rows that are not between since and until
    unknown_articles: int  # ids in the database that were mentioned, but that no catalogue has described


@dataclass
class _Tally:
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)
    new: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    outside: int = 0

    def refuse(self, reason: str, where: str) -> None:
        self.refused[reason] += 1
        self.examples.setdefault(reason, where)

    def report(self, unknown_articles: int) -> ImportReport:
        kinds = ("articles", "impressions", "clicks")
        return ImportReport(
            **{kind: self.accepted[kind] for kind in kinds},
            refused=dict(self.refused),
            examples=self.examples,
            repaired=dict(self.repaired),
            new={kind: self.new[kind] for kind in kinds},
            outside=self.outside,
            unknown_articles=unknown_articles,
        )


def import_path(
    sessions: Sessions,
    kind: str,
    path: Path,
    *,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    timezone: str = "UTC",
    progress: Progress | None = None,
) -> ImportReport:
    """Import a log in one of the formats KINDS.

    Raises:
        RecsysError: when the format is unknown, or files are missing, unreadable or without a needed column.
    """
    return run_import(sessions, read(kind, path, timezone=timezone), since=since, until=until, progress=progress)


def read(kind: str, path: Path, *, timezone: str = "UTC") -> Iterator[Record]:
    """The records of a log in one of the formats KINDS (see the readers)."""
    match kind:
        case "ebnerd":
            return ebnerd.read(path, timezone=timezone)
        case "movielens":
            return movielens.read(path)
        case "table":
            return table.read(path, timezone=timezone)
    raise RecsysError(f"There is no reader for {kind!r}: choose one of {', '.join(KINDS)}.")


def run_import(
    sessions: Sessions,
    records: Iterable[Record],
    *,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Write records chunk by chunk; what the database has already stays as it is.

    Args:
        since, until: take events with ``since <= known_at < until`` only, and articles published before ``until``.
        progress: is called after each chunk with the number of records read so far.
    """
    tally, read_so_far = _Tally(), 0
    for chunk in chunks(records, CHUNK):
        kept = [fit for record in chunk if (fit := _fit(record, since, until, tally)) is not None]
        with writing(sessions) as session:
            _write(session, kept, tally)
        read_so_far += len(chunk)
        if progress is not None:
            progress(read_so_far)
    with sessions() as session:
        return tally.report(articles.count_undescribed(session))


def _fit(
    record: Record, since: Timestamp | None, until: Timestamp | None, tally: _Tally
) -> Article | Impression | Click | None:
    """The record as it is to be written; None, and counted, when it is refused or outside the window."""
    if isinstance(record, Refusal):
        tally.refuse(record.reason, f"{record.file}, row {record.row}")
        return None
    reason = why_refused(record)
    if reason is not None:
        tally.refuse(reason, _name(record))
        return None
    if not _inside(record, since, until):
        tally.outside += 1
        return None
    if isinstance(record, Impression) and (once := without_repeats(record)) is not record:
        tally.repaired["an article stood more than once in a list"] += 1
        return once
    return record


def _inside(record: Article | Impression | Click, since: Timestamp | None, until: Timestamp | None) -> bool:
    end = inf if until is None else until
    if isinstance(record, Article):
        return record.published_at is None or record.published_at < end
    return (-inf if since is None else since) <= record.known_at < end


def _write(session: Session, records: list[Article | Impression | Click], tally: _Tally) -> None:
    described = [record for record in records if isinstance(record, Article)]
    shown = [record for record in records if isinstance(record, Impression)]
    clicked = [record for record in records if isinstance(record, Click)]
    tally.new["articles"] += articles.put_articles(session, described)
    tally.new["impressions"] += events.add_impressions(session, shown)
    clicked = _clicks_in_their_lists(session, clicked, tally)
    tally.new["clicks"] += events.add_clicks(session, clicked)
    tally.accepted.update(articles=len(described), impressions=len(shown), clicks=len(clicked))


def _clicks_in_their_lists(session: Session, clicks: list[Click], tally: _Tally) -> list[Click]:
    """Refuse clicks on what their list did not hold; a list that is not known (yet) refuses nothing."""
    lists = events.lists_of(session, {click.impression_id for click in clicks if click.impression_id is not None})
    keys = articles.keys_of(session, [click.article_id for click in clicks if click.impression_id in lists])
    kept = list[Click]()
    for click in clicks:
        shown = lists.get(click.impression_id or "")
        if shown is None or keys.get(click.article_id) in shown:
            kept.append(click)
        else:
            tally.refuse(NOT_IN_LIST, _name(click))
    return kept


def _name(record: Article | Impression | Click) -> str:
    if isinstance(record, Article):
        return f"article {record.article_id[:40]!r}"
    if isinstance(record, Impression):
        return f"impression {record.impression_id[:40]!r}"
    return f"click {record.event_id[:40]!r}"
