"""Importing a log: read, validated and written in chunks, so that an import that was killed can simply be run again."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

from recsys.database import articles
from recsys.database.bulk import chunks
from recsys.database.session import Sessions, writing
from recsys.domain import Article, Impression, RecsysError, Timestamp
from recsys.ingest import ebnerd, mind, movielens, table
from recsys.ingest.report_file import open_report
from recsys.ingest.rows import Entry, Found, Record, Refusal, Repair, records
from recsys.ingest.tally import ImportReport as ImportReport
from recsys.ingest.tally import Tally
from recsys.ingest.validate import why_refused, without_repeats
from recsys.ingest.writer import write

Progress = Callable[[int], object]

KINDS = ("ebnerd", "mind", "movielens", "table")
CHUNK = 5000  # records in a transaction: others wait less than half a second for the write lock
AHEAD = 86_400.0  # seconds after now that an event may lie, since clocks and zones can be wrong
FUTURE = "the time is more than a day in the future: check the clock and the time zone"
REPEATED = "an article stood more than once in a list"


@dataclass(frozen=True)
class _Window:
    since: Timestamp
    until: Timestamp
    latest: Timestamp

    def holds(self, record: Record) -> bool:
        if isinstance(record, Article):
            return record.published_at is None or record.published_at < self.until
        return self.since <= record.known_at < self.until


def import_path(
    sessions: Sessions,
    kind: str,
    path: Path,
    *,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    timezone: str = "UTC",
    media: Path | None = None,
    report: Path | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Import a log in one of the formats KINDS.

    Args:
        since, until, progress: see ``run_import``.
        timezone: of times that are written without one.
        media: the folder for pictures that a table holds as bytes; without it they are left out.
        report: a file for every row that is refused or repaired, CSV when its name ends so, otherwise JSON Lines.

    Raises:
        RecsysError: when the format is unknown, or files are missing, unreadable or without a needed column.
    """
    entries = read_rows(kind, path, timezone=timezone, media=media)
    return run_import(sessions, entries, since=since, until=until, report=report, progress=progress)


def read(kind: str, path: Path, *, timezone: str = "UTC") -> Iterator[Record]:
    """The records of a log in one of the formats KINDS, without what is refused."""
    return records(read_rows(kind, path, timezone=timezone))


def read_rows(kind: str, path: Path, *, timezone: str = "UTC", media: Path | None = None) -> Iterator[Entry]:
    """The rows of a log in one of the formats KINDS (see the readers)."""
    match kind:
        case "ebnerd":
            return ebnerd.rows(path, timezone=timezone)
        case "mind":
            return mind.rows(path, timezone=timezone)
        case "movielens":
            return movielens.rows(path)
        case "table":
            return table.rows(path, timezone=timezone, media=media)
    raise RecsysError(f"There is no reader for {kind!r}: choose one of {', '.join(KINDS)}.")


def run_import(
    sessions: Sessions,
    entries: Iterable[Entry | Record],
    *,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    report: Path | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Write what readers yield, or bare records, chunk by chunk; events that the log has already stay as they are.

    Args:
        since, until: take events with ``since <= known_at < until`` only, and articles published before ``until``.
        report: a file for every row that is refused or repaired.
        progress: is called after each chunk with the number of records read so far.

    Raises:
        RecsysError: when the database or the report cannot be written; the chunks before are written then.
    """
    window = _Window(-inf if since is None else since, inf if until is None else until, time.time() + AHEAD)
    read_so_far = 0
    with open_report(report) as file:
        tally = Tally(file)
        for chunk in chunks(entries, CHUNK):
            kept = [fit for entry in chunk if (fit := _fit(entry, window, tally)) is not None]
            with writing(sessions) as session:
                write(session, kept, tally)
            read_so_far += len(chunk)
            if progress is not None:
                progress(read_so_far)
    with sessions() as session:
        return tally.report(articles.count_undescribed(session))


def _fit(entry: Entry | Record, window: _Window, tally: Tally) -> Found | None:
    """The record as it is to be written; None, and counted, when it is refused or outside the window."""
    if isinstance(entry, Refusal):
        tally.refuse(entry, entry.reason)
        return None
    if isinstance(entry, Repair):
        tally.repair(entry, entry.reason)
        return None
    found = entry if isinstance(entry, Found) else Found("", 0, entry)
    record = found.record
    reason = why_refused(record) or _why_too_late(record, window)
    if reason is not None:
        tally.refuse(found, reason)
        return None
    if not window.holds(record):
        tally.outside += 1
        return None
    if isinstance(record, Impression) and (once := without_repeats(record)) is not record:
        tally.repair(found, REPEATED)
        return replace(found, record=once)
    return found


def _why_too_late(record: Record, window: _Window) -> str | None:
    return FUTURE if not isinstance(record, Article) and record.known_at > window.latest else None
