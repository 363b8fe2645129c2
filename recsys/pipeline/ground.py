"""What all requests of an instant have in common: the live articles, and how the sources rank them for everybody."""

from dataclasses import dataclass, field

import numpy as np

from recsys.columns import Bools, Ints
from recsys.domain import Timestamp
from recsys.features.history import empty_view
from recsys.pipeline.filters import in_section
from recsys.pipeline.model import Views
from recsys.pipeline.situation import Request, World
from recsys.pipeline.sources import ALIKE, SHARE, SOURCES, Query
from recsys.retrieval.index import Selection

SPARE = 400  # articles of a ranking beyond the share of its source: so many may be barred for one user
LASTS = 0.75  # seconds that a process answers from one ground, unless its catalogue changes: counters may lag a second


@dataclass(frozen=True)
class Ground:
    """The live articles of a world, or those of one section, as one model's views hold them."""

    views: Views
    world: World
    at: Timestamp
    live: Ints  # (n,) rising keys
    is_live: Bools  # (articles,)
    alike: dict[str, Ints]  # the best of each source of ALIKE, as many as its share and SPARE
    trends: Bools  # (articles,) which were clicked lately
    something_trends: bool
    learned: Selection  # the live articles, as the indexes search them
    content: Selection
    sections: dict[str, "Ground"] = field(default_factory=dict)

    def of_section(self, section: str | None) -> "Ground":
        """The same for the articles of one section; prepared once."""
        if section is None:
            return self
        if section not in self.sections:
            inside = self.live[in_section(self.world, self.live, section)]
            self.sections[section] = _ground(self.views, self.world, self.at, inside)
        return self.sections[section]

    def serves(self, views: Views, world: World, at: Timestamp) -> bool:
        """Whether a request of ``at`` may be answered from it; one that waited may be older than the ground."""
        return self.views is views and self.world is world and abs(at - self.at) < LASTS


def ground_of(views: Views, world: World, at: Timestamp) -> Ground:
    """The ground at an instant, as state and indexes are now."""
    return _ground(views, world, at, world.live(at))


def _ground(views: Views, world: World, at: Timestamp, live: Ints) -> Ground:
    query = Query(views, world, Request(0, empty_view(), at), live)
    is_live, trends = np.zeros(len(world.catalogue), np.bool_), np.zeros(len(world.catalogue), np.bool_)
    is_live[live], trends[live] = True, query.clicked_lately > 0
    return Ground(
        views=views,
        world=world,
        at=at,
        live=live,
        is_live=is_live,
        alike={name: SOURCES[name](query, SHARE[name] + SPARE) for name in ALIKE},
        trends=trends,
        something_trends=bool(trends.any()),
        learned=views.learned.select(live),
        content=views.content.select(live),
    )
