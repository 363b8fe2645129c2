"""What is promoted is served, unless its snapshot is not whole: then the old version goes on, with the reason."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_world import NOBODY, NOW
from serving_site import Site, story

from recsys.database.session import writing
from recsys.database.tables import PromotionRow
from recsys.domain import NotReadyError
from recsys.serving import versions
from recsys.serving.answering import live_model


def version_of(site_live: object) -> str:
    return site_live.model.version  # type: ignore[attr-defined]


def test_promotion_and_rollback_swap_the_model(site: Site) -> None:
    live = site.live()
    recommender = site.recommender(live)
    site.add_version("second", heads=False)
    live.refresh()
    assert version_of(live) == site.trained
    site.promote("second")
    live.refresh()
    assert recommender.recommend("u01", at=NOW, log=False).model_version == "second"
    site.rollback()
    live.refresh()
    assert recommender.recommend("u01", at=NOW, log=False).model_version == site.trained


def test_a_request_under_way_keeps_the_model_it_began_with(site: Site) -> None:
    live = site.live()
    recommender = site.recommender(live)
    model = live_model(recommender.live)
    site.add_version("second")
    site.promote("second")
    live.refresh()
    assert model.version == site.trained
    assert live_model(recommender.live).version == "second"


def test_a_running_process_swaps_within_a_second(site: Site) -> None:
    site.add_version("second")
    live = site.live()
    live.start()
    try:
        seconds = []
        for version in ("second", site.trained, "second"):
            site.promote(version)
            promoted = time.monotonic()
            while version_of(live) != version and time.monotonic() < promoted + 10:
                time.sleep(0.01)
            seconds.append(time.monotonic() - promoted)
        assert sorted(seconds)[1] < 1.0
    finally:
        live.stop()


def test_before_the_first_promotion_it_says_what_to_do(site: Site) -> None:
    with writing(site.sessions) as session:
        session.query(PromotionRow).delete()
    live = site.live()
    recommender = site.recommender(live)
    for ask in (
        lambda: recommender.recommend(NOBODY, at=NOW),
        lambda: recommender.rank(NOBODY, ["a01"]),
        lambda: recommender.similar("a01"),
    ):
        with pytest.raises(NotReadyError, match="recsys train"):
            ask()
    site.promote(site.trained)
    live.refresh()
    assert len(recommender.recommend(NOBODY, at=NOW, log=False).items) == 10


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def edited(path: Path) -> None:
    """A manifest whose list of files was 'repaired' by hand."""
    manifest = json.loads(path.read_text())
    manifest["files"]["learned.faiss"] = "0" * 64
    path.write_text(json.dumps(manifest))


DAMAGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a bit of the weights": ("weights.safetensors", flipped),
    "an index that was cut off": ("learned.faiss", lambda path: path.write_bytes(path.read_bytes()[:-100])),
    "an index of another version": ("content.faiss", lambda path: path.write_bytes(b"old")),
    "ids that are gone": ("items.json", lambda path: path.unlink()),
    "a manifest that was cut off": ("manifest.json", lambda path: path.write_text(path.read_text()[:50])),
    "a manifest of noise": ("manifest.json", lambda path: path.write_bytes(b"\xff\xfe\x00\x80" * 20)),
    "a manifest that is gone": ("manifest.json", lambda path: path.unlink()),
    "a manifest that was edited": ("manifest.json", edited),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_snapshot_is_refused_and_the_old_one_goes_on(site: Site, damage: str) -> None:
    live = site.live()
    name, break_it = DAMAGES[damage]
    site.add_version("second")
    break_it(site.snapshot("second") / name)
    site.promote("second")
    live.refresh()
    assert version_of(live) == site.trained
    assert live.trouble is not None
    assert "second" in live.trouble
    assert "\n" not in live.trouble
    assert site.recommender(live).recommend("u01", at=NOW, log=False).model_version == site.trained
    site.rollback()
    live.refresh()
    assert live.trouble is None


def test_a_snapshot_that_was_repaired_is_served_at_the_next_look_but_not_tried_at_each(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = site.live()
    site.add_version("second")
    folder = site.snapshot("second")
    folder.rename(folder.with_name("elsewhere"))
    site.promote("second")
    live.refresh()
    assert "second" in (live.trouble or "")
    folder.with_name("elsewhere").rename(folder)
    live.refresh()
    assert "second" in (live.trouble or "")
    later = time.monotonic() + versions.AGAIN
    monkeypatch.setattr(versions, "time", SimpleNamespace(monotonic=lambda: later))
    live.refresh()
    assert (version_of(live), live.trouble) == ("second", None)


def test_a_process_that_starts_on_a_damaged_snapshot_says_why_it_has_no_model(site: Site) -> None:
    flipped(site.snapshot() / "weights.safetensors")
    live = site.live()
    with pytest.raises(NotReadyError, match=r"weights\.safetensors is missing or damaged"):
        site.recommender(live).recommend("u01", at=NOW)


def test_a_process_that_starts_on_a_damaged_snapshot_serves_the_one_before_it(site: Site) -> None:
    for name in ("second", "third"):
        site.add_version(name)
        site.promote(name)
        flipped(site.snapshot(name) / "weights.safetensors")
    live = site.live()
    assert version_of(live) == site.trained
    assert "third" in (live.trouble or "")
    live.refresh()
    assert version_of(live) == site.trained
    assert "third" in (live.trouble or "")


def test_a_process_that_starts_knows_what_became_of_articles_after_the_training(site: Site) -> None:
    """The index in the snapshot is as old as the training."""
    live = site.live()
    site.publish(story("a03", "politics", title="The home team is elected"), story("later", "politics"))
    live.refresh()
    restarted = site.live()
    assert live.model is not None
    assert restarted.model is not None
    running, fresh = (process.model.views for process in (live, restarted))
    for name in ("learned", "content"):
        keys = getattr(running, name).keys
        assert sorted(keys.tolist()) == sorted(getattr(fresh, name).keys.tolist())
        difference = getattr(running, name).vectors(keys)[0] - getattr(fresh, name).vectors(keys)[0]
        assert abs(difference).max() < 1e-5
    near = site.recommender(restarted).similar("a03", "title", 5)
    assert [site.section_of(item.article_id) for item in near].count("politics") >= 4
