"""A small newspaper: articles with titles and pictures, readers who have a favourite section, and lists until now."""

import random
from pathlib import Path

from PIL import Image

from recsys.database import articles, events
from recsys.database.session import Sessions, open_sessions, upgrade, writing
from recsys.domain import Article, Click, Context, Impression, Timestamp
from recsys.encoders import load_encoders
from recsys.lifecycle.encode import encode_new
from recsys.lifecycle.train import train
from recsys.settings import Settings

HOUR = 3600.0
ARTICLES, READERS, LISTS, LENGTH = 60, 40, 300, 8
WORDS = {
    "sport": ["striker", "cup final", "goalkeeper", "late winner", "marathon", "penalty"],
    "politics": ["minister", "budget vote", "coalition", "parliament", "election", "treaty"],
    "science": ["telescope", "vaccine", "fossil", "particle", "glacier", "genome"],
    "food": ["bakery", "soup", "vineyard", "street kitchen", "cheese", "harvest"],
}
COLOURS = {"sport": (20, 160, 40), "politics": (40, 40, 160), "science": (120, 20, 140), "food": (220, 140, 30)}
SECTIONS = tuple(WORDS)


def article_id(number: int) -> str:
    return f"a{number}"


def section_of(number: int) -> str:
    return SECTIONS[number % len(SECTIONS)]


def favourite_of(reader: int) -> str:
    return SECTIONS[reader % len(SECTIONS)]


def build(settings: Settings, now: Timestamp) -> tuple[str, str]:
    """Make the newspaper under ``settings.home`` and train on it twice: the live version, and a candidate."""
    upgrade(settings)
    sessions = open_sessions(settings)
    _import(sessions, settings.home / "pictures", now)
    encode_new(sessions, load_encoders(settings))
    live, candidate = (train(sessions, settings, seed=seed).version for seed in range(2))
    sessions.kw["bind"].dispose()
    return live, candidate


def _import(sessions: Sessions, pictures: Path, now: Timestamp) -> None:
    chance = random.Random(7)
    pictures.mkdir(parents=True)
    catalogue = [_article(number, chance, pictures, now) for number in range(ARTICLES)]
    shown, clicked = _history(chance, now)
    with writing(sessions) as session:
        articles.put_articles(session, catalogue)
        events.add_impressions(session, shown)
        events.add_clicks(session, clicked)


def _article(number: int, chance: random.Random, pictures: Path, now: Timestamp) -> Article:
    section = section_of(number)
    first, second = chance.sample(WORDS[section], 2)
    picture = pictures / f"{number}.png"
    shade = tuple(min(255, level + chance.randrange(60)) for level in COLOURS[section])
    Image.new("RGB", (48, 32), shade).save(picture)
    return Article(
        article_id(number),
        title=f"{first.capitalize()} and {second}: what is known of case {number}",
        section=section,
        language="en",
        image=None if number % 10 == 9 else str(picture),
        published_at=now - 40 * HOUR + number * 0.5 * HOUR,
        premium=number % 7 == 0,
        length=500 + 20 * number,
    )


def _history(chance: random.Random, now: Timestamp) -> tuple[list[Impression], list[Click]]:
    shown, clicked = [], []
    for number in range(LISTS):
        at = now - 5.0 - (LISTS - number) * (10 * HOUR / LISTS)
        reader = chance.randrange(READERS)
        items = chance.sample(range(ARTICLES), LENGTH)
        context = Context(page="front", device=chance.choice(["desktop", "mobile"]))
        shown.append(Impression(f"i{number}", f"u{reader}", at, tuple(map(article_id, items)), context))
        liked = [item for item in items if section_of(item) == favourite_of(reader)]
        if liked and chance.random() < 0.8:
            click = Click(f"c{number}", f"u{reader}", article_id(chance.choice(liked)), at, f"i{number}", at + 2.0)
            clicked.append(click)
    return shown, clicked
