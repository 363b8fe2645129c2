"""What kinds of clicks mean: backfilled ones, those of weight 0, and which of them are labels."""

from dataclasses import replace

import numpy as np
import pytest
from fold_worlds import START, Clicked, Shown, World, begun, busy_world, list_of, log_of, thorough, worlds
from hypothesis import given

from recsys.domain import RecsysError
from recsys.features.examples import Examples
from recsys.features.features import AGES, COUNTERS, FEATURES, SHARES

COUNTED = [FEATURES.index(name) for name in (*COUNTERS, *SHARES, *AGES, "clicks_overall")]


def column(examples: Examples, name: str) -> list[float]:
    return examples.features[:, FEATURES.index(name)].tolist()


@given(world=worlds())
@thorough(60)
def test_backfilled_clicks_change_no_counter(world: World) -> None:
    without = replace(world, clicked=tuple(c for c in world.clicked if not c.backfilled))
    first, second = begun(world), begun(without)
    found, expected = first.run(log_of(world)), second.run(log_of(without))
    np.testing.assert_array_equal(found.features[:, COUNTED], expected.features[:, COUNTED])
    for name in ("counts", "stamp", "totals", "first_shown", "last_shown"):
        np.testing.assert_array_equal(getattr(first.state, name), getattr(second.state, name), err_msg=name)


def test_backfilled_clicks_feed_histories_and_co_click() -> None:
    """User 1 and 2 both read article 1 long ago, and user 2 read article 2 as well."""
    old = [Clicked(i, u, a, START - 9e5, START - 10.0, 1.0, True) for i, (u, a) in enumerate([(1, 1), (2, 1), (2, 2)])]
    world = World((Shown(1, 1, START, (2, 3)),), tuple(old), 3, 2)
    replay = begun(world)
    examples = replay.run(log_of(world))
    assert examples.history[0, -2:].tolist() == [-1, 1]
    assert examples.history_at[0, -1] == START - 9e5
    for name in ("co_click_last", "co_click_recent", "co_click_history"):
        together, apart = column(examples, name)
        assert together > 0.0 == apart
    assert column(examples, "user_clicks") == pytest.approx([np.log(2)] * 2)
    assert not replay.state.totals[:, 0].any()
    assert replay.state.reader_total[1:].tolist() == [2, 1, 0]


@given(world=worlds())
@thorough(60)
def test_clicks_of_weight_zero_never_reach_the_article_side(world: World) -> None:
    without = replace(world, clicked=tuple(c for c in world.clicked if c.weight > 0))
    first, second = begun(world), begun(without)
    first.run(log_of(world))
    second.run(log_of(without))
    for name, array in first.state._asdict().items():
        np.testing.assert_array_equal(array, getattr(second.state, name), err_msg=name)


@given(world=worlds())
@thorough(60)
def test_clicks_of_weight_zero_are_no_readings(world: World) -> None:
    """They say that a user has seen an article, and nothing of what the user or anybody else reads."""
    without = replace(world, clicked=tuple(c for c in world.clicked if c.weight > 0))
    found, expected = begun(world).run(log_of(world)), begun(without).run(log_of(without))
    of_article = [FEATURES.index(name) for name in ("times_clicked_by_user", "since_clicked_by_user")]
    rest = np.delete(np.arange(len(FEATURES)), of_article)
    np.testing.assert_array_equal(found.features[:, rest], expected.features[:, rest])
    np.testing.assert_array_equal(found.history, expected.history)
    np.testing.assert_array_equal(found.labels, expected.labels)


def test_clicks_of_weight_zero_count_as_seen_and_are_never_positive() -> None:
    lists = (Shown(1, 1, START, (1, 2)), Shown(2, 1, START + 60.0, (1, 2)), Shown(3, 2, START + 60.0, (1, 2)))
    clicks = (Clicked(1, 1, 1, START, START + 1.0, 0.0, shown=1), Clicked(2, 1, 2, START, START + 2.0, shown=1))
    world = World(lists, clicks, 3, 2)
    examples = begun(world, sampled=2).run(log_of(world))
    assert examples.labels[:2].tolist() == [0.0, 1.0]
    seen = column(examples, "times_clicked_by_user")
    assert seen[2:4] == pytest.approx([np.log(2)] * 2)
    assert seen[:2] + seen[4:] == [0.0] * 4
    assert examples.history[1, -2:].tolist() == [-1, 2]
    disliked, liked = column(examples, "clicks_72h")[2:4]
    assert liked > 0.0 == disliked


def test_an_article_that_was_clicked_with_weight_zero_is_not_sampled() -> None:
    lists = (Shown(1, 2, START, (1, 2, 3)), Shown(2, 1, START + 60.0, (3,)))
    world = World(lists, (Clicked(1, 1, 1, START, START, 0.0),), 3, 2)
    examples = begun(world, sampled=3).run(log_of(world))
    assert examples.keys.tolist() == [1, 2, 3, 3, 2]


def test_labels_are_the_likes_of_the_list_itself() -> None:
    lists = (Shown(1, 1, START, (1, 2, 3)), Shown(2, 2, START, (1, 2, 3)), Shown(3, 1, START + 9.0, (3, 2)))
    clicks = (
        Clicked(1, 1, 2, START, START + 5.0, shown=1),
        Clicked(2, 1, 3, START, START + 1e6, shown=1),  # long after, but of the first list
        Clicked(3, 2, 7, START, START + 5.0, shown=2),  # of something that the list did not show
        Clicked(4, 1, 3, START, START + 5.0),  # of no known list
        Clicked(5, 1, 2, START, START + 9.0, 0.5, shown=3),
    )
    world = World(lists, clicks, 7, 2)
    examples = begun(world).run(log_of(world))
    assert examples.labels.tolist() == [0, 1, 1, 0, 0, 0, 0, 1]
    known = replace(world, clicked=tuple(c for c in clicks if c.known_at < START + 10.0))
    assert begun(world).run(log_of(known)).labels.tolist() == [0, 1, 0, 0, 0, 0, 0, 1]


@given(world=worlds())
@thorough(60)
def test_labels_are_the_pairs_of_the_log(world: World) -> None:
    examples = begun(world, sampled=3).run(log_of(world))
    lists = {s.position: s for s in world.shown}
    liked = {(c.shown, c.article) for c in world.clicked if c.weight > 0 and list_of(c, lists)}
    positions = np.repeat(examples.position, np.diff(examples.offsets)).tolist()
    expected = [float((p, k) in liked) for p, k in zip(positions, examples.keys.tolist(), strict=True)]
    assert (examples.labels * examples.shown).tolist() == (np.array(expected) * examples.shown).tolist()


def test_a_list_without_items_is_an_empty_example() -> None:
    lists = (Shown(1, 1, START, ()), Shown(2, 1, START, (1,)), Shown(3, 1, START + 1.0, (1,)))
    examples = begun(world := World(lists, (), 1, 1)).run(log_of(world))
    assert np.diff(examples.offsets).tolist() == [0, 1, 1]
    assert column(examples, "user_rows") == pytest.approx([0.0, np.log(2)])


@pytest.mark.parametrize("bent", [{"users": 2}, {"articles": 3}, {"users": 11}, {"articles": 23}])
def test_keys_beyond_the_catalogue_or_the_users_are_refused(bent: dict[str, int]) -> None:
    """Also by one, since compiled code would write there."""
    world = busy_world(22, lists=40)
    assert (max(s.user for s in world.shown), max(max(s.items) for s in world.shown)) == (12, 24)
    begun(world).run(log_of(world))
    replay = begun(replace(world, **bent))
    with pytest.raises(RecsysError, match="newer than the"):
        replay.run(log_of(world))
    with pytest.raises(RecsysError, match="newer than the"):
        replay.resume(replay.state, log_of(world))
