"""Reader of MIND, the news log of Microsoft News, in its official layout (https://msnews.github.io).

A history comes with every row of its user, oldest click first and without times. It is taken once for each user. Its
times are made up: seconds before the folder's first list, in the order given, and known just before it. What only some
rows of the user list became known with the earliest of those rows. Nothing else is made up.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from math import ceil, inf
from pathlib import Path

from recsys.domain import Article, Click, Context, Impression, RecsysError, Timestamp
from recsys.ingest.batches import Batch, Parsed, batched, check_timezone
from recsys.ingest.lines import lines
from recsys.ingest.rows import Entry

logger = logging.getLogger(__name__)

HOUR = 3600.0
NEWS = ("news_id", "category", "subcategory", "title", "abstract", "url")  # two columns of entities are not read
LEAST_NEWS = 5
BEHAVIORS = ("impression_id", "user_id", "time", "history", "impressions")
ORDER = ("train", "dev", "valid", "validation", "test")
SPLIT = re.compile(rf"(?:^|.*[_-])({'|'.join(ORDER)})", re.IGNORECASE)
CLOCK = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d\d):(\d\d) ([AP])M", re.ASCII)
LABELLED = re.compile(r"\S+-[01]")
NO_LABELS = "the list has no labels: what was clicked in it is not known"
FEW = "the row has too few fields"


def rows(path: Path, *, timezone: str = "UTC") -> Iterator[Entry]:
    """Stream each folder's news, then its lists with their clicks and the histories of their users.

    Args:
        path: a folder with ``behaviors.tsv`` and ``news.tsv``, or one in which such folders stand side by side with
            names that end in train, dev, valid or test.
        timezone: the zone of the times, which the files do not state.

    Raises:
        RecsysError: when there is no such folder, or a file cannot be read.
    """
    check_timezone(timezone)
    folders = _find(path.absolute())
    for folder in folders:
        yield from _news(folder, timezone)
        yield from _behaviors(folder, timezone)


def _find(path: Path) -> list[Path]:
    if (path / "behaviors.tsv").is_file():
        return [path]
    named = {folder: SPLIT.fullmatch(folder.name) for folder in path.iterdir()} if path.is_dir() else {}
    split = {f: ORDER.index(m[1].lower()) for f, m in named.items() if m and (f / "behaviors.tsv").is_file()}
    if not split:
        raise RecsysError(
            f"{path} is not a MIND folder: expected are behaviors.tsv and news.tsv, or folders with them whose names "
            "end in train, dev or test."
        )
    if len(set(split.values())) < len(split):
        raise RecsysError(f"{path} holds several folders of one split, such as of two sizes of MIND: name one of them.")
    return sorted(split, key=lambda folder: split[folder])


def _news(folder: Path, timezone: str) -> Iterator[Entry]:
    file = folder / "news.tsv"
    if not file.is_file():
        logger.warning("No news.tsv in %s: articles become known ids without content.", folder)
        return
    for batch in batched(f"{folder.name}/{file.name}", NEWS, _fields(file, len(NEWS), LEAST_NEWS), timezone):
        ids, sections, titles = batch.ids("news_id"), batch.texts("category"), batch.texts("title")
        abstracts, urls = batch.texts("abstract"), batch.texts("url")
        yield from batch.refusals()
        for row in batch.accepted():
            article = Article(
                ids[row], titles[row], abstracts[row], section=sections[row], language="en", url=urls[row]
            )
            yield batch.found(row, article)


def _behaviors(folder: Path, timezone: str) -> Iterator[Entry]:
    histories = _histories(folder, timezone)
    for batch in _batches(folder, timezone):
        ids, users, times = batch.ids("impression_id"), batch.ids("user_id"), batch.instants("time")
        told, shown = batch.text_lists("history"), batch.texts("impressions")
        yield from batch.refusals()
        for row in batch.accepted():
            for click in histories.news(users[row], times[row], [article or "" for article in told[row]]):
                yield batch.found(row, click)
            yield from _list(
                batch, row, f"{ids[row]}:{users[row]}:{int(times[row])}", users[row], times[row], shown[row]
            )


def _list(batch: Batch, row: int, name: str, user: str, at: Timestamp, shown: str | None) -> Iterator[Entry]:
    """A list and its clicks; folders count their lists from 1 each, so ``name`` says more than the number."""
    items = (shown or "").split()
    labelled = sum(LABELLED.fullmatch(item) is not None for item in items)
    if labelled < len(items):
        reason = "some articles of the list have a label (N1-0, N1-1) and some have none" if labelled else NO_LABELS
        yield batch.refuse(row, reason)
        return
    yield batch.found(row, Impression(name, user, at, tuple(item[:-2] for item in items), Context("front")))
    for item in items:
        if item.endswith("-1"):
            yield batch.found(row, Click(f"{name}:{item[:-2]}", user, item[:-2], at, name))


@dataclass
class _Histories:
    """Which clicks of the histories were not yielded yet; memory grows with the users, not with the rows."""

    start: Timestamp  # the last full hour before the first list
    common: dict[str, int]  # by user, how many clicks all their rows list
    told: set[str] = field(default_factory=set)  # users whose common clicks were yielded

    def news(self, user: str, at: Timestamp, history: list[str]) -> Iterator[Click]:
        """The clicks that the row of a user at a time adds; of one that several rows add, the log keeps the first."""
        common = min(self.common.get(user, 0), len(history))
        if user not in self.told:
            self.told.add(user)
            for place, article in enumerate(history[:common]):
                yield _earlier(user, place, article, self.start - (common - place), self.start)
        for place, article in islice(enumerate(history), common, None):
            moment = at - (len(history) - place) / (len(history) - common + 1)  # within the second before the list
            yield _earlier(user, place, article, moment, moment)


def _earlier(user: str, place: int, article: str, at: Timestamp, known_at: Timestamp) -> Click:
    return Click(f"{user}:history:{place}:{article}", user, article, at, known_at=known_at, backfilled=True)


def _histories(folder: Path, timezone: str) -> _Histories:
    first, common = inf, dict[str, int]()
    for batch in _batches(folder, timezone):
        users, times, told = batch.ids("user_id"), batch.instants("time"), batch.text_lists("history")
        for row in batch.accepted():
            first = min(first, times[row]) if times[row] >= 0 else first
            common[users[row]] = min(common.get(users[row], len(told[row])), len(told[row]))
    return _Histories((ceil(first / HOUR) - 1) * HOUR if first < inf else 0.0, common)


def _batches(folder: Path, timezone: str) -> Iterator[Batch]:
    file = folder / "behaviors.tsv"
    least = len(BEHAVIORS)
    return batched(f"{folder.name}/{file.name}", BEHAVIORS, map(_read, _fields(file, least, least)), timezone)


def _read(row: Parsed) -> Parsed:
    """The row with its time read as MIND writes it, 11/13/2019 8:36:57 AM, and its history as a list."""
    number, size, fields = row
    if isinstance(fields, str):
        return row
    name, user, time, history, shown = fields
    return number, size, [name, user, _clock(time), history.split(), shown]


def _clock(text: str) -> datetime | str:
    """The reading of a clock; what is not one as it is, to be refused."""
    found = CLOCK.fullmatch(text.strip())
    if not found:
        return text
    month, day, year, hour, minute, second = (int(part) for part in found.groups()[:6])
    try:
        if not 1 <= hour <= 12:
            return text
        return datetime(year, month, day, hour % 12 + 12 * (found[7] == "P"), minute, second)
    except ValueError:
        return text


def _fields(file: Path, most: int, least: int) -> Iterator[Parsed]:
    """The first ``most`` fields between tabs; quotes mean nothing here."""
    for line in lines(file):
        fields = line.text.rstrip("\r\n").split("\t")
        if line.reason or len(fields) < least:
            if line.reason or line.text.strip():
                yield line.number, len(line.text), line.reason or FEW
        else:
            yield line.number, len(line.text), (fields + [""] * most)[:most]
