"""An exact FAISS index over item vectors that are addressed by article key."""

from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np

from recsys.columns import NONE, Bools, Floats32, Ints
from recsys.domain import RecsysError


@dataclass(frozen=True)
class _Rows:
    """One immutable state of the index; a writer makes the next one, so that readers need no lock."""

    keys: Ints  # (n,) article key of each row
    matrix: Floats32  # (n, dim)
    row_of: Ints  # (highest key + 1,) row of a key, or NONE
    flat: faiss.IndexFlatIP


class VectorIndex:
    """Vectors by article key, searched exactly by inner product; grows, replaces and removes.

    Searches may run in other threads while one thread writes: they see the state before or after, never between.
    A write copies the matrix (10 ms per 100,000 vectors of 128), so put many at once.
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._rows = _rows(np.zeros(0, np.int64), np.zeros((0, dim), np.float32))

    def __len__(self) -> int:
        return len(self._rows.keys)

    def __contains__(self, key: int) -> bool:
        return bool(self._find(self._rows, np.array([key], np.int64))[0] != NONE)

    @property
    def keys(self) -> Ints:
        """(n,) article key of each row of the file that ``save`` writes."""
        return self._rows.keys

    def put(self, keys: Ints, vectors: Floats32) -> None:
        """Add vectors (n, dim), or replace those of keys (n,) that are here; the last of equal keys wins.

        Raises:
            RecsysError: for a wrong shape, a negative key, or a vector that is not finite.
        """
        self._check(keys, vectors)
        last = len(keys) - 1 - np.unique(keys[::-1], return_index=True)[1]
        keys, vectors = keys[last], vectors[last]
        rows = self._rows
        place = self._find(rows, keys)
        matrix = rows.matrix.copy()
        matrix[place[place != NONE]] = vectors[place != NONE]
        new = place == NONE
        self._rows = _rows(np.concatenate([rows.keys, keys[new]]), np.concatenate([matrix, vectors[new]]))

    def remove(self, keys: Ints) -> None:
        """Forget these keys; those that are not here are ignored."""
        rows = self._rows
        kept = ~np.isin(rows.keys, keys)
        if not kept.all():
            self._rows = _rows(rows.keys[kept], rows.matrix[kept])

    def search(self, queries: Floats32, k: int, allowed: Ints | None = None) -> tuple[Floats32, Ints]:
        """The ``k`` articles of highest inner product with each query (b, dim).

        With ``allowed`` (keys) only those are searched, inside FAISS, so that a strict filter never empties the list.
        Returns scores (b, k), highest first, and keys (b, k); -inf and NONE where there are fewer than k.
        """
        rows = self._rows
        scores = np.full((len(queries), k), -np.inf, np.float32)
        keys = np.full((len(queries), k), NONE, np.int64)
        parameters, found = self._selection(rows, allowed)
        width = min(k, found)
        if width and len(queries):
            searched = np.ascontiguousarray(queries, np.float32)
            scores[:, :width], place = rows.flat.search(searched, width, params=parameters)
            keys[:, :width] = np.where(place >= 0, rows.keys[place], NONE)
            scores[keys == NONE] = -np.inf
        return scores, keys

    def vectors(self, keys: Ints) -> tuple[Floats32, Bools]:
        """Vectors (n, dim) of keys (n,), zeros for those that are not here, and which are here (n,)."""
        rows = self._rows
        place = self._find(rows, keys)
        known = place != NONE
        gathered = np.zeros((len(keys), self.dim), np.float32)
        gathered[known] = rows.matrix[place[known]]
        return gathered, known

    def save(self, path: Path) -> None:
        """Write a FAISS file; its ids are rows, whose articles are ``keys``."""
        faiss.write_index(self._rows.flat, str(path))

    @classmethod
    def load(cls, path: Path, keys: Ints) -> "VectorIndex":
        """Read a file whose rows belong to these article keys (n,); rows with NONE are left out.

        Raises:
            RecsysError: when the file is not such an index, or has another number of rows.
        """
        try:
            flat = faiss.read_index(str(path))
        except RuntimeError as error:
            raise RecsysError(f"{path} is not a readable FAISS index: restore it or train again") from error
        if not isinstance(flat, faiss.IndexFlatIP) or flat.ntotal != len(keys):
            raise RecsysError(f"{path} is not an inner-product index of {len(keys)} vectors: restore it or train again")
        index = cls(flat.d)
        known = keys != NONE
        index.put(keys[known], flat.reconstruct_n(0, flat.ntotal)[known])
        return index

    @staticmethod
    def _find(rows: _Rows, keys: Ints) -> Ints:
        inside = (keys >= 0) & (keys < len(rows.row_of))
        place = np.full(len(keys), NONE, np.int64)
        place[inside] = rows.row_of[keys[inside]]
        return place

    def _selection(self, rows: _Rows, allowed: Ints | None) -> tuple[faiss.SearchParameters | None, int]:
        """Search parameters that keep to ``allowed``, and how many articles that leaves."""
        if allowed is None:
            return None, len(rows.keys)
        bits = np.zeros(len(rows.keys), np.bool_)
        place = self._find(rows, np.asarray(allowed, np.int64))
        bits[place[place != NONE]] = True
        selector = faiss.IDSelectorBitmap(np.packbits(bits, bitorder="little"))  # type: ignore[call-arg, arg-type]
        return faiss.SearchParameters(sel=selector), int(bits.sum())  # type: ignore[call-arg]

    def _check(self, keys: Ints, vectors: Floats32) -> None:
        if vectors.shape != (len(keys), self.dim):
            raise RecsysError(
                f"{len(keys)} keys need vectors of the shape {(len(keys), self.dim)}, not {vectors.shape}"
            )
        if len(keys) and int(keys.min()) < 0:
            raise RecsysError(f"an article key cannot be negative, like {int(keys.min())}")
        if not np.isfinite(vectors).all():
            raise RecsysError("item vectors hold NaN or infinity: look for a diverged training or a broken picture")


def _rows(keys: Ints, matrix: Floats32) -> _Rows:
    row_of = np.full(int(keys.max(initial=-1)) + 1, NONE, np.int64)
    row_of[keys] = np.arange(len(keys))
    flat = faiss.IndexFlatIP(matrix.shape[1])
    flat.add(np.ascontiguousarray(matrix, np.float32))
    return _Rows(keys, np.ascontiguousarray(matrix, np.float32), row_of, flat)
