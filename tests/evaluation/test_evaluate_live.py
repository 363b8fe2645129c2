"""Protocol A2: ranks are those of the pipeline when it is asked, list by list, from the database."""

from collections.abc import Iterator
from dataclasses import replace

import made_world
import numpy as np
import pytest
from made_judgement import Judgement, made_judgement

from recsys.domain import RecsysError
from recsys.evaluation.evaluate import Judged, evaluate_shown
from recsys.evaluation.live import evaluate_live
from recsys.pipeline.recommend import ListOptions, recommend_many


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judgement]:
    judgement = made_judgement(tmp_path_factory.mktemp("live"))
    yield judgement
    judgement.sessions.kw["bind"].dispose()


@pytest.fixture(scope="module")
def judged(made: Judgement) -> Judged:
    return evaluate_live(made.model, made.window())


def place(keys: np.ndarray, target: int) -> float:
    return float(keys.tolist().index(target) + 1) if target in keys else np.inf


def test_figures_are_those_of_asking_the_pipeline_list_by_list(made: Judgement, judged: Judged) -> None:
    lists = [i for i in made.lists() if made.clicked(i)]
    assert len(judged.users) == len(lists) > 15
    np.testing.assert_array_equal(judged.users, made.data.log.impressions.user[lists])
    recalls: dict[str, list[float]] = {f"r@{k}": [] for k in (10, 50, 100)} | {f"sources_r@{k}": [] for k in (100, 500)}
    gains, pools = [], []
    for i in lists:
        pool, candidates, ordered = made.ranking(i)
        ranks, found = zip(*((place(ordered, a), place(candidates, a)) for a in made.clicked(i)), strict=True)
        for k in (10, 50, 100):
            recalls[f"r@{k}"].append(float(np.mean([rank <= k for rank in ranks])))
        for k in (100, 500):
            recalls[f"sources_r@{k}"].append(float(np.mean([rank <= k for rank in found])))
        best = sum(1 / np.log2(n + 2) for n in range(len(ranks)))
        gains.append(sum(1 / np.log2(rank + 1) for rank in ranks if rank <= 10) / best)
        pools.append(len(pool))
    for name, values in recalls.items():
        np.testing.assert_allclose(judged.figures[name], values, err_msg=name)
        assert judged.summary[name] == pytest.approx(np.mean(values))
    np.testing.assert_allclose(judged.figures["ndcg@10"], gains)
    assert judged.summary["pool_median"] == np.median(pools)
    assert judged.summary["impressions"] == len(lists)
    assert judged.summary["clicks"] == sum(len(made.clicked(i)) for i in lists)


def test_lists_with_diversity_are_those_that_serving_answers(made: Judgement, judged: Judged) -> None:
    options = made.window().options
    gains, shown, live = [], set[int](), set[int]()
    for i in made.lists():
        if made.clicked(i):
            reader, request = made.request(i)
            answer = recommend_many(made.model, reader, [request], options)[0].keys
            shown |= set(answer.tolist())
            live |= set(made.ranking(i)[0].tolist())
            ranks = [place(answer, a) for a in made.clicked(i)]
            best = sum(1 / np.log2(n + 2) for n in range(len(ranks)))
            gains.append(sum(1 / np.log2(rank + 1) for rank in ranks) / best)
    found = judged.summary["diversity"]
    assert found["on"]["ndcg@10"] == pytest.approx(np.mean(gains))
    assert found["on"]["coverage"] == pytest.approx(len(shown) / len(live))
    assert found["off"]["ndcg@10"] == pytest.approx(judged.summary["ndcg@10"])
    assert found["cost"]["ndcg@10"] == pytest.approx(judged.summary["ndcg@10"] - np.mean(gains))
    assert found["on"]["intra_list_diversity"] >= found["off"]["intra_list_diversity"]


def test_without_rules_diversity_costs_nothing(made: Judgement, judged: Judged) -> None:
    found = evaluate_live(made.model, replace(made.window(), options=ListOptions(10, 0.0, 10))).summary["diversity"]
    assert found["on"] == found["off"]
    assert found["cost"]["ndcg@10"] == 0.0


def test_the_exact_indexes_find_all_that_is_nearest(made: Judgement, judged: Judged) -> None:
    known = sum(bool(made.liked_before(i)) for i in made.lists() if made.clicked(i))
    for name in ("learned", "content"):
        found = judged.summary["retrieval"][name]
        assert found["r@100_of_exact"] == 1.0
        assert 0 < found["r@100_of_clicked"] <= 1
        assert found["impressions"] == known


def test_some_lists_of_the_window_share_a_second(made: Judgement) -> None:
    times = made.data.log.impressions.known_at[[i for i in made.lists() if made.clicked(i)]]
    assert len(np.unique(times)) < len(times)


def test_what_a_reader_has_clicked_is_not_in_the_pool_and_cannot_be_found(made: Judgement) -> None:
    lists = made.lists(made_world.SPLIT, np.inf)
    again = [i for i in lists if set(made.clicked(i)) & made.clicked_before(i)]
    assert again
    for i in again[:5]:
        pool, _, ordered = made.ranking(i)
        assert not set(pool.tolist()) & made.clicked_before(i)
        assert set(ordered.tolist()) <= set(pool.tolist())
    judged = evaluate_live(made.model, made.window(made_world.SPLIT, np.inf))
    clicked = [i for i in lists if made.clicked(i)]
    everything_known = [n for n, i in enumerate(clicked) if set(made.clicked(i)) <= made.clicked_before(i)]
    assert everything_known
    assert (judged.figures["sources_r@500"][everything_known] == 0).all()
    assert (judged.figures["ndcg@10"][everything_known] == 0).all()


def test_what_was_dismissed_in_a_list_was_not_clicked_in_it(made: Judgement, judged: Judged) -> None:
    log = made.data.log
    clicked = [i for i in made.lists() if made.clicked(i)]
    own = log.clicks.impression == log.impressions.position[clicked[-1]]
    changed = replace(log, clicks=replace(log.clicks, weight=np.where(own, 0.0, log.clicks.weight)))
    found = evaluate_live(made.model, replace(made.window(), log=changed))
    np.testing.assert_array_equal(found.users, judged.users[:-1])
    np.testing.assert_array_equal(found.figures["ndcg@10"], judged.figures["ndcg@10"][:-1])


def test_recall_rises_with_the_length_of_the_answer(judged: Judged) -> None:
    assert (judged.figures["r@10"] <= judged.figures["r@50"]).all()
    assert (judged.figures["r@50"] <= judged.figures["r@100"]).all()
    assert (judged.figures["sources_r@100"] <= judged.figures["sources_r@500"]).all()
    assert 0 < judged.summary["r@10"] < judged.summary["r@50"] <= 1


def test_nothing_known_at_or_after_a_list_changes_its_rank(made: Judgement, judged: Judged) -> None:
    """Everything known from the first half of the window on, but for the labels, is told of other articles."""
    log, lists = made.data.log, made.lists()
    middle = log.impressions.known_at[lists[len(lists) // 2]]
    draw = np.random.default_rng(0)
    late, shown_late = log.clicks.known_at >= middle, log.impressions.known_at >= middle
    own = np.isin(log.clicks.impression, log.impressions.position[lists])
    items = np.where(
        np.repeat(shown_late, np.diff(log.impressions.offsets)),
        draw.permutation(log.impressions.items),
        log.impressions.items,
    )
    article = np.where(late & ~own, draw.permutation(log.clicks.article), log.clicks.article)
    changed = replace(
        log, impressions=replace(log.impressions, items=items), clicks=replace(log.clicks, article=article)
    )
    found = evaluate_live(made.model, replace(made.window(), log=changed))
    clicked = [i for i in lists if made.clicked(i)]
    before = sum(log.impressions.known_at[i] <= middle for i in clicked)
    for name, values in judged.figures.items():
        np.testing.assert_array_equal(found.figures[name][:before], values[:before], err_msg=name)
    assert before > 5


def test_both_protocols_run_the_same_weights_and_leave_them_as_they_are(made: Judgement) -> None:
    assert made.model.heads is not None
    modules = (made.model.views.towers.model, made.model.heads.pointwise, made.model.heads.listwise)
    before = [tensor.clone() for module in modules for tensor in module.state_dict().values()]
    shown, live = evaluate_shown(made.model, made.window()), evaluate_live(made.model, made.window())
    assert shown.summary["version"] == live.summary["version"] == made.model.version
    after = [tensor for module in modules for tensor in module.state_dict().values()]
    assert all((one == other).all() for one, other in zip(before, after, strict=True))
    assert not any(module.training for module in modules)


def test_a_model_without_a_head_ranks_by_its_towers(made: Judgement) -> None:
    judged = evaluate_live(replace(made.model, heads=None), made.window())
    assert 0 < judged.summary["r@50"] <= 1


def test_a_window_without_a_click_says_so(made: Judgement) -> None:
    with pytest.raises(RecsysError, match="no impression with a click in this window"):
        evaluate_live(made.model, made.window(made_world.END + 1, made_world.END + 2))
    empty = next(i for i in made.lists() if not made.clicked(i))
    t = float(made.data.log.impressions.known_at[empty])
    with pytest.raises(RecsysError, match="no impression with a click in this window"):
        evaluate_live(made.model, made.window(t, float(np.nextafter(t, np.inf))))
