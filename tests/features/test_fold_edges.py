"""Logs at the edge of what there is: empty, of one article, one user or one instant, too long, or with odd times."""

from dataclasses import replace

import numpy as np
import pytest
from fold_reference import GROUPS, Reference
from fold_worlds import PLAIN, START, Clicked, Shown, World, begun, between, bits, busy_world, log_of

from recsys.columns import EventLog
from recsys.domain import RecsysError
from recsys.features.examples import Examples
from recsys.features.features import FEATURES
from recsys.features.history import UserView, empty_rings, empty_view, taste_of, view_of
from recsys.features.replay import fold_live
from recsys.features.state import HALF_LIVES, cell_of, empty_state

DAY = 86400.0
MANY = 400 if PLAIN else 10_000  # clicks of one user


def column(examples: Examples, name: str) -> list[float]:
    return examples.features[:, FEATURES.index(name)].tolist()


def nothing() -> EventLog:
    return between(log_of(busy_world(1, lists=2)), until=0.0)


def test_an_empty_log_says_nothing_and_changes_nothing() -> None:
    world = busy_world(1, lists=2)
    replay = begun(world, sampled=2)
    examples = replay.run(nothing())
    assert (len(examples), len(examples.keys), examples.features.shape) == (0, 0, (0, len(FEATURES)))
    replay.resume(replay.state, nothing())
    fold_live(replay.state, world.attributes, nothing(), {})
    assert bits(replay.state) == bits(empty_state(world.articles + 1))


def test_a_user_of_whom_nothing_is_known_is_the_same_live_and_in_replay() -> None:
    for live, replayed in zip(empty_view(), view_of(empty_rings(1), 0), strict=True):
        assert (live.shape, live.dtype) == (replayed.shape, replayed.dtype) == ((0,), live.dtype)


def test_a_state_has_the_shapes_that_checkpoints_and_merges_rely_on() -> None:
    shapes = {name: array.shape for name, array in empty_state(3)._asdict().items()}
    assert shapes == {
        "counts": (3, 7, 3, 5),
        "stamp": (3, 7),
        "first_shown": (3,),
        "last_shown": (3,),
        "totals": (3, 2),
        "readers": (3, 128),
        "reader_at": (3, 128),
        "reader_total": (3,),
        "taste": (3, 64),
        "ratings": (3, 3),
    }


def test_two_kinds_of_page_and_three_of_device_have_cells_of_their_own() -> None:
    assert [[cell_of(page, device) for device in range(5)] for page in range(3)] == [
        [3, 1, 2, 3, 3],
        [3, 1, 2, 3, 3],
        [6, 4, 5, 6, 6],
    ]


def test_what_was_read_of_articles_newer_than_the_catalogue_has_no_taste_yet() -> None:
    signatures = busy_world(7, lists=1, articles=4).attributes.signatures
    read, at = np.array([1, len(signatures), len(signatures) + 1]), np.full(3, START)
    known, all_of_it = (UserView(k, a, a, k[:0], a[:0]) for k, a in ((read[:1], at[:1]), (read, at)))
    np.testing.assert_array_equal(taste_of(all_of_it, signatures), taste_of(known, signatures))


def test_clicks_alone_are_folded_and_score_nothing() -> None:
    clicks = tuple(Clicked(i, 1, 1, START + i, START + i) for i in range(3))
    replay = begun(World((), clicks, 1, 1), sampled=2)
    assert len(replay.run(log_of(World((), clicks, 1, 1)))) == 0
    assert replay.state.totals.tolist() == [[0, 0], [3, 0]]
    assert replay.state.reader_total.tolist() == [0, 3]


def test_lists_without_a_click_have_no_label() -> None:
    world = replace(busy_world(2, lists=30), clicked=())
    examples = begun(world, sampled=2).run(log_of(world))
    assert not examples.labels.any()
    assert (examples.history == -1).all()
    assert np.isfinite(examples.features).all()


@pytest.mark.parametrize("apart", [0.0, 60.0])
def test_one_article_for_one_user(apart: float) -> None:
    lists = tuple(Shown(i, 1, START + apart * i, (1,)) for i in range(1, 8))
    clicks = tuple(Clicked(i, 1, 1, s.known_at, s.known_at, shown=s.position) for i, s in enumerate(lists))
    check(World(lists, clicks, 1, 1))


def test_a_day_in_one_second() -> None:
    """Nothing is known of anything: every list is scored before every event."""
    busy = busy_world(3, lists=60)
    lists = tuple(s._replace(known_at=START) for s in busy.shown)
    clicks = tuple(c._replace(known_at=START) for c in busy.clicked)
    world = replace(busy, shown=lists, clicked=clicks)
    replay = begun(world)
    examples = replay.run(log_of(world))
    for name in ("clicks_72h", "exposures_72h", "times_shown_to_user", "user_clicks", "co_click_history"):
        assert not np.any(column(examples, name)), name
    assert (examples.history == -1).all()
    assert examples.labels.any()
    liked = sum(c.weight > 0 and not c.backfilled for c in clicks)
    assert replay.state.counts[0, 0, 0].tolist() == [liked] * len(HALF_LIVES)


def test_a_user_with_very_many_clicks_is_their_newest_hundred() -> None:
    rng, articles = np.random.default_rng(4), 300
    chosen = rng.integers(1, articles + 1, MANY).tolist()
    clicks = tuple(Clicked(i, 1, a, START + i, START + i, float(i % 4 > 0)) for i, a in enumerate(chosen))
    lists = (Shown(1, 1, START + MANY, tuple(range(1, 41))), Shown(2, 2, START + MANY, tuple(range(1, 41))))
    world, newest = World(lists, clicks, articles, 2), World(lists, clicks[-100:], articles, 2)
    found, expected = begun(world).run(log_of(world)), begun(newest).run(log_of(newest))
    np.testing.assert_array_equal(found.history, expected.history)
    of_user = [FEATURES.index(name) for name in GROUPS["seen"](Reference(newest, lists[0]), 1)]
    of_user += [FEATURES.index(name) for name in ("user_clicks", "since_user_click", "section_share_of_user")]
    np.testing.assert_array_equal(found.features[:, of_user], expected.features[:, of_user])
    assert column(found, "user_clicks")[0] == pytest.approx(np.log1p(sum(c.weight > 0 for c in clicks[-100:])))
    assert np.isfinite(found.features).all()


def test_articles_of_which_nothing_is_known() -> None:
    world = busy_world(5, lists=20)
    unknown = np.full(world.articles + 1, np.nan)
    nowhere = np.full(world.articles + 1, -1)
    blank = world.attributes._replace(
        published_at=unknown, section=nowhere, sections=0, premium=unknown, length=unknown
    )
    world.__dict__["attributes"] = blank._replace(signatures=np.zeros_like(blank.signatures))
    examples = begun(world).run(log_of(world))
    assert np.isfinite(examples.features).all()
    assert column(examples, "since_published") == pytest.approx([np.log1p(60 * 24 * 60)] * len(examples.keys))
    for name in ("premium", "length", "section_of_last_click", "section_share_of_user", "title_taste"):
        assert not np.any(column(examples, name)), name


def test_what_lies_in_the_future_is_of_no_age() -> None:
    """An article published tomorrow, and a click that is dated tomorrow but known today."""
    lists, clicks = (Shown(1, 1, START, (1, 2)),), (Clicked(1, 1, 1, START + DAY, START - 1.0),)
    world = World(lists, clicks, 2, 1)
    world.attributes.published_at[1:] = START + DAY, START - DAY
    examples = begun(world).run(log_of(world))
    assert column(examples, "since_published") == pytest.approx([0.0, np.log1p(24 * 60)])
    assert column(examples, "since_user_click") == [0.0, 0.0]
    assert column(examples, "since_clicked_by_user") == pytest.approx([0.0, np.log1p(60 * 24 * 60)])
    assert examples.history_at[0, -1] == START + DAY


def test_a_list_that_arrives_after_its_click_knows_the_click_and_does_not_own_it() -> None:
    late = Shown(1, 1, START + 60.0, (1, 2), page=2, device=1)
    other = Shown(2, 2, START + 120.0, (1, 2), page=2, device=1)
    world = World((late, other), (Clicked(1, 1, 1, START, START, shown=1),), 2, 2)
    examples = begun(world).run(log_of(world))
    assert not examples.labels.any()  # what is known already is nothing to be predicted
    assert column(examples, "times_clicked_by_user") == pytest.approx([np.log(2), 0, 0, 0])
    assert column(examples, "clicks_72h")[0] > 0.0
    assert column(examples, "clicks_here_72h") == [0.0] * 4  # on an article page: the click came from nowhere
    check(world)


@pytest.mark.parametrize("time", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["impressions", "clicks"])
def test_a_time_that_is_no_number_is_refused(time: float, kind: str) -> None:
    """Where it would be waited for forever, since it is no end of any stamp."""
    world = busy_world(6, lists=5)
    log, replay = log_of(world), begun(world)
    events = getattr(log, kind)
    bent = replace(log, **{kind: replace(events, known_at=np.append(events.known_at[:-1], time))})
    views = dict.fromkeys(range(1, world.users + 1), empty_view())
    for folding in (replay.run, lambda bad: fold_live(replay.state, world.attributes, bad, views)):
        with pytest.raises(RecsysError, match="time is no number"):
            folding(bent)
    assert bits(replay.state) == bits(empty_state(world.articles + 1))


def check(world: World) -> None:
    """Compare every feature of every list with its definition."""
    examples = begun(world).run(log_of(world))
    lists = {s.position: s for s in world.shown}
    for i, position in enumerate(examples.position.tolist()):
        known = Reference(world, lists[position])
        for row, article in zip(range(*examples.offsets[i : i + 2]), known.target.items, strict=True):
            expected = {name: value for group in GROUPS.values() for name, value in group(known, article).items()}
            found = dict(zip(FEATURES, examples.features[row].tolist(), strict=True))
            assert found == pytest.approx(expected, rel=2e-5, abs=2e-5)
