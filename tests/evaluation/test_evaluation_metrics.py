"""The vectorised ranking metrics against plain loops, scikit-learn, and what must hold whatever the data."""

import math
import time
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score, roc_auc_score

from recsys.domain import RecsysError
from recsys.evaluation import metrics

quick = settings(deadline=None, max_examples=60)


@st.composite
def ragged(draw, distinct=False):
    """Lists of 0 to 12 rows: offsets, labels, scores (few values, hence many ties, unless distinct)."""
    sizes = draw(st.lists(st.integers(0, 12), max_size=8))
    rows = sum(sizes)
    labels = draw(st.lists(st.integers(0, 1), min_size=rows, max_size=rows))
    if distinct:
        scores = [float(value) for value in draw(st.permutations(range(-rows, rows)))[:rows]]
    else:
        scores = draw(st.lists(st.sampled_from([-1.5, -0.0, 0.0, 0.25, 3.0]), min_size=rows, max_size=rows))
    return np.cumsum([0, *sizes]), np.array(labels, dtype=float), np.array(scores)


def each_list(offsets, *columns):
    return [tuple(column[a:b] for column in columns) for a, b in pairwise(offsets)]


def plain_auc(labels, scores):
    pairs = [(p, n) for p in scores[labels == 1] for n in scores[labels == 0]]
    return sum((p > n) + (p == n) / 2 for p, n in pairs) / len(pairs) if pairs else math.nan


def plain_mrr(labels, ranks):
    clicked = [rank for label, rank in zip(labels, ranks, strict=True) if label]
    return sum(1 / rank for rank in clicked) / len(clicked) if clicked else math.nan


def plain_ndcg(labels, ranks, k):
    def dcg(grades):
        return sum((2**grade - 1) / math.log2(place + 1) for place, grade in enumerate(grades[:k], start=1))

    shown = [label for _, label in sorted(zip(ranks, labels, strict=True))]
    best = dcg(sorted(labels, reverse=True))
    return dcg(shown) / best if best else math.nan


def same(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)


@quick
@given(ragged(), st.integers(0, 5))
def test_each_list_has_the_value_of_the_plain_loop(data, seed):
    offsets, labels, scores = data
    ranks = metrics.random_ranks(offsets, scores, seed)
    lists = each_list(offsets, labels, scores, ranks)
    found = metrics.list_metrics(offsets, labels, scores, seed)
    same(found["auc"], [plain_auc(clicked, values) for clicked, values, _ in lists])
    same(found["mrr"], [plain_mrr(clicked, places) for clicked, _, places in lists])
    same(found["ndcg@5"], [plain_ndcg(clicked, places, 5) for clicked, _, places in lists])
    same(found["ndcg@10"], [plain_ndcg(clicked, places, 10) for clicked, _, places in lists])


@quick
@given(ragged(), st.integers(0, 5))
def test_random_ranks_are_a_sorted_permutation_of_each_list(data, seed):
    offsets, _, scores = data
    for values, ranks in each_list(offsets, scores, metrics.random_ranks(offsets, scores, seed)):
        assert sorted(ranks) == list(range(1, len(ranks) + 1))
        assert np.all(np.diff(values[np.argsort(ranks)]) <= 0)


@quick
@given(ragged())
def test_auc_is_that_of_scikit_learn(data):
    offsets, labels, scores = data
    for value, (clicked, values) in zip(metrics.auc(*data), each_list(offsets, labels, scores), strict=True):
        if 0 < clicked.sum() < len(clicked):
            assert value == pytest.approx(roc_auc_score(clicked, values))
        else:
            assert math.isnan(value)


@quick
@given(ragged(distinct=True))
def test_ndcg_is_that_of_scikit_learn(data):
    # scikit-learn's gain is the relevance itself, which for labels of 0 and 1 is 2^rel - 1; it averages over ties
    offsets, labels, scores = data
    found = metrics.list_metrics(*data)
    for index, (clicked, values) in enumerate(each_list(offsets, labels, scores)):
        if clicked.any() and len(clicked) > 1:
            for k in (5, 10):
                assert found[f"ndcg@{k}"][index] == pytest.approx(ndcg_score([clicked], [values], k=k))


@quick
@given(ragged(distinct=True), st.randoms(use_true_random=False))
def test_the_order_within_a_list_does_not_matter(data, random):
    offsets, labels, scores = data
    order = [row for a, b in pairwise(offsets.tolist()) for row in random.sample(range(a, b), b - a)]
    before = metrics.list_metrics(offsets, labels, scores)
    after = metrics.list_metrics(offsets, labels[order], scores[order])
    for name, values in before.items():
        same(after[name], values)


@quick
@given(ragged(), st.sampled_from([0.25, 2.0, 1024.0]), st.sampled_from([-8.0, 0.0, 4.0]))
def test_scaling_and_shifting_scores_changes_nothing(data, scale, shift):
    offsets, labels, scores = data
    for name, values in metrics.list_metrics(offsets, labels, scores).items():
        same(metrics.list_metrics(offsets, labels, scores * scale + shift)[name], values)


@quick
@given(ragged())
def test_reversed_scores_reverse_auc(data):
    offsets, labels, scores = data
    same(metrics.auc(offsets, labels, -scores), 1 - metrics.auc(offsets, labels, scores))


def test_a_list_worked_by_hand():
    # ranks of the clicked rows: 2 and 3; of the six pairs four are right, the two with .9 are wrong
    found = metrics.list_metrics([0, 5], [0, 1, 1, 0, 0], [0.9, 0.5, 0.4, 0.3, 0.2])
    assert found["auc"][0] == pytest.approx(4 / 6)
    assert found["mrr"][0] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert found["ndcg@5"][0] == pytest.approx((1 / math.log2(3) + 1 / 2) / (1 + 1 / math.log2(3)))


def test_lists_without_a_value_are_left_out_and_counted():
    # a good list, one all clicked, one with no click, an empty one, and single rows with and without a click
    offsets, labels = [0, 2, 4, 6, 6, 7, 8], [1, 0, 1, 1, 0, 0, 1, 0]
    found = metrics.list_metrics(offsets, labels, [2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 0.0, 0.0])
    same(found["auc"], [1, math.nan, math.nan, math.nan, math.nan, math.nan])
    same(found["mrr"], [1, 0.75, math.nan, math.nan, 1, math.nan])
    same(found["ndcg@10"], [1, 1, math.nan, math.nan, 1, math.nan])
    assert metrics.with_value(found) == {"auc": 1, "mrr": 3, "ndcg@5": 3, "ndcg@10": 3}
    assert metrics.means(found) == pytest.approx({"auc": 1, "mrr": 2.75 / 3, "ndcg@5": 1, "ndcg@10": 1})


def test_no_lists_at_all_have_no_mean():
    found = metrics.list_metrics([0], [], [])
    assert all(values.shape == (0,) for values in found.values())
    assert all(math.isnan(value) for value in metrics.means(found).values())


def test_random_tie_breaking_is_unbiased():
    lists, size = 20_000, 4
    offsets = np.arange(lists + 1) * size
    labels = np.tile([1, 0, 0, 0], lists)  # the clicked row always comes first, which a stable sort would reward
    found = metrics.means(metrics.list_metrics(offsets, labels, np.zeros(lists * size), seed=3))
    assert found["auc"] == 0.5
    assert found["mrr"] == pytest.approx(np.mean([1, 1 / 2, 1 / 3, 1 / 4]), abs=0.008)
    assert found["ndcg@5"] == pytest.approx(np.mean(1 / np.log2([2, 3, 4, 5])), abs=0.006)


def test_every_order_of_ties_is_equally_likely():
    offsets = np.arange(12_001) * 3
    orders = metrics.random_ranks(offsets, np.zeros(36_000), seed=1).reshape(-1, 3)
    counts = [int((orders == order).all(axis=1).sum()) for order in permutations([1, 2, 3])]
    assert sum(counts) == 12_000
    assert max(abs(count - 2000) for count in counts) < 5 * math.sqrt(2000)


def test_the_seed_decides_ties():
    offsets, scores = [0, 50], np.zeros(50)
    first = metrics.random_ranks(offsets, scores, seed=1)
    assert (first == metrics.random_ranks(offsets, scores, seed=1)).all()
    assert (first != metrics.random_ranks(offsets, scores, seed=2)).any()


def test_ties_are_broken_by_seed_zero_unless_another_is_given():
    offsets, labels, scores = [0, 50], np.arange(50) % 2, np.zeros(50)
    assert (metrics.random_ranks(offsets, scores) == metrics.random_ranks(offsets, scores, seed=0)).all()
    found, expected = (metrics.list_metrics(offsets, labels, scores, *seed) for seed in ((), (0,)))
    assert found == expected


@quick
@given(ragged())
def test_what_is_not_defined_is_no_warning(data):
    with np.errstate(all="raise"):
        metrics.list_metrics(*data)


def test_a_week_of_impressions_takes_under_a_second():
    generator = np.random.default_rng(0)
    offsets = np.concatenate(([0], np.cumsum(generator.integers(5, 18, size=27_000))))
    labels, scores = generator.random(offsets[-1]) < 0.1, generator.random(offsets[-1])
    started = time.process_time()
    metrics.list_metrics(offsets, labels, scores)
    assert time.process_time() - started < 1


@quick
@given(st.lists(st.lists(st.integers(1, 30), unique=True, max_size=6), max_size=6), st.integers(1, 12))
def test_targets_in_a_large_pool(events, k):
    offsets = np.cumsum([0, *map(len, events)])
    ranks = np.array([rank for event in events for rank in event], dtype=float)
    shown = [[place in event for place in range(1, 31)] for event in events]
    places = list(range(1, 31))
    hits = [sum(rank <= k for rank in event) / len(event) if event else math.nan for event in events]
    same(metrics.recall_at(ranks, k, offsets), hits)
    same(metrics.ndcg_at(ranks, k, offsets), [plain_ndcg(labels, places, k) for labels in shown])
    same(metrics.reciprocal_rank(ranks, offsets), [plain_mrr(labels, places) for labels in shown])


def test_single_targets_with_mid_ranks_and_one_that_was_not_found():
    ranks = [1, 10, 10.5, math.inf]
    same(metrics.recall_at(ranks, 10), [1, 1, 0, 0])
    same(metrics.ndcg_at(ranks, 10), [1, 1 / math.log2(11), 0, 0])
    same(metrics.reciprocal_rank(ranks), [1, 0.1, 1 / 10.5, 0])


@quick
@given(st.lists(st.integers(-2, 2), min_size=1, max_size=20), st.data())
def test_mid_rank_is_the_mean_over_all_orders_of_ties(scores, data):
    target = data.draw(st.integers(0, len(scores) - 1))
    places = [i for i, score in enumerate(sorted(scores, reverse=True), start=1) if score == scores[target]]
    assert float(metrics.mid_rank(scores, target)) == pytest.approx(np.mean(places))


def test_mid_rank_of_many_events_skips_what_is_no_candidate():
    none = -math.inf
    scores = np.array([[3.0, 2.0, 1.0, none], [none, 2.0, 2.0, 2.0], [none, none, none, 0.0]], dtype=np.float32)
    same(metrics.mid_rank(scores, [2, 1, 3]), [3, 2, 1])


@quick
@given(st.integers(0, 2**31))
def test_auc_against_negatives_is_that_of_scikit_learn(seed):
    scores = np.random.default_rng(seed).integers(0, 4, size=(5, 1 + seed % 7 + 1)).astype(float)
    expected = [roc_auc_score([1] + [0] * (len(row) - 1), row) for row in scores]
    same(metrics.auc_against(scores[:, 0], scores[:, 1:]), expected)


def test_no_events_have_no_auc():
    assert metrics.auc_against([], np.zeros((0, 3))).shape == (0,)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: metrics.list_metrics([0, 2], [1, 0, 1], [1.0, 2.0, 3.0]), "offsets"),
        (lambda: metrics.list_metrics([1, 3], [1, 0, 1], [1.0, 2.0, 3.0]), "offsets"),
        (lambda: metrics.list_metrics([0, 3, 2, 3], [1, 0, 1], [1.0, 2.0, 3.0]), "offsets"),
        (lambda: metrics.list_metrics([0, 4], [1, 0, 1], [1.0, 2.0, 3.0]), "offsets .* which is 3"),
        (lambda: metrics.list_metrics([[0, 3]], [1, 0, 1], [1.0, 2.0, 3.0]), "offsets"),
        (lambda: metrics.list_metrics(3, [1, 0, 1], [1.0, 2.0, 3.0]), "offsets"),
        (lambda: metrics.list_metrics([], [], []), "offsets"),
        (lambda: metrics.list_metrics([0, 2], [[1, 0]], [1.0, 2.0]), "labels"),
        (lambda: metrics.list_metrics([0, 2], [1, -1], [1.0, 2.0]), "labels"),
        (lambda: metrics.list_metrics([0, 2], [1, 2], [1.0, 2.0]), "labels"),
        (lambda: metrics.list_metrics([-1, 3], [1, 0, 1], [1.0, 2.0, 3.0]), "offsets"),
        (lambda: metrics.list_metrics([0, 2], [1], [1.0, 2.0]), "labels"),
        (lambda: metrics.list_metrics([0, 2], [1, 0.5], [1.0, 2.0]), "labels"),
        (lambda: metrics.list_metrics([0, 2], [1, 0], [1.0, math.nan]), "scores"),
        (lambda: metrics.list_metrics([0, 2], [1, 0], [1.0, math.inf]), "scores"),
        (lambda: metrics.list_metrics([0, 2], [1, 0], [1.0, -math.inf]), "scores"),
        (lambda: metrics.random_ranks([0, 1], 1.0), "scores"),
        (lambda: metrics.random_ranks([0, 2], [[1.0], [2.0]]), "scores"),
        (lambda: metrics.recall_at([0, 1], 10), "ranks"),
        (lambda: metrics.recall_at([0.5], 10), "ranks"),
        (lambda: metrics.ndcg_at([1, math.nan], 10), "ranks"),
        (lambda: metrics.ndcg_at([1, 2], 10, [0, 1]), "offsets"),
        (lambda: metrics.mid_rank([1.0, math.nan], 0), "scores"),
        (lambda: metrics.mid_rank([1.0, -math.inf], 1), "candidate"),
        (lambda: metrics.mid_rank([1.0, math.inf], 1), "candidate"),
        (lambda: metrics.mid_rank([1.0, 2.0], -1), "target"),
        (lambda: metrics.mid_rank([1.0, 2.0], 2), "target"),
        (lambda: metrics.mid_rank([[1.0, 2.0, 3.0]] * 2, [0, 7]), "none of the 3 columns"),
        (lambda: metrics.auc_against([1.0], [[math.nan]]), "negatives"),
        (lambda: metrics.auc_against([1.0, 2.0], [[1.0]]), "negatives"),
        (lambda: metrics.auc_against([1.0], [[1.0], [2.0]]), "negatives"),
        (lambda: metrics.auc_against([1.0], [1.0]), "negatives"),
        (lambda: metrics.auc_against([1.0], [[[1.0]]]), "negatives"),
        (lambda: metrics.auc_against([1.0], [[]]), "negatives"),
        (lambda: metrics.auc_against([math.nan], [[1.0]]), "positives"),
        (lambda: metrics.log_loss([1], [1.5]), "probabilities"),
        (lambda: metrics.log_loss([1], [-0.5]), "probabilities"),
        (lambda: metrics.log_loss([1], [math.nan]), "probabilities"),
        (lambda: metrics.ece([1, 0], [0.5]), "labels"),
    ],
)
def test_bad_input_is_explained(call, word):
    with pytest.raises(RecsysError, match=word):
        call()
