"""Small logs that the tests write in each format, and the whole database as plain rows to compare."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import text

from recsys.database.session import Sessions
from recsys.domain import Article, Click, Impression

WEEK = 1_684_396_800.0  # 2023-05-18T08:00:00Z
DAY = 86_400.0
DUMPS = {
    "articles": "SELECT {columns} FROM articles ORDER BY article_id",
    "impressions": "SELECT impression_id, user_id, at, known_at, page, device, subscriber, placement, c.article_id,"
    " (SELECT group_concat(a.article_id) FROM json_each(i.shown) j JOIN articles a ON a.key = j.value)"
    " FROM impressions i JOIN users u ON u.key = i.user LEFT JOIN articles c ON c.key = i.context_article"
    " ORDER BY impression_id",
    "clicks": "SELECT event_id, user_id, article_id, at, known_at, impression_id, dwell_seconds, weight, backfilled"
    " FROM clicks JOIN users u ON u.key = user JOIN articles a ON a.key = article ORDER BY event_id",
}


def dump(sessions: Sessions) -> dict[str, list[tuple[Any, ...]]]:
    """What the database holds, without the keys and positions, which depend on the order of writing."""
    columns = ", ".join(Article.__dataclass_fields__)
    with sessions() as session:
        return {
            name: [tuple(row) for row in session.execute(text(query.format(columns=columns)))]
            for name, query in DUMPS.items()
        }


def write_parquet(file: Path, rows: list[dict[str, Any]], **types: Any) -> Path:
    """Rows as a Parquet file; ``types`` are those that Arrow cannot guess."""
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows)
    for name, kind in types.items():
        table = table.set_column(table.schema.names.index(name), name, table[name].cast(kind))
    pq.write_table(table, file, row_group_size=50)
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


def write_ebnerd(folder: Path, times: int = 1) -> Path:
    """40 articles, 120 impressions of 8 readers with 120 clicks, 80 clicks in the histories; all that ``times``."""
    articles = [
        {
            "article_id": 1000 + n,
            "title": f"Nyhed {n}",
            "subtitle": None if n % 3 else f"Mere om {n}",
            "body": "Brødtekst " * n,
            "category_str": ("sport", "krimi")[n % 2],
            "published_time": stamp(WEEK - n * 3600),
            "premium": n % 5 == 0,
            "url": f"https://example.org/{n}",
            "image_ids": [n],
            "total_inviews": 5,
        }
        for n in range(40)
    ]
    write_parquet(folder / "articles.parquet", articles)
    rows = []
    for n in range(120 * times):
        shown = [1000 + (7 * n + place) % 45 for place in range(5)]  # five of the articles have no catalogue row
        reading = 1000 + n % 40 if n % 3 == 0 else None
        rows.append(behavior(n, n % 8, WEEK + 60 * n, shown, [shown[n % 5]], article_id=reading, device_type=1 + n % 3))
    histories = {user: [(WEEK - DAY + 500 * n + user, 1000 + n) for n in range(10)] for user in range(8 * times)}
    write_week(folder / "train", rows, histories)
    return folder


def write_movielens(folder: Path, times: int = 1) -> Path:
    """MovieLens-100K's layout: 40 films, 200 ratings of 8 users, that ``times``."""
    (folder / "posters").mkdir(parents=True)
    (folder / "posters" / "3.jpg").write_bytes(b"not looked at by the reader")
    flags = ["|".join("01"[genre == n % 18 + 1 or (n % 2 and genre == 18)] for genre in range(19)) for n in range(41)]
    films = [f"{n}|Café {n} (19{n + 50})|01-Jan-1995||http://example.org/{n}|{flags[n]}" for n in range(1, 41)]
    (folder / "u.item").write_text("\n".join(films) + "\n", "latin-1")
    ratings = [f"{n % 8}\t{n % 41 + 1}\t{n % 5 + 1}\t{881250949 + n}" for n in range(200 * times)]
    (folder / "u.data").write_text("\n".join(ratings) + "\n")
    return folder


def write_table(folder: Path, times: int = 1) -> Path:
    """30 articles, 60 impressions and 100 clicks in the table format, that ``times``."""
    articles = [{"article_id": f"a{n}", "title": f"Headline {n}", "published_at": WEEK - n} for n in range(30)]
    impressions = [
        {
            "impression_id": f"i{n}",
            "user_id": f"u{n % 7}",
            "at": stamp(WEEK + n),
            "items": [f"a{n % 30}", f"a{n % 29}x"],
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
        }
        for n in range(100 * times)
    ]
    for name, rows in (("articles", articles), ("impressions", impressions), ("clicks", clicks)):
        write_parquet(folder / f"{name}.parquet", rows)
    return folder


def write_records(folder: Path, records: list[Article | Impression | Click]) -> Path:
    """Any records in the table format."""
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
        write_parquet(folder / f"{name}.parquet", rows)
    return folder
