"""A log replayed in stretches into the heads' inputs: the same rows however it is cut, and no more than are wanted."""

from collections.abc import Iterator

import made_world
import numpy as np
import pytest

from recsys.database.session import writing
from recsys.encoders import expected_ids
from recsys.features.examples import is_clicked
from recsys.features.replay import Replay
from recsys.pipeline.load import Dataset, load_dataset
from recsys.progress import StageProgress, untold
from recsys.training import replayed as room
from recsys.training.lists import Lists
from recsys.training.replayed import Link, examples_since, replayed

MODALITIES = ("image", "title")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dataset]:
    settings = made_world.Settings(home=tmp_path_factory.mktemp("replayed") / "home", _env_file=None)
    sessions = made_world.install(settings)
    with writing(sessions) as session:
        yield load_dataset(session, expected_ids(settings), until=made_world.SPLIT)
    sessions.kw["bind"].dispose()


def lists_of(data: Dataset, since: float, report: StageProgress = untold) -> tuple[Replay, Lists]:
    replay = Replay(data.attributes, data.users, sampled=7, sample_every=3)
    count = int((data.log.impressions.known_at >= since).sum())
    chain = [Link(0, None), Link(count // 2, None), Link(count, None)]
    return replay, replayed(replay, data.log, (since, np.inf), chain, MODALITIES, report)


def check_equal(first: Lists, second: Lists) -> None:
    for name in ("offsets", "rows", "labels", "shown"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize("stretch", [1, 7, 100])
def test_short_stretches_give_the_rows_of_one(data: Dataset, monkeypatch: pytest.MonkeyPatch, stretch: int) -> None:
    since = float(data.log.impressions.known_at[40])
    whole_replay, whole = lists_of(data, since)
    monkeypatch.setattr(room, "STRETCH", stretch)
    cut_replay, cut = lists_of(data, since)
    check_equal(cut, whole)
    for mine, other in zip(cut_replay.state, whole_replay.state, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_rows_and_clicks_are_those_of_the_log(data: Dataset) -> None:
    _, lists = lists_of(data, -np.inf)
    log = data.log
    examples = Replay(data.attributes, data.users, sampled=7, sample_every=3).run(log)
    np.testing.assert_array_equal(lists.offsets, examples.offsets)
    np.testing.assert_array_equal(lists.shown, examples.shown)
    np.testing.assert_array_equal(lists.rows[:, 0], examples.features[:, 0])
    np.testing.assert_array_equal(lists.rows[:, -1], examples.features[:, -1])
    clicked = set(
        zip(log.clicks.impression[log.clicks.weight > 0], log.clicks.article[log.clicks.weight > 0], strict=True)
    )
    position = np.repeat(log.impressions.position, np.diff(examples.offsets))
    expected = [(p, key) in clicked for p, key in zip(position, examples.keys, strict=True)]
    assert lists.labels[lists.shown].tolist() == np.array(expected)[lists.shown].tolist()
    assert not lists.labels[~lists.shown].any()
    assert lists.labels.sum() > 50


def test_only_the_newest_lists_of_a_long_log_are_examples(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "STRETCH", 50)
    log, (whole_replay, whole) = data.log, lists_of(data, -np.inf)
    room_for = int(log.impressions.offsets[-1] - log.impressions.offsets[-31])
    monkeypatch.setattr(room, "MOST_ROWS", room_for)
    since = examples_since(log, -np.inf)
    assert since == log.impressions.known_at[-30]
    few_replay, few = lists_of(data, since)
    assert len(few) == int((log.impressions.known_at >= since).sum()) < len(whole)
    newest = whole.take(np.arange(len(whole) - len(few), len(whole)), whole.shown)
    check_equal(few.take(np.arange(len(few)), few.shown), newest)  # which samples are live depends on earlier draws
    np.testing.assert_array_equal(few_replay.state.counts, whole_replay.state.counts)


def test_a_later_since_is_kept_and_a_short_log_is_taken_whole(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    assert examples_since(data.log, -np.inf) == -np.inf
    last = float(data.log.impressions.known_at[-1])
    monkeypatch.setattr(room, "MOST_ROWS", 200)
    assert examples_since(data.log, -np.inf) < last - 1
    assert examples_since(data.log, last) == last


def test_it_tells_how_many_lists_are_done(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "STRETCH", 100)
    said: list[tuple[str, int, int]] = []
    _, lists = lists_of(data, -np.inf, lambda *told: said.append(told))
    assert said[-2:] == [("replay", len(lists), len(lists)), ("affinities", len(lists), len(lists))]
    done = [count for stage, count, _ in said if stage == "replay"]
    assert done == sorted(done)
    assert len(done) > 2


def test_a_click_belongs_to_its_own_list_alone(data: Dataset) -> None:
    clicks = data.log.clicks
    row = int(np.flatnonzero((clicks.weight > 0) & (clicks.impression > 0))[0])
    position, key = clicks.impression[row], clicks.article[row]
    asked = is_clicked(data.log, np.array([position, position + 10**6, position]), np.array([key, key, 0]))
    assert asked.tolist() == [True, False, False]
