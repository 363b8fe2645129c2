"""A small made world of news in a database, with vectors that tell its sections apart, and a model trained on it once.

``install(settings)`` gives a test its own copy. The world ends at the last midnight, so that its newest articles are
live whatever the day, and nothing else depends on when the tests run.
"""

import functools
import hashlib
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy.orm import Session

from recsys.columns import Floats32
from recsys.database import articles, events, vectors
from recsys.database.session import Sessions, open_sessions, upgrade, writing
from recsys.database.vectors import Content
from recsys.domain import Article, Click, Context, Impression, Timestamp
from recsys.encoders import expected_ids
from recsys.lifecycle.train import train
from recsys.settings import Settings

HOUR, DAY = 3600.0, 86400.0
END: Timestamp = (time.time() - 600.0) // DAY * DAY
NOW: Timestamp = END + 120.0  # everything in the log is known by then
START = END - 5 * DAY
SPLIT = END - DAY  # the model is trained on what was known before

SECTIONS = ("culture", "politics", "science", "sport")
ORDINARY, USERS, LISTS, LONG = 80, 60, 600, 8
BARE = "bare"  # neither title nor picture nor section
IMAGELESS = ("a10", "a20", "a30", "a40", "a50", "a60", "a70", "a80")
BROKEN = "a75"  # its picture is a damaged file
EXPIRED, UNPUBLISHED, DELETED = "expired", "unpublished", "deleted"
NOBODY = "nobody"  # a user of whom nothing is known
DIMS = {"title": 384, "image": 1280}  # of the packaged encoders

WHO = {
    "culture": ("The opera", "A young painter", "The film festival", "The city museum", "A forgotten novelist"),
    "politics": ("The minister", "A senate committee", "The opposition", "The mayor", "A coalition of towns"),
    "science": ("The space probe", "A team of geologists", "The new telescope", "A marine survey", "The vaccine trial"),
    "sport": ("The home team", "A teenage swimmer", "The cycling tour", "The goalkeeper", "The chess champion"),
}
WHAT = ("surprises everyone", "faces hard questions", "returns after a long break", "opens its doors to readers")


def article_id(number: int) -> str:
    """Of the ordinary articles 1 to ORDINARY, in the order in which they were published."""
    return f"a{number:02}"


def user_id(number: int) -> str:
    """Of the users 1 to USERS."""
    return f"u{number:02}"


def section_of(number: int) -> str:
    """The section of an ordinary article, and the one that the user of this number likes."""
    return SECTIONS[number % len(SECTIONS)]


def published(number: int) -> Timestamp:
    """Evenly from a day before the first list to the end."""
    return START - DAY + float(int(number * 6 * DAY / (ORDINARY + 1)))


def plain_settings(home: Path) -> Settings:
    """The defaults, whatever the environment says."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("RECSYS_")]:
            patch.delenv(name)
        return Settings(home=home, _env_file=None)


def install(settings: Settings) -> Sessions:
    """Copy the world and its model to the home of the settings, which must not exist yet, and open it."""
    shutil.copytree(_master().home, settings.home)
    return open_sessions(settings)


@dataclass(frozen=True)
class _Master:
    folder: "tempfile.TemporaryDirectory[str]"  # is removed with the process
    home: Path


@functools.cache
def _master() -> _Master:
    folder = tempfile.TemporaryDirectory(prefix="made-world-")
    settings = plain_settings(Path(folder.name) / "home")
    upgrade(settings)
    sessions = open_sessions(settings)
    with writing(sessions) as session:
        write(session, Path(folder.name), expected_ids(settings))
    train(sessions, settings, until=SPLIT)
    sessions.kw["bind"].dispose()
    return _Master(folder, settings.home)


def write(session: Session, folder: Path, encoders: dict[str, str]) -> None:
    """The catalogue with its pictures (in ``folder``) and vectors, and the log in the order in which it was known."""
    catalogue = made_articles(folder)
    articles.put_articles(session, catalogue)
    articles.delete_article(session, DELETED, END - HOUR)
    put_vectors(session, catalogue, encoders)
    lists, clicks = made_log()
    events.add_impressions(session, lists)
    for backfilled in (True, False):
        events.add_clicks(session, [click for click in clicks if click.backfilled == backfilled])


def made_articles(folder: Path) -> list[Article]:
    """Ordinary articles, and one of each special kind."""
    ordinary = [_article(number, folder) for number in range(1, ORDINARY + 1)]
    special = [
        Article(BARE, published_at=END - 6 * HOUR),
        Article(EXPIRED, title="A sale that is over", published_at=END - 30 * HOUR, expires_at=END - 20 * HOUR),
        Article(UNPUBLISHED, title="News of next month", published_at=END + 30 * DAY, section="sport"),
        Article(DELETED, title="A story that was withdrawn", published_at=END - 8 * HOUR, section="culture"),
    ]
    return ordinary + special


def _article(number: int, folder: Path) -> Article:
    name, section, nth = article_id(number), section_of(number), number // len(SECTIONS)
    return Article(
        name,
        title=f"{WHO[section][nth % 5]} {WHAT[nth % 4]}",
        section=section,
        language="en",
        image=None if name in IMAGELESS else str(_picture(number, folder)),
        published_at=published(number),
        premium=number % 7 == 0,
        length=1000 + 37 * number,
    )


def _picture(number: int, folder: Path) -> Path:
    path = folder / f"{article_id(number)}.png"
    colour = (40 + 50 * (number % 4), (number * 37) % 256, (number * 91) % 256)
    Image.new("RGB", (32, 24), colour).save(path)
    if article_id(number) == BROKEN:
        path.write_bytes(b"not a picture")
    return path


def put_vectors(session: Session, catalogue: list[Article], encoders: dict[str, str], seed: int = 0) -> None:
    """What the encoders would have stored: vectors that are near one another within a section."""
    keys = articles.keys_of(session, [article.article_id for article in catalogue])
    for modality, encoder in encoders.items():
        stored, contents = {}, []
        for article in catalogue:
            digest, status = _content(article, modality)
            contents.append(Content(keys[article.article_id], digest, status))
            if status == "ok" and digest is not None:
                stored[digest] = made_vector(modality, article.section, digest, seed)
        vectors.put_contents(session, modality, encoder, contents, stored)


def _content(article: Article, modality: str) -> tuple[str | None, str]:
    if modality == "title":
        data = None if article.title is None else article.title.encode()
    else:
        data = None if article.image is None else Path(article.image).read_bytes()
    if data is None:
        return None, "missing"
    return hashlib.sha256(data).hexdigest(), "broken" if data == b"not a picture" else "ok"


def made_vector(modality: str, section: str | None, digest: str, seed: int = 0) -> Floats32:
    """A unit vector (d,): the section's direction, and as much of the content's own."""
    directions = np.random.default_rng([seed, DIMS[modality]]).standard_normal((len(SECTIONS), DIMS[modality]))
    own = np.random.default_rng([seed, int(digest[:8], 16)]).standard_normal(DIMS[modality])
    vector = own if section not in SECTIONS else own + directions[SECTIONS.index(section)]
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def made_log() -> tuple[list[Impression], list[Click]]:
    """Lists over five days, and clicks by taste and freshness, each half in the order in which it was known."""
    draw = np.random.default_rng(5)
    times = np.sort(draw.integers(0, int(5 * DAY), LISTS)) + START
    times[1::50] = times[::50]  # some lists share a second
    lists = [_list(draw, number, float(times[number])) for number in range(LISTS)]
    clicks = [click for shown in lists for click in _clicks(draw, shown)]
    clicks += _dismissals(lists) + _histories()
    return lists, sorted(clicks, key=lambda click: (click.known_at, click.event_id))


def _list(draw: np.random.Generator, number: int, at: Timestamp) -> Impression:
    live = [article_id(n) for n in range(1, ORDINARY + 1) if at - 2 * DAY < published(n) < at]
    live += [BARE] if at > END - 6 * HOUR else []
    chosen = draw.permutation(live)[: LONG + 1].tolist()
    on_article = number % 3 == 0
    return Impression(
        impression_id=f"i{number}",
        user_id=user_id(int(USERS * draw.random() ** 1.5) + 1),
        at=at,
        items=tuple(chosen[:LONG]),
        context=Context(
            page="article" if on_article else ("front" if number % 3 == 1 else None),
            context_article=chosen[LONG] if on_article else None,
            device=(None, "desktop", "mobile", "tablet")[number % 4],
            subscriber=(None, True, False)[number % 3],
        ),
    )


def _clicks(draw: np.random.Generator, shown: Impression) -> list[Click]:
    """One or two clicks, or none: a quarter of the lists is left without."""
    numbers = [int(item[1:]) if item != BARE else 0 for item in shown.items]
    taste = section_of(int(shown.user_id[1:]))
    liked = np.array([2.5 * (n > 0 and section_of(n) == taste) for n in numbers])
    fresh = np.array([np.exp(-(shown.at - published(n)) / (12 * HOUR)) if n else 0.0 for n in numbers])
    utility = np.append(liked + 1.5 * fresh, 2.2) + draw.gumbel(size=len(numbers) + 1)
    order = np.argsort(-utility)
    chosen = order[: 2 if draw.random() < 0.15 else 1]
    delays = draw.integers(5, 90, len(chosen))
    return [
        Click(
            event_id=f"{shown.impression_id}-{place}",
            user_id=shown.user_id,
            article_id=shown.items[row],
            at=shown.at,
            impression_id=shown.impression_id,
            known_at=shown.at + float(delays[place]),
        )
        for place, row in enumerate(chosen)
        if row < len(numbers)
    ]


def _dismissals(lists: list[Impression]) -> list[Click]:
    return [
        Click(f"not-{i.impression_id}", i.user_id, i.items[-1], i.at, known_at=i.at + 7.0, weight=0.0)
        for i in lists[::40]
    ]


def _histories() -> list[Click]:
    """What twenty users had read before the first list, told in bulk."""
    old = [n for n in range(1, ORDINARY + 1) if published(n) < START]
    pairs = [(u, [n for n in old if section_of(n) == section_of(u)][:2]) for u in range(1, 21)]
    return [
        Click(f"old-{u}-{n}", user_id(u), article_id(n), published(n) + HOUR, known_at=START, backfilled=True)
        for u, read in pairs
        for n in read
    ]
