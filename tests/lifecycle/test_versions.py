"""Names of versions never meet, and a rollback is to what can be served."""

import shutil
import subprocess
import sys

import made_world
import pytest
from made_training import hurry, live, pretend, snapshots, versions

from recsys.database import models
from recsys.database.session import Sessions, writing
from recsys.domain import NotPossibleError, RecsysError
from recsys.lifecycle import recording
from recsys.lifecycle import train as train_room
from recsys.lifecycle.train import train
from recsys.lifecycle.versions import new_version, promote, rollback
from recsys.settings import Settings

SPLIT = made_world.SPLIT


@pytest.fixture
def world(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    """The made world, where training gives the same model once more."""
    sessions = made_world.install(settings)
    pretend(monkeypatch, sessions, settings)
    return sessions


def test_names_differ_within_one_second_and_sort_by_time() -> None:
    names = [new_version() for _ in range(200)]
    assert len(set(names)) == 200
    assert [name[:15] for name in names] == sorted(name[:15] for name in names)


def test_the_fast_commands_need_no_model_library() -> None:
    code = "import sys, recsys.lifecycle.versions; print([n for n in ('torch', 'timm', 'faiss') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_a_rollback_goes_to_the_version_before(settings: Settings, world: Sessions) -> None:
    first, second = live(world), train(world, settings, until=SPLIT).version
    promote(world, settings, second)
    assert rollback(world, settings) == first == live(world)


def test_a_version_whose_folder_is_gone_is_not_rolled_back_to(settings: Settings, world: Sessions) -> None:
    first, second = live(world) or "", train(world, settings, until=SPLIT).version
    promote(world, settings, second)
    shutil.rmtree(settings.snapshots / first)
    with pytest.raises(NotPossibleError, match=rf"{first}, .* cannot be served\. There is no snapshot .*recsys models"):
        rollback(world, settings)
    assert live(world) == second


def test_a_snapshot_whose_version_cannot_be_recorded_does_not_stay(
    settings: Settings, world: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = live(world), versions(world), snapshots(settings)

    def refuse(*_: object, **__: object) -> None:
        raise RecsysError("The database could not be written.")

    with monkeypatch.context() as patch:
        patch.setattr(models, "add_version", refuse)
        with pytest.raises(RecsysError, match="could not be written"):
            train(world, settings, until=SPLIT)
    assert (live(world), versions(world), snapshots(settings)) == before


def test_a_snapshot_whose_version_was_recorded_after_all_stays(
    settings: Settings, world: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection may be lost after the commit and before its confirmation."""
    record = recording.add_row

    def lost(*given: object, **named: object) -> None:
        record(*given, **named)  # type: ignore[arg-type]
        raise RecsysError("The connection was lost.")

    monkeypatch.setattr(recording, "add_row", lost)
    with pytest.raises(RecsysError, match="lost"):
        train(world, settings, until=SPLIT)
    assert len(versions(world)) == 2
    assert snapshots(settings) == sorted(versions(world))


def test_vectors_of_another_encoder_are_not_trained_without(
    settings: Settings, world: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = versions(world)
    other = settings.model_copy(update={"image_encoder": "resnet10t"})

    def expected(_settings: Settings) -> dict[str, str]:
        return {**ids, "image": "another@1"}

    ids = train_room.expected_ids(settings)
    monkeypatch.setattr(train_room, "expected_ids", expected)
    with pytest.raises(RecsysError, match=r"none of another@1 yet: run `recsys encode`, or restore RECSYS_IMAGE_ENC"):
        train(world, other, until=SPLIT)
    assert versions(world) == before


def test_a_live_version_that_is_gone_is_told_before_a_retraining(
    settings: Settings, world: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recsys.lifecycle.encode import EncodeReport
    from recsys.lifecycle.retrain import retrain

    def fail(*_: object, **__: object) -> None:
        pytest.fail("it was trained in vain")

    hurry(monkeypatch, fail)
    shutil.rmtree(settings.snapshots / (live(world) or ""))
    with pytest.raises(RecsysError, match="There is no snapshot in"):
        retrain(world, settings, encode=EncodeReport)
    with writing(world) as session:
        assert models.live_version(session)
