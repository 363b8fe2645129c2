"""The made world as the pipeline sees it: a trained model, and the articles as they stand at the end of the log."""

from dataclasses import dataclass

import made_world
import numpy as np
import pytest

from recsys.columns import Ints
from recsys.database import articles, users
from recsys.database.session import Sessions
from recsys.encoders import expected_ids
from recsys.features.features import scratch_for
from recsys.features.history import UserView, empty_view
from recsys.lifecycle.train import load_model
from recsys.pipeline.load import Dataset, load_dataset, load_view, load_world
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

    def view(self, user_id: str, at: float = made_world.NOW) -> tuple[int, UserView]:
        with self.sessions() as session:
            user = users.key_of(session, user_id)
            return (0, empty_view()) if user is None else (user, load_view(session, user, at))

    def request(self, user_id: str = "u01", at: float = made_world.NOW) -> Request:
        user, view = self.view(user_id, at)
        return Request(user, view, at)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    settings = made_world.plain_settings(tmp_path_factory.mktemp("pipeline") / "home")
    sessions, encoders = made_world.install(settings), expected_ids(settings)
    with sessions() as session:
        data = load_dataset(session, encoders)
        world = load_world(session, encoders, settings.live_hours)
        version = [path.name for path in settings.snapshots.iterdir()]
    return Made(sessions, encoders, data, world, load_model(sessions, settings, version[0], data))
