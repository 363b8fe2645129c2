"""A process serves the live version and the one of the experiment, both as fresh as the catalogue."""

import pytest
from made_world import NOW
from serving_site import Site, story

from recsys.database import experiments
from recsys.database.session import writing
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
