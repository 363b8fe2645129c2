"""The made world's snapshot, read into the keys of any database, and what a model says of some readers."""

from collections.abc import Iterable
from pathlib import Path

import made_world
import numpy as np
from made_answers import load_world, recommend

from recsys.columns import Floats32
from recsys.database import articles, users
from recsys.database.session import Sessions
from recsys.encoders import expected_ids
from recsys.features.features import RequestContext
from recsys.features.marks import scratch_for
from recsys.pipeline.load import load_view, user_room
from recsys.pipeline.model import Model
from recsys.pipeline.situation import Reader, Request
from recsys.settings import Settings
from recsys.snapshots.snapshot import KeysOf, read_snapshot

READERS = tuple(made_world.user_id(number) for number in range(1, 8))


def keys_in(sessions: Sessions) -> KeysOf:
    """Article keys of a database."""

    def keys_of(article_ids: Iterable[str]) -> dict[str, int]:
        with sessions() as session:
            return articles.keys_of(session, article_ids)

    return keys_of


def version_of(settings: Settings) -> str:
    """The one version of the made world."""
    return next(path.name for path in settings.snapshots.iterdir() if not path.name.startswith("."))


def read(folder: Path, sessions: Sessions) -> Model:
    return read_snapshot(folder, keys_in(sessions))


def answers(model: Model, sessions: Sessions, settings: Settings) -> dict[str, list[tuple[str, float]]]:
    """Article ids and scores of a few readers' recommendations at the end of the world."""
    with sessions() as session:
        world = load_world(session, expected_ids(settings), settings.live_hours)
        reader = Reader(world, scratch_for(len(world.catalogue), user_room(session)))
        found = {}
        for name in READERS:
            user = users.key_of(session, name)
            assert user is not None
            view = load_view(session, user, made_world.END)
            request = Request(user, view, made_world.END, RequestContext(1, 1, 0, -1))
            answer = recommend(model, reader, request, 10, diversity=0.2, section_cap=4)
            ids = [str(world.catalogue.article_ids[key]) for key in answer.keys]
            found[name] = list(zip(ids, answer.scores.tolist(), strict=True))
    return found


def vectors(model: Model, sessions: Sessions) -> dict[str, tuple[Floats32, Floats32]]:
    """Learned and content vector of every article, by id."""
    ids = [made_world.article_id(number) for number in range(1, made_world.ORDINARY + 1)]
    keys = keys_in(sessions)(ids)
    numbers = np.array([keys[i] for i in ids])
    learned, content = model.views.learned.vectors(numbers)[0], model.views.content.vectors(numbers)[0]
    return dict(zip(ids, zip(learned, content, strict=True), strict=True))
