"""The made world and its model, and what they say of one list when asked the way that serving asks."""

from dataclasses import dataclass
from pathlib import Path

import made_world
import numpy as np
from made_answers import load_world

from recsys.columns import NONE, Floats32, Ints
from recsys.database.session import Sessions
from recsys.encoders import expected_ids
from recsys.evaluation.evaluate import Window
from recsys.features.features import RequestContext
from recsys.features.marks import scratch_for
from recsys.lifecycle.loading import load_model
from recsys.pipeline import filters, scorer, sources
from recsys.pipeline.load import Dataset, load_dataset, load_view
from recsys.pipeline.model import Model
from recsys.pipeline.recommend import ListOptions, rank
from recsys.pipeline.situation import Reader, Request, World
from recsys.settings import Settings

HOURS = 6
SINCE = made_world.SPLIT + 2 * made_world.HOUR
UNTIL = SINCE + HOURS * made_world.HOUR


@dataclass(frozen=True)
class Judgement:
    """Everything that an evaluation needs."""

    settings: Settings
    sessions: Sessions
    data: Dataset
    model: Model

    def window(self, since: float = SINCE, until: float = UNTIL) -> Window:
        """A stretch of the made log."""
        d = self.data
        options = ListOptions(10, self.settings.diversity, self.settings.section_cap)
        return Window(d.log, d.catalogue, d.attributes, d.users, since, until, self.settings.live_hours, options)

    def lists(self, since: float = SINCE, until: float = UNTIL) -> Ints:
        """Rows of the impressions in a window."""
        times = self.data.log.impressions.known_at
        return np.flatnonzero((times >= since) & (times < until))

    def items(self, i: int) -> Ints:
        """What was shown in the i-th impression."""
        shown = self.data.log.impressions
        return shown.items[shown.offsets[i] : shown.offsets[i + 1]]

    def clicked(self, i: int) -> list[int]:
        """What was ever clicked in it, once each."""
        clicks, position = self.data.log.clicks, self.data.log.impressions.position[i]
        mine = (clicks.impression == position) & (clicks.weight > 0)
        return list(dict.fromkeys(clicks.article[mine].tolist()))

    def request(self, i: int) -> tuple[Reader, Request]:
        """The world as the database knew it strictly before the i-th impression, and a request in its context."""
        shown, t = self.data.log.impressions, float(self.data.log.impressions.known_at[i])
        with self.sessions() as session:
            world = _world(self.sessions, self.settings, t)
            view = load_view(session, int(shown.user[i]), t)
        context = RequestContext(
            int(shown.page[i]), int(shown.device[i]), int(shown.subscriber[i]), int(shown.context_article[i])
        )
        reader = Reader(world, scratch_for(len(world.catalogue), self.data.users))
        return reader, Request(int(shown.user[i]), view, t, context)

    def shown_scores(self, i: int) -> tuple[Floats32, Floats32]:
        """Logits and probabilities of the items of the i-th impression."""
        reader, request = self.request(i)
        modalities = self.model.views.towers.content_space.present
        rows = scorer.inputs(self.model.views, modalities, reader, request, self.items(i))
        assert self.model.heads is not None
        return scorer.judged_lists(self.model.heads.listwise, rows, np.array([0, len(rows)]))

    def ranking(self, i: int) -> tuple[Ints, Ints, Ints]:
        """Pool, candidates and their order for the i-th impression: article keys."""
        reader, request = self.request(i)
        pool = filters.allowed(reader.world, request)
        candidates = sources.gather(self.model.views, reader.world, request, pool).keys
        return pool, candidates, candidates[rank(self.model, reader, request, candidates).order]

    def clicked_before(self, i: int) -> set[int]:
        """What the reader of the i-th impression was known to have opened or dismissed."""
        clicks, shown = self.data.log.clicks, self.data.log.impressions
        known = (clicks.user == shown.user[i]) & (clicks.known_at < shown.known_at[i])
        return set(clicks.article[known].tolist()) - {NONE}

    def liked_before(self, i: int) -> int:
        """How many clicks of the reader of the i-th impression were known."""
        clicks, shown = self.data.log.clicks, self.data.log.impressions
        mine = (clicks.user == shown.user[i]) & (clicks.known_at < shown.known_at[i]) & (clicks.weight > 0)
        return int(mine.sum())


def _world(sessions: Sessions, settings_: Settings, t: float) -> World:
    with sessions() as session:
        return load_world(session, expected_ids(settings_), settings_.live_hours, until=t)


def made_judgement(folder: Path) -> Judgement:
    """Install the world into a folder and read all of it."""
    settings = Settings(home=folder / "home", _env_file=None)
    sessions = made_world.install(settings)
    version = next(path.name for path in settings.snapshots.iterdir())
    with sessions() as session:
        data = load_dataset(session, expected_ids(settings))
    return Judgement(settings, sessions, data, load_model(sessions, settings, version, data))
