"""Quick trainings on copies of the made world, and what they wrote."""

import functools
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import made_world
import pytest
from sqlalchemy import text

from recsys.database import articles, models
from recsys.database.session import Sessions, open_sessions, upgrade, writing
from recsys.encoders import expected_ids
from recsys.lifecycle import train as train_room
from recsys.pipeline.model import Model
from recsys.settings import Settings
from recsys.snapshots.manifest import sha256
from recsys.snapshots.snapshot import read_snapshot
from recsys.training.fit import TrainingSet, fit
from recsys.training.heads import HeadConfig
from recsys.training.towers import FitConfig

quick_fit = functools.partial(fit, towers=FitConfig(max_steps=20, batch=128, uniform=32), heads=HeadConfig(epochs=3))


def hurry(monkeypatch: pytest.MonkeyPatch, fitted: Callable[..., object] = quick_fit) -> None:
    """Make every training of this test a short one, or another one."""
    monkeypatch.setattr(train_room, "fit", fitted)


def pretend(
    monkeypatch: pytest.MonkeyPatch,
    sessions: Sessions,
    settings: Settings,
    change: Callable[[Model], None] | None = None,
) -> None:
    """Let a training give the made world's own model again, changed if so wished: where it is not what is tested."""
    original = settings.home / "original"
    if not original.exists():
        (version,) = snapshots(settings)
        shutil.copytree(settings.snapshots / version, original)

    def fitted(data: TrainingSet, *, version: str, **_: object) -> Model:
        with sessions() as session:
            model = read_snapshot(original, lambda ids: articles.keys_of(session, ids))
        if change is not None:
            change(model)
        return replace(model, version=version, since=data.since, until=data.until)

    hurry(monkeypatch, fitted)


def untrained(settings: Settings, folder: Path) -> Sessions:
    """The made world without a model."""
    upgrade(settings)
    sessions = open_sessions(settings)
    with writing(sessions) as session:
        made_world.write(session, folder, expected_ids(settings))
    return sessions


def weights(settings: Settings, version: str) -> str:
    """Checksum of a version's weights."""
    return sha256(settings.snapshots / version / "weights.safetensors")


def live(sessions: Sessions) -> str | None:
    with sessions() as session:
        return models.live_version(session)


def versions(sessions: Sessions) -> list[str]:
    with sessions() as session:
        return [row.version for row in models.versions(session)]


def snapshots(settings: Settings) -> list[str]:
    return sorted(path.name for path in settings.snapshots.iterdir()) if settings.snapshots.exists() else []


def change(sessions: Sessions, statement: str, **values: object) -> int:
    """Change the database behind everybody's back, and return how many rows."""
    with writing(sessions) as session:
        return int(session.execute(text(statement), values).rowcount)  # type: ignore[attr-defined]
