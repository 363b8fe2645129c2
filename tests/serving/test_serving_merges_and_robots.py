"""Articles that are merged, readers who log in and robots, as a process meets them that follows the database."""

import numpy as np
import pytest
from made_world import END, HOUR, NOW
from serving_site import Site, assert_same

from recsys.database import logins, merges, robots, stretches
from recsys.database.session import writing
from recsys.domain import Context
from recsys.features.history import view_of
from recsys.features.replay import Replay
from recsys.pipeline.load import load_dataset, load_view
from recsys.pipeline.load_users import load_views

LATER = NOW + 10.0


def merge(site: Site, article_id: str, into: str) -> None:
    with writing(site.sessions) as session:
        merges.merge(session, article_id, into, NOW)


def flag(site: Site, user_id: str) -> None:
    with writing(site.sessions) as session:
        robots.flag(session, user_id)


def test_after_a_merge_the_log_is_folded_anew_to_the_same_bits(site: Site) -> None:
    live = site.live()
    old, new = site.key("a70"), site.key("a71")
    counted = live.world.state.totals[[old, new]].sum(axis=0)
    merge(site, "a70", "a71")
    live.refresh(LATER)
    assert_same(live.world.state, site.folded())
    assert live.world.state.totals[old].tolist() == [0, 0]
    assert live.world.state.totals[new].tolist()[0] == counted[0]
    assert 0 < live.world.state.totals[new].tolist()[1] <= counted[1]
    site.show("u01", ("a71", "a70", "a72"), LATER + 1)
    site.click("u01", "a70", LATER + 2)
    live.refresh(LATER + 10)
    assert_same(live.world.state, site.folded())
    merge(site, "a71", "a72")
    live.refresh(LATER + 20)
    assert_same(live.world.state, site.folded())


def test_every_reader_has_the_same_view_in_serving_and_in_a_replay(site: Site) -> None:
    """Long histories and lists that name both articles included."""
    items = [f"a{n:02}" for n in range(1, 41)]
    for n in range(60):
        site.show("u01", [items[(7 * n + k) % 40] for k in range(9)], NOW - 90 + n)
    for n in range(1, 31):
        merge(site, f"a{n:02}", f"a{n % 5 + 41:02}")
    with site.sessions() as session:
        data = load_dataset(session, site.encoders)
        replay = Replay(data.attributes, data.users)
        replay.run(data.log, score_from=np.inf)
        together = load_views(session, range(1, data.users), LATER)
        for user in range(1, data.users):
            replayed = view_of(replay.rings, user)
            for view in (load_view(session, user, LATER), together[user]):
                for known, expected in zip(view, replayed, strict=True):
                    np.testing.assert_array_equal(known, expected)


def test_whoever_read_the_old_one_is_not_recommended_the_new_one(site: Site) -> None:
    recommender = site.recommender()

    def answer(**more: object) -> list[str]:
        items = recommender.recommend("stranger", limit=100, at=LATER, log=False, **more).items  # type: ignore[arg-type]
        return [item.article_id for item in items]

    assert {"a78", "a79", "a80"} <= set(answer())
    merge(site, "a78", "a79")
    assert "a78" not in answer()
    assert "a79" in answer()
    assert "a79" not in answer(exclude=["a78"])
    assert "a79" not in answer(context=Context("article", "a78"))
    site.click("stranger", "a78", NOW + 1)
    assert "a79" not in answer()


def test_the_old_id_is_ranked_and_compared_as_the_new_one(site: Site) -> None:
    recommender = site.recommender()
    merge(site, "a78", "a79")
    ranked = recommender.rank("u01", ["a80", "a78", "a77", "a79"]).items
    assert sorted(item.article_id for item in ranked) == ["a77", "a78", "a80"]
    expected = recommender.rank("u01", ["a80", "a79", "a77"]).items
    assert [item.score for item in ranked] == pytest.approx([item.score for item in expected], abs=1e-3)
    assert recommender.similar("a78") == recommender.similar("a79")
    assert "a78" not in [near.article_id for near in recommender.similar("a79", limit=100)]


def test_a_reader_who_logs_in_is_known_by_both_histories_in_every_process(site: Site) -> None:
    first, second = site.recommender(), site.recommender()
    site.click("anon", "a80", NOW)
    site.click("ann", "a79", NOW)
    with writing(site.sessions) as session:
        logins.merge(session, "anon", "ann")
    site.click("anon", "a78", NOW + 1)
    for recommender in (first, second):
        for user in ("anon", "ann"):
            answer = recommender.recommend(user, limit=100, at=LATER, log=False)
            ids = [item.article_id for item in answer.items]
            assert not {"a78", "a79", "a80"} & set(ids)
    live = first.live
    live.refresh(LATER)
    assert live.world.state.readers[site.key("a78"), :].max() == site.user_key("ann")


def test_a_flagged_robot_leaves_no_trace_in_the_counters_and_is_answered(site: Site) -> None:
    flag(site, "crawler")
    live = site.live()
    before = live.world.state.totals.copy()
    site.show("crawler", ("a80", "a79"), NOW)
    site.click("crawler", "a80", NOW + 1)
    live.refresh(LATER)
    np.testing.assert_array_equal(live.world.state.totals, before)
    assert_same(live.world.state, site.folded())
    assert site.recommender(live).recommend("crawler", at=LATER, log=False).items


def test_who_becomes_a_robot_is_left_out_from_then_on_and_wholly_by_the_next_fold(site: Site) -> None:
    site.settings.robot_clicks_per_hour = 5
    live = site.live()
    quiet = site.folded()
    for n in range(9):
        site.click("fast", "a80", NOW + n)
        live.refresh(NOW + n + 0.5)
    site.show("fast", ("a79",), NOW + 10)
    site.show("u01", ("a79",), NOW + 11)
    site.click("u01", "a79", NOW + 12)
    live.refresh(NOW + 20)
    gained = live.world.state.totals - quiet.totals
    assert gained[site.key("a80")].tolist() == [5, 0]
    assert gained[site.key("a79")].tolist() == [1, 1]
    fresh = site.live(until=NOW + 20)
    assert (fresh.world.state.totals - quiet.totals)[site.key("a80")].tolist() == [0, 0]
    site.click("u02", "a79", NOW - HOUR)  # reaches back: this process folds anew, too
    live.refresh(NOW + 21)
    assert_same(live.world.state, site.live(until=NOW + 21).world.state)
    assert (live.world.state.totals - quiet.totals)[site.key("a80")].tolist() == [0, 0]


def test_a_robot_of_the_log_is_known_from_the_start(site: Site) -> None:
    site.settings.robot_clicks_per_hour = 5
    for n in range(6):
        site.click("fast", "a80", END + n)
    live = site.live()
    before = live.world.state.totals.copy()
    site.click("fast", "a80", NOW + 2 * HOUR)
    live.refresh(NOW + 2 * HOUR + 1)
    np.testing.assert_array_equal(live.world.state.totals, before)
    with site.sessions() as session:
        data = load_dataset(session, site.encoders, robot_limit=5)
        assert data.robots.counts == {"users": 1, "clicks": 7, "impressions": 0}
        assert len(stretches.read_log(session).clicks) == len(data.log.clicks) + 7
