"""What one request is answered from: the world as the process knows it, and the request itself."""

from dataclasses import dataclass, field

import numpy as np

from recsys.columns import NONE, Bools, Catalogue, Ints
from recsys.domain import Timestamp
from recsys.features.examples import HISTORY
from recsys.features.features import Attributes, RequestContext
from recsys.features.history import UserView
from recsys.features.marks import Scratch
from recsys.features.state import ArticleState

ANYWHERE = RequestContext(0, 0, -1, NONE)


@dataclass(frozen=True)
class World:
    """The articles at an instant: state of the fold, and catalogue."""

    state: ArticleState
    catalogue: Catalogue
    attributes: Attributes
    live_hours: float

    def live(self, at: Timestamp) -> Ints:
        """Keys of the articles that may be recommended: in the catalogue, published, and shown or published lately.

        In a world that has no times at all (no list was ever shown and nothing has a date) every article is live.
        """
        c, since = self.catalogue, at - self.live_hours * 3600.0
        size = len(c)
        published = ~(c.published_at > at) & (c.expires_at > at)
        lately = (self.state.last_shown[:size] >= since) | (c.published_at >= since)
        if not lately.any() and not np.isfinite(self.state.last_shown).any() and np.isnan(c.published_at).all():
            lately = np.ones(size, np.bool_)
        keys: Ints = np.flatnonzero(published & lately)
        return keys


@dataclass(frozen=True)
class Request:
    """One user at one time in one place."""

    user: int  # key; 0 for a user who is not known
    view: UserView
    at: Timestamp
    context: RequestContext = ANYWHERE
    section: str | None = None
    exclude: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def history(self) -> Ints:
        """Keys of the newest liked articles (at most HISTORY,), oldest first."""
        return self.view.clicked[self._liked][-HISTORY:]

    @property
    def ages(self) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        """Seconds since those clicks, in the order of ``history``."""
        return self.at - self.view.clicked_at[self._liked][-HISTORY:]

    @property
    def _liked(self) -> Bools:
        return self.view.clicked_weight > 0


@dataclass(frozen=True)
class Reader:
    """A world with the scratch memory of one thread."""

    world: World
    scratch: Scratch
