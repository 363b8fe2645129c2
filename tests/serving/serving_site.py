"""The made world as one process of a site sees it: a database, what follows it, and what answers from it."""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import made_world
import numpy as np
from made_answers import load_world
from made_world import END, NOW

from recsys.database import articles, events, models, users
from recsys.database.session import Sessions, writing
from recsys.domain import Article, Click, Context, Impression, Timestamp
from recsys.encoders import expected_ids
from recsys.features.state import ArticleState
from recsys.serving.live import Live
from recsys.serving.recommender import Recommender
from recsys.settings import Settings
from recsys.snapshots.snapshot import read_snapshot, write_snapshot

UNTIL = END + 110.0  # behind the last event of the made log


@dataclass(frozen=True)
class Site:
    """A copy of the made world in a database of its own."""

    settings: Settings
    sessions: Sessions
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def encoders(self) -> dict[str, str]:
        return expected_ids(self.settings)

    def live(self, until: Timestamp = UNTIL) -> Live:
        return Live(self.sessions, self.settings, self.encoders, until=until)

    def recommender(self, live: Live | None = None) -> Recommender:
        return Recommender(self.sessions, self.settings, live or self.live())

    def click(self, user_id: str, article_id: str, at: Timestamp, known_at: Timestamp = -1.0) -> None:
        with writing(self.sessions) as session:
            events.add_clicks(session, [Click(f"new-{next(self.numbers)}", user_id, article_id, at, known_at=known_at)])

    def show(self, user_id: str, items: Sequence[str], at: Timestamp, known_at: Timestamp = -1.0) -> None:
        shown = Impression(f"new-{next(self.numbers)}", user_id, at, tuple(items), Context("front"), known_at)
        with writing(self.sessions) as session:
            events.add_impressions(session, [shown])

    def publish(self, *published: Article, encoded: bool = True) -> None:
        with writing(self.sessions) as session:
            articles.put_articles(session, published)
            if encoded:
                made_world.put_vectors(session, list(published), self.encoders)

    def delete(self, article_id: str) -> None:
        with writing(self.sessions) as session:
            assert articles.delete_article(session, article_id, NOW)

    def key(self, article_id: str) -> int:
        with self.sessions() as session:
            return articles.keys_of(session, [article_id])[article_id]

    def section_of(self, article_id: str) -> str | None:
        with self.sessions() as session:
            article = articles.get_article(session, article_id)
        return None if article is None else article.section

    def user_key(self, user_id: str) -> int | None:
        with self.sessions() as session:
            return users.key_of(session, user_id)

    def add_version(self, version: str, *, heads: bool = True) -> None:
        """Write the trained model once more under another name."""
        with self.sessions() as session:
            model = read_snapshot(self.snapshot(), lambda ids: articles.keys_of(session, ids))
            ids = dict(enumerate(articles.load_catalogue(session).article_ids))
        named = replace(model, version=version, heads=model.heads if heads else None)
        write_snapshot(named, self.settings.snapshots / version, ids)
        with writing(self.sessions) as session:
            models.add_version(session, version=version, at=time.time(), since=None, until=None, metrics={})

    def promote(self, version: str) -> None:
        with writing(self.sessions) as session:
            models.promote(session, version, NOW, "a test wants it")

    def rollback(self) -> None:
        with writing(self.sessions) as session:
            models.rollback(session, NOW)

    @property
    def trained(self) -> str:
        """The version that the made world comes with."""
        with self.sessions() as session:
            return models.versions(session)[0].version

    def snapshot(self, version: str | None = None) -> Path:
        return self.settings.snapshots / (version or self.trained)

    def folded(self, until: Timestamp = np.inf) -> ArticleState:
        """The state of the articles as a process has it that starts now."""
        with self.sessions() as session:
            return load_world(session, self.encoders, self.settings.live_hours, until=until).state


def story(article_id: str, section: str = "sport", at: Timestamp = NOW - 60.0, title: str | None = None) -> Article:
    """An article of the last minutes."""
    return Article(article_id, title=title or f"News of {article_id}", section=section, published_at=at)


def assert_same(state: ArticleState, expected: ArticleState) -> None:
    """To the bit, as far as both have articles; one may have more room."""
    for name, array in expected._asdict().items():
        np.testing.assert_array_equal(getattr(state, name)[: len(array)], array, err_msg=name)
