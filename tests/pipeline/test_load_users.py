"""Many users read at once are known as well as each of them read alone."""

from collections.abc import Iterator

import made_world
import numpy as np
import pytest
from made_world import DAY, END, NOW

from recsys.database import events, users
from recsys.database.session import Sessions, writing
from recsys.domain import Click, Impression
from recsys.features.history import CLICK_LIMIT, SHOWN_LIMIT, UserView
from recsys.pipeline.load import load_view
from recsys.pipeline.load_users import IMPRESSIONS_AT_FIRST, load_views
from recsys.settings import Settings


@pytest.fixture
def sessions(settings: Settings) -> Iterator[Sessions]:
    opened = made_world.install(settings)
    yield opened
    opened.kw["bind"].dispose()


def assert_same_views(sessions: Sessions, keys: list[int], before: float) -> dict[int, UserView]:
    with sessions() as session:
        views = load_views(session, keys, before)
        assert sorted(views) == sorted(keys)
        for key in keys:
            for found, expected in zip(views[key], load_view(session, key, before), strict=True):
                assert found.dtype == expected.dtype
                np.testing.assert_array_equal(found, expected)
    return views


@pytest.mark.parametrize("before", [0.0, END - 5 * DAY + 1, END - 2 * DAY, NOW])
def test_everybody_at_several_times(sessions: Sessions, before: float) -> None:
    with sessions() as session:
        keys = list(
            users.ensure_keys(session, [made_world.user_id(n) for n in range(1, made_world.USERS + 1)]).values()
        )
    views = assert_same_views(sessions, keys, before)
    assert any(len(view.clicked) + len(view.shown) for view in views.values()) == (before > 0)


def test_readers_of_short_lists_and_of_more_than_counts(sessions: Sessions) -> None:
    """Lists of one article fill a view only with more lists than are read at first; some share their stamp."""
    shown = [
        Impression(f"short-{user}-{n}", user, END - 1000 + n // 3, (made_world.article_id(n % 80 + 1),))
        for user, lists in (
            ("few", IMPRESSIONS_AT_FIRST),
            ("some", IMPRESSIONS_AT_FIRST + 5),
            ("many", SHOWN_LIMIT + 30),
        )
        for n in range(lists)
    ]
    clicked = [
        Click(f"often-{n}", "many", made_world.article_id(n % 80 + 1), END - 900 + n // 2)
        for n in range(CLICK_LIMIT + 9)
    ]
    with writing(sessions) as session:
        events.add_impressions(session, shown)
        events.add_clicks(session, clicked)
        keys = users.ensure_keys(session, ["few", "some", "many", "u01", "new"])
    views = assert_same_views(sessions, list(keys.values()), NOW)
    assert [len(views[keys[name]].shown) for name in ("few", "some", "many", "new")] == [48, 53, SHOWN_LIMIT, 0]
    assert len(views[keys["many"]].clicked) == CLICK_LIMIT


def test_nobody_is_asked_for(sessions: Sessions) -> None:
    assert assert_same_views(sessions, [], NOW) == {}
