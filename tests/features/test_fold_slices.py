"""However a log is cut, and wherever a replay is interrupted: state and features have the same bits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fold_worlds import World, begun, between, bits, busy_world, by_list, in_order, log_of, pieces, stamps_of, thorough
from fold_worlds import worlds as made_worlds
from hypothesis import given
from hypothesis import strategies as st

from recsys.columns import EventLog
from recsys.features.replay import Replay
from recsys.features.state import load_state, save_state


def check_pieces(world: World, cut: list[EventLog]) -> None:
    """Replay the world at once and in pieces, and compare."""
    whole, sliced = begun(world), begun(world)
    expected = by_list([whole.run(log_of(world))])
    assert by_list([sliced.run(piece) for piece in cut]) == expected
    assert bits(sliced.state) == bits(whole.state)


@given(world=made_worlds())
@thorough(60)
def test_stamp_by_stamp_is_batch(world: World) -> None:
    log = log_of(world)
    check_pieces(world, pieces(log, stamps_of(log)))


@given(world=made_worlds(), cuts=st.lists(st.floats(-2000, 2e6), max_size=5))
@thorough(60)
def test_uneven_pieces_are_batch(world: World, cuts: list[float]) -> None:
    log = log_of(world)
    check_pieces(world, pieces(log, log.impressions.known_at[0] + np.array(cuts)))


def test_a_busy_log_stamp_by_stamp_is_batch() -> None:
    world = busy_world(4)
    log = log_of(world)
    check_pieces(world, pieces(log, stamps_of(log)))


def test_scoring_only_some_lists_changes_nothing_else() -> None:
    world = busy_world(5, lists=80)
    log, since = log_of(world), world.shown[50].known_at
    whole, partial = begun(world), begun(world)
    expected = by_list([whole.run(log)])
    found = by_list([partial.run(log, score_from=since)])
    assert set(found) == {s.position for s in world.shown if s.known_at >= since}
    assert found == {position: expected[position] for position in found}
    assert bits(partial.state) == bits(whole.state)


def test_an_empty_stretch_changes_nothing() -> None:
    world = busy_world(6, lists=20)
    replay = begun(world)
    replay.run(log_of(world))
    before = bits(replay.state)
    assert len(replay.run(between(log_of(world), until=0.0))) == 0
    assert bits(replay.state) == before


def interrupted(world: World, cut: float, past: EventLog, folder: Path) -> tuple[Replay, Replay]:
    """A replay up to ``cut``, and another that goes on from its checkpoint."""
    first, second = begun(world), begun(world)
    head = between(log_of(world), until=cut)
    first.run(head)
    save_state(first.state, folder / "state.safetensors", head.end)
    state, position = load_state(folder / "state.safetensors")
    assert position == head.end
    assert bits(state) == bits(first.state)
    second.resume(state, past)
    return first, second


@given(world=made_worlds(), at=st.floats(0, 1))
@thorough(40)
def test_resumed_from_a_checkpoint_is_uninterrupted(
    world: World, at: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = log_of(world)
    cut = float(np.quantile(stamps_of(log), at))
    first, second = interrupted(world, cut, between(log, until=cut), tmp_path_factory.mktemp("checkpoint"))
    tail = between(log, since=cut)
    assert by_list([second.run(tail)]) == by_list([first.run(tail)])
    assert bits(second.state) == bits(first.state)


def test_resuming_needs_only_the_newest_events_of_each_user(tmp_path: Path) -> None:
    world = busy_world(7)
    cut = world.shown[250].known_at
    log, past = log_of(world), between(log_of(newest_only(world, cut)), until=cut)
    assert len(past.clicks) < len(between(log, until=cut).clicks)
    assert len(past.impressions) < len(between(log, until=cut).impressions)
    first, second = interrupted(world, cut, past, tmp_path)
    tail = between(log, since=cut)
    assert by_list([second.run(tail)]) == by_list([first.run(tail)])
    assert bits(second.state) == bits(first.state)


def test_a_resumed_replay_can_be_given_room_for_new_articles() -> None:
    world = busy_world(8, lists=60)
    cut = world.shown[40].known_at
    head, tail = pieces(log_of(world), [cut])
    first, second = begun(world), begun(replace(world, articles=world.articles + 9))
    first.run(head)
    second.resume(first.state, head)
    assert len(second.state.stamp) == world.articles + 10
    second.run(tail)
    assert not second.state.totals[world.articles + 1 :].any()


def newest_only(world: World, cut: float) -> World:
    """The world with nothing but the newest 100 clicks and 256 shown rows that each user has at ``cut``."""
    clicked, shown = [], []
    for user in range(1, world.users + 1):
        clicked += sorted((c for c in world.clicked if c.user == user and c.known_at < cut), key=in_order)[-100:]
        rows = 0
        for s in sorted((s for s in world.shown if s.user == user and s.known_at < cut), key=in_order)[::-1]:
            if rows < 256:
                shown.append(s)
                rows += len(s.items)
    return replace(world, shown=tuple(shown), clicked=tuple(clicked))
