"""The made world and its model, loaded once."""

import made_world
import pytest
from made_answers import load_world
from pipeline_world import Made

from recsys.encoders import expected_ids
from recsys.lifecycle.loading import load_model
from recsys.pipeline.load import load_dataset


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    settings = made_world.plain_settings(tmp_path_factory.mktemp("pipeline") / "home")
    sessions, encoders = made_world.install(settings), expected_ids(settings)
    with sessions() as session:
        data = load_dataset(session, encoders)
        world = load_world(session, encoders, settings.live_hours)
    (version,) = (path.name for path in settings.snapshots.iterdir())
    return Made(sessions, encoders, data, world, load_model(sessions, settings, version, data))
