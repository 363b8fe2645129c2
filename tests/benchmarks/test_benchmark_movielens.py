from pathlib import Path

import movielens
import numpy as np
import pytest
from made_clicks import columns

from recsys.pipeline.content import Content

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data" / "movielens-posters"


@pytest.fixture
def films() -> movielens.Films:
    """40 users who each read 12 of 30 films, one each second; every third rating is a dislike."""
    generator = np.random.default_rng(0)
    user = np.repeat(np.arange(1, 41), 12)
    article = np.concatenate([generator.permutation(np.arange(1, 31))[:12] for _ in range(40)])
    clicks = columns(user, article, np.tile(np.arange(12.0), 40), np.tile([1.0, 1.0, 0.0], 160))
    content = Content({"title": np.zeros((31, 2), np.float32)}, {"title": np.arange(31) > 0})
    return movielens.Films(clicks, content, np.arange(1, 31), (np.arange(1, 13),))


def test_warm_events_follow_the_split_and_have_five_earlier_clicks(films: movielens.Films) -> None:
    test = movielens.warm(films)
    assert (test.train.at <= films.split).all()
    assert (test.at > films.split).all()
    assert ((test.end - test.start) >= movielens.LEAST_EARLIER).all()
    for event in range(0, len(test), 7):
        assert (test.histories.at[test.start[event] : test.end[event]] < test.at[event]).all()
        assert len(test.seen[event]) == test.at[event]  # everything rated in an earlier second, disliked or not
        clicked = films.clicks.article[(films.clicks.user == test.user[event]) & (films.clicks.weight > 0)]
        assert not set(clicked) & set(test.negatives[event])


def test_cold_films_are_in_no_training_and_no_history(films: movielens.Films) -> None:
    test = movielens.cold(films, 0)
    held = films.cold[0]
    assert not np.isin(test.train.article, held).any()
    assert not np.isin(test.histories.article, held).any()
    assert np.isin(test.target, held).all()
    assert np.flatnonzero(test.candidates).tolist() == held.tolist()


def test_a_scorer_that_knows_the_answer_ranks_first_and_a_blind_one_in_the_middle(films: movielens.Films) -> None:
    test = movielens.warm(films)
    answers = iter(np.array_split(test.target, range(movielens.BLOCK, len(test), movielens.BLOCK)))
    perfect = movielens.measure(lambda _: np.eye(31, dtype=np.float32)[next(answers)], test)
    assert perfect.means == {"r@10": 1, "ndcg@10": 1, "mrr": 1, "auc": 1}
    blind = movielens.measure(lambda window: np.zeros((len(window.mask), 31), np.float32), test)
    assert blind.means["auc"] == 0.5
    assert blind.means["mrr"] < 0.2


def test_the_real_folder_gives_the_events_of_the_protocol() -> None:
    if not DATA.exists():
        pytest.skip("movielens-posters is not beside this repository")
    from recsys.domain import Click
    from recsys.ingest import movielens as reader

    clicks = [record for record in reader.read(DATA) if isinstance(record, Click)]
    made = columns(
        [int(c.user_id) for c in clicks], [int(c.article_id) for c in clicks], [c.at for c in clicks],
        [c.weight for c in clicks],
    )  # fmt: skip
    size = int(made.article.max()) + 1
    content = Content({"title": np.zeros((size, 1), np.float32)}, {"title": np.arange(size) > 0})
    hold_outs = tuple(np.loadtxt(DATA / f"cold_items_{number}.txt", dtype=np.int64) for number in range(3))
    films = movielens.Films(made, content, np.arange(1, size), hold_outs)
    test = movielens.warm(films)
    assert films.split == pytest.approx(889396541.2)
    assert (len(test), len(np.unique(test.user)), int((test.train.weight > 0).sum())) == (9986, 276, 44300)
    assert [len(movielens.cold(films, number)) for number in range(3)] == [1740, 1437, 1368]
