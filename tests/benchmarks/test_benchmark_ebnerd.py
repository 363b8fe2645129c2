import functools
from pathlib import Path

import ebnerd
import ebnerd_live
import ebnerd_peers
import ebnerd_rows
import news_models
import numpy as np
import pytest
from made_ebnerd import DAY, HISTORY, LISTS, READERS, START, write
from peers import lambdarank, tuning

from recsys.columns import NONE
from recsys.features.examples import Examples


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> ebnerd.Week:
    folder = write(tmp_path_factory.mktemp("two") / "log")
    return ebnerd.load(folder, folder.parent / "home")


def test_two_weeks_are_split_between_them(week: ebnerd.Week) -> None:
    assert week.split == START + 7 * DAY
    train, test = week.lists
    assert (len(train), len(test)) == (LISTS, LISTS)
    assert train.at.max() < week.split <= test.at.min()
    assert week.development == week.split - DAY
    newest = ebnerd_peers.development(week)
    assert len(newest) == (train.at >= week.development).sum() == 30
    assert (newest.at >= week.development).all()


def test_one_week_is_split_after_five_days(tmp_path: Path) -> None:
    week = ebnerd.load(write(tmp_path / "log", weeks=("train",)), tmp_path / "home")
    assert week.split == START + 5 * DAY
    assert [len(lists) for lists in week.lists] == [150, 60]


def test_peers_are_fitted_on_what_was_known_before_the_split(week: ebnerd.Week) -> None:
    clicks = week.clicks(week.split)
    assert (clicks.known_at < week.split).all()
    assert (clicks.backfilled > 0).sum() == READERS * HISTORY  # the history of the training week alone
    assert len(week.clicks(week.development)) < len(clicks)
    assert week.training_set().until == week.split


def test_rows_are_scored_from_the_history_of_their_own_list(week: ebnerd.Week) -> None:
    lists = week.lists[1]
    size = len(week.whole.catalogue)

    def newest(window):
        """1 for the newest article of the history."""
        dense = np.zeros((len(window.mask), size), np.float32)
        dense[np.arange(len(dense)), window.article[:, -1]] = 1
        return dense

    expected = lists.keys == np.repeat(lists.history[:, -1], np.diff(lists.offsets))
    assert (lists.history[:, -1] != NONE).all()
    np.testing.assert_array_equal(ebnerd.scored(newest, lists), expected)
    assert expected.any()


def test_a_part_of_the_lists_is_the_same_lists(week: ebnerd.Week) -> None:
    lists = week.lists[0]
    some = lists.stretch(10, 13)
    rows = slice(lists.offsets[10], lists.offsets[13])
    assert isinstance(some, Examples)
    np.testing.assert_array_equal(some.offsets, lists.offsets[10:14] - rows.start)
    np.testing.assert_array_equal(some.features, lists.features[rows])
    np.testing.assert_array_equal(some.user, lists.user[10:13])


def test_places_are_in_the_middle_of_equal_scores_and_nowhere_for_what_is_not_ranked() -> None:
    keys, scores = np.array([4, 5, 6, 7]), np.array([1.0, 3.0, 1.0, 2.0])
    assert ebnerd_live.places(keys, scores, [5, 7, 4, 6, 9]).tolist() == [1, 2, 3.5, 3.5, np.inf]
    assert ebnerd_live.places(keys[:0], scores[:0], [5]).tolist() == [np.inf]


@pytest.fixture(scope="module")
def rows(week: ebnerd.Week) -> list[ebnerd_rows.Row]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lambdarank, "LEAVES", (15,))
        patch.setattr(lambdarank, "MOST_TREES", 40)
        patch.setattr(news_models, "PLANS", news_models.PLANS[:1])
        few = tuple(tuning.Peer(p.name, p.fit, p.settings[:2], p.seeded) for p in tuning.COLLABORATIVE)
        patch.setattr(ebnerd_peers, "COLLABORATIVE", few)
        return list(ebnerd_rows.rows(week, 1, peers=True, news=True, live=True))


def test_every_peer_and_the_product_stand_in_one_table(rows: list[ebnerd_rows.Row]) -> None:
    shown = [row for row in rows if row["table"] == ebnerd_rows.TABLE]
    names = " | ".join(row["name"] for row in shown)
    for name in (
        "random", "most popular", "recent popularity", "smoothed CTR", "item-kNN", "EASE", "ALS", "BPR", "NRMS", "NAML",
        "LightGBM", "recsys, seed 0",
    ):  # fmt: skip
        assert name in names
    assert {row["impressions"] for row in shown} == {LISTS}
    assert all(0 <= row[figure] <= 1 for row in shown for figure in ("auc", "mrr", "ndcg@5", "ndcg@10"))
    by_name = {row["name"].split(",")[0]: row for row in shown}
    assert by_name["item-kNN"]["auc"] > 0.8  # it knows the camps
    assert by_name["random"]["auc"] == 0.5
    assert by_name["recsys"]["log_loss"] > 0


def test_all_live_articles_are_ranked_by_all_of_them_over_the_same_pools(rows: list[ebnerd_rows.Row]) -> None:
    live = [row for row in rows if row["table"] == ebnerd_live.TABLE]
    names = " | ".join(row["name"] for row in live)
    for name in ("recent popularity", "item-kNN", "ALS", "LightGBM", "recsys, seed 0"):
        assert name in names
    assert len({row["pool_median"] for row in live}) == 1
    assert all(row["r@10"] <= row["r@50"] <= row["r@100"] <= 1 for row in live)
    assert max(row["r@50"] for row in live) > 0.3


def test_the_difference_is_that_of_the_means(rows: list[ebnerd_rows.Row]) -> None:
    shown = {row["name"]: row for row in rows if row["table"] == ebnerd_rows.TABLE}
    compared = [row for row in rows if row["table"] == ebnerd_rows.DIFFERENCES]
    assert len(compared) == 2
    for row in compared:
        ours, rival = row["name"].split(" − ")
        for figure in ("ndcg@10", "auc"):
            assert row[figure] == pytest.approx(shown[ours][figure] - shown[rival][figure])
            low, high = row["confidence"][figure]
            assert low <= row[figure] <= high


def test_without_peers_only_the_product_and_the_blind_are_left(week: ebnerd.Week) -> None:
    few = functools.partial(ebnerd_rows.rows, week, 0, peers=False, news=False, live=True)
    assert [row["name"].split(",")[0] for row in few()] == ["random", "random"]
