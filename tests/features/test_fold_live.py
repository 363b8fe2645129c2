"""Live is replay: a user read from SQL, and events folded as they come, give the bits that replay gives."""

import numpy as np
import pytest
from fold_serving import follow, live_features, write
from fold_worlds import World, begun, between, bits, busy_world, log_of, pieces, stamps_of

from recsys.columns import EventLog
from recsys.database import stretches
from recsys.database.session import Sessions, writing
from recsys.features.history import empty_view, view_of
from recsys.features.marks import scratch_for
from recsys.features.replay import fold_live
from recsys.features.state import empty_state
from recsys.pipeline.load import load_view


@pytest.fixture(scope="module")
def world() -> World:
    return busy_world(23)


@pytest.fixture
def stored(sessions: Sessions, world: World) -> Sessions:
    with writing(sessions) as session:
        write(session, world, seed=23)
    return sessions


def read(stored: Sessions) -> EventLog:
    with stored() as session:
        return stretches.read_log(session)


def test_the_database_gives_the_log_that_was_written(stored: Sessions, world: World) -> None:
    """But for the order of events of one stamp, which is that of writing."""
    found, expected = read(stored), log_of(world)
    for name in ("user", "article", "at", "weight", "backfilled", "page", "device"):
        pairs = [sorted(zip(c.known_at, getattr(c, name), strict=True)) for c in (found.clicks, expected.clicks)]
        assert pairs[0] == pairs[1], name
    for name in ("user", "page", "device", "subscriber", "context_article"):
        halves = found.impressions, expected.impressions
        pairs = [sorted(zip(i.known_at, getattr(i, name), strict=True)) for i in halves]
        assert pairs[0] == pairs[1], name


def test_the_log_holds_the_hard_cases(stored: Sessions, world: World) -> None:
    log = read(stored)
    with stored() as session:
        view = load_view(session, 1, float(log.impressions.known_at[-1]))
    assert (len(view.clicked), len(view.shown)) == (100, 256)
    assert (view.clicked_weight == 0).any()
    assert log.clicks.backfilled.any()
    assert len(np.intersect1d(log.impressions.known_at, log.clicks.known_at)) > 20
    assert (np.diff(log.impressions.known_at) == 0).any()
    assert (np.diff(log.impressions.position) < 0).any()
    assert (log.clicks.known_at > log.clicks.at).any()


def test_users_read_from_the_database_are_those_in_replay(stored: Sessions, world: World) -> None:
    log, replay, done = read(stored), begun(world), -np.inf
    with stored() as session:
        for t in stamps_of(log)[::25]:
            replay.run(between(log, done, t), score_from=np.inf)
            done = t
            for user in range(1, world.users + 1):
                for live, replayed in zip(load_view(session, user, t), view_of(replay.rings, user), strict=True):
                    assert live.tobytes() == replayed.tobytes()


def test_features_computed_live_are_those_replayed(stored: Sessions, world: World) -> None:
    log, replay, done = read(stored), begun(world), -np.inf
    examples = begun(world).run(log)
    with stored() as session:
        for place in range(3, len(log.impressions), 7):
            t = float(log.impressions.known_at[place])
            replay.run(between(log, done, t), score_from=np.inf)
            done = max(done, t)
            found = live_features(session, replay.state, world.attributes, replay.scratch, log.impressions, place)
            expected = examples.features[examples.offsets[place] : examples.offsets[place + 1]]
            assert examples.position[place] == log.impressions.position[place]
            assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("stretch", [1, 7, 60, 10_000])
def test_an_article_side_that_follows_the_log_is_that_of_replay(stored: Sessions, world: World, stretch: int) -> None:
    """Stretches of so many stamps each; what a reader clicked within one counts for their later clicks in it."""
    log, replay = read(stored), begun(world)
    replay.run(log, score_from=np.inf)
    state = empty_state(world.articles + 1)
    with stored() as session:
        follow(session, state, world.attributes, pieces(log, stamps_of(log)[::stretch]))
    assert bits(state) == bits(replay.state)


def test_following_goes_on_from_a_replay(stored: Sessions, world: World) -> None:
    log, whole, replay = read(stored), begun(world), begun(world)
    cut = float(np.quantile(stamps_of(log), 0.7))
    head, tail = pieces(log, [cut])
    whole.run(log, score_from=np.inf)
    replay.run(head, score_from=np.inf)
    with stored() as session:
        follow(session, replay.state, world.attributes, pieces(tail, stamps_of(tail)[::5]))
    assert bits(replay.state) == bits(whole.state)


def test_a_first_click_needs_no_history() -> None:
    world = busy_world(24, lists=2)
    log, replay, state = log_of(world), begun(world), empty_state(world.articles + 1)
    readers = set(log.clicks.user.tolist())
    fold_live(state, world.attributes, log, {user: empty_view() for user in readers})
    replay.run(log)
    assert bits(state) == bits(replay.state)


def test_scratch_of_one_request_does_not_reach_the_next(stored: Sessions, world: World) -> None:
    log, replay = read(stored), begun(world)
    replay.run(log, score_from=np.inf)
    shared = scratch_for(world.articles + 1, world.users + 1)
    with stored() as session:
        for place in range(0, len(log.impressions), 40):
            fresh = scratch_for(world.articles + 1, world.users + 1)
            pair = [
                live_features(session, replay.state, world.attributes, scratch, log.impressions, place)
                for scratch in (shared, fresh)
            ]
            assert pair[0].tobytes() == pair[1].tobytes()
