"""Recall of an index beside an exact search, with an index that misses things on purpose."""

import numpy as np
import pytest

from recsys.columns import Floats32, Ints
from recsys.evaluation import search
from recsys.evaluation.search import Searched, exact_recall, means
from recsys.retrieval.index import VectorIndex

KEYS = np.arange(10, 40)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> VectorIndex:
    monkeypatch.setattr(search, "DEPTH", 5)
    made = VectorIndex(4)
    made.put(KEYS, np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32))
    return made


QUERY: Floats32 = np.array([1, -1, 0.5, 0], np.float32)


def best(index: VectorIndex, pool: Ints) -> Ints:
    return pool[np.argsort(-(index.vectors(pool)[0] @ QUERY))]


def test_what_the_exact_search_finds_is_all_of_it(index: VectorIndex) -> None:
    pool = KEYS[3:25]
    found = index.search(QUERY[None], 5, allowed=pool)[1][0]
    assert exact_recall(index, QUERY, pool, found) == 1.0


def test_what_is_missed_is_counted(index: VectorIndex) -> None:
    pool = KEYS[3:25]
    ranked = best(index, pool)
    assert exact_recall(index, QUERY, pool, ranked[[0, 1, 4, 9, 12]]) == pytest.approx(3 / 5)
    assert exact_recall(index, QUERY, pool, ranked[:0]) == 0.0


def test_equals_of_the_last_are_no_misses(index: VectorIndex) -> None:
    ranked = best(index, KEYS)
    index.put(ranked[5:7], index.vectors(ranked[[4, 4]])[0])
    assert exact_recall(index, QUERY, KEYS, np.append(ranked[:4], ranked[6])) == 1.0


def test_articles_without_a_vector_cannot_be_found_and_are_not_missed(index: VectorIndex) -> None:
    pool = np.append(KEYS[:3], [90, 91, 92])
    found = index.search(QUERY[None], 5, allowed=pool)[1][0]
    assert exact_recall(index, QUERY, pool, found[found >= 0]) == 1.0
    assert np.isnan(exact_recall(index, QUERY, np.array([90, 91]), found[:0]))


def test_means_are_over_the_readers_that_a_view_knows() -> None:
    nothing = Searched(float("nan"), float("nan"))
    found = means(
        [{"a": Searched(1.0, 0.0), "b": nothing}, {"a": Searched(0.5, 1.0), "b": nothing}, {"a": nothing, "b": nothing}]
    )
    assert found["a"] == {"impressions": 2, "r@100_of_exact": 0.75, "r@100_of_clicked": 0.5}
    assert found["b"]["impressions"] == 0
    assert np.isnan(found["b"]["r@100_of_exact"])
