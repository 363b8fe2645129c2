import threading

import numpy as np
import pytest

from recsys.columns import NONE
from recsys.domain import RecsysError
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
