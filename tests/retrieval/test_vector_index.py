import threading

import numpy as np
import pytest

from recsys.columns import NONE
from recsys.domain import RecsysError
from recsys.retrieval import bases
from recsys.retrieval.index import VectorIndex

GENERATOR = np.random.default_rng(5)
KEYS = np.array([40, 7, 12, 3, 99, 56])
VECTORS = GENERATOR.standard_normal((6, 8)).astype(np.float32)


@pytest.fixture
def index() -> VectorIndex:
    made = VectorIndex(8)
    made.put(KEYS, VECTORS)
    return made


def test_search_is_exact(index: VectorIndex) -> None:
    queries = GENERATOR.standard_normal((4, 8)).astype(np.float32)
    scores, keys = index.search(queries, 6)
    products = queries @ VECTORS.T
    np.testing.assert_array_equal(keys, KEYS[np.argsort(-products, axis=1)])
    np.testing.assert_allclose(scores, -np.sort(-products, axis=1), rtol=1e-5)


def test_a_short_index_pads(index: VectorIndex) -> None:
    scores, keys = index.search(VECTORS[:1], 9)
    assert (keys[0, 6:] == NONE).all()
    assert np.isneginf(scores[0, 6:]).all()
    assert np.isfinite(scores[0, :6]).all()


def test_an_empty_index_answers() -> None:
    scores, keys = VectorIndex(8).search(VECTORS[:2], 3)
    assert (keys == NONE).all()
    assert np.isneginf(scores).all()


def test_a_strict_filter_never_empties_the_list() -> None:
    index = VectorIndex(8)
    index.put(np.arange(5000), GENERATOR.standard_normal((5000, 8)).astype(np.float32))
    query = GENERATOR.standard_normal((1, 8)).astype(np.float32)
    worst = index.search(query, 5000)[1][0, -3:]
    _, keys = index.search(query, 10, allowed=np.append(worst, 777_777))
    assert set(keys[0, :3]) == set(worst)
    assert (keys[0, 3:] == NONE).all()


def test_nothing_allowed_finds_nothing(index: VectorIndex) -> None:
    _, keys = index.search(VECTORS[:1], 3, allowed=np.zeros(0, np.int64))
    assert (keys == NONE).all()


def test_put_replaces_and_grows(index: VectorIndex) -> None:
    index.put(np.array([7, 1000, 7]), np.stack([VECTORS[0], VECTORS[1], VECTORS[2]]))
    assert len(index) == 7
    found, known = index.vectors(np.array([7, 1000, 12]))
    assert known.all()
    np.testing.assert_array_equal(found, VECTORS[[2, 1, 2]])


def test_what_is_removed_is_gone(index: VectorIndex) -> None:
    index.remove(np.array([12, 31337]))
    assert len(index) == 5
    assert 12 not in index
    assert 40 in index
    assert 12 not in index.search(VECTORS[2:3], 6)[1]
    found, known = index.vectors(np.array([12, -1, 10**7, 3]))
    np.testing.assert_array_equal(known, [False, False, False, True])
    np.testing.assert_array_equal(found[0], 0)
    np.testing.assert_array_equal(found[3], VECTORS[3])


def test_a_saved_index_loads_under_other_keys(index: VectorIndex, tmp_path) -> None:
    index.save(tmp_path / "items.faiss")
    other = index.keys + 500
    other[2] = NONE  # an article that the other database does not know
    loaded = VectorIndex.load(tmp_path / "items.faiss", other)
    assert len(loaded) == 5
    found, known = loaded.vectors(KEYS + 500)
    np.testing.assert_array_equal(known, KEYS[2] != KEYS)
    np.testing.assert_array_equal(found[known], VECTORS[known])


def test_a_broken_file_is_explained(index: VectorIndex, tmp_path) -> None:
    path = tmp_path / "items.faiss"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(RecsysError, match="not a readable FAISS index"):
        VectorIndex.load(path, KEYS)
    index.save(path)
    with pytest.raises(RecsysError, match="of 3 vectors"):
        VectorIndex.load(path, KEYS[:3])


@pytest.mark.parametrize(
    ("keys", "vectors", "message"),
    [
        ([1], np.zeros((1, 5)), "shape"),
        ([1, 2], np.zeros((1, 8)), "shape"),
        ([-4], np.zeros((1, 8)), "negative"),
        ([1], np.full((1, 8), np.nan), "NaN"),
    ],
)
def test_bad_vectors_are_refused(index: VectorIndex, keys, vectors, message) -> None:
    with pytest.raises(RecsysError, match=message):
        index.put(np.array(keys), vectors.astype(np.float32))
    assert len(index) == 6


def test_searching_while_another_thread_writes() -> None:
    index = VectorIndex(8)
    index.put(np.arange(100), np.ones((100, 8), np.float32))
    failures = []

    def search() -> None:
        for _ in range(300):
            scores, keys = index.search(np.ones((1, 8), np.float32), 100)
            if (keys == NONE).any() or not np.isin(scores, [8.0, 16.0]).all():
                failures.append(keys)

    reader = threading.Thread(target=search)
    reader.start()
    for step in range(300):
        index.put(np.arange(100 + step), np.full((100 + step, 8), 1 + step % 2, np.float32))
    reader.join()
    assert not failures


MANY_KEYS = np.arange(10, 4010)
MANY = np.random.default_rng(0).standard_normal((4000, 16)).astype(np.float32)


def recall(index: VectorIndex, queries: np.ndarray, allowed: np.ndarray | None, k: int = 100) -> float:
    """Share of the k best that are found, by a computation beside the index."""
    keys = index.keys if allowed is None else allowed
    k, scores = min(k, len(keys)), queries @ index.vectors(keys)[0].T
    best = keys[np.argsort(-scores, axis=1)[:, :k]]
    found = index.search(queries, k, allowed)[1]
    return float(np.mean([np.isin(b, f).mean() for b, f in zip(best, found, strict=True)]))


class TestLargeOnes:
    """What is behind an index changes with its size; what it finds does not."""

    @pytest.fixture
    def large(self, monkeypatch) -> VectorIndex:
        monkeypatch.setattr(bases, "LISTS_FROM", 1000)
        monkeypatch.setattr(bases, "PROBED", 16)
        index = VectorIndex(16)
        index.put(MANY_KEYS, MANY)
        index.settle()
        assert not bases.is_exact(index.select(None).rows.base)
        return index

    def test_nearly_everything_is_found(self, large: VectorIndex) -> None:
        queries = MANY[:40] + 0.1
        assert recall(large, queries, None) >= 0.98

    @pytest.mark.parametrize("share", [0.5, 0.1, 0.004])
    def test_behind_a_filter_as_well(self, large: VectorIndex, share: float) -> None:
        allowed = MANY_KEYS[np.random.default_rng(1).random(len(MANY_KEYS)) < share]
        keys = large.search(MANY[:8], 10, allowed)[1]
        assert (keys != NONE).all()
        assert np.isin(keys, allowed).all()
        assert recall(large, MANY[:40], allowed) >= 0.98

    def test_scores_are_those_of_the_float32_vectors(self, large: VectorIndex) -> None:
        scores, keys = large.search(MANY[:5], 20)
        assert (np.diff(scores, axis=1) <= 0).all()
        for query, row, found in zip(MANY[:5], scores, keys, strict=True):
            np.testing.assert_allclose(row, large.vectors(found)[0] @ query, rtol=1e-6)

    def test_what_changes_is_known_at_once_and_after_the_base_was_built_anew(self, large: VectorIndex) -> None:
        loud = np.full((1, 16), 9.0, np.float32)
        for step in range(3):
            some = MANY_KEYS[500 * step : 500 * step + 400]
            large.put(some, -MANY[:400])
            large.put(np.array([99_000 + step]), loud)
            large.remove(np.array([99_000 + step - 1]))
            assert large.search(loud, 1)[1][0, 0] == 99_000 + step
            np.testing.assert_array_equal(large.vectors(some)[0], -MANY[:400])
            large.settle()
            assert large.search(loud, 1)[1][0, 0] == 99_000 + step
            assert len(large) == len(MANY_KEYS) + 1
