"""The hidden truth of the synthetic sample: its articles, its readers, and what is planted in their tastes.

Nothing of it but the articles' own fields is written to the sample; benchmarks and tests make the world again from
the seed to compare what a model found with what is there.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np

from recsys.columns import Bools, Floats, Ints
from recsys.domain import Article, RecsysError, Timestamp
from recsys.ingest.sample_world.headlines import Topic, deck, load_topics
from recsys.ingest.sample_world.pictures import STYLES

START: Timestamp = datetime(2026, 3, 2, tzinfo=UTC).timestamp()
HOUR, DAY = 3600.0, 86400.0
NO_PICTURE = -1
NO_PICTURE_SHARE = 0.06
BROKEN = ("truncated", "text", "empty", "truncated", "text")  # pictures that are there and can't be read
# Hourly rhythms: when the newsroom publishes and when readers come (relative, hours 0 to 23 UTC).
NEWSROOM = (1, 1, 1, 1, 2, 5, 9, 10, 8, 7, 7, 8, 8, 7, 7, 8, 9, 9, 7, 6, 5, 4, 3, 2)
MORNING = (1, 0.5, 0.5, 0.5, 1, 5, 14, 16, 10, 6, 4, 4, 5, 4, 3, 3, 4, 5, 5, 5, 5, 4, 3, 2)
EVENING = (2, 1, 0.5, 0.5, 0.5, 1, 3, 4, 4, 3, 3, 4, 7, 5, 4, 4, 5, 7, 9, 12, 14, 13, 9, 4)

# What a unit of each effect adds to the utility of an article, in which the noise is a standard Gumbel draw.
TITLE, PICTURE, FRESHNESS, POPULARITY, PAYWALL = 1.7, 1.4, 1.0, 0.7, -0.5
FRESH_HOURS = 18.0  # the freshness of an article of this age is 1/e
LISTS_PER_VISIT = 1.42  # measured: a click often leads on to a second list
LOVED = (2, 5)  # how many topics a reader loves: the fewest, and one more than the most
LOVE = 2.0  # how far they stand out, in standard deviations of the other topics
CONTRAST = 0.6  # share of a reader's mean taste of a section that is taken off its topics
SPREAD, BUSIEST = 1.4, 25  # of how often readers come, against the median reader
DRIFT = 0.985  # of a taste is left after a day; the rest is new


@dataclass(frozen=True)
class Readers:
    """n readers and what they like; tastes are standardised over a reader's topics."""

    title_taste: Floats  # (n, days, topics)
    style_taste: Floats  # (n, styles); 0 for who doesn't mind
    visits: Ints  # (n,) how often they come in the whole time
    device: tuple[str, ...]  # (n,) the usual one
    subscriber: Bools  # (n,)
    evening: Bools  # (n,) come in the evening rather than in the morning

    def __len__(self) -> int:
        return len(self.visits)


@dataclass(frozen=True)
class World:
    """Everything that the sample is made of; the rows of ``articles`` are ordered by publication."""

    seed: int
    days: int
    topics: tuple[Topic, ...]
    articles: tuple[Article, ...]
    topic: Ints  # (articles,)
    drawn_style: Ints  # (articles,) of the picture, NO_PICTURE without
    broken: dict[int, str]  # article row -> how its picture file is broken
    burst: Floats  # (articles,) height of the wave of interest
    peak_hours: Floats  # (articles,) from publication to its crest
    readers: Readers

    @cached_property
    def published(self) -> Floats:
        """When each article appeared: (articles,)."""
        return np.array([article.published_at for article in self.articles])

    @cached_property
    def style(self) -> Ints:
        """The style that readers see, NO_PICTURE where the file is missing or broken: (articles,)."""
        seen = self.drawn_style.copy()
        seen[list(self.broken)] = NO_PICTURE
        return seen

    @property
    def end(self) -> Timestamp:
        """When the last day is over."""
        return START + self.days * DAY

    def hotness(self, at: Timestamp, rows: Ints) -> Floats:
        """The wave of interest in articles, which rises within hours and decays: burst * x * exp(1 - x)."""
        crests = np.maximum(at - self.published[rows], 0) / (self.peak_hours[rows] * HOUR)
        waves: Floats = self.burst[rows] * crests * np.exp(1 - crests)
        return waves


@dataclass(frozen=True)
class Effects:
    """What each planted effect adds to the utility of some articles for one reader at one time: each (articles,)."""

    title: Floats
    picture: Floats
    freshness: Floats
    popularity: Floats
    paywall: Floats

    @property
    def utility(self) -> Floats:
        """The sum of the effects."""
        return self.title + self.picture + self.freshness + self.popularity + self.paywall


def effects(world: World, reader: int, at: Timestamp, rows: Ints) -> Effects:
    """The planted effects for a reader (by row) who is shown these articles (by row) at a time."""
    readers = world.readers
    day = min(max(int((at - START) // DAY), 0), world.days - 1)
    styles = np.append(readers.style_taste[reader], 0.0)  # NO_PICTURE picks the last, which nobody minds
    ages = np.maximum(at - world.published[rows], 0) / HOUR
    premium = np.array([bool(world.articles[row].premium) for row in rows.tolist()], np.float64)
    return Effects(
        title=TITLE * readers.title_taste[reader, day, world.topic[rows]],
        picture=PICTURE * styles[world.style[rows]],
        freshness=FRESHNESS * np.exp(-ages / FRESH_HOURS),
        popularity=POPULARITY * world.hotness(at, rows),
        paywall=PAYWALL * premium * (not readers.subscriber[reader]),
    )


def make_world(
    seed: int = 7, *, articles: int = 720, readers: int = 2000, impressions: int = 24_000, days: int = 21
) -> World:
    """The world of a seed; the same arguments make the same world.

    ``impressions`` is what the readers' visits come to, within a few per cent: a visit may go on to a second list.

    Raises ``RecsysError`` for sizes that no world can have.
    """
    if min(articles, readers, impressions, days) < 1:
        raise RecsysError("The sample needs at least one article, reader, impression and day.")
    rng = np.random.default_rng([seed, 0])
    topics = load_topics()
    kinds = rng.choice(len(topics), articles, p=_shares(rng.uniform(0.7, 1.4, len(topics))))
    styles = rng.integers(len(STYLES), size=articles)
    styles[rng.random(articles) < NO_PICTURE_SHARE] = NO_PICTURE
    with_picture = rng.permutation(np.flatnonzero(styles != NO_PICTURE))
    eventful = rng.random(articles) < 0.25
    return World(
        seed=seed,
        days=days,
        topics=topics,
        articles=_articles(topics, kinds, styles, publication_times(rng, articles, days), rng),
        topic=kinds,
        drawn_style=styles,
        broken=dict(zip(with_picture[: articles // 100 + 1].tolist(), BROKEN, strict=False)),
        burst=np.where(eventful, rng.uniform(1.2, 2.8, articles), rng.uniform(0, 0.5, articles)),
        peak_hours=rng.lognormal(np.log(5), 0.5, articles),
        readers=_readers(topics, readers, impressions, days, np.random.default_rng([seed, 1])),
    )


def publication_times(rng: np.random.Generator, count: int, days: int) -> Floats:
    """Sorted whole seconds; the first day's lists need articles of the day before, so those begin a day early."""
    day = rng.choice(days + 1, count, p=_shares(np.where(np.arange(days + 1) % 7 > 5, 0.7, 1.0)))
    hour = rng.choice(24, count, p=_shares(np.array(NEWSROOM)))
    times: Floats = START + (day - 1) * DAY + hour * HOUR + rng.integers(3600, size=count)
    return np.sort(times)


def _shares(weights: Floats | Ints) -> Floats:
    shares: Floats = weights / weights.sum()
    return shares


def _articles(
    topics: tuple[Topic, ...], kinds: Ints, styles: Ints, times: Floats, rng: np.random.Generator
) -> tuple[Article, ...]:
    decks = [deck(topic, rng) for topic in topics]
    authors = {section: _newsroom(topics[0], rng) for section in dict.fromkeys(topic.section for topic in topics)}
    made = []
    for row, (kind, style, published) in enumerate(zip(kinds.tolist(), styles.tolist(), times.tolist(), strict=True)):
        article_id, section = f"a{row + 1:04d}", topics[kind].section
        headline, summary = next(decks[kind])
        made.append(
            Article(
                article_id=article_id,
                title=headline,
                summary=summary,
                section=section,
                author=authors[section][int(rng.integers(len(authors[section])))],
                language="en",
                url=f"https://news.example/{section}/{article_id}",
                image=None if style == NO_PICTURE else f"pictures/{article_id}.jpg",
                published_at=published,
                premium=bool(rng.random() < 0.2),
                length=int(rng.lognormal(np.log(2600), 0.5)),
            )
        )
    return tuple(made)


def _newsroom(topic: Topic, rng: np.random.Generator) -> list[str]:
    """The names of a section's five reporters."""
    firsts, lasts = (rng.permutation(len(topic.words[name]))[:5] for name in ("first", "last"))
    return [f"{topic.words['first'][f]} {topic.words['last'][s]}" for f, s in zip(firsts, lasts, strict=True)]


def _readers(topics: tuple[Topic, ...], count: int, impressions: int, days: int, rng: np.random.Generator) -> Readers:
    keen = np.minimum(rng.lognormal(0, SPREAD, count), BUSIEST)  # many come once or twice in all, a few every day
    return Readers(
        title_taste=_title_tastes(topics, count, days, rng),
        style_taste=_style_tastes(count, rng),
        visits=_visits(keen, impressions),
        device=tuple(str(device) for device in rng.choice(["mobile", "desktop", "tablet"], count, p=[0.6, 0.32, 0.08])),
        subscriber=rng.random(count) < 0.3,
        evening=rng.random(count) < 0.5,
    )


def _visits(keen: Floats, impressions: int) -> Ints:
    visits: Ints = np.maximum(1, np.round(keen / keen.sum() * impressions / LISTS_PER_VISIT)).astype(np.int64)
    return visits


def _title_tastes(topics: tuple[Topic, ...], count: int, days: int, rng: np.random.Generator) -> Floats:
    """A few loved topics, at the expense of the others of their sections, so that the section alone says little.

    From day to day a taste drifts by an autoregression.
    """
    sections = np.array([topic.section for topic in topics])
    together = (sections[:, None] == sections) / (sections[:, None] == sections).sum(axis=0)
    loved = rng.random((count, len(topics))).argsort(axis=1) < rng.integers(*LOVED, (count, 1))
    tastes = LOVE * loved + rng.normal(size=(count, len(topics)))
    tastes = _standard(tastes - CONTRAST * tastes @ together)
    path = [tastes]
    for _ in range(days - 1):
        tastes = DRIFT * tastes + np.sqrt(1 - DRIFT**2) * rng.normal(size=tastes.shape)
        path.append(_standard(tastes))
    return np.stack(path, axis=1)


def _standard(tastes: Floats) -> Floats:
    scaled: Floats = (tastes - tastes.mean(axis=1, keepdims=True)) / tastes.std(axis=1, keepdims=True)
    return scaled


def _style_tastes(count: int, rng: np.random.Generator) -> Floats:
    """Half of the readers like one style and dislike another; the rest hardly mind."""
    tastes = rng.normal(0, 0.15, (count, len(STYLES)))
    order = rng.random((count, len(STYLES))).argsort(axis=1)
    strong = np.flatnonzero(rng.random(count) < 0.5)
    tastes[strong, order[strong, 0]] += 1.3
    tastes[strong, order[strong, 1]] -= 1.3
    return tastes
