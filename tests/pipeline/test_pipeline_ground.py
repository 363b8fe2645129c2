"""What requests of about one instant share is what each would have alone, and is not kept for longer than that."""

from dataclasses import replace

import numpy as np
from made_world import NOW
from pipeline_world import Made

from recsys.pipeline.ground import LASTS, SPARE, ground_of
from recsys.pipeline.pool import gather_many
from recsys.pipeline.recommend import ListOptions, recommend_many
from recsys.pipeline.situation import World
from recsys.pipeline.sources import SHARE
from recsys.pipeline.taste import tastes

RULES = ListOptions(10, 0.2, 4)


def test_an_answer_from_a_shared_ground_is_the_answer(made: Made) -> None:
    ground = ground_of(made.model.views, made.world, NOW)
    for user in ("u01", "u02", "u03"):
        for request in (made.request(user), replace(made.request(user), section="sport")):
            alone = recommend_many(made.model, made.reader, [request], RULES)[0]
            shared = recommend_many(made.model, made.reader, [request], RULES, ground)[0]
            assert shared.keys.tolist() == alone.keys.tolist()
            np.testing.assert_array_equal(shared.scores, alone.scores)


def test_it_serves_its_own_world_for_a_moment(made: Made) -> None:
    views, world = made.model.views, made.world
    ground = ground_of(views, world, NOW)
    assert ground.serves(views, world, NOW)
    assert ground.serves(views, world, NOW + LASTS / 2)
    assert not ground.serves(views, world, NOW + LASTS)
    assert not ground.serves(views, world, NOW - 1.0)
    other = World(world.state, world.catalogue, world.attributes, world.live_hours)
    assert not ground.serves(views, other, NOW)


def test_a_section_is_prepared_once_and_holds_only_its_articles(made: Made) -> None:
    ground = ground_of(made.model.views, made.world, NOW)
    sport = ground.of_section("sport")
    assert sport is ground.of_section("sport")
    assert ground.of_section(None) is ground
    names = made.world.catalogue.sections
    assert {names[code] for code in made.world.catalogue.section[sport.live]} == {"sport"}
    assert len(ground.of_section("no such").live) == 0


def test_one_who_may_have_hardly_anything_gets_what_is_left(made: Made) -> None:
    """More is barred for this user than rankings hold to spare."""
    ground = ground_of(made.model.views, made.world, NOW)
    tight = replace(ground, alike={name: keys[: SHARE[name]] for name, keys in ground.alike.items()})
    barred = np.append(ground.live[:-3], np.full(SPARE, ground.live[0]))
    request = replace(made.request(), exclude=barred)
    found = gather_many(tight, [request], tastes(made.model.views, [request]))[0]
    assert set(found.keys.tolist()) <= set(ground.live[-3:].tolist())
    assert len(found) > 0
