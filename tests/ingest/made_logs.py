"""Small logs that the tests write in each format, and the whole database as plain rows to compare."""

import csv
import gzip
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import select

from recsys.database.session import Sessions
from recsys.database.tables import ArticleRow, ClickRow, ImpressionRow, UserRow
from recsys.domain import Article, Click, Impression
from recsys.ingest.rows import Entry, Found, Record, Refusal, Repair

WEEK = 1_684_396_800.0  # 2023-05-18T08:00:00Z
DAY = 86_400.0
LIST = ("page", "device", "subscriber", "placement")
CLICK = ("at", "known_at", "impression_id", "dwell_seconds", "weight", "backfilled")


def bare(entries: Iterable[Entry]) -> Iterator[Record | Refusal | Repair]:
    """What a reader yields, without saying where it stands."""
    return (entry.record if isinstance(entry, Found) else entry for entry in entries)


def dump(sessions: Sessions) -> dict[str, list[tuple[Any, ...]]]:
    """What the database holds, without the keys and positions, which depend on the order of writing."""
    with sessions() as session:
        articles = list(session.scalars(select(ArticleRow)))
        ids = {row.key: row.article_id for row in articles} | {None: None}
        users = {row.key: row.user_id for row in session.scalars(select(UserRow))}
        lists = [
            (row.impression_id, users[row.user], row.at, row.known_at, *(getattr(row, name) for name in LIST),
             ids[row.context_article], ",".join(str(ids[key]) for key in row.shown))
            for row in session.scalars(select(ImpressionRow))
        ]  # fmt: skip
        clicks = [
            (row.event_id, users[row.user], ids[row.article], *(getattr(row, name) for name in CLICK))
            for row in session.scalars(select(ClickRow))
        ]
    described = [tuple(getattr(row, name) for name in Article.__dataclass_fields__) for row in articles]
    return {"articles": sorted(described), "impressions": sorted(lists), "clicks": sorted(clicks)}


def write_rows(file: Path, rows: list[dict[str, Any]], **types: Any) -> Path:
    """Rows in the format that the ending of a file says; ``types`` are those that Arrow cannot guess."""
    if file.suffix == ".parquet":
        return write_parquet(file, rows, **types)
    file.parent.mkdir(parents=True, exist_ok=True)
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "wt", encoding="utf-8", newline="") as content:
        if "json" in file.name:
            content.writelines(json.dumps(row, default=_written, ensure_ascii=False) + "\n" for row in rows)
        else:
            delimiter = "\t" if ".tsv" in file.suffixes else ","
            table = csv.DictWriter(content, list(rows[0]), delimiter=delimiter)
            table.writeheader()
            table.writerows({name: _written(value) for name, value in row.items()} for row in rows)
    return file


def _written(value: Any) -> Any:
    """A cell of a text file."""
    if isinstance(value, np.datetime64):
        return f"{value}Z"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return json.dumps(value) if any(" " in item for item in value) or not value else " ".join(value)
    return value


def write_parquet(file: Path, rows: list[dict[str, Any]], **types: Any) -> Path:
    """Rows as a Parquet file; ``types`` are those that Arrow cannot guess."""
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows)
    for name, kind in types.items():
        table = table.set_column(table.schema.names.index(name), name, table[name].cast(kind))
    pq.write_table(table, file, row_group_size=1000)
    return file


def stamp(seconds: float) -> np.datetime64:
    """A time as EB-NeRD's files have it: microseconds without a zone."""
    return np.datetime64(int(seconds * 1e6), "us")


def behavior(number: int, user: int, at: float, shown: list[int], clicked: list[int], **more: Any) -> dict[str, Any]:
    """A row of EB-NeRD's behaviors."""
    row = {"impression_id": number, "user_id": user, "impression_time": stamp(at), "article_ids_inview": shown}
    common = {"read_time": 20.0, "article_id": None, "device_type": 2, "is_subscriber": False}
    return {**row, "article_ids_clicked": clicked, **common, **more}


def write_week(folder: Path, behaviors: list[dict[str, Any]], histories: dict[int, list[tuple[float, int]]]) -> None:
    """A week of EB-NeRD; histories are (time, article) by user."""
    write_parquet(folder / "behaviors.parquet", behaviors, article_id=pa.int32())
    rows = [
        {
            "user_id": user,
            "impression_time_fixed": [stamp(at) for at, _ in clicks],
            "article_id_fixed": [article for _, article in clicks],
            "read_time_fixed": [float(article) for _, article in clicks],
            "scroll_percentage_fixed": [100.0 for _ in clicks],
        }
        for user, clicks in histories.items()
    ]
    write_parquet(folder / "history.parquet", rows)


def padding(number: int, characters: int) -> str:
    """A text that cannot be packed."""
    return np.random.default_rng(number).bytes(characters // 2).hex()


def write_ebnerd(folder: Path, times: int = 1, articles: int = 40, longer: int = 0) -> Path:
    """120 impressions of 8 readers with 120 clicks, 80 clicks in the histories, that ``times``; and articles."""
    catalogue = [
        {
            "article_id": 1000 + n,
            "title": f"Nyhed {n}",
            "subtitle": None if n % 3 else f"Mere om {n}",
            "body": "Brødtekst " * (n % 40) + padding(n, longer),
            "category_str": ("sport", "krimi")[n % 2],
            "published_time": stamp(WEEK - n * 3600),
            "premium": n % 5 == 0,
            "url": f"https://example.org/{n}",
            "image_ids": [n],
            "total_inviews": 5,
        }
        for n in range(articles)
    ]
    write_parquet(folder / "articles.parquet", catalogue)
    rows = []
    for n in range(120 * times):
        shown = [1000 + (7 * n + place) % 45 for place in range(5)]  # five of the articles have no catalogue row
        reading = 1000 + n % 40 if n % 3 == 0 else None
        rows.append(behavior(n, n % 8, WEEK + 60 * n, shown, [shown[n % 5]], article_id=reading, device_type=1 + n % 3))
    histories = {user: [(WEEK - DAY + 500 * n + user, 1000 + n) for n in range(10)] for user in range(8 * times)}
    write_week(folder / "train", rows, histories)
    return folder


def write_movielens(folder: Path, times: int = 1, articles: int = 40, longer: int = 0) -> Path:
    """MovieLens-100K's layout: films, 200 ratings of 8 users, that ``times``."""
    (folder / "posters").mkdir(parents=True)
    (folder / "posters" / "3.jpg").write_bytes(b"not looked at by the reader")
    flags = ["|".join("01"[genre == n % 18 + 1 or (n % 2 and genre == 18)] for genre in range(19)) for n in range(41)]
    films = [
        f"{n}|Café {n} {padding(n, longer)}(19{n % 50 + 50})|01-Jan-1995||http://example.org/{n}|{flags[n % 41]}"
        for n in range(1, articles + 1)
    ]
    (folder / "u.item").write_text("\n".join(films) + "\n", "latin-1")
    ratings = [f"{n % 8}\t{n % 41 + 1}\t{n % 5 + 1}\t{881250949 + n}" for n in range(200 * times)]
    (folder / "u.data").write_text("\n".join(ratings) + "\n")
    return folder


def write_mind(folder: Path, times: int = 1, articles: int = 40, longer: int = 0) -> Path:
    """120 lists of 8 users with 120 clicks, and 88 clicks in the histories, that ``times``; and news."""
    news = [
        [f"N{n}", "sports", "soccer", f'News "{n}"', padding(n, longer), f"https://example.org/{n}", "[]", "[]"]
        for n in range(articles)
    ]
    write_tsv(folder / "news.tsv", news)
    lists = []
    for n in range(120 * times):
        user, shown = n % (8 * times), [(7 * n + place) % 45 for place in range(5)]
        items = " ".join(f"N{item}-{int(place == n % 5)}" for place, item in enumerate(shown))
        later = n >= 112 * times  # in their last row users list one more click
        history = " ".join(f"N{(user + place) % 45}" for place in range(10 + later))
        lists.append([str(n + 1), f"U{user}", clock(WEEK + 60 * n), history, items])
    write_tsv(folder / "behaviors.tsv", lists)
    return folder


def clock(at: float) -> str:
    """A time as MIND writes it."""
    return f"{datetime.fromtimestamp(at, UTC):%m/%d/%Y %I:%M:%S %p}"


def write_tsv(file: Path, rows: list[list[str]]) -> None:
    """Rows with tabs between the fields, and nothing quoted."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join("\t".join(row) + "\n" for row in rows), "utf-8", newline="")


def write_table(folder: Path, times: int = 1, articles: int = 30, longer: int = 0, ending: str = ".parquet") -> Path:
    """60 impressions and 100 clicks in plain tables, that ``times``; and articles."""
    catalogue = [
        {
            "article_id": f"a{n}",
            "title": f'Headline {n}, "the {n}th"\nand more',
            "body": padding(n, longer) or None,
            "image": "pictures/1.png" if n % 2 else "https://example.org/1.png",
            "published_at": WEEK - n,
            "premium": n % 3 == 0,
        }
        for n in range(articles)
    ]
    impressions = [
        {
            "impression_id": f"i{n}",
            "user_id": f"u{n % 7}",
            "at": stamp(WEEK + n),
            "items": [f"a{n % 30}", f"a{n % 29}x"],
            "subscriber": n % 2 == 0,
        }
        for n in range(60 * times)
    ]
    clicks = [
        {
            "event_id": f"c{n}",
            "user_id": f"u{n % 7}",
            "article_id": f"a{n % 30}",
            "at": WEEK + n,
            "known_at": WEEK + n + 1,
            "dwell_seconds": n / 4 if n % 2 else None,
        }
        for n in range(100 * times)
    ]
    for name, rows in (("articles", catalogue), ("impressions", impressions), ("clicks", clicks)):
        write_rows(folder / (name + ending), rows)
    return folder


def write_records(folder: Path, records: list[Article | Impression | Click], ending: str = ".parquet") -> Path:
    """Any records as plain tables."""
    articles = [
        {name: getattr(record, name) for name in Article.__dataclass_fields__}
        for record in records
        if isinstance(record, Article)
    ]
    impressions = [
        {
            "impression_id": record.impression_id,
            "user_id": record.user_id,
            "at": record.at,
            "items": list(record.items),
            "known_at": record.known_at,
            **{name: getattr(record.context, name) for name in record.context.__dataclass_fields__},
        }
        for record in records
        if isinstance(record, Impression)
    ]
    clicks = [
        {name: getattr(record, name) for name in Click.__dataclass_fields__}
        for record in records
        if isinstance(record, Click)
    ]
    for name, rows in (("articles", articles), ("impressions", impressions), ("clicks", clicks)):
        if rows:
            write_rows(folder / (name + ending), rows)
    return folder
