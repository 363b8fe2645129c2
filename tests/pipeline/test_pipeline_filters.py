"""What may be recommended at all."""

from dataclasses import replace

import made_world
import numpy as np
import pytest
from pipeline_world import Made, by_hand, reading

from recsys.features.features import RequestContext
from recsys.pipeline import filters
from recsys.pipeline.situation import World

HOUR = 3600.0
AT = 1000 * HOUR


def live(world: World, at: float = AT) -> list[int]:
    return world.live(at).tolist()


def test_published_within_the_live_hours() -> None:
    assert live(by_hand([AT - 48 * HOUR, AT - 48 * HOUR - 1, AT, AT + 1])) == [1, 3]


def test_shown_within_the_live_hours() -> None:
    published = [AT - 900 * HOUR] * 3
    assert live(by_hand(published, shown=[AT - 48 * HOUR, AT - 48 * HOUR - 1, AT])) == [1, 3]


def test_the_hours_are_a_setting() -> None:
    published = [AT, AT - 5 * HOUR, AT - 7 * HOUR]
    assert live(by_hand(published, live_hours=6.0)) == [1, 2]
    assert live(by_hand(published, live_hours=8.0)) == [1, 2, 3]


def test_shown_before_it_is_published_is_not_live() -> None:
    assert live(by_hand([AT + HOUR], shown=[AT - HOUR])) == []


def test_an_article_without_a_date_is_live_once_it_is_shown() -> None:
    assert live(by_hand([np.nan, np.nan], shown=[AT - HOUR, -np.inf])) == [1]


def test_expired_from_the_very_second_on() -> None:
    world = by_hand([AT - HOUR] * 3, expires=[AT, AT + 1, -np.inf])
    assert live(world) == [2]


def test_a_world_without_any_times_is_live_as_a_whole() -> None:
    """A log of ratings has neither lists nor dates."""
    assert live(by_hand([np.nan] * 3)) == [1, 2, 3]
    assert live(by_hand([np.nan] * 3, expires=[np.inf, -np.inf, AT])) == [1]


def test_after_a_silence_the_hours_are_counted_from_the_last_sign_of_life() -> None:
    published = [np.nan, AT - 900 * HOUR, AT - 940 * HOUR, AT - 949 * HOUR, AT + HOUR]
    assert live(by_hand(published)) == [2, 3]
    assert live(by_hand([np.nan, np.nan], shown=[AT - 900 * HOUR, -np.inf])) == [1]


def test_an_empty_world() -> None:
    assert live(by_hand([])) == []


def test_ids_that_the_log_alone_names_are_not_shown_unless_nobody_keeps_a_catalogue() -> None:
    shown = [AT - HOUR] * 4
    mistyped = by_hand([np.nan] * 4, shown=shown, described=[True, True, True, False])
    assert live(mistyped) == [1, 2, 3]
    assert live(by_hand([np.nan] * 4, shown=shown, described=[True, True, False, False])) == [1, 2]
    assert live(by_hand([np.nan] * 4, shown=shown, described=[True, False, False, False])) == [1, 2, 3, 4]
    assert live(by_hand([np.nan] * 4, shown=shown, described=[False] * 4)) == [1, 2, 3, 4]


@pytest.fixture
def world() -> World:
    return by_hand([AT - HOUR] * 4, sections=["sport", "culture", "sport", None])


def test_what_was_clicked_or_dismissed_is_not_recommended_again(world: World) -> None:
    assert filters.allowed(world, reading(2, at=AT)).tolist() == [1, 3, 4]
    assert filters.allowed(world, reading(2, 4, at=AT, weight=0.0)).tolist() == [1, 3]


def test_what_was_only_shown_may_be_recommended_again(world: World) -> None:
    request = reading(at=AT)
    view = request.view._replace(shown=np.array([1, 2]), shown_at=np.array([AT - 5, AT - 5]))
    assert filters.allowed(world, replace(request, view=view)).tolist() == [1, 2, 3, 4]


def test_excluded_articles_also_unknown_ones(world: World) -> None:
    assert filters.allowed(world, replace(reading(at=AT), exclude=np.array([4, 900]))).tolist() == [1, 2, 3]


def test_the_article_being_read(world: World) -> None:
    assert filters.allowed(world, replace(reading(at=AT), context=RequestContext(2, 0, -1, 3))).tolist() == [1, 2, 4]


@pytest.mark.parametrize(("section", "expected"), [("sport", [1, 3]), ("culture", [2]), ("weather", []), ("", [])])
def test_a_section(world: World, section: str, expected: list[int]) -> None:
    assert filters.allowed(world, replace(reading(at=AT), section=section)).tolist() == expected


def test_the_special_articles_of_the_made_world(made: Made) -> None:
    ids = made.ids(filters.allowed(made.world, made.request(made_world.NOBODY)))
    assert made_world.BARE in ids
    assert not {made_world.EXPIRED, made_world.UNPUBLISHED, made_world.DELETED} & set(ids)


def test_the_same_article_at_other_times(made: Made) -> None:
    def at(hours: float) -> list[str]:
        return made.ids(made.world.live(made_world.END + hours * HOUR))

    assert made_world.EXPIRED in at(-20.1)
    assert made_world.EXPIRED not in at(-20)
    assert made_world.UNPUBLISHED in at(30 * 24 + 1)
    assert made_world.DELETED not in at(-5)
