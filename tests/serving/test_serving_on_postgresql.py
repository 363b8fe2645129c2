"""The whole way on PostgreSQL: a world is written, a model trained on it, answers are given, the log is followed."""

import time
from collections.abc import Iterator
from pathlib import Path

import made_postgres
import made_world
import numpy as np
import pytest
from made_world import NOW, SPLIT
from serving_site import Site, assert_same, story

from recsys.database import articles, events, models, served
from recsys.database.session import Sessions, open_sessions, writing
from recsys.domain import Click
from recsys.encoders import expected_ids
from recsys.features.replay import Replay
from recsys.lifecycle.train import train
from recsys.pipeline.follow import Follower
from recsys.pipeline.load import Dataset, load_dataset
from recsys.serving.recommender import Recommender
from recsys.settings import Settings


@pytest.fixture(scope="module")
def world(postgres: made_postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The made world, written to PostgreSQL and trained on there."""
    folder = tmp_path_factory.mktemp("world")
    with postgres.database() as url:
        settings = made_world.plain_settings(folder / "home").model_copy(update={"database_url": url})
        sessions = open_sessions(settings)
        with writing(sessions) as session:
            made_world.write(session, folder, expected_ids(settings))
        yield Site(settings, sessions)
        sessions.kw["bind"].dispose()


@pytest.fixture(scope="module")
def site(world: Site) -> Site:
    train(world.sessions, world.settings, until=SPLIT)
    return world


def dataset(sessions: Sessions, settings: Settings) -> Dataset:
    with sessions() as session:
        return load_dataset(session, expected_ids(settings), until=made_world.END)


def columns(part: object) -> dict[str, np.ndarray]:
    return {name: getattr(part, name) for name in part.__dataclass_fields__}  # type: ignore[attr-defined]


def test_both_databases_give_the_same_log_and_features(
    world: Site, sessions: Sessions, settings: Settings, tmp_path: Path
) -> None:
    with writing(sessions) as session:
        made_world.write(session, tmp_path, expected_ids(settings))
    on_sqlite = dataset(sessions, settings)
    on_postgresql = dataset(world.sessions, world.settings)
    for half in ("impressions", "clicks"):
        expected, found = (columns(getattr(data.log, half)) for data in (on_sqlite, on_postgresql))
        assert len(expected["position"]) > 100
        for name, column in expected.items():
            assert (found[name].dtype, found[name].tobytes()) == (column.dtype, column.tobytes()), name
    first, second = (
        Replay(data.attributes, data.users, sampled=5).run(data.log) for data in (on_sqlite, on_postgresql)
    )
    assert len(first.features) > 1000
    assert first.features.tobytes() == second.features.tobytes()
    assert first.keys.tobytes() == second.keys.tobytes()


def test_an_answer_becomes_an_impression_and_is_followed(site: Site) -> None:
    live = site.live()
    answer = Recommender(site.sessions, site.settings, live).recommend("u01", at=NOW)
    assert len(answer.items) == 10
    assert all(0 < item.score < 1 for item in answer.items)
    assert live.model is not None
    with writing(site.sessions) as session:
        assert answer.impression_id is not None
        assert served.confirm_served(session, answer.impression_id, NOW + 1)
        assert models.live_version(session) == live.model.version
    first = site.key(answer.items[0].article_id)
    before = live.world.state.totals[first, 1]
    live.refresh(NOW + 5)
    assert live.world.state.totals[first, 1] == before + 1
    assert_same(live.world.state, site.folded(NOW + 4))


def click_in(session: object, number: int, at: float) -> None:
    events.add_clicks(session, [Click(f"side by side {number}", f"u{number:02}", "a80", at)])  # type: ignore[arg-type]


@pytest.mark.parametrize("order", ["as they happened", "the other way round"])
def test_two_transactions_that_commit_in_reverse_order_are_both_folded_once(
    world: Site, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first writes first, so that its rows have the lower positions, and commits last."""
    start = NOW + (100 if order == "as they happened" else 200)
    times = (start, start + 1) if order == "as they happened" else (start + 1, start)
    live = world.live(until=start)
    monkeypatch.setattr(Follower, "begin", lambda *_: pytest.fail("the whole log was folded anew"))
    before = live.world.state.totals[world.key("a80"), 0]
    slow = world.sessions()
    click_in(slow, int(start) % 1000, times[0])
    with writing(world.sessions) as quick:
        click_in(quick, int(start) % 1000 + 1, times[1])
    live.refresh(start + 5)
    assert live.world.state.totals[world.key("a80"), 0] == before  # else the first could come behind the fold
    slow.commit()
    slow.close()
    for later in (6, 7):
        live.refresh(start + later)
        assert live.world.state.totals[world.key("a80"), 0] == before + 2
        assert_same(live.world.state, world.folded(start + later))


def test_a_start_beside_an_open_transaction_misses_nothing(world: Site) -> None:
    """What is loaded ends at the same place from which the log is followed."""
    slow = world.sessions()
    click_in(slow, 301, NOW + 300)
    with writing(world.sessions) as quick:
        click_in(quick, 302, NOW + 301)
    live = world.live(until=NOW + 310)
    before = live.world.state.totals[world.key("a80"), 0]
    slow.commit()
    slow.close()
    live.refresh(NOW + 311)
    assert live.world.state.totals[world.key("a80"), 0] == before + 2
    assert_same(live.world.state, world.folded(NOW + 310))


def test_articles_that_are_committed_in_reverse_order_are_all_noticed(world: Site) -> None:
    live = world.live()
    slow = world.sessions()
    articles.put_articles(slow, [story("late to commit")])
    world.show("u05", ("mentioned meanwhile",), NOW + 400)
    live.refresh(NOW + 401)
    slow.commit()
    slow.close()
    live.refresh(NOW + 402)
    catalogue = live.world.catalogue
    for article_id in ("late to commit", "mentioned meanwhile"):
        assert catalogue.article_ids[world.key(article_id)] == article_id
    assert catalogue.expires_at[world.key("late to commit")] == np.inf
    assert_same(live.world.state, world.folded(NOW + 402))


def test_a_running_process_follows_by_itself(world: Site) -> None:
    live = world.live(until=time.time())
    live.start()
    try:
        before = live.world.state.totals[world.key("a79"), 0]
        world.click("u07", "a79", time.time())
        until = time.monotonic() + 60
        while live.world.state.totals[world.key("a79"), 0] == before and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        live.stop()
    assert live.world.state.totals[world.key("a79"), 0] == before + 1
