"""The answer as a whole: for readers old and new, and for models with and without a ranking head."""

from collections import Counter
from dataclasses import replace

import made_world
import numpy as np
import pytest
from made_answers import recommend
from pipeline_world import Made, reading

from recsys.columns import NONE, EventLog, ImpressionColumns, Ints
from recsys.features.features import attributes_of
from recsys.features.marks import scratch_for
from recsys.features.replay import Replay
from recsys.pipeline import explain, filters
from recsys.pipeline.model import Model
from recsys.pipeline.recommend import Answer, blended, rank
from recsys.pipeline.situation import Reader, Request, World
from recsys.pipeline.sources import NAMES, gather
from recsys.pipeline.variants import Variants
from recsys.training.fit import TrainingSet, fit


def answer(
    made: Made, request: Request, limit: int = 10, model: Model | None = None, diversity: float = 0.2, cap: int = 4
) -> Answer:
    return recommend(model or made.model, made.reader, request, limit, diversity=diversity, section_cap=cap)


@pytest.fixture(scope="module")
def headless(made: Made) -> Model:
    return replace(made.model, heads=None)


class TestAnswer:
    @pytest.mark.parametrize("user_id", ["u01", "u02", "u17", "u60", made_world.NOBODY])
    def test_it_has_allowed_articles_each_once(self, made: Made, user_id: str) -> None:
        request = made.request(user_id)
        given = answer(made, request)
        assert len(given.keys) == len(given.scores) == len(given.source) == len(given.rows) == 10
        assert len(set(given.keys.tolist())) == 10
        assert set(given.keys.tolist()) <= set(filters.allowed(made.world, request).tolist())
        assert not set(given.keys.tolist()) & set(request.view.clicked.tolist())
        assert set(given.source) <= set(NAMES)

    @pytest.mark.parametrize("limit", [1, 3, 10, 500])
    def test_scores_are_probabilities_in_this_list(self, made: Made, limit: int) -> None:
        given = answer(made, made.request(), limit)
        assert len(given.keys) == min(limit, len(filters.allowed(made.world, made.request())))
        assert ((given.scores > 0) & (given.scores < 1)).all()

    def test_without_rules_it_is_the_order_of_the_head(self, made: Made) -> None:
        request = made.request()
        found = gather(made.model.views, made.world, request, filters.allowed(made.world, request))
        best = found.keys[rank(made.model, made.reader, request, found.keys).order]
        given = answer(made, request, 10, diversity=0.0, cap=10)
        assert given.keys.tolist() == best[:10].tolist()

    def test_it_does_not_change_from_one_call_to_the_next(self, made: Made) -> None:
        first, again = answer(made, made.request()), answer(made, made.request())
        assert first.keys.tolist() == again.keys.tolist()
        np.testing.assert_array_equal(first.scores, again.scores)

    def test_no_more_of_a_section_than_its_cap(self, made: Made) -> None:
        for user_id in ("u01", "u02", "u03", "u04"):
            counts = Counter(made.sections(answer(made, made.request(user_id), cap=3).keys))
            assert max(count for section, count in counts.items() if section is not None) <= 3

    def test_one_section_is_not_capped(self, made: Made) -> None:
        given = answer(made, replace(made.request(), section="sport"), cap=1)
        assert len(given.keys) == 10
        assert set(made.sections(given.keys)) == {"sport"}

    def test_nothing_is_left(self, made: Made) -> None:
        request = made.request()
        everything = filters.allowed(made.world, request)
        given = answer(made, replace(request, exclude=everything))
        assert (len(given.keys), len(given.scores), given.source) == (0, 0, [])
        last = answer(made, replace(request, exclude=everything[1:]))
        assert last.keys.tolist() == everything[:1].tolist()

    def test_a_click_changes_the_next_answer(self, made: Made) -> None:
        request = reading(*made.keys("a40").tolist())
        clicked = answer(made, request).keys[0]
        after = answer(made, reading(*made.keys("a40").tolist(), int(clicked)))
        assert clicked not in after.keys
        assert not np.isin(answer(made, request).scores, after.scores).all()


class TestColdStart:
    def test_a_new_reader_gets_what_is_trending_and_fresh_across_sections(self, made: Made) -> None:
        given = answer(made, made.request(made_world.NOBODY))
        assert set(given.source) <= {"trending", "popular", "fresh"}
        assert {"trending", "fresh"} <= set(given.source)
        assert set(made_world.SECTIONS) <= set(made.sections(given.keys))

    def test_also_from_a_model_without_head(self, made: Made, headless: Model) -> None:
        given = answer(made, made.request(made_world.NOBODY), model=headless)
        assert {"trending", "fresh"} <= set(given.source) <= {"trending", "popular", "fresh"}
        np.testing.assert_allclose(given.scores, 0.1)

    def test_a_reader_of_what_has_no_content_is_as_good_as_new(self, made: Made, headless: Model) -> None:
        request = reading(*made.keys(made_world.BARE).tolist())
        for model in (made.model, headless):
            assert set(answer(made, request, model=model).source) <= {"trending", "popular", "fresh"}
        assert not blended(headless, request, np.arange(1, 81)).any()

    def test_an_article_with_neither_title_nor_picture_can_be_ranked(self, made: Made, headless: Model) -> None:
        request, bare = made.request(), made.keys(made_world.BARE)
        others = filters.allowed(made.world, request)
        for model in (made.model, headless):
            alone = answer(made, replace(request, exclude=others[others != bare[0]]), model=model)
            assert alone.keys.tolist() == bare.tolist()
            assert np.isfinite(alone.scores).all()


class TestWithoutHead:
    def test_it_ranks_by_the_blend_of_both_views(self, made: Made, headless: Model) -> None:
        request = made.request()
        keys = filters.allowed(made.world, request)
        scored = rank(headless, made.reader, request, keys)
        scores = blended(headless, request, keys)
        assert scored.order.tolist() == np.argsort(-scores, kind="stable").tolist()
        given = answer(made, request, model=headless, diversity=0.0, cap=10)
        assert given.keys.tolist() == keys[scored.order[:10]].tolist()
        assert given.scores.sum(dtype=np.float64) == pytest.approx(1.0, abs=1e-5)

    def test_the_blend_does_not_depend_on_company_or_order(self, made: Made, headless: Model) -> None:
        request = made.request()
        scores = blended(headless, request, np.arange(1, 81))
        np.testing.assert_allclose(blended(headless, request, np.array([70, 3])), scores[[69, 2]], atol=1e-5)

    def test_no_candidates(self, made: Made, headless: Model) -> None:
        assert blended(headless, made.request(), np.zeros(0, np.int64)).shape == (0,)


@pytest.fixture(scope="module")
def ratings(made: Made) -> tuple[Model, World]:
    """A log like MovieLens': clicks alone, and articles without dates."""
    data, clicks = made.data, made.data.log.clicks
    alone = replace(clicks, impression=np.full(len(clicks), NONE))
    nothing, small = np.zeros(0, np.int64), np.zeros(0, np.int8)
    lists = ImpressionColumns(
        nothing, nothing, np.zeros(0), np.zeros(1, np.int64), nothing, small, small, small, nothing
    )
    log = EventLog(lists, alone)
    catalogue = replace(data.catalogue, published_at=np.full(len(data.catalogue), np.nan))
    attributes = attributes_of(catalogue, data.attributes.signatures)
    present = np.flatnonzero(catalogue.expires_at > -np.inf)
    training = TrainingSet(
        log=log, attributes=attributes, content=data.content, users=data.users, indexed=present,
        encoders=made.encoders, since=-np.inf, until=made_world.NOW, live_hours=48.0, bounce=1.0,
    )  # fmt: skip
    replay = Replay(attributes, data.users)
    replay.run(log, score_from=np.inf)
    return fit(training, version="ratings"), World(replay.state, catalogue, attributes, 48.0)


class TestRatings:
    def test_a_log_without_lists_gives_no_head(self, ratings: tuple[Model, World]) -> None:
        assert ratings[0].heads is None

    def test_readers_get_their_section(self, made: Made, ratings: tuple[Model, World]) -> None:
        model, world = ratings
        reader = Reader(world, scratch_for(len(world.catalogue), made.data.users))
        hits = []
        for number in range(1, 9):
            request = made.request(made_world.user_id(number))
            given = recommend(model, reader, request, 5, diversity=0.0, section_cap=10)
            assert len(given.keys) == 5
            assert not set(given.keys.tolist()) & set(request.view.clicked.tolist())
            hits += [section == made_world.section_of(number) for section in made.sections(given.keys)]
        assert np.mean(hits) > 0.5  # by chance a quarter

    def test_a_new_reader_gets_the_most_clicked(self, made: Made, ratings: tuple[Model, World]) -> None:
        model, world = ratings
        reader = Reader(world, scratch_for(len(world.catalogue), made.data.users))
        given = recommend(model, reader, made.request(made_world.NOBODY), 5, diversity=0.0, section_cap=10)
        assert given.source[0] == "trending"
        assert len(given.keys) == 5


def nearest(made: Made, key: int, read: Ints) -> list[int]:
    nothing = np.zeros((1, 0), np.float32)
    return explain.nearest(Variants(made.model, reading(*read.tolist()), np.array([key]), nothing))[0]


class TestExplanations:
    def test_the_read_articles_nearest_in_content(self, made: Made) -> None:
        read = made.keys("a01", "a02", "a03", "a04", "a05")
        (key,) = made.keys("a45")  # of the section of the first and the last
        assert set(nearest(made, key, read)) == set(made.keys("a01", "a05").tolist())

    def test_the_nearest_comes_first_and_an_article_read_twice_once(self, made: Made) -> None:
        (key,) = made.keys("a45")
        read = made.keys("a01", "a45", "a05", "a45")
        assert nearest(made, key, read)[0] == key
        assert len(set(nearest(made, key, read))) == 2

    def test_no_reason_where_nothing_is_near_or_known(self, made: Made) -> None:
        sport, other, bare = made.keys("a03", "a04", made_world.BARE)
        assert nearest(made, sport, np.zeros(0, np.int64)) == []
        assert nearest(made, bare, np.array([sport, other])) == []
        assert nearest(made, sport, np.array([bare])) == []
        assert nearest(made, sport, np.array([other])) == []
