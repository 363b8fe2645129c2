"""The made world as the pipeline sees it, and worlds of a few articles written out by hand."""

from collections.abc import Sequence
from dataclasses import dataclass

import made_world
import numpy as np

from recsys.columns import NONE, Catalogue, Ints
from recsys.database import articles, users
from recsys.database.session import Sessions
from recsys.features.features import attributes_of
from recsys.features.history import UserView, empty_view
from recsys.features.marks import scratch_for
from recsys.features.state import TASTE, empty_state
from recsys.pipeline.load import Dataset, load_view
from recsys.pipeline.model import Model
from recsys.pipeline.situation import Reader, Request, World


@dataclass(frozen=True)
class Made:
    """Loaded once and read by all tests of the pipeline, none of which may write."""

    sessions: Sessions
    encoders: dict[str, str]
    data: Dataset
    world: World
    model: Model

    @property
    def reader(self) -> Reader:
        return Reader(self.world, scratch_for(len(self.world.catalogue), self.data.users))

    def keys(self, *article_ids: str) -> Ints:
        with self.sessions() as session:
            found = articles.keys_of(session, article_ids)
        return np.array([found[article_id] for article_id in article_ids], np.int64)

    def ids(self, keys: Ints) -> list[str]:
        return [str(article_id) for article_id in self.world.catalogue.article_ids[keys]]

    def sections(self, keys: Ints) -> list[str | None]:
        codes = self.world.catalogue.section[keys].tolist()
        return [None if code == NONE else self.world.catalogue.sections[code] for code in codes]

    def request(self, user_id: str = "u01", at: float = made_world.NOW) -> Request:
        with self.sessions() as session:
            user = users.key_of(session, user_id)
            view = empty_view() if user is None else load_view(session, user, at)
        return Request(user or 0, view, at)


def reading(*keys: int, at: float = made_world.NOW, weight: float = 1.0) -> Request:
    """A request of a reader who has clicked on these articles, one each minute up to now."""
    times = at - 60.0 * np.arange(len(keys), 0, -1)
    view = UserView(np.array(keys, np.int64), times, np.full(len(keys), weight), np.zeros(0, np.int64), np.zeros(0))
    return Request(0, view, at)


def by_hand(
    published: Sequence[float],
    *,
    shown: Sequence[float] | None = None,
    expires: Sequence[float] | None = None,
    sections: Sequence[str | None] | None = None,
    described: Sequence[bool] | None = None,
    live_hours: float = 48.0,
) -> World:
    """A world of articles 1, 2, ... with these times of publication, last showing and expiry; row 0 is no article."""
    size = len(published) + 1
    names = tuple(sorted({name for name in sections or () if name is not None}))
    codes = [NONE if name is None else names.index(name) for name in sections or [None] * (size - 1)]
    catalogue = Catalogue(
        article_ids=np.array([None, *(f"article {key}" for key in range(1, size))], dtype=object),
        published_at=np.array([np.nan, *published]),
        expires_at=np.array([-np.inf, *(expires or [np.inf] * (size - 1))]),
        section=np.array([NONE, *codes], np.int64),
        sections=names,
        premium=np.full(size, np.nan),
        length=np.full(size, np.nan),
        described=np.array([False, *(described or [True] * (size - 1))]),
    )
    state = empty_state(size)
    state.last_shown[1:] = -np.inf if shown is None else shown
    state.first_shown[1:] = np.where(np.isfinite(state.last_shown[1:]), state.last_shown[1:], np.inf)
    return World(state, catalogue, attributes_of(catalogue, np.zeros((size, TASTE), np.float32)), live_hours)
