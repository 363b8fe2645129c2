"""A snapshot brings its fusion along: what was trained with any of them is served as it was."""

import json
from dataclasses import replace
from pathlib import Path

import made_world
import numpy as np
import pytest
from made_snapshots import answers, keys_in, read, vectors, version_of
from safetensors import safe_open

from recsys.columns import Ints
from recsys.database import articles
from recsys.database.session import Sessions
from recsys.domain import RecsysError
from recsys.encoders import expected_ids
from recsys.model.fusion import FUSIONS
from recsys.model.two_towers import TowerConfig
from recsys.pipeline.load import Dataset, load_dataset
from recsys.pipeline.model import Model, views_of
from recsys.settings import Settings
from recsys.snapshots.manifest import read_manifest, write_manifest
from recsys.snapshots.snapshot import write_snapshot
from recsys.training.towers import FitConfig, fit_towers


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Sessions, Dataset]:
    settings = Settings(home=tmp_path_factory.mktemp("fusions") / "home", _env_file=None)
    sessions = made_world.install(settings)
    with sessions() as session:
        return settings, sessions, load_dataset(session, expected_ids(settings))


@pytest.fixture(params=FUSIONS)
def model(request: pytest.FixtureRequest, world: tuple[Settings, Sessions, Dataset]) -> Model:
    """The made world's model with towers of this fusion, trained for a few steps."""
    settings, sessions, data = world
    config = FitConfig(TowerConfig(fusion=request.param), max_steps=8, batch=64, uniform=32)
    towers = fit_towers(data.content, data.log.clicks, until=made_world.SPLIT, config=config)
    original = read(settings.snapshots / version_of(settings), sessions)
    return replace(original, views=views_of(towers, data.content, original.views.learned.keys))


def ids_of(sessions: Sessions) -> dict[int, str]:
    with sessions() as session:
        return dict(enumerate(articles.load_catalogue(session).article_ids))


def keys_of_some(sessions: Sessions) -> Ints:
    names = ["a01", "a10", "a33", made_world.BARE, made_world.BROKEN, "a80"]
    return np.array(list(keys_in(sessions)(names).values()))


def test_what_is_read_is_what_was_written(
    model: Model, world: tuple[Settings, Sessions, Dataset], tmp_path: Path
) -> None:
    settings, sessions, data = world
    write_snapshot(model, tmp_path / "v1", ids_of(sessions))
    again = read(tmp_path / "v1", sessions)
    fusion = model.views.towers.config.fusion
    assert json.loads((tmp_path / "v1" / "manifest.json").read_text())["fusion"] == fusion
    assert again.views.towers.config == model.views.towers.config
    for name, (learned, content) in vectors(model, sessions).items():
        np.testing.assert_array_equal(vectors(again, sessions)[name][0], learned)
        np.testing.assert_array_equal(vectors(again, sessions)[name][1], content)
    computed, weights = again.views.towers.item_vectors(data.content, keys_of_some(sessions))
    expected = model.views.towers.item_vectors(data.content, keys_of_some(sessions))
    np.testing.assert_array_equal(computed, expected[0])
    np.testing.assert_array_equal(weights, expected[1])
    served = answers(model, sessions, settings)
    assert answers(again, sessions, settings) == served
    assert all(len(items) == 10 for items in served.values())


def test_fusions_have_weights_of_their_own(
    model: Model, world: tuple[Settings, Sessions, Dataset], tmp_path: Path
) -> None:
    """So that a manifest which names another fusion is found out, not served."""
    _, sessions, _ = world
    write_snapshot(model, tmp_path / "v1", ids_of(sessions))
    manifest = read_manifest(tmp_path / "v1")
    for other in (*FUSIONS, "quantum"):
        write_manifest(manifest.model_copy(update={"fusion": other}), tmp_path / "v1")
        if other == manifest.fusion:
            assert read(tmp_path / "v1", sessions).views.towers.config.fusion == other
        else:
            with pytest.raises(RecsysError, match="does not fit this version of recsys: train again"):
                read(tmp_path / "v1", sessions)
    with safe_open(tmp_path / "v1" / "weights.safetensors", "np") as file:
        assert any(name.startswith("towers.fusion.ids") for name in file.keys())  # noqa: SIM118
