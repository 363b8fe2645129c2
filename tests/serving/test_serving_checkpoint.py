"""A process that starts from a checkpoint knows, to the bit, what a fold of the whole log gives; or folds the log."""

import threading
from collections.abc import Callable

import pytest
from made_world import HOUR, NOW
from serving_site import Site, assert_same, story

from recsys.database import events, merges, robots, users
from recsys.database.session import writing
from recsys.lifecycle import checkpoints
from recsys.lifecycle.checkpoints import CheckpointWriter, follow_checkpoints
from recsys.pipeline import checkpoint
from recsys.pipeline.follow import Follower
from recsys.serving.live import Live

LATER = NOW + 100.0


@pytest.fixture
def kept(site: Site) -> Site:
    """A site whose worker has just written a checkpoint."""
    CheckpointWriter(site.sessions, site.settings).write(NOW)
    return site


@pytest.fixture
def unfolded(kept: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on whoever folds the whole log fails."""

    def fail(*_arguments: object) -> None:
        raise AssertionError("the whole log was folded")

    monkeypatch.setattr(Follower, "fold", fail)


def visit(site: Site) -> None:
    """What a few minutes bring: articles, lists, clicks, readers, sections."""
    site.publish(story("x1", "agriculture"), story("x2"))
    site.publish(story("x3"), encoded=False)
    site.show("u01", ("x1", "a80", "x2"), NOW + 1)
    site.click("u01", "x1", NOW + 2)
    site.click("u-new", "x1", NOW + 3)
    site.click("u-new", "x2", NOW + 3)
    site.show("u-newer", ("x9", "x1"), NOW + 4)


@pytest.mark.usefixtures("unfolded")
def test_checkpoint_and_tail_are_the_fold_of_the_whole(kept: Site) -> None:
    visit(kept)
    live = kept.live(until=LATER)
    assert_same(live.world.state, kept.folded(LATER))
    kept.click("u01", "x2", LATER + 1)
    live.refresh(LATER + 5)
    assert_same(live.world.state, kept.folded())


@pytest.mark.usefixtures("unfolded")
def test_it_also_knows_the_same_articles_and_gives_the_same_answers(
    kept: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit(kept)
    resumed = kept.live(until=LATER)
    monkeypatch.undo()
    kept.settings.checkpoint.unlink()
    folded = kept.live(until=LATER)
    (one, other) = (live.world.attributes.signatures for live in (resumed, folded))
    assert (one == other).all()
    assert one.any(axis=1).sum() > 80
    for user in ("u01", "u-new", "nobody"):
        lists = [kept.recommender(live).recommend(user, at=LATER, log=False) for live in (resumed, folded)]
        assert [item.article_id for item in lists[0].items] == [item.article_id for item in lists[1].items]


def test_a_worker_that_goes_on_writes_what_a_whole_fold_knows(kept: Site, unfolded: None) -> None:
    writer = CheckpointWriter(kept.sessions, kept.settings)
    for n in range(3):
        kept.publish(story(f"y{n}"))
        kept.show("u01", (f"y{n}", "a80"), NOW + 10 * n + 1)
        kept.click("u02", f"y{n}", NOW + 10 * n + 2)
        writer.write(NOW + 10 * n + 5)
    assert_same(kept.live(until=LATER).world.state, kept.folded(LATER))


def flag(site: Site) -> None:
    with writing(site.sessions) as session:
        robots.flag(session, "u01")


def merge(site: Site) -> None:
    with writing(site.sessions) as session:
        merges.merge(session, "a79", "a80", NOW)


def erase(site: Site) -> None:
    with writing(site.sessions) as session:
        users.erase(session, "u02", at=1.0, who="test")


def become_fast(site: Site) -> None:
    site.settings.robot_clicks_per_hour = 30
    CheckpointWriter(site.sessions, site.settings).write(NOW)
    for n in range(31):
        site.click("u03", f"a{10 + n}", NOW + 1 + n / 100)


def damage(site: Site) -> None:
    data = bytearray(site.settings.checkpoint.read_bytes())
    data[-len(data) // 4] ^= 1
    site.settings.checkpoint.write_bytes(data)


def cut(site: Site) -> None:
    site.settings.checkpoint.write_bytes(site.settings.checkpoint.read_bytes()[:-9])


CHANGES: dict[str, tuple[Callable[[Site], object], str]] = {
    "a robot was flagged": (flag, "robots"),
    "articles were merged": (merge, "aliases"),
    "a reader was erased": (erase, "events"),
    "a robot shows itself in the tail": (become_fast, "a robot"),
    "another limit for robots": (lambda site: setattr(site.settings, "robot_clicks_per_hour", 40), "robot_limit"),
    "another encoder": (lambda site: site.encoders, "titles"),
    "events from before it": (lambda site: site.click("u05", "a50", NOW - HOUR), "events"),
    "a flipped bit": (damage, "damaged"),
    "a file that was cut off": (cut, "cannot be read"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_checkpoint_that_would_give_something_else_is_not_used(
    kept: Site, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    happen, why = CHANGES[change]
    happen(kept)
    encoders = kept.encoders | ({"title": "another"} if change == "another encoder" else {})
    live = Live(kept.sessions, kept.settings, encoders, until=LATER)
    assert "without the checkpoint" in caplog.text
    assert why in caplog.text
    kept.settings.checkpoint.unlink()
    assert_same(live.world.state, Live(kept.sessions, kept.settings, encoders, until=LATER).world.state)


@pytest.mark.parametrize("happen", [flag, merge, erase, become_fast])
def test_the_next_checkpoint_knows_of_it(kept: Site, happen: Callable[[Site], object]) -> None:
    happen(kept)
    CheckpointWriter(kept.sessions, kept.settings).write(LATER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Follower, "fold", lambda *_arguments: pytest.fail("the whole log was folded"))
        resumed = kept.live(until=LATER)
    kept.settings.checkpoint.unlink()
    assert_same(resumed.world.state, kept.live(until=LATER).world.state)


def test_another_fold_is_refused(kept: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(checkpoint, "VERSION", "another")
    assert_same(kept.live(until=LATER).world.state, kept.folded(LATER))
    assert "(fold)" in caplog.text


def test_a_checkpoint_of_another_database_is_refused(kept: Site, caplog: pytest.LogCaptureFixture) -> None:
    """One that is as long, and has the same times."""
    with writing(kept.sessions) as session:
        row = session.query(events.ImpressionRow).order_by(events.ImpressionRow.position.desc()).first()
        assert row is not None
        row.impression_id = "elsewhere"
    assert_same(kept.live(until=LATER).world.state, kept.folded(LATER))
    assert "(newest)" in caplog.text


def test_a_clock_that_was_set_back_behind_the_checkpoint(kept: Site, caplog: pytest.LogCaptureFixture) -> None:
    live = kept.live(until=NOW - HOUR * 5)
    assert "ahead of the clock" in caplog.text
    assert_same(live.world.state, kept.folded(NOW - HOUR * 5))
    live.refresh(LATER)
    assert_same(live.world.state, kept.folded())


def test_the_thread_writes_soon_and_again_and_survives_failures(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(checkpoints, "SOON", 0.01)
    folder = site.settings.checkpoint.parent
    folder.write_text("a file in the way")
    stop = threading.Event()
    thread = follow_checkpoints(site.sessions, site.settings.model_copy(update={"checkpoint_every": 0.05}), stop)
    try:
        wait_until(lambda: "no checkpoint was written" in caplog.text)
        folder.unlink()
        wait_until(site.settings.checkpoint.exists)
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def test_it_can_be_turned_off(site: Site) -> None:
    settings = site.settings.model_copy(update={"checkpoint_every": 0.0})
    thread = follow_checkpoints(site.sessions, settings, threading.Event())
    thread.join(60)
    assert not thread.is_alive()
    assert not site.settings.checkpoint.exists()


def wait_until(condition: Callable[[], bool]) -> None:
    patience = threading.Event()
    for _ in range(6000):
        if condition():
            return
        patience.wait(0.01)
    raise AssertionError("it did not happen in a minute")
