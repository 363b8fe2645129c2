"""What the pipeline reads from the database."""

import made_world
import numpy as np
import pytest
from made_answers import load_world
from pipeline_world import Made

from recsys.database import events, stretches, users
from recsys.database.session import Sessions, writing
from recsys.domain import Impression
from recsys.features.history import SHOWN_LIMIT, view_of
from recsys.features.replay import Replay
from recsys.pipeline.load import load_content, load_dataset, load_view, user_room

MIDDLE = made_world.START + 2.5 * made_world.DAY


def test_a_dataset_is_one_consistent_reading(made: Made) -> None:
    data = made.data
    assert len(data.catalogue) == data.content.rows == len(data.attributes.signatures) == made_world.ORDINARY + 5
    assert len(data.log.impressions) == made_world.LISTS
    assert data.users > made_world.USERS
    assert np.linalg.norm(data.attributes.signatures[made.keys("a01")[0]]) == pytest.approx(1.0, abs=1e-5)
    assert not data.attributes.signatures[made.keys(made_world.BARE)[0]].any()


def test_what_became_known_later_is_not_read(made: Made) -> None:
    with made.sessions() as session:
        data = load_dataset(session, made.encoders, until=MIDDLE)
    for known_at in (data.log.impressions.known_at, data.log.clicks.known_at):
        assert len(known_at) > 0
        assert known_at.max() < MIDDLE
    everything = made.data.log
    assert len(data.log.clicks) == (everything.clicks.known_at < MIDDLE).sum()


def test_the_world_at_an_instant_is_that_of_the_replay_at_that_instant(made: Made) -> None:
    with made.sessions() as session:
        world = load_world(session, made.encoders, 48.0, until=MIDDLE)
        log = stretches.read_log(session, until=MIDDLE)
    replay = Replay(made.data.attributes, made.data.users)
    replay.run(log)
    for name, expected in replay.state._asdict().items():
        np.testing.assert_array_equal(getattr(world.state, name), expected, err_msg=name)


def test_users_at_an_instant_are_those_of_the_replay_at_that_instant(made: Made) -> None:
    replay = Replay(made.data.attributes, made.data.users)
    with made.sessions() as session:
        replay.run(stretches.read_log(session, until=MIDDLE))
        for user in range(1, made.data.users):
            view, expected = load_view(session, user, MIDDLE), view_of(replay.rings, user)
            for name in expected._fields:
                np.testing.assert_array_equal(getattr(view, name), getattr(expected, name), err_msg=name)


def test_a_user_of_short_lists_is_read_far_enough_back(sessions: Sessions) -> None:
    """The newest SHOWN_LIMIT rows count, however many lists they take."""
    lists = [Impression(f"i{n}", "u", 100.0 + n, (f"a{n % 9}",) * (1 + n % 2)) for n in range(300)]
    with writing(sessions) as session:
        events.add_impressions(session, lists)
        user = users.key_of(session, "u")
        assert user is not None
        view = load_view(session, user, 390.0)
    assert len(view.shown) == SHOWN_LIMIT
    assert view.shown_at[-1] == 389.0
    assert (np.diff(view.shown_at) >= 0).all()


def test_a_user_of_whom_nothing_is_known(made: Made) -> None:
    with made.sessions() as session:
        view = load_view(session, 10_000, made_world.NOW)
    assert [len(part) for part in view] == [0] * 5


def test_content_of_some_articles(made: Made) -> None:
    keys = np.sort(made.keys("a03", "a10", made_world.BROKEN, made_world.BARE))
    with made.sessions() as session:
        content = load_content(session, made.encoders, keys)
        room = user_room(session)
    has = dict(zip(made.ids(keys), zip(content.mask["title"], content.mask["image"], strict=True), strict=True))
    assert has == {"a03": (True, True), "a10": (True, False), "a75": (True, False), "bare": (False, False)}
    assert {name: v.shape for name, v in content.vectors.items()} == {"title": (4, 384), "image": (4, 1280)}
    assert room == made.data.users


def test_an_empty_database(sessions: Sessions) -> None:
    encoders = {"title": "t", "image": "i"}
    with sessions() as session:
        data, world = load_dataset(session, encoders), load_world(session, encoders, 48.0)
        assert user_room(session) == 1
    assert (len(data.catalogue), len(data.log.impressions), len(data.log.clicks)) == (1, 0, 0)
    assert world.live(made_world.NOW).tolist() == []
