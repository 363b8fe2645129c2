"""What editors' rules and weariness make of an answer."""

from collections.abc import Sequence
from dataclasses import replace

import made_world
import numpy as np
import pytest
from pipeline_world import Made, by_hand, reading

from recsys.database.rules import Rule
from recsys.domain import Action
from recsys.features.history import UserView
from recsys.pipeline import filters
from recsys.pipeline.model import Model
from recsys.pipeline.recommend import Answer, ListOptions, rank, recommend_many
from recsys.pipeline.rules import SOURCE
from recsys.pipeline.situation import Request
from recsys.pipeline.sources import NAMES

HOUR = 3600.0


def rule(
    number: int,
    action: Action,
    article: int | None = None,
    section: str | None = None,
    place: int | None = None,
    amount: float | None = None,
) -> Rule:
    return Rule(number, action, article, None, section, place, amount, None, None, 0.0, None)


def answer(
    made: Made, request: Request, *rules: Rule, limit: int = 10, tired: int = 0, diversity: float = 0.0
) -> Answer:
    wanted = ListOptions(limit, diversity, 10, tired, rules)
    return recommend_many(made.model, made.reader, [request], wanted)[0]


def numbers(given: Answer) -> list[int | None]:
    return [None if touched is None else touched.rule for touched in given.touched]


@pytest.fixture
def plain(made: Made) -> list[int]:
    """What stands where without any rule."""
    return answer(made, made.request()).keys.tolist()


class TestNoRule:
    def test_nothing_is_touched(self, made: Made) -> None:
        given = answer(made, made.request())
        assert given.touched == [None] * 10
        assert set(given.source) <= set(NAMES)


class TestPins:
    @pytest.mark.parametrize("place", [1, 4, 10])
    def test_an_article_of_the_list_stands_at_its_place(self, made: Made, plain: list[int], place: int) -> None:
        pinned = plain[5]
        given = answer(made, made.request(), rule(7, "pin", pinned, place=place))
        assert given.keys.tolist() == [
            *(others := [k for k in plain if k != pinned])[: place - 1],
            pinned,
            *others[place - 1 :],
        ]
        assert numbers(given) == [7 if key == pinned else None for key in given.keys]

    def test_an_article_that_no_source_found(self, made: Made, plain: list[int]) -> None:
        (old,) = made.keys("a01").tolist()
        assert old not in made.world.live(made_world.NOW)
        given = answer(made, made.request(made_world.NOBODY), rule(1, "pin", old, place=3))
        assert (given.keys[2], given.source[2]) == (old, SOURCE)
        assert len(set(given.keys.tolist())) == 10

    def test_scores_are_those_of_the_list_as_it_is_shown(self, made: Made, plain: list[int]) -> None:
        request = made.request()
        given = answer(made, request, rule(1, "pin", plain[9], place=1), rule(2, "boost", plain[8], amount=2.0))
        shown = rank(made.model, made.reader, request, given.keys)
        from recsys.pipeline.recommend import probabilities

        expected = probabilities(made.model, shown.rows, shown.utility)
        np.testing.assert_allclose(given.scores, expected, atol=1e-5)

    def test_two_at_one_place(self, made: Made, plain: list[int]) -> None:
        """The newer one has it, and the other comes next, which moves the one that was there."""
        a, b, c = plain[7:10]
        given = answer(
            made, made.request(), *(rule(n, "pin", key, place=p) for n, key, p in [(1, a, 2), (2, b, 2), (3, c, 3)])
        )
        assert given.keys[1] == b
        assert set(given.keys[2:4].tolist()) == {a, c}
        assert sorted(filter(None, numbers(given))) == [1, 2, 3]

    def test_of_two_pins_of_an_article_the_newer_counts(self, made: Made, plain: list[int]) -> None:
        pins = rule(1, "pin", plain[5], place=1), rule(2, "pin", plain[5], place=3)
        given = answer(made, made.request(), *pins)
        assert given.keys.tolist().index(plain[5]) == 2
        assert given.keys.tolist().count(plain[5]) == 1

    def test_a_place_that_the_list_does_not_have(self, made: Made, plain: list[int]) -> None:
        given = answer(made, made.request(), rule(1, "pin", plain[9], place=8), limit=5)
        assert given.keys.tolist() == plain[:5]
        assert given.touched == [None] * 5

    @pytest.mark.parametrize(
        "kind", ["read", "excluded", "of another section", "expired", "unpublished", "blocked", "new"]
    )
    def test_what_stays_out(self, made: Made, kind: str) -> None:
        request, key = made.request(), made.keys("a79").item()
        rules = [rule(1, "pin", key, place=1)]
        match kind:
            case "read":
                request = reading(key)
            case "excluded":
                request = replace(request, exclude=np.array([key]))
            case "of another section":
                (other,) = {"sport", "science"} - {made.sections(np.array([key]))[0]} or {"culture"}
                request = replace(request, section=other)
            case "expired":
                rules = [rule(1, "pin", made.keys(made_world.EXPIRED).item(), place=1)]
            case "unpublished":
                rules = [rule(1, "pin", made.keys(made_world.UNPUBLISHED).item(), place=1)]
            case "blocked":
                rules = [*rules, rule(2, "block", key)]
            case _:
                rules = [rule(1, "pin", len(made.world.catalogue) + 5, place=1)]
        given = answer(made, request, *rules)
        assert given.touched == [None] * 10
        if kind not in ("expired", "unpublished", "new"):
            assert key not in given.keys


class TestBlocks:
    def test_an_article(self, made: Made, plain: list[int]) -> None:
        given = answer(made, made.request(), rule(1, "block", plain[0]))
        assert given.keys.tolist()[:9] == plain[1:]
        assert given.touched == [None] * 10

    def test_a_section(self, made: Made) -> None:
        assert "sport" not in made.sections(answer(made, made.request(), rule(1, "block", section="sport")).keys)
        everywhere = [rule(n, "block", section=name) for n, name in enumerate(made_world.SECTIONS)]
        assert set(made.sections(answer(made, made.request(), *everywhere).keys)) <= {None}


class TestMoves:
    def test_utilities_move_by_so_many_logits(self, made: Made) -> None:
        request = made.request()
        keys = filters.allowed(made.world, request)
        scored = rank(made.model, made.reader, request, keys)
        utility = dict(zip(keys.tolist(), scored.utility.tolist(), strict=True))
        first, third = (int(keys[scored.order[place]]) for place in (0, 2))
        gap = utility[first] - utility[third]
        for logits, is_first in ((gap - 0.01, False), (gap + 0.01, True)):
            boosted = answer(made, request, rule(1, "boost", third, amount=logits)).keys.tolist()
            assert (boosted.index(third) < boosted.index(first)) is is_first
            buried = answer(made, request, rule(1, "bury", first, amount=logits)).keys.tolist()
            assert (buried.index(third) < buried.index(first)) is is_first

    def test_a_section_and_an_article_of_it_add_up(self, made: Made) -> None:
        request = made.request()
        section = made.sections(np.array([made.keys("a79").item()]))[0]
        boosts = [
            rule(1, "boost", made.keys("a79").item(), amount=20.0),
            rule(2, "boost", section=section, amount=20.0),
        ]
        given = answer(made, request, *boosts)
        assert given.keys[0] == made.keys("a79")
        assert numbers(given)[0] == 1  # its own rule comes before its section's
        assert set(numbers(given)[1:]) == {2}
        assert set(made.sections(given.keys)) == {section}

    def test_a_boosted_article_that_no_source_found_is_a_candidate(self, made: Made) -> None:
        old = made.keys("a01").item()
        given = answer(made, made.request(made_world.NOBODY), rule(4, "boost", old, amount=20.0))
        assert (given.keys[0], given.source[0], numbers(given)[0]) == (old, SOURCE, 4)

    def test_without_a_head_scores_leave_the_rules_out(self, made: Made) -> None:
        model: Model = replace(made.model, heads=None)
        wanted = ListOptions(10, 0.0, 10, 0, (rule(1, "boost", section="sport", amount=3.0),))
        given = recommend_many(model, made.reader, [made.request()], wanted)[0]
        expected = rank(model, made.reader, made.request(), given.keys).utility
        weights = np.exp(expected - expected.max())
        np.testing.assert_allclose(given.scores, weights / weights.sum(), atol=1e-5)


def shown(request: Request, keys: Sequence[int], times: int) -> Request:
    """The request of a user to whom these articles were shown so often."""
    view = request.view
    rows = np.repeat(np.array(keys, np.int64), times)
    return replace(request, view=UserView(*view[:3], rows, np.full(len(rows), request.at - HOUR)))


class TestWeariness:
    def test_shown_so_often_it_is_no_candidate(self, made: Made, plain: list[int]) -> None:
        seen = shown(made.request(), plain[:3], 4)
        assert filters.tired(seen, 4).tolist() == sorted(plain[:3])
        assert filters.tired(seen, 5).tolist() == []
        assert filters.tired(seen, 0).tolist() == []
        assert not set(answer(made, seen, tired=4).keys.tolist()) & set(plain[:3])
        unworn = answer(made, seen).keys.tolist()
        assert answer(made, seen, tired=5).keys.tolist() == unworn

    def test_they_come_back_last_rather_than_leave_the_list_short(self, made: Made, plain: list[int]) -> None:
        request = made.request()
        few = replace(request, exclude=np.setdiff1d(filters.allowed(made.world, request), plain[:6]))
        given = answer(made, shown(few, plain[:2], 3), tired=3)
        assert set(given.keys.tolist()) == set(plain[:6])
        assert set(given.keys[4:].tolist()) == set(plain[:2])

    def test_a_pin_is_shown_all_the_same(self, made: Made, plain: list[int]) -> None:
        seen = shown(made.request(), plain[:2], 3)
        given = answer(made, seen, rule(1, "pin", plain[0], place=2), rule(2, "boost", plain[1], amount=9.0), tired=3)
        assert given.keys[1] == plain[0]
        assert plain[1] not in given.keys

    def test_only_as_many_as_are_wanted_must_be_left(self) -> None:
        world = by_hand([1000 * HOUR] * 4)
        request = shown(reading(at=1000 * HOUR), [2, 3], 2)
        keys = filters.allowed(world, request)
        assert filters.rested(keys, filters.tired(request, 2), 2).tolist() == [1, 4]
        assert filters.rested(keys, filters.tired(request, 2), 3).tolist() == [1, 2, 3, 4]
