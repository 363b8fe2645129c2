"""Events of one stamp know nothing of each other, in whatever order they come."""

import numpy as np
import pytest
from fold_worlds import (
    START,
    Bits,
    Clicked,
    Shown,
    World,
    begun,
    busy_world,
    by_list,
    log_of,
    stamps_of,
    thorough,
    worlds,
)
from hypothesis import given
from hypothesis import strategies as st

from recsys.features.features import AGES, COUNTERS, FEATURES


@given(world=worlds(), place=st.integers(0, 99), seed=st.integers(0, 99))
@thorough(80)
def test_shuffling_one_stamp_changes_no_list_of_that_stamp(world: World, place: int, seed: int) -> None:
    log, draw = log_of(world), np.random.default_rng(seed)
    stamps = stamps_of(log)
    t = stamps[place % len(stamps)]
    shuffled = log_of(world, key=lambda e: (e.known_at, draw.random() if e.known_at == t else e.at, e.position))
    until = {s.position for s in world.shown if s.known_at <= t}
    expected, found = by_list([begun(world).run(log)]), by_list([begun(world).run(shuffled)])
    assert {p: found[p] for p in until} == {p: expected[p] for p in until}


def test_shuffling_stamps_leaves_later_counters_alone_but_for_rounding() -> None:
    world, draw = busy_world(9, lists=80), np.random.default_rng(9)
    whole, shuffled = begun(world), begun(world)
    first = whole.run(log_of(world))
    second = shuffled.run(log_of(world, key=lambda e: (e.known_at, draw.random())))
    assert first.position.tolist() != second.position.tolist()
    rows = [{(p, k): f for p, k, f in rows_of(e)} for e in (first, second)]
    columns = [FEATURES.index(name) for name in (*COUNTERS, *AGES)]
    for row in rows[0]:
        np.testing.assert_allclose(rows[0][row][columns], rows[1][row][columns], rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(whole.state.totals, shuffled.state.totals)
    np.testing.assert_array_equal(whole.state.first_shown, shuffled.state.first_shown)
    np.testing.assert_array_equal(whole.state.last_shown, shuffled.state.last_shown)


def rows_of(examples):
    lists = np.repeat(np.arange(len(examples)), np.diff(examples.offsets))
    return zip(examples.position[lists].tolist(), examples.keys.tolist(), examples.features, strict=True)


@pytest.mark.parametrize("stamp", [START, START + 5000.0])
def test_lists_and_clicks_of_one_second_do_not_see_each_other(stamp: float) -> None:
    earlier = (Shown(1, 1, START - 50.0, (1, 2, 3)), Shown(2, 2, START - 50.0, (3, 4)))
    known = (Clicked(1, 1, 2, START - 50.0, START - 20.0, shown=1),)
    twins = (Shown(3, 1, stamp, (1, 2, 4)), Shown(4, 1, stamp, (2, 1, 4)), Shown(5, 2, stamp, (1, 5)))
    clicks = (Clicked(2, 1, 1, stamp, stamp, shown=3), Clicked(3, 2, 1, stamp - 9.0, stamp, shown=2))
    together = replayed(World(earlier + twins, known + clicks, 5, 2))
    for twin in twins:
        alone = replayed(World((*earlier, twin), known, 5, 2))
        assert alone[twin.position] == together[twin.position]


def replayed(world: World) -> Bits:
    return by_list([begun(world).run(log_of(world))])


def test_the_second_after_sees_them() -> None:
    first, second = Shown(1, 1, START, (1, 2)), Shown(2, 1, START + 1.0, (1, 2))
    world = World((first, second), (Clicked(1, 1, 2, START, START, shown=1),), 2, 1)
    examples = begun(world).run(log_of(world))
    shown, clicked = FEATURES.index("times_shown_to_user"), FEATURES.index("times_clicked_by_user")
    np.testing.assert_allclose(examples.features[:, shown], np.log1p([0, 0, 1, 1]), rtol=1e-6)
    np.testing.assert_allclose(examples.features[:, clicked], np.log1p([0, 0, 0, 1]), rtol=1e-6)


def test_the_last_day_of_a_user_begins_just_after_the_same_second_of_yesterday() -> None:
    lists = tuple(Shown(i, 1, START + 86400.0 * day, (1,)) for i, day in enumerate((0.0, 0.5, 1.0), 1))
    world = World(lists, (), 1, 1)
    examples = begun(world).run(log_of(world))
    found = examples.features[:, FEATURES.index("user_rows_last_day")]
    np.testing.assert_allclose(found, np.log1p([0, 1, 1]), rtol=1e-6)
