"""Every candidate source keeps one contract; each also ranks by what its name says."""

import made_world
import numpy as np
import pytest
from pipeline_world import Made, by_hand, reading

from recsys.columns import Floats, Ints
from recsys.features.history import empty_view
from recsys.pipeline import filters
from recsys.pipeline.situation import Request, World
from recsys.pipeline.sources import NAMES, SHARE, SOURCES, Query, gather

BY_HISTORY = ("personal", "content", "similar")
MANY = 1000


def query_of(made: Made, request: Request | None = None, keys: Ints | None = None) -> Query:
    request = request or made.request()
    return Query(made.model.views, made.world, request, filters.allowed(made.world, request) if keys is None else keys)


@pytest.mark.parametrize("name", NAMES)
class TestContract:
    def test_it_finds_allowed_articles_and_each_once(self, made: Made, name: str) -> None:
        query = query_of(made)
        found = SOURCES[name](query, MANY)
        assert len(found) > 10
        assert len(set(found.tolist())) == len(found)
        assert set(found.tolist()) <= set(query.keys.tolist())

    @pytest.mark.parametrize("k", [0, 1, 5])
    def test_the_first_k_are_the_best_k(self, made: Made, name: str, k: int) -> None:
        query = query_of(made)
        assert SOURCES[name](query, k).tolist() == SOURCES[name](query, MANY).tolist()[:k]

    def test_without_the_best_the_rest_moves_up(self, made: Made, name: str) -> None:
        query = query_of(made)
        found = SOURCES[name](query, MANY)
        without = Query(query.views, query.world, query.request, query.keys[query.keys != found[0]])
        assert SOURCES[name](without, MANY).tolist() == found.tolist()[1:]

    def test_the_order_of_the_allowed_does_not_matter(self, made: Made, name: str) -> None:
        query = query_of(made)
        mixed = np.random.default_rng(0).permutation(query.keys)
        shuffled = Query(query.views, query.world, query.request, mixed)
        assert SOURCES[name](shuffled, MANY).tolist() == SOURCES[name](query, MANY).tolist()

    def test_nothing_is_allowed(self, made: Made, name: str) -> None:
        assert len(SOURCES[name](query_of(made, keys=np.zeros(0, np.int64)), 10)) == 0

    def test_a_user_without_history(self, made: Made, name: str) -> None:
        query = query_of(made, Request(0, empty_view(), made_world.NOW))
        found = SOURCES[name](query, MANY)
        assert (len(found) == 0) == (name in BY_HISTORY)

    def test_a_history_of_which_nothing_is_known(self, made: Made, name: str) -> None:
        """No title, no picture, no trained id: that is near to nothing, rather than equally near to everything."""
        (bare,) = made.keys(made_world.BARE)
        query = query_of(made, reading(int(bare)))
        assert (len(SOURCES[name](query, 10)) == 0) == (name in BY_HISTORY)

    def test_an_empty_world(self, made: Made, name: str) -> None:
        world = by_hand([])
        query = Query(made.model.views, world, reading(), world.live(made_world.NOW))
        assert len(SOURCES[name](query, 10)) == 0


def decayed(at: Floats, articles: Ints, size: int) -> Floats:
    """What is left of events at a half-life of 30 minutes."""
    return np.bincount(articles, weights=2.0 ** (-(made_world.NOW - at) / 1800.0), minlength=size)


def test_trending_is_by_clicks_of_the_last_half_hours(made: Made) -> None:
    clicks, query = made.data.log.clicks, query_of(made)
    counted = (clicks.weight > 0) & (clicks.backfilled == 0)
    left = decayed(clicks.known_at[counted], clicks.article[counted], len(made.world.catalogue))
    found = SOURCES["trending"](query, 10)
    np.testing.assert_allclose(left[found], np.sort(left[query.keys])[::-1][:10])


def test_popular_is_by_exposures_of_the_last_half_hours(made: Made) -> None:
    lists, query = made.data.log.impressions, query_of(made)
    at = np.repeat(lists.known_at, np.diff(lists.offsets))
    left = decayed(at, lists.items, len(made.world.catalogue))
    found = SOURCES["popular"](query, 10)
    np.testing.assert_allclose(left[found], np.sort(left[query.keys])[::-1][:10])


def test_fresh_is_by_publication_or_by_first_showing() -> None:
    world = by_hand([10.0, np.nan, 40.0, np.nan], shown=[50.0, 20.0, 60.0, -np.inf])
    query = Query(None, world, reading(at=100.0), np.array([1, 2, 3, 4]))  # type: ignore[arg-type]
    assert SOURCES["fresh"](query, 4).tolist() == [3, 2, 1]


def test_of_equal_articles_the_oldest_keys_come_first() -> None:
    world = by_hand([10.0] * 40 + [20.0] * 3)
    query = Query(None, world, reading(at=30.0), np.random.default_rng(0).permutation(np.arange(1, 44)))  # type: ignore[arg-type]
    assert SOURCES["fresh"](query, 6).tolist() == [41, 42, 43, 1, 2, 3]
    assert SOURCES["trending"](query, 3).tolist() == [1, 2, 3]


def test_what_was_never_shown_is_not_popular() -> None:
    query = Query(None, by_hand([10.0] * 4), reading(at=30.0), np.arange(1, 5))  # type: ignore[arg-type]
    assert SOURCES["popular"](query, 4).tolist() == []


def test_a_log_that_ended_long_ago_trends_by_all_its_clicks(made: Made) -> None:
    request = made.request(made_world.NOBODY, made_world.NOW + 365 * made_world.DAY)
    query = query_of(made, request, np.arange(1, 81))
    clicks = made.data.log.clicks
    counted = clicks.article[(clicks.weight > 0) & (clicks.backfilled == 0)]
    ever = np.bincount(counted, minlength=100)
    found = SOURCES["trending"](query, 10)
    np.testing.assert_array_equal(ever[found], np.sort(ever)[::-1][:10])


def test_content_and_similar_find_the_section_that_was_read(made: Made) -> None:
    read = made.keys("a03", "a07", "a11")  # of the last section
    query = query_of(made, reading(*read.tolist()))
    for name in ("content", "similar"):
        assert set(made.sections(SOURCES[name](query, 5))) == {made_world.section_of(3)}


def test_similar_is_by_the_last_click_alone(made: Made) -> None:
    first, last = made.keys("a02", "a03")
    alone = SOURCES["similar"](query_of(made, reading(int(last))), 20)
    assert SOURCES["similar"](query_of(made, reading(int(first), int(last))), 20).tolist() == [
        key for key in alone.tolist() if key != first
    ]


def test_personal_is_by_the_learned_score(made: Made) -> None:
    query, towers = query_of(made), made.model.views.towers
    items, known = query.views.learned.vectors(query.request.history)
    user = towers.user_vectors(items[None], query.request.ages[None], known[None])[0]
    scores = query.views.learned.vectors(query.keys)[0] @ user
    found = SOURCES["personal"](query, 10)
    np.testing.assert_allclose(query.views.learned.vectors(found)[0] @ user, np.sort(scores)[::-1][:10], rtol=1e-5)


class TestGather:
    def test_everything_allowed_is_found_while_it_is_few(self, made: Made) -> None:
        for request in (made.request(), made.request(made_world.NOBODY)):
            allowed = filters.allowed(made.world, request)
            found = gather(made.model.views, made.world, request, allowed)
            assert sorted(found.keys.tolist()) == allowed.tolist()
            assert len(found) == len(found.source) == len(allowed)

    @pytest.mark.parametrize("limit", [0, 1, 7])
    def test_a_limit_keeps_the_first(self, made: Made, limit: int) -> None:
        request = made.request()
        allowed = filters.allowed(made.world, request)
        everything = gather(made.model.views, made.world, request, allowed)
        few = gather(made.model.views, made.world, request, allowed, limit)
        assert few.keys.tolist() == everything.keys.tolist()[:limit]
        assert few.source == everything.source[:limit]

    def test_each_is_labelled_with_the_source_that_ranks_it_highest_for_its_share(self, made: Made) -> None:
        request = made.request()
        query = query_of(made, request)
        found = gather(query.views, query.world, request, query.keys)
        ranked = {name: SOURCES[name](query, SHARE[name]).tolist() for name in NAMES}
        for key, source in zip(found.keys.tolist(), found.source, strict=True):
            turns = {name: (keys.index(key) + 0.5) / SHARE[name] for name, keys in ranked.items() if key in keys}
            assert turns[source] == min(turns.values())

    def test_the_best_of_every_source_are_among_the_first(self, made: Made) -> None:
        query = query_of(made)
        first = set(gather(query.views, query.world, query.request, query.keys, 60).keys.tolist())
        for name in NAMES:
            assert SOURCES[name](query, 1)[0] in first

    def test_no_more_than_its_share_comes_from_a_source(self, made: Made) -> None:
        """Also in a world that is larger than all shares together."""
        size = 2 * sum(SHARE.values())
        published = made_world.NOW - np.random.default_rng(1).permutation(size) - 1.0
        world: World = by_hand(published.tolist())
        request = made.request()
        found = gather(made.model.views, world, request, filters.allowed(world, request))
        assert len(found) <= 500
        assert len(set(found.keys.tolist())) == len(found)
        for name in NAMES:
            assert found.source.count(name) <= SHARE[name]
