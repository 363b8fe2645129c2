"""A training with a fine-tuned title encoder, by the real model: what it reads, writes, reuses and leaves alone."""

from pathlib import Path

import made_training
import made_world
import numpy as np
import pytest
from made_training import hurry, live, snapshots, untrained, versions
from made_world import SPLIT

from recsys.database import models, vectors
from recsys.domain import RecsysError
from recsys.encoders import expected_ids, load_encoders
from recsys.encoders.finetune import TuneConfig, Tuned
from recsys.lifecycle import finetune as room
from recsys.lifecycle.encode import encode_new
from recsys.lifecycle.finetune import finetune_title, train_with_finetuned_title, tuning_end
from recsys.lifecycle.judging import evaluate
from recsys.lifecycle.loading import OtherEncodersError
from recsys.lifecycle.train import train
from recsys.lifecycle.versions import promote
from recsys.settings import Settings

QUICK = TuneConfig(steps=3, batch=16, layers=1)


@pytest.fixture
def quick(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    hurry(monkeypatch)
    return settings


def naming(settings: Settings, folder: str | Path) -> Settings:
    return settings.model_copy(update={"title_encoder": str(folder)})


def test_the_candidate_is_of_another_encoder_and_goes_live_when_the_settings_name_it(quick: Settings) -> None:
    world = made_world.install(quick)
    before = live(world)
    model = train_with_finetuned_title(world, quick, until=SPLIT, config=QUICK)
    figures = model.metrics["finetuning"]
    tuned = naming(quick, figures["folder"])
    assert Path(figures["folder"]).parent == quick.encoders.absolute()
    assert (figures["steps"], len(figures["loss"])) == (3, 2)
    assert model.encoders == expected_ids(tuned)
    assert model.encoders["title"] != expected_ids(quick)["title"]
    assert model.encoders["image"] == expected_ids(quick)["image"]
    with pytest.raises(OtherEncodersError, match="RECSYS_TITLE_ENCODER"):
        promote(world, quick, model.version)
    assert live(world) == before
    evaluate(world, tuned, version=model.version, since=SPLIT)
    promote(world, tuned, model.version)
    assert live(world) == model.version
    with world() as session:
        assert models.get_version(session, model.version).metrics["finetuning"] == figures


def test_nothing_goes_live_by_itself_that_the_settings_do_not_name(quick: Settings, tmp_path: Path) -> None:
    sessions = untrained(quick, tmp_path)
    first = train_with_finetuned_title(sessions, quick, until=SPLIT, config=QUICK)
    assert (live(sessions), versions(sessions)) == (None, [first.version])
    train(sessions, naming(quick, first.metrics["finetuning"]["folder"]), until=SPLIT)
    assert live(sessions) not in (None, first.version)


def test_a_second_run_writes_and_encodes_nothing_again(quick: Settings) -> None:
    world = made_world.install(quick)
    folder = finetune_title(world, quick, until=tuning_end(world, quick, None, SPLIT), config=QUICK).folder
    written = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert any(name.endswith(".safetensors") for name in written)
    assert encode_new(world, load_encoders(naming(quick, folder))).encoded["title"] > 0
    train_with_finetuned_title(world, quick, until=SPLIT, config=QUICK)
    assert [path.name for path in quick.encoders.iterdir()] == [folder.name]
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == written
    report = encode_new(world, load_encoders(naming(quick, folder)))
    assert report.looked_at == 0
    with world() as session:  # the vectors of the encoder in the settings stay
        assert vectors.count_not_encoded(session, "title", expected_ids(quick)["title"]) == 0


def test_what_became_known_later_changes_nothing(quick: Settings) -> None:
    world = made_world.install(quick)
    with_future = finetune_title(world, quick, until=SPLIT, config=QUICK).folder
    whole = finetune_title(world, quick, config=QUICK).folder
    gone = made_training.change(world, "DELETE FROM clicks WHERE known_at >= :t", t=SPLIT)
    assert gone
    assert finetune_title(world, quick, until=SPLIT, config=QUICK).folder == with_future != whole


def test_the_newest_slice_of_the_lists_is_not_tuned_on(quick: Settings) -> None:
    """Their clicks are what the head learns from how far to trust the titles."""
    world = made_world.install(quick)
    times = sorted(shown.known_at for shown in made_world.made_log()[0])
    before = [at for at in times if at < SPLIT]
    assert tuning_end(world, quick, None, SPLIT) == before[len(before) // 2]
    assert tuning_end(world, quick, None, None) == times[len(times) // 2]
    since = before[len(before) // 2]
    rest = [at for at in before if at >= since]
    assert tuning_end(world, quick, since, SPLIT) == rest[len(rest) // 2]
    model = train_with_finetuned_title(world, quick, until=SPLIT, config=QUICK)
    own = finetune_title(world, quick, until=tuning_end(world, quick, None, SPLIT), config=QUICK)
    assert model.metrics["finetuning"]["folder"] == str(own.folder)
    assert own.folder != finetune_title(world, quick, until=SPLIT, config=QUICK).folder
    made_training.change(world, "DELETE FROM impressions")
    assert tuning_end(world, quick, None, SPLIT) == SPLIT  # no head is trained then


def test_robots_teach_nothing(quick: Settings) -> None:
    world = made_world.install(quick)
    plain = finetune_title(world, quick, until=SPLIT, config=QUICK).folder
    assert made_training.change(world, "UPDATE users SET robot = 1 WHERE user_id = 'u01'")
    assert finetune_title(world, quick, until=SPLIT, config=QUICK).folder != plain


def test_progress_and_steps(quick: Settings) -> None:
    world = made_world.install(quick)
    told: list[tuple[str, int, int]] = []
    finetune_title(world, quick, until=SPLIT, config=QUICK, report=lambda *news: told.append(news))
    assert told == [("title encoder", done, 3) for done in (1, 2, 3)]


def test_without_pairs_it_says_so_and_writes_nothing(quick: Settings) -> None:
    world = made_world.install(quick)
    before = versions(world), snapshots(quick)
    with pytest.raises(RecsysError, match="--finetune-title"):
        train_with_finetuned_title(world, quick, until=made_world.START, config=QUICK)
    with pytest.raises(RecsysError, match="RECSYS_TITLE_ENCODER names no model"):
        finetune_title(world, naming(quick, ""), config=QUICK)
    assert (versions(world), snapshots(quick)) == before
    assert not quick.encoders.exists()


def test_a_folder_that_cannot_be_written_leaves_nothing(quick: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    world = made_world.install(quick)

    def full(_tuned: Tuned, folder: Path) -> None:
        (folder / "config.json").write_text("half of it")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(room, "save", full)
        with pytest.raises(RecsysError, match="No space left"):
            finetune_title(world, quick, until=SPLIT, config=QUICK)
    assert list(quick.encoders.iterdir()) == []
    assert finetune_title(world, quick, until=SPLIT, config=QUICK).folder.is_dir()


def test_it_can_be_tuned_again_from_where_it_stands(quick: Settings) -> None:
    world = made_world.install(quick)
    first = finetune_title(world, quick, until=SPLIT, config=QUICK).folder
    second = finetune_title(world, naming(quick, first), until=SPLIT, config=QUICK).folder
    assert first != second
    article = made_world.made_articles(quick.home)[:2]
    one, two = (load_encoders(naming(quick, folder))[0].encode(article)[0] for folder in (first, second))
    assert not np.allclose(one, two, atol=1e-4)
