"""Many requests answered together get what each of them gets alone."""

from dataclasses import replace

import made_world
import numpy as np
import pytest
from made_answers import recommend
from made_world import NOBODY, NOW
from pipeline_world import Made, reading

from recsys.pipeline import filters
from recsys.pipeline.ground import ground_of
from recsys.pipeline.model import Model
from recsys.pipeline.pool import gather_many
from recsys.pipeline.recommend import Answer, ListOptions, recommend_many
from recsys.pipeline.situation import Request
from recsys.pipeline.sources import gather, nearest
from recsys.pipeline.taste import tastes

TIMES = (NOW, made_world.END - 2 * made_world.DAY, NOW + 365 * made_world.DAY)


def crowd(made: Made, at: float = NOW) -> list[Request]:
    """Readers of every kind, at one time."""
    known = [made.request(made_world.user_id(n), at) for n in range(1, 25)]
    first = known[0]
    (bare,) = made.keys(made_world.BARE)
    return [
        *known,
        made.request(NOBODY, at),
        reading(int(bare), at=at),
        replace(first, section="sport"),
        replace(first, section="weather"),
        replace(first, exclude=made.keys("a70", "a75", "a80")),
        replace(first, context=first.context._replace(page=2, context_article=int(made.keys("a78")[0]))),
    ]


class TestCandidates:
    @pytest.mark.parametrize("at", TIMES)
    def test_they_are_those_of_each_request_alone(self, made: Made, at: float) -> None:
        requests, views = crowd(made, at), made.model.views
        alone = [gather(views, made.world, r, filters.allowed(made.world, r)) for r in requests]
        users = [tastes(views, [request])[0] for request in requests]
        together = gather_many(ground_of(views, made.world, at), requests, users)
        assert [found.keys.tolist() for found in together] == [found.keys.tolist() for found in alone]
        assert [found.source for found in together] == [found.source for found in alone]

    def test_of_a_reader_who_has_clicked_on_everything_that_trends(self, made: Made) -> None:
        """They get what was clicked most ever, as the source does where nothing trends."""
        late = NOW + 365 * made_world.DAY
        state = made.world.state
        trending = np.flatnonzero(state.counts[: len(made.world.catalogue), 0, 0, 0] > 0)[1:]
        requests = [made.request("u01", NOW), replace(made.request("u02", NOW), exclude=trending)]
        for request in (*requests, made.request("u03", late)):
            found = gather(made.model.views, made.world, request, filters.allowed(made.world, request))
            ground = ground_of(made.model.views, made.world, request.at)
            together = gather_many(ground, [request], tastes(made.model.views, [request]))[0]
            assert together.keys.tolist() == found.keys.tolist()

    def test_nothing_is_allowed_to_somebody(self, made: Made) -> None:
        request = made.request()
        nothing = replace(request, exclude=made.world.live(NOW))
        ground = ground_of(made.model.views, made.world, NOW)
        found = gather_many(ground, [nothing, request], tastes(made.model.views, [nothing, request]))
        assert len(found[0]) == 0 < len(found[1])


class TestTastes:
    def test_padding_says_nothing(self, made: Made) -> None:
        requests = crowd(made)
        for request, together in zip(requests, tastes(made.model.views, requests), strict=True):
            alone = tastes(made.model.views, [request])[0]
            np.testing.assert_allclose(together.user, alone.user, atol=1e-5)
            np.testing.assert_allclose(together.profile, alone.profile, atol=1e-6)
            np.testing.assert_array_equal(together.last, alone.last)
            assert (together.is_learned, together.has_content) == (alone.is_learned, alone.has_content)

    def test_who_asks_nothing_finds_nothing(self, made: Made) -> None:
        views, requests = made.model.views, [made.request(NOBODY), made.request("u01")]
        live = made.world.live(NOW)
        for name in ("personal", "content", "similar"):
            found = nearest(name, views, tastes(views, requests), 5, live)
            assert [len(keys) for keys in found] == [0, 5]
        assert tastes(views, []) == []


def assert_same(together: Answer, alone: Answer) -> None:
    """Scores to rounding, and the order except between articles that are equal to rounding."""
    np.testing.assert_allclose(together.scores, alone.scores, atol=1e-4)
    moved = together.keys != alone.keys
    assert sorted(together.keys.tolist()) == sorted(alone.keys.tolist())
    assert moved.sum() in (0, 2)
    assert not moved.any() or np.ptp(alone.scores[moved]) < 1e-5


class TestAnswers:
    @pytest.fixture(params=["with a head", "without"])
    def model(self, made: Made, request: pytest.FixtureRequest) -> Model:
        return made.model if request.param == "with a head" else replace(made.model, heads=None)

    @pytest.mark.parametrize("limit", [1, 10, 100])
    def test_they_are_those_of_each_request_alone(self, made: Made, model: Model, limit: int) -> None:
        requests = crowd(made)
        together = recommend_many(model, made.reader, requests, ListOptions(limit, 0.2, 4))
        assert len(together) == len(requests)
        for request, given in zip(requests, together, strict=True):
            alone = recommend(model, made.reader, request, limit, diversity=0.2, section_cap=4)
            assert_same(given, alone)
            assert sorted(given.source) == sorted(alone.source)
            np.testing.assert_allclose(np.sort(given.rows, axis=0), np.sort(alone.rows, axis=0), atol=1e-4)

    def test_nobody_asks(self, made: Made, model: Model) -> None:
        assert recommend_many(model, made.reader, [], ListOptions(10, 0.2, 4)) == []
