"""However a log is cut, and wherever a replay is interrupted: state and features have the same bits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fold_worlds import World, begun, between, bits, busy_world, by_list, in_order, log_of, pieces, stamps_of, thorough
from fold_worlds import worlds as made_worlds
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch

from recsys.columns import EventLog
from recsys.domain import RecsysError
from recsys.features.checkpoint import load_state, save_state
from recsys.features.replay import Replay
from recsys.features.state import empty_state


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


@given(share=st.floats(0, 1, exclude_max=True))
@thorough(60)
def test_a_truncated_checkpoint_is_refused_in_one_sentence(
    share: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("truncated") / "state.safetensors"
    save_state(empty_state(3), path, (4, 5))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(RecsysError, match=r"cannot be read .*: fold the log from its start\.$"):
        load_state(path)


@pytest.mark.parametrize("bent", ["missing", "folder", "text", "empty", "bfloat16"])
def test_what_is_no_checkpoint_is_refused(bent: str, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    if bent == "folder":
        path.mkdir()
    elif bent == "bfloat16":
        save_torch({"stamp": torch.zeros(3, dtype=torch.bfloat16)}, path)
    elif bent != "missing":
        path.write_text({"text": "recsys " * 99, "empty": ""}[bent])
    with pytest.raises(RecsysError, match="cannot be read"):
        load_state(path)


def bend(arrays: dict[str, np.ndarray], how: str) -> dict[str, np.ndarray]:
    """A checkpoint as another version of the fold might have written it."""
    counts = arrays["counts"]
    return {
        "no position": {name: array for name, array in arrays.items() if name != "position"},
        "no stamp": {name: array for name, array in arrays.items() if name != "stamp"},
        "one more": {**arrays, "dwell": arrays["stamp"]},
        "fewer half-lives": {**arrays, "counts": np.ascontiguousarray(counts[..., :4])},
        "more articles": {**arrays, "stamp": np.zeros((9, 7))},
        "float32": {**arrays, "counts": counts.astype(np.float32)},
        "three positions": {**arrays, "position": np.arange(3)},
        "a number": {**arrays, "stamp": np.array(1.0)},
        "nothing": {},
    }[how]


@pytest.mark.parametrize(
    "how",
    [
        "no position", "no stamp", "one more", "fewer half-lives", "more articles", "float32", "three positions",
        "a number", "nothing",
    ],
)  # fmt: skip
def test_a_checkpoint_of_another_fold_is_refused(how: str, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_state(empty_state(3), path, (4, 5))
    arrays = load_file(path)
    save_file(bend(arrays, how), path)
    with pytest.raises(RecsysError, match="no checkpoint of this version"):
        load_state(path)
    save_file(arrays, path)
    assert load_state(path)[1] == (4, 5)


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_state(empty_state(3), path, (4, 5))
    path.with_suffix(".partial").mkdir()
    with pytest.raises((OSError, SafetensorError)):
        save_state(empty_state(6), path, (7, 8))
    state, position = load_state(path)
    assert (len(state.stamp), position) == (3, (4, 5))


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
