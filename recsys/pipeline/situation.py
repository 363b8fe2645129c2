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

        Lately is counted back from the newest thing that is known, so that a site that was silent for days still
        answers. In a world without any time (no list was ever shown and nothing has a date) every article is live. Ids
        that the log alone names are none of them, as long as somebody keeps a catalogue.
        """
        c = self.catalogue
        shown = self.state.last_shown[: len(c)]
        here = c.here(at)
        seen_at = np.fmax(shown, np.where(here, c.published_at, -np.inf))  # NaN, no date, loses against any time
        newest = min(at, seen_at.max(initial=-np.inf))
        return c.described_among(np.flatnonzero(here & (seen_at >= newest - self.live_hours * 3600.0)))


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
