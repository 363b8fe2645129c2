"""RECSYS_FUSION decides what is trained next; what is served is decided by the live snapshot alone."""

import json

import made_world
import numpy as np
import pytest
from made_training import hurry, live

from recsys.database.session import Sessions
from recsys.encoders import expected_ids
from recsys.lifecycle.encode import EncodeReport
from recsys.lifecycle.judging import evaluate
from recsys.lifecycle.loading import load_model
from recsys.lifecycle.retrain import retrain
from recsys.lifecycle.train import train
from recsys.pipeline.load import load_dataset
from recsys.pipeline.model import Model
from recsys.settings import Settings


@pytest.fixture
def world(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    hurry(monkeypatch)
    return made_world.install(settings)


def loaded(sessions: Sessions, settings: Settings, version: str) -> Model:
    with sessions() as session:
        return load_model(sessions, settings, version, load_dataset(session, expected_ids(settings)))


def recorded(settings: Settings, version: str) -> str:
    return str(json.loads((settings.snapshots / version / "manifest.json").read_text())["fusion"])


def test_the_environment_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_FUSION", "late")
    assert Settings(_env_file=None).fusion == "late"
    monkeypatch.setenv("RECSYS_FUSION", "quantum")
    with pytest.raises(ValueError, match="'gated', 'weighted', 'mlp', 'attention' or 'late'"):
        Settings(_env_file=None)


def test_a_training_takes_the_fusion_of_the_settings(settings: Settings, world: Sessions) -> None:
    late = settings.model_copy(update={"fusion": "late"})
    model = train(world, late, until=made_world.SPLIT)
    assert recorded(settings, model.version) == "late"
    assert loaded(world, settings, model.version).views.towers.config.fusion == "late"  # whatever the settings say
    assert 0 <= evaluate(world, settings, version=model.version, since=made_world.SPLIT).summary["auc"] <= 1


def test_the_live_snapshot_keeps_its_own_fusion_and_a_retraining_takes_the_new_one(
    settings: Settings, world: Sessions
) -> None:
    before = live(world) or ""
    other = settings.model_copy(update={"fusion": "mlp"})
    mine, theirs = loaded(world, settings, before).views, loaded(world, other, before).views
    assert recorded(settings, before) == theirs.towers.config.fusion == "gated"
    np.testing.assert_array_equal(
        mine.learned.vectors(mine.learned.keys)[0], theirs.learned.vectors(mine.learned.keys)[0]
    )
    done = retrain(world, other, encode=EncodeReport)
    assert recorded(settings, done.version) == "mlp"
    assert done.previous_metrics is not None  # another fusion is a rival like any other
