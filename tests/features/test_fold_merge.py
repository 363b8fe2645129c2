"""Summaries of adjacent slices of time merge into the summary of both.

What a slice alone says is well-defined for everything but ``taste`` and ``ratings``. A reader's taste at a click comes
from what they clicked before, which an earlier slice may hold. So a later slice begins with an empty article side, and
with users who remember the slices before it; a second test leaves their memory out, in a world without titles. A rating
is a path: what a slice adds to it depends on where it began, so the ratings of slices add up to another one.
"""

from dataclasses import replace

import numpy as np
from fold_worlds import World, begun, between, busy_world, log_of, stamps_of, thorough, worlds
from hypothesis import given
from hypothesis import strategies as st

from recsys.features.state import ArticleState, empty_state, grown, merged

EXACT = ("stamp", "first_shown", "last_shown", "totals", "reader_total", "readers", "reader_at")
SUMS = {"counts": (1e-9, 1e-13), "taste": (1e-5, 2e-5)}  # relative and absolute; tastes are summed in single precision


def check_merged(found: ArticleState, expected: ArticleState) -> None:
    for name in EXACT:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    for name, (rtol, atol) in SUMS.items():
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol, atol, err_msg=name)


def state_of(world: World, since: float = -np.inf, until: float = np.inf) -> ArticleState:
    """What one slice of a world alone says of articles; users remember what they did before it."""
    replay = begun(world)
    log = log_of(world)
    replay.resume(empty_state(world.articles + 1), between(log, until=since))
    replay.run(between(log, since, until))
    return replay.state


@given(world=worlds(), first=st.floats(0, 1), second=st.floats(0, 1))
@thorough(80)
def test_three_slices_merge_in_either_order(world: World, first: float, second: float) -> None:
    cuts = np.quantile(stamps_of(log_of(world)), sorted((first, second)))
    a, b, c = state_of(world, until=cuts[0]), state_of(world, cuts[0], cuts[1]), state_of(world, since=cuts[1])
    expected = state_of(world)
    check_merged(merged(merged(a, b), c), expected)
    check_merged(merged(a, merged(b, c)), expected)


def test_busy_slices_merge_with_more_readers_than_are_remembered() -> None:
    world = busy_world(13)
    expected = state_of(world)
    for place in (1, 100, 299):
        cut = world.shown[place].known_at
        a, b = state_of(world, until=cut), state_of(world, since=cut)
        check_merged(merged(a, b), expected)
    assert expected.reader_total[1] > 128


@given(world=worlds(), cut=st.floats(0, 1))
@thorough(40)
def test_without_titles_a_slice_needs_no_memory_of_users(world: World, cut: float) -> None:
    untitled = replace(world)
    untitled.attributes.signatures[:] = 0.0
    log = log_of(untitled)
    t = np.quantile(stamps_of(log), cut)
    a, b, whole = begun(untitled), begun(untitled), begun(untitled)
    a.run(between(log, until=t))
    b.run(between(log, since=t))
    whole.run(log)
    check_merged(merged(a.state, b.state), whole.state)


def test_merging_with_nothing_changes_nothing() -> None:
    state, nothing = state_of(busy_world(14, lists=50)), empty_state(25)
    for found in (merged(state, nothing), merged(nothing, state)):
        for name, array in found._asdict().items():
            np.testing.assert_array_equal(array, getattr(state, name), err_msg=name)


def test_growing_keeps_everything() -> None:
    state = state_of(busy_world(15, lists=50))
    larger = grown(state, 40)
    rest, fresh = slice(len(state.stamp), None), empty_state(40)
    for name, array in larger._asdict().items():
        np.testing.assert_array_equal(array[: len(state.stamp)], getattr(state, name), err_msg=name)
        np.testing.assert_array_equal(array[rest], getattr(fresh, name)[rest], err_msg=name)
    assert grown(state, 25) is state
    assert grown(state, 3) is state


def test_a_state_that_grew_on_the_way_is_the_one_that_had_room_from_the_start() -> None:
    world = busy_world(16, lists=60)
    cut = world.shown[30].known_at
    log = log_of(world)
    wide, narrow = begun(replace(world, articles=90)), begun(world)
    wide.state = grown(empty_state(3), 91)
    for replay in (wide, narrow):
        replay.run(between(log, until=cut))
    narrow.state = grown(narrow.state, 91)
    for replay in (wide, narrow):
        replay.run(between(log, since=cut))
    for name in ("counts", "totals", "readers", "first_shown", "last_shown"):
        np.testing.assert_array_equal(getattr(wide.state, name), getattr(narrow.state, name), err_msg=name)
