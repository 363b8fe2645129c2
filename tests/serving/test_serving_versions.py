"""A process serves the live version and the one of the experiment, both as fresh as the catalogue."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_world import NOW
from serving_site import UNTIL, Site, story
from sqlalchemy.orm import Session

from recsys.columns import Floats32, Ints
from recsys.database import experiments
from recsys.database.session import writing
from recsys.pipeline.content import Content
from recsys.pipeline.follow import Follower
from recsys.pipeline.model import Model
from recsys.pipeline.towers import Towers
from recsys.serving import versions


def experiment_with(site: Site, version: str) -> None:
    with writing(site.sessions) as session:
        experiments.start(session, version, 0.5, at=NOW, who="a test")


def test_the_version_of_an_experiment_is_loaded_followed_and_dropped(site: Site) -> None:
    live = site.live()
    site.add_version("second")
    experiment_with(site, "second")
    live.refresh()
    assert set(live.models) == {site.trained, "second"}
    assert live.model is live.models[site.trained]
    site.publish(story("x1"))
    live.refresh()
    assert all(site.key("x1") in model.views.learned for model in live.models.values())
    with writing(site.sessions) as session:
        experiments.end(session, at=NOW + 1, who="a test")
    live.refresh()
    assert set(live.models) == {site.trained}


def test_one_that_cannot_be_loaded_is_told_and_not_served(site: Site) -> None:
    live = site.live()
    site.add_version("second")
    (site.snapshot("second") / "manifest.json").unlink()
    experiment_with(site, "second")
    live.refresh()
    assert set(live.models) == {site.trained}
    assert "second" in (live.trouble or "")


def test_a_start_reads_the_promoted_version_once_beside_the_log(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, str]] = []
    snapshot = versions.read_snapshot

    def noted(folder: Path, keys_of: Callable[[list[str]], dict[str, int]]) -> Model:
        read.append((folder.name, threading.current_thread().name))
        return snapshot(folder, keys_of)

    monkeypatch.setattr(versions, "read_snapshot", noted)
    live = site.live()
    assert [name for name, _ in read] == [site.trained]
    assert read[0][1] != threading.current_thread().name
    (site.snapshot(site.trained) / "manifest.json").unlink()
    assert site.trained in (site.live().trouble or "")  # what goes wrong ahead is told all the same
    assert live.model is not None


def test_a_start_indexes_only_what_the_snapshot_cannot_know(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    indexed: list[int] = []
    index = versions.index
    monkeypatch.setattr(versions, "index", lambda s, m, keys: (indexed.extend(keys.tolist()), index(s, m, keys)))
    site.live()
    known = len(indexed)
    site.publish(story("x1"), story("a03", "politics", title="The home team is elected"))
    indexed.clear()
    site.live()
    assert {site.key("x1"), site.key("a03")} <= set(indexed)
    assert len(indexed) == known + 2 < 20


def test_a_version_is_swapped_while_the_log_is_folded_anew(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.add_version("second")
    folding, done = threading.Event(), threading.Event()

    def long(_follower: Follower, _session: Session, _now: float) -> None:
        folding.set()
        assert done.wait(60)

    live = site.live()
    monkeypatch.setattr(Follower, "follow_log", long)
    live.start()
    try:
        assert folding.wait(60)
        site.promote("second")
        until(lambda: live.model is not None and live.model.version == "second")
        assert not done.is_set()
    finally:
        done.set()
        live.stop()


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.01)


def test_what_is_written_while_a_version_is_loaded_is_known_to_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    live = site.live()
    site.add_version("second")
    site.promote("second")
    read = versions.read_snapshot

    def meanwhile(folder: Path, keys_of: Any) -> Any:
        model = read(folder, keys_of)
        site.publish(story("x1"), story("a03", "politics", title="The home team is elected"))
        live.read_on(UNTIL)
        return model

    before = live.models[site.trained].views.learned.vectors(np.array([site.key("a03")]))[0]
    monkeypatch.setattr(versions, "read_snapshot", meanwhile)
    live.follow_versions()
    views = live.models["second"].views
    assert site.key("x1") in views.learned
    assert site.key("x1") in views.content
    assert np.abs(views.learned.vectors(np.array([site.key("a03")]))[0] - before).max() > 0.01


def test_an_article_of_which_the_model_makes_no_number_holds_up_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    live = site.live()
    made = Towers.item_vectors

    def diverged(towers: Towers, content: Content, keys: Ints) -> tuple[Floats32, Floats32]:
        vectors, gate = made(towers, content, keys)
        return np.where(keys[:, None] == site.key("a03"), np.float32(np.nan), vectors), gate

    monkeypatch.setattr(Towers, "item_vectors", diverged)
    assert site.key("a03") in live.models[site.trained].views.learned
    site.publish(story("a03", "politics", title="The home team is elected"), story("x1"))
    site.show("u01", ["a01", "a02"], UNTIL + 1)
    before = live.world.state.totals.sum()
    live.refresh(UNTIL + 60)
    assert live.world.state.totals.sum() == before + 2
    for view in (live.models[site.trained].views.learned, live.models[site.trained].views.content):
        assert site.key("x1") in view
        assert site.key("a03") not in view
    (said,) = [record for record in caplog.messages if "finite" in record]
    assert str(site.key("a03")) in said
    recommended = site.recommender(live).recommend("u01", limit=100, at=UNTIL + 60, log=False).items
    assert {"a03", "x1"} <= {item.article_id for item in recommended}
