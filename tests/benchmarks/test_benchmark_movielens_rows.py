import movielens
import movielens_rows
import news_models
import numpy as np
import pytest
from made_clicks import CAMP, SIZE, columns
from peers import tuning

from recsys.evaluation.metrics import mean
from recsys.pipeline.content import Content

NEW = 2 * CAMP + 1  # liked at the very end alone


@pytest.fixture(scope="module")
def films() -> movielens.Films:
    """60 users like 12 of the 20 films of their camp, one each second; the last of some is new."""
    generator = np.random.default_rng(0)
    user = np.repeat(np.arange(1, 61), 12)
    liked = [generator.permutation(CAMP)[:12] + 1 + CAMP * (reader % 2) for reader in range(1, 61)]
    article, at = np.concatenate(liked), np.tile(np.arange(12.0), 60)
    article[(at == 11) & (user <= 6)] = NEW
    vectors = generator.standard_normal((SIZE, 8)).astype(np.float32)
    vectors[1 : CAMP + 1] += 3 * vectors[0]
    there = np.arange(SIZE) > 0
    content = Content({"title": vectors, "image": vectors[:, ::-1].copy()}, {"title": there, "image": there})
    return movielens.Films(columns(user, article, at), content, np.arange(1, SIZE), (np.arange(1, CAMP, 3),))


@pytest.fixture(scope="module")
def tests(films: movielens.Films) -> movielens_rows.Tests:
    return {"G": [movielens.warm(films)], "C": [movielens.cold(films, 0)]}


@pytest.fixture(scope="module")
def rows(films: movielens.Films, tests: movielens_rows.Tests) -> list[movielens_rows.Row]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(news_models, "PLANS", news_models.PLANS[:1])
        few = tuple(tuning.Peer(p.name, p.fit, p.settings[:2], p.seeded) for p in tuning.COLLABORATIVE)
        patch.setattr(movielens_rows, "COLLABORATIVE", few)
        return list(movielens_rows.rows(films, tests, 1, fusion="gated", peers=True, news=True, controls=False))


def test_every_peer_and_the_towers_stand_in_one_table(rows: list[movielens_rows.Row]) -> None:
    figures = [row for row in rows if row["table"] != movielens_rows.DIFFERENCES]
    names = [row["name"].split(",")[0].split(" on ")[0] for row in figures]
    assert names == [
        "most popular", "recent popularity", "item-kNN", "EASE", "ALS", "BPR", "content kNN", "content kNN", "NRMS",
        "NAML", "two towers",
    ]  # fmt: skip
    by_content = {row["name"].split(" on ")[0] for row in figures if "C_r@10" in row}
    assert {"NRMS", "NAML", "two towers, gated", "content kNN, frozen title"} <= by_content
    assert not {"most popular", "EASE"} & {name.split(",")[0] for name in by_content}
    assert all(0 <= row["G_auc"] <= 1 and row["seconds_to_train"] >= 0 for row in figures)


def test_films_that_training_never_met_are_a_slice_that_collaborative_filters_cannot_find(
    rows: list[movielens_rows.Row], tests: movielens_rows.Tests
) -> None:
    assert (tests["G"][0].target == NEW).sum() == 6
    assert not (tests["G"][0].train.article == NEW).any()
    figures = {row["name"].split(",")[0]: row for row in rows if row["table"] != movielens_rows.DIFFERENCES}
    assert "6 of them never seen in training" in figures["EASE"]["table"]
    assert figures["EASE"]["G_unseen_r@10"] == 0
    assert figures["EASE"]["G_r@10"] > 0.5


@pytest.mark.parametrize("kind", ["G", "C"])
def test_the_difference_to_the_best_peer_and_to_ease_is_that_of_the_means(
    rows: list[movielens_rows.Row], kind: str
) -> None:
    figure = f"{kind}_ndcg@10"
    figures = {row["name"]: row[figure] for row in rows if row["table"] != movielens_rows.DIFFERENCES and figure in row}
    compared = [
        row for row in rows if row["table"] == movielens_rows.DIFFERENCES and row["name"].startswith(f"{kind}: two tow")
    ]
    best = max((name for name in figures if "towers" not in name), key=figures.__getitem__)
    rivals = {row["name"].split(" − ")[1].removesuffix(" (the best peer)"): row for row in compared}
    assert best in rivals
    assert any(name.startswith("EASE") for name in rivals) == (kind == "G")
    for name, row in rivals.items():
        assert row["ndcg@10"] == pytest.approx(figures["two towers, gated"] - figures[name], abs=2e-4)
        low, high = row["confidence"]["ndcg@10"]
        assert low <= row["ndcg@10"] <= high


def test_the_development_split_lies_within_training(tests: movielens_rows.Tests) -> None:
    test, seen = tests["G"][0], []

    def make(train):
        seen.append(train)
        return lambda window: np.zeros((len(window.mask), SIZE), np.float32)

    tuning.on_development(make, test)
    clicks = test.train.at[test.train.weight > 0]
    assert seen[0].at.max() <= np.quantile(clicks, tuning.DEVELOPMENT) < clicks.max()


def test_a_peer_that_knows_more_is_judged_better_on_the_development_split(tests: movielens_rows.Tests) -> None:
    by_camp = np.arange(SIZE)[None] > CAMP

    def knowing(_train):
        return lambda window: (by_camp == (window.article[:, -1:] > CAMP)).astype(np.float32)

    def blind(_train):
        return lambda window: np.zeros((len(window.mask), SIZE), np.float32)

    assert tuning.on_development(knowing, tests["G"][0]) > tuning.on_development(blind, tests["G"][0]) + 0.1


def test_values_are_means_over_seeds_event_by_event(tests: movielens_rows.Tests) -> None:
    draws = np.random.default_rng(0)
    method = movielens_rows.Method(
        "made", {"G": lambda _test, _seed: lambda w: draws.random((len(w.mask), SIZE))}, seeds=2
    )
    one = movielens_rows.measured(method, tests)
    first, second = (result.figures["mrr"] for result in one.results["G"][0])
    np.testing.assert_allclose(one.values("G", "mrr"), (first + second) / 2)
    assert movielens_rows.row(one, tests)["G_mrr"] == pytest.approx(mean(one.values("G", "mrr")), abs=1e-4)
