"""A generated newspaper of any size in a database of its own: articles with cached vectors, readers, and their log.

Rows are written straight into SQLite, since encoding and posting a million articles would take a day. Articles belong
to clusters, by title, picture and readers, so that nearest neighbours mean something to an index.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from serving_names import SHOWN, article_id, user_id

from recsys.columns import Floats, Floats32, Ints
from recsys.database.session import upgrade
from recsys.domain import Modality
from recsys.encoders import expected_ids
from recsys.pipeline.content import Content
from recsys.settings import Settings

DAY = 86400.0
SECTIONS = 20
NOISE = 0.7  # of a vector beside its cluster's, in units of that
BLOCK = 50_000
DIMS: dict[Modality, int] = {"title": 384, "image": 1280}
ROWS = {
    "articles": "key, article_id, title, section, language, image, published_at, premium, length",
    "contents": "article, modality, encoder_id, content_hash, status",
    "vectors": "encoder_id, content_hash, vector",
    "users": "key, user_id, robot",
    "clicks": "event_id, user, article, at, known_at, impression_id, weight, backfilled",
    "impressions": "impression_id, user, at, known_at, shown, page, device, subscriber",
}


@dataclass(frozen=True)
class Sizes:
    """Of a generated newspaper; each reader has ``history`` clicks, one of them in each of ``lists`` lists."""

    articles: int
    users: int
    history: int = 50
    lists: int = 5
    days: float = 30.0
    seed: int = 0

    @property
    def clusters(self) -> int:
        """Each with articles enough to fill a list."""
        return max(1, min(200, self.articles // (2 * SHOWN)))


def write(settings: Settings, sizes: Sizes, clusters: int | None = None) -> None:
    """Make the newspaper under ``settings.home``, whose log ends now. ``clusters`` fixes those of the vectors."""
    upgrade(settings)
    draw, end = np.random.default_rng(sizes.seed), round(time.time()) - 60.0
    with sqlite3.connect(settings.home / "recsys.db", isolation_level=None) as database:
        database.execute("PRAGMA synchronous=OFF")
        database.execute("BEGIN")
        dropped = _drop_indexes(database)
        _insert(database, "articles", _articles(settings, sizes, end, draw))
        for modality, encoder in expected_ids(settings).items():
            _write_vectors(database, modality, encoder, sizes, clusters)
        _insert(database, "users", ((key, user_id(key), 0) for key in range(1, sizes.users + 1)))
        _write_log(database, sizes, end, draw)
        for statement in dropped:
            database.execute(statement)
        database.execute("COMMIT")
    database.close()


def content(settings: Settings, sizes: Sizes, keys: Ints, clusters: int | None = None) -> Content:
    """The vectors of some rising keys, as the database holds them."""
    stored = {name: vectors(name, sizes, keys, clusters) for name in expected_ids(settings)}
    return Content(stored, {name: np.ones(len(keys), np.bool_) for name in stored}, keys)


def vectors(modality: Modality, sizes: Sizes, keys: Ints, clusters: int | None = None) -> Floats32:
    """Unit vectors (n, d) of articles: their cluster's and their own, rounded to float16 as the cache is."""
    dim, count = DIMS[modality], clusters or sizes.clusters
    centres = np.random.default_rng([sizes.seed, dim]).standard_normal((count, dim), np.float32)
    own = np.random.default_rng([sizes.seed, dim, int(keys[0])]).standard_normal((len(keys), dim), np.float32)
    made = centres[keys % count] + np.float32(NOISE) * own
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made.astype(np.float16).astype(np.float32)


def blocks(sizes: Sizes) -> Iterator[Ints]:
    """The keys of all articles, a block at a time; ``vectors`` are the same only for the same blocks."""
    for start in range(1, sizes.articles + 1, BLOCK):
        yield np.arange(start, min(start + BLOCK, sizes.articles + 1))


def _articles(settings: Settings, sizes: Sizes, end: float, draw: np.random.Generator) -> Iterator[tuple[object, ...]]:
    published = np.round(end - sizes.days * DAY * draw.random(sizes.articles), 6).tolist()
    for key in range(1, sizes.articles + 1):
        cluster = key % sizes.clusters
        title, section = f"What is known of case {key} in town {cluster}", f"section {cluster % SECTIONS}"
        image = f"https://images.example/{key}.jpg" if settings.image_encoder else None
        yield key, article_id(key), title, section, "en", image, published[key - 1], key % 7 == 0, 1000 + key % 5000


def _write_vectors(
    database: sqlite3.Connection, modality: Modality, encoder: str, sizes: Sizes, clusters: int | None
) -> None:
    for keys in blocks(sizes):
        hashes = [f"{modality}-{key}" for key in keys.tolist()]
        made = vectors(modality, sizes, keys, clusters).astype("<f2")
        _insert(database, "vectors", ((encoder, h, v.tobytes()) for h, v in zip(hashes, made, strict=True)))
        looked = zip(keys.tolist(), hashes, strict=True)
        _insert(database, "contents", ((key, modality, encoder, h, "ok") for key, h in looked))


def _write_log(database: sqlite3.Connection, sizes: Sizes, end: float, draw: np.random.Generator) -> None:
    """Lists of the newest two days with a click in each, and before them what else readers have clicked."""
    began = end - 2 * DAY
    users, items, chosen = _lists(sizes, draw)
    shown_at = np.sort(began + (end - began - 60.0) * draw.random(len(users)))
    _insert(database, "impressions", _impression_rows(users, items, shown_at))
    readers = np.repeat(np.arange(1, sizes.users + 1), sizes.history - sizes.lists)
    draw.shuffle(readers)
    at = np.sort(began - sizes.days * DAY * draw.random(len(readers)))
    _insert(database, "clicks", _click_rows("c", readers, _drawn(sizes, readers, draw), at, in_lists=False))
    _insert(database, "clicks", _click_rows("l", users, chosen, shown_at + 20.0, in_lists=True))


def _lists(sizes: Sizes, draw: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Readers (n,), keys of what they were shown (n, SHOWN), and of what they clicked in it (n,)."""
    users = np.repeat(np.arange(1, sizes.users + 1), sizes.lists)
    draw.shuffle(users)
    items = np.stack([_drawn(sizes, users, draw, place) for place in range(SHOWN)], axis=1)
    liked = items % sizes.clusters == _favourite(sizes, users)[:, None]
    place = np.argmax(2.0 * liked + draw.gumbel(size=items.shape), axis=1)
    return users, items, items[np.arange(len(users)), place]


def _drawn(sizes: Sizes, users: Ints, draw: np.random.Generator, place: int | None = None) -> Ints:
    """An article for each reader (n,), half of them of their favourite cluster, and some far more often than others.

    Those for different places of a list differ.
    """
    others = draw.integers(0, sizes.clusters, len(users))
    cluster = np.where(draw.random(len(users)) < 0.5, _favourite(sizes, users), others)
    size = sizes.articles // sizes.clusters
    rank = (size * draw.random(len(users)) ** 2).astype(np.int64)
    if place is not None:
        rank = np.minimum(rank // SHOWN, size // SHOWN - 1) * SHOWN + place
    return rank * sizes.clusters + np.where(cluster == 0, sizes.clusters, cluster)


def _favourite(sizes: Sizes, users: Ints) -> Ints:
    return (users * 7919) % sizes.clusters


def _impression_rows(users: Ints, items: Ints, at: Floats) -> Iterator[tuple[object, ...]]:
    columns = zip(users.tolist(), items.tolist(), np.round(at, 6).tolist(), strict=True)
    for number, (user, shown, time_) in enumerate(columns):
        yield f"i{number}", user, time_, time_, json.dumps(shown), "front", ("mobile", "desktop")[user % 2], user % 2


def _click_rows(name: str, users: Ints, items: Ints, at: Floats, *, in_lists: bool) -> Iterator[tuple[object, ...]]:
    columns = zip(users.tolist(), items.tolist(), np.round(at, 6).tolist(), strict=True)
    for number, (user, item, time_) in enumerate(columns):
        yield f"{name}{number}", user, item, time_, time_, f"i{number}" if in_lists else None, 1.0, 0


def _insert(database: sqlite3.Connection, table: str, rows: Iterable[tuple[object, ...]]) -> None:
    places = ", ".join("?" * len(ROWS[table].split(",")))
    database.executemany(f"INSERT INTO {table} ({ROWS[table]}) VALUES ({places})", rows)


def _drop_indexes(database: sqlite3.Connection) -> list[str]:
    """Drop the indexes of the log, which are made faster when all is there, and return how to make them."""
    found = database.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL "
        "AND tbl_name IN ('clicks', 'impressions')"
    ).fetchall()
    for name, _ in found:
        database.execute(f'DROP INDEX "{name}"')
    return [sql for _, sql in found]
