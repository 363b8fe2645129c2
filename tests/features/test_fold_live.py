"""Live is replay: a user read from SQL, and events folded one by one, give the bits that replay gives."""

import numpy as np
import pytest
from fold_live import live_features, live_state, live_view, scratch_of, write
from fold_worlds import World, begun, between, bits, busy_world, log_of

from recsys.columns import EventLog
from recsys.database import events
from recsys.database.session import Sessions, writing


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
        return events.read_log(session)


def test_the_database_gives_the_log_that_was_written(stored: Sessions, world: World) -> None:
    """But for the order of events of one stamp, which is that of writing."""
    found, expected = read(stored), log_of(world)
    np.testing.assert_array_equal(found.impressions.known_at, expected.impressions.known_at)
    np.testing.assert_array_equal(found.clicks.known_at, expected.clicks.known_at)
    for name in ("user", "article", "at", "weight", "backfilled", "list_length", "page", "device"):
        pairs = [sorted(zip(c.known_at, getattr(c, name), strict=True)) for c in (found.clicks, expected.clicks)]
        assert pairs[0] == pairs[1], name
    for name in ("user", "page", "device", "subscriber", "context_article"):
        pairs = [
            sorted(zip(i.known_at, getattr(i, name), strict=True)) for i in (found.impressions, expected.impressions)
        ]
        assert pairs[0] == pairs[1], name


def test_features_computed_live_are_those_replayed(stored: Sessions, world: World) -> None:
    log, replay = read(stored), begun(world)
    examples = begun(world).run(log)
    sampled = np.arange(3, len(log.impressions), 7)
    done = -np.inf
    with stored() as session:
        for place in sampled:
            t = log.impressions.known_at[place]
            replay.run(between(log, done, t), score_from=np.inf)
            done = max(done, t)
            found = live_features(
                session, replay.state, world.attributes, scratch_of(world.attributes, world.users), log.impressions, place
            )
            expected = examples.features[examples.offsets[place] : examples.offsets[place + 1]]
            assert examples.position[place] == log.impressions.position[place]
            assert found.tobytes() == expected.tobytes()


def test_the_sampled_lists_meet_the_hard_cases(stored: Sessions, world: World) -> None:
    log = read(stored)
    t = float(log.impressions.known_at[-1])
    with stored() as session:
        view = live_view(session, 1, t)
    assert (len(view.clicked), len(view.shown)) == (100, 256)
    assert (view.clicked_weight == 0).any()
    assert log.clicks.backfilled.any()
    assert len(np.intersect1d(log.impressions.known_at, log.clicks.known_at)) > 20
    assert (np.diff(log.impressions.known_at) == 0).any()
    assert (np.diff(log.impressions.position) < 0).any()


def test_the_article_side_folded_event_by_event_is_that_of_replay(stored: Sessions, world: World) -> None:
    log, replay = read(stored), begun(world)
    replay.run(log, score_from=np.inf)
    with stored() as session:
        assert bits(live_state(session, log, world.attributes)) == bits(replay.state)


def test_scratch_of_one_request_does_not_reach_the_next(stored: Sessions, world: World) -> None:
    log, replay = read(stored), begun(world)
    replay.run(log, score_from=np.inf)
    shared = scratch_of(world.attributes, world.users)
    with stored() as session:
        for place in range(0, len(log.impressions), 40):
            fresh = scratch_of(world.attributes, world.users)
            pair = [
                live_features(session, replay.state, world.attributes, scratch, log.impressions, place)
                for scratch in (shared, fresh)
            ]
            assert pair[0].tobytes() == pair[1].tobytes()
