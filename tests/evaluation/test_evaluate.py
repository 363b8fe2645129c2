"""Protocol A: what an evaluation says is what serving would have said of each list, measured by plain loops."""

from collections.abc import Iterator
from dataclasses import replace

import made_world
import numpy as np
import pytest
from made_judgement import SINCE, UNTIL, Judgement, made_judgement

from recsys.domain import RecsysError
from recsys.evaluation.evaluate import FIRST_STAGE, Judged, evaluate_shown
from recsys.pipeline.recommend import rank

DAY, END = made_world.DAY, made_world.END


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judgement]:
    judgement = made_judgement(tmp_path_factory.mktemp("evaluate"))
    yield judgement
    judgement.sessions.kw["bind"].dispose()


@pytest.fixture(scope="module")
def judged(made: Judgement) -> Judged:
    return evaluate_shown(made.model, made.window())


@pytest.fixture(scope="module")
def last_day(made: Judgement) -> Judged:
    return evaluate_shown(made.model, made.window(made_world.SPLIT, np.inf))


def plain_metrics(scores: np.ndarray, clicked: np.ndarray) -> dict[str, float]:
    """The figures of one list without ties, by counting."""
    if not clicked.any():
        return dict.fromkeys(("auc", "mrr", "ndcg@5", "ndcg@10"), np.nan)
    good, bad = scores[clicked], scores[~clicked]
    ranks = [1 + int((scores > score).sum()) for score in good]
    best = {k: sum(1 / np.log2(place + 1) for place in range(1, min(len(ranks), k) + 1)) for k in (5, 10)}
    gains = {k: sum(1 / np.log2(rank + 1) for rank in ranks if rank <= k) for k in (5, 10)}
    return {
        "auc": float(np.mean([[float(g > b) for b in bad] for g in good])),
        "mrr": sum(1 / rank for rank in ranks) / len(ranks),
        "ndcg@5": gains[5] / best[5],
        "ndcg@10": gains[10] / best[10],
    }


def test_figures_are_those_of_a_plain_loop_over_what_serving_answers(made: Judgement, judged: Judged) -> None:
    lists = made.lists()
    assert len(judged.users) == len(lists) > 15
    np.testing.assert_array_equal(judged.users, made.data.log.impressions.user[lists])
    expected, first_stage, losses = [], [], []
    for i in lists:
        clicked = np.isin(made.items(i), made.clicked(i))
        logits, chances = made.shown_scores(i)
        expected.append(plain_metrics(logits, clicked))
        ranked = rank(made.model, *made.request(i), made.items(i))
        first_stage.append(plain_metrics(ranked.utility, clicked)["ndcg@10"])
        losses += np.where(clicked, -np.log(chances), -np.log1p(-chances)).tolist()
    figures = dict(judged.figures)
    np.testing.assert_allclose(figures.pop(FIRST_STAGE), first_stage, rtol=1e-9)
    for name, values in figures.items():
        np.testing.assert_allclose(values, [figures[name] for figures in expected], rtol=1e-9, err_msg=name)
        assert judged.summary[name] == pytest.approx(np.nanmean([figures[name] for figures in expected]))
    assert judged.summary["log_loss"] == pytest.approx(np.mean(losses), rel=1e-4)
    assert judged.summary["clicks"] == sum(len(made.clicked(i)) for i in lists)
    assert judged.summary["impressions"] == len(lists)
    assert judged.summary["version"] == made.model.version


def test_some_lists_have_no_click_and_no_figure(last_day: Judged) -> None:
    assert 0 < np.isnan(last_day.figures["auc"]).sum() < len(last_day.users)


def test_the_model_knows_something_and_is_calibrated(last_day: Judged) -> None:
    low, high = last_day.summary["confidence"]["auc"]
    assert 0.6 < low < last_day.summary["auc"] < high
    assert last_day.summary["ece"] < 0.08


def test_the_window_is_exact_at_both_ends(made: Judgement) -> None:
    times = np.unique(made.data.log.impressions.known_at[made.lists()])
    first, behind = float(times[2]), float(times[9])
    expected = made.lists(first, behind)
    assert made.data.log.impressions.known_at[expected[0]] == first
    found = evaluate_shown(made.model, made.window(first, behind))
    np.testing.assert_array_equal(found.users, made.data.log.impressions.user[expected])
    later = evaluate_shown(
        made.model, made.window(float(np.nextafter(first, np.inf)), float(np.nextafter(behind, np.inf)))
    )
    moved = made.lists(float(np.nextafter(first, np.inf)), float(np.nextafter(behind, np.inf)))
    assert moved[0] > expected[0]
    np.testing.assert_array_equal(later.users, made.data.log.impressions.user[moved])


def test_a_lists_figures_do_not_depend_on_the_window_it_is_in(
    judged: Judged, last_day: Judged, made: Judgement
) -> None:
    offset = made.lists()[0] - made.lists(made_world.SPLIT, np.inf)[0]
    part = slice(offset, offset + len(judged.users))
    np.testing.assert_array_equal(judged.figures["auc"], last_day.figures["auc"][part])


def test_what_happens_after_a_window_changes_only_its_labels(made: Judgement, judged: Judged) -> None:
    log = made.data.log
    late = log.clicks.known_at >= UNTIL
    foreign = late & ~np.isin(log.clicks.impression, log.impressions.position[made.lists()])
    moved = np.where(foreign, np.random.default_rng(0).permutation(log.clicks.article), log.clicks.article)
    changed = replace(made.window(), log=replace(log, clicks=replace(log.clicks, article=moved)))
    np.testing.assert_array_equal(evaluate_shown(made.model, changed).figures["auc"], judged.figures["auc"])


def test_slices_are_those_lists(made: Judgement, last_day: Judged) -> None:
    slices, lists = last_day.summary["slices"], made.lists(made_world.SPLIT, np.inf)
    page = made.data.log.impressions.page[lists]
    assert slices["front_page"]["impressions"] == (page == 1).sum() > 0
    assert slices["article_page"]["impressions"] == (page == 2).sum() > 0
    known = np.array([made.liked_before(i) for i in lists])
    assert slices["new_user"]["impressions"] == (known == 0).sum() > 0
    assert slices["short_history"]["impressions"] == (known < 5).sum()
    assert slices["long_history"]["impressions"] == (known >= 50).sum() == 0
    assert np.isnan(slices["long_history"]["auc"])
    assert slices["new_user"]["auc"] == pytest.approx(np.nanmean(last_day.figures["auc"][known == 0]))
    assert slices["clicked_without_clicks"]["impressions"] == sum(clicked_the_unclicked(made, i) for i in lists)


def clicked_the_unclicked(made: Judgement, i: int) -> bool:
    """Whether something was clicked that no counter had a click of."""
    clicks, t = made.data.log.clicks, made.data.log.impressions.known_at[i]
    counted = clicks.article[(clicks.known_at < t) & (clicks.weight > 0) & (clicks.backfilled == 0)]
    return any(article not in counted for article in made.clicked(i))


def test_the_classic_figures_are_at_the_threshold_that_training_chose(made: Judgement, judged: Judged) -> None:
    assert made.model.heads is not None
    threshold = made.model.heads.threshold
    assert threshold is not None
    assert 0 < threshold < 1
    assert made.model.metrics["threshold"] == threshold
    predicted, clicked = [], []
    for i in made.lists():
        predicted += (made.shown_scores(i)[1] >= threshold).tolist()
        clicked += np.isin(made.items(i), made.clicked(i)).tolist()
    hits = np.logical_and(predicted, clicked).sum()
    found = judged.summary["classic"]
    assert found["precision"] == pytest.approx(hits / np.sum(predicted))
    assert found["recall"] == pytest.approx(hits / np.sum(clicked))
    assert found["accuracy"] == pytest.approx(np.mean(np.equal(predicted, clicked)))


def test_a_model_whose_training_chose_no_threshold_has_no_classic_figures(made: Judgement) -> None:
    assert made.model.heads is not None
    without = replace(made.model, heads=replace(made.model.heads, threshold=None))
    assert evaluate_shown(without, made.window()).summary["classic"] is None


def test_the_same_input_gives_the_same_figures(made: Judgement, judged: Judged) -> None:
    again = evaluate_shown(made.model, made.window())
    assert repr(again.summary) == repr(judged.summary)  # NaN is unlike itself
    for name, values in judged.figures.items():
        np.testing.assert_array_equal(again.figures[name], values)


def test_a_window_without_lists_says_so(made: Judgement) -> None:
    with pytest.raises(RecsysError, match="no impression in this window"):
        evaluate_shown(made.model, made.window(END + DAY, END + 2 * DAY))
    with pytest.raises(RecsysError, match="no impression in this window"):
        evaluate_shown(made.model, made.window(UNTIL, SINCE))


def test_a_model_without_a_head_predicts_no_clicks(made: Judgement) -> None:
    with pytest.raises(RecsysError, match="predicts no CTR"):
        evaluate_shown(replace(made.model, heads=None), made.window())


def test_lists_are_scored_in_blocks_without_a_difference(
    made: Judgement, judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recsys.evaluation.evaluate.BLOCK", 3)
    blocked = evaluate_shown(made.model, made.window())
    np.testing.assert_allclose(blocked.figures["ndcg@10"], judged.figures["ndcg@10"])
    assert blocked.summary["log_loss"] == pytest.approx(judged.summary["log_loss"], rel=1e-5)


def test_progress_counts_lists(made: Judgement) -> None:
    said: list[tuple[int, int]] = []
    evaluate_shown(made.model, made.window(), progress=lambda done, total: said.append((done, total)))
    assert said[-1] == (len(made.lists()), len(made.lists()))
