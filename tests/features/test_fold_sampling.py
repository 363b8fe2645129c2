"""Sampled negatives: live articles that the user has not clicked, the same ones however the log is cut."""

import numpy as np
import pytest
from fold_reference import Reference
from fold_worlds import START, Shown, World, begun, busy_world, by_list, log_of, pieces, stamps_of, thorough, worlds
from hypothesis import given
from hypothesis import strategies as st

from recsys.features.examples import Examples
from recsys.features.sampling import empty_pool, pool_items, sample
from recsys.features.state import empty_state


def sampled_of(examples: Examples) -> list[list[int]]:
    """The sampled article keys of every list."""
    edges = zip(examples.offsets[:-1], examples.offsets[1:], strict=True)
    return [examples.keys[a:b][~examples.shown[a:b]].tolist() for a, b in edges]


def check_samples(world: World, examples: Examples, live_hours: float, most: int) -> int:
    """Check every list's samples against the log, and return how many there are."""
    lists = {s.position: s for s in world.shown}
    for i, (position, sampled) in enumerate(zip(examples.position, sampled_of(examples), strict=True)):
        known = Reference(world, lists[position])
        live = {a for s in known.shown if s.known_at >= known.t - live_hours * 3600 for a in s.items}
        refused = set(known.target.items) | {c.article for c in known.my_clicks}
        assert set(sampled) <= live - refused
        assert len(set(sampled)) == len(sampled) <= most
        rows = slice(examples.offsets[i], examples.offsets[i + 1])
        assert examples.keys[rows].tolist() == [*known.target.items, *sampled]
    assert not examples.labels[~examples.shown].any()
    return int((~examples.shown).sum())


@given(world=worlds(), live_hours=st.sampled_from((0.01, 1.0, 48.0)), seed=st.integers(0, 99))
@thorough(80)
def test_samples_are_live_unclicked_and_distinct(world: World, live_hours: float, seed: int) -> None:
    replay = begun(world, live_hours=live_hours, sampled=4, seed=seed)
    check_samples(world, replay.run(log_of(world)), live_hours, most=4)


def test_samples_of_a_busy_log() -> None:
    world = busy_world(17, lists=120, articles=150)
    examples = begun(world, live_hours=3.0, sampled=8).run(log_of(world))
    assert check_samples(world, examples, 3.0, most=8) > 6 * len(examples)


def test_the_features_of_a_sample_are_those_it_would_have_had_in_the_list() -> None:
    world = busy_world(18, lists=60)
    log = log_of(world)
    examples = begun(world, sampled=5).run(log)
    last = examples.position[-1]
    longer = tuple(
        s._replace(items=(*s.items, *sampled_of(examples)[-1])) if s.position == last else s for s in world.shown
    )
    again = begun(world).run(log_of(World(longer, world.clicked, world.articles, world.users, world.seed)))
    first = examples.offsets[-2]
    np.testing.assert_array_equal(again.keys[again.offsets[-2] :], examples.keys[first:])
    np.testing.assert_array_equal(again.features[again.offsets[-2] :], examples.features[first:])


@given(world=worlds(), cuts=st.lists(st.floats(0, 1), max_size=4), seed=st.integers(0, 99))
@thorough(60)
def test_samples_do_not_depend_on_how_the_log_is_cut(world: World, cuts: list[float], seed: int) -> None:
    log = log_of(world)
    cut = pieces(log, np.quantile(stamps_of(log), cuts) if cuts else stamps_of(log))
    whole, sliced = (begun(world, sampled=3, live_hours=2.0, seed=seed) for _ in range(2))
    assert by_list([sliced.run(piece) for piece in cut]) == by_list([whole.run(log)])


def test_the_seed_alone_decides_the_samples() -> None:
    world = busy_world(19, lists=60)
    runs = [sampled_of(begun(world, sampled=4, seed=seed).run(log_of(world))) for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_sampling_changes_neither_state_nor_the_shown_rows() -> None:
    world = busy_world(20, lists=60)
    plain, sampling = begun(world), begun(world, sampled=4)
    expected, found = plain.run(log_of(world)), sampling.run(log_of(world))
    np.testing.assert_array_equal(found.keys[found.shown], expected.keys)
    np.testing.assert_array_equal(found.features[found.shown], expected.features)
    np.testing.assert_array_equal(found.labels[found.shown], expected.labels)
    np.testing.assert_array_equal(sampling.state.counts, plain.state.counts)


def test_every_other_sample_is_drawn_in_proportion_to_exposure() -> None:
    """Article 1 has half of all exposures, and 39 others share the rest."""
    crowd = tuple(Shown(i, 1, START + i, (1, 2 + i % 39)) for i in range(1, 401))
    alone = tuple(Shown(400 + i, 2, START + 500.0, (41,)) for i in range(1, 301))
    world = World(crowd + alone, (), 41, 2)
    examples = begun(world, sampled=2).run(log_of(world), score_from=START + 500.0)
    drawn = np.array([sampled for sampled in sampled_of(examples) if len(sampled) == 2])
    assert len(drawn) == 300
    assert (drawn[:, 0] == 1).mean() == pytest.approx(0.5, abs=0.12)
    assert (drawn[:, 1] == 1).mean() < 0.12


def test_a_resumed_replay_samples_by_the_same_rules() -> None:
    world = busy_world(21, lists=120, articles=60)
    cut = world.shown[80].known_at
    head, tail = pieces(log_of(world), [cut])
    first, second = begun(world, sampled=4), begun(world, sampled=4)
    first.run(head)
    second.resume(first.state, head)
    examples = second.run(tail)
    assert check_samples(world, examples, 48.0, most=4) == 4 * len(examples)


@pytest.mark.parametrize(("hours", "live"), [(2.0, True), (2.0 + 1 / 3600, False)])
def test_an_article_is_live_to_the_second(hours: float, live: bool) -> None:
    world = World((Shown(1, 1, START, (1, 2)), Shown(2, 1, START + 3600.0 * hours, (3,))), (), 3, 1)
    examples = begun(world, sampled=2, live_hours=2.0).run(log_of(world))
    assert sorted(sampled_of(examples)[1]) == ([1, 2] if live else [])


def test_one_list_in_so_many_gets_samples_however_the_log_is_cut() -> None:
    lists = tuple(Shown(i, 1, START + i, (1 + i % 6,)) for i in range(1, 241))
    world = World(lists, (), 6, 1)
    log, cut = log_of(world), pieces(log_of(world), [START + 50.0, START + 177.0])
    whole, sliced = (begun(world, sampled=2, sample_every=4, seed=3) for _ in range(2))
    found = [sliced.run(piece) for piece in cut]
    examples = whole.run(log)
    assert by_list(found) == by_list([examples])
    drawn = [bool(sampled) for sampled in sampled_of(examples)]
    assert 40 < sum(drawn) < 80
    assert drawn[:4] * 60 != drawn  # at random, not every fourth
    assert {len(sampled) for sampled in sampled_of(begun(world, sampled=1).run(log))[6:]} == {1}


def test_only_the_newest_rows_are_drawn_by_exposure() -> None:
    """A pool that remembers four rows, of which the first two of six are forgotten; the set forgets nothing."""
    pool = empty_pool(9)._replace(recent=np.zeros(4, np.int64))
    pool_items(pool, np.array([7, 8, 3, 4, 3, 4]))
    assert sorted(pool.recent.tolist()) == [3, 3, 4, 4]
    assert sorted(pool.keys[: pool.size[0]].tolist()) == [3, 4, 7, 8]
    state, nothing = empty_state(9), np.zeros(0, np.int64)
    state.last_shown[:] = START
    by_exposure = set()
    for position in range(60):
        keys = np.full(1, -1, np.int64)
        assert sample(state, pool, nothing, START + 1.0, 60.0, 5, position, 0, keys) == 1
        by_exposure.add(int(keys[0]))
    assert by_exposure == {3, 4}
