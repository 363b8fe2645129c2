"""A FAISS index over item vectors that are addressed by article key."""

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import faiss
import numpy as np

from recsys.columns import NONE, Bools, Floats32, Ints
from recsys.counts import count
from recsys.domain import RecsysError
from recsys.retrieval import bases

TAIL = 0.1  # share of the rows that may lie behind the base
FEW = 0.05  # an approximate base is left aside where a filter leaves a smaller share of it
SLACK = 10  # more are taken from a base than are wanted, since it orders by rounded vectors


@dataclass(frozen=True)
class _Rows:
    """One immutable state of the index; a writer makes the next one, so that readers need no lock.

    Rows are only ever appended: a vector that is replaced goes on in a new row, and its old one is dead.
    """

    keys: Ints  # (n,) article key of each row
    buffer: Floats32  # (n or more, dim): the matrix, and room to spare that later states write to
    alive: Bools  # (n,)
    row_of: Ints  # (highest key + 1,) living row of a key, or NONE
    base: faiss.Index  # of the first rows; those behind it are compared one by one
    told: dict[tuple[int | None, int | None], Bools] = field(default_factory=dict)  # see ``VectorIndex.says``

    @property
    def matrix(self) -> Floats32:
        """(n, dim)."""
        return self.buffer[: len(self.keys)]

    @property
    def is_whole(self) -> bool:
        """Whether every row of the base lives."""
        return bool(self.alive[: self.base.ntotal].all())

    def find(self, keys: Ints) -> Ints:
        """Living rows of keys (n,), or NONE."""
        inside = (keys >= 0) & (keys < len(self.row_of))
        place = np.full(len(keys), NONE, np.int64)
        place[inside] = self.row_of[keys[inside]]
        return place


@dataclass(frozen=True)
class Selection:
    """Articles to search among, prepared once for many searches; good as long as the index does not change."""

    keys: Ints | None  # None: all of them
    rows: _Rows
    parameters: faiss.SearchParameters | None  # of the base
    in_base: Ints  # rows
    behind: Ints  # rows

    def __len__(self) -> int:
        return len(self.in_base) + len(self.behind)


class VectorIndex:
    """Vectors by article key, searched by inner product; grows, replaces and removes.

    Which FAISS index is behind it depends on their number, see ``bases``; the scores are always those of the float32
    vectors. Searches may run in other threads while one thread writes: they see the state before or after, never
    between.
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._writing = threading.RLock()
        self._building: threading.Thread | None = None
        self._rows = _based(np.zeros(0, np.int64), np.zeros((0, dim), np.float32))

    def __len__(self) -> int:
        return int(self._rows.alive.sum())

    def __contains__(self, key: int) -> bool:
        return bool(self._rows.find(np.array([key], np.int64))[0] != NONE)

    @property
    def keys(self) -> Ints:
        """(n,) article key of each row of the file that ``save`` writes."""
        return self._rows.keys[self._rows.alive]

    def put(self, keys: Ints, vectors: Floats32) -> None:
        """Add vectors (n, dim), or replace those of keys (n,) that are here; the last of equal keys wins.

        Raises:
            RecsysError: for a wrong shape, a negative key, or a vector that is not finite.
        """
        self._check(keys, vectors)
        last = len(keys) - 1 - np.unique(keys[::-1], return_index=True)[1]
        with self._writing:
            new = last[~_same(self._rows, keys[last], vectors[last])]
            if len(new):
                self._rows = _with(self._rows, keys[new], np.asarray(vectors[new], np.float32))
                self._keep_short()

    def remove(self, keys: Ints) -> None:
        """Forget these keys; those that are not here are ignored."""
        with self._writing:
            self._rows = _without(self._rows, keys)
            self._keep_short()

    def select(self, keys: Ints | None) -> Selection:
        """Prepare searches among these keys (n,), or among all."""
        rows = self._rows
        first = rows.base.ntotal
        if keys is None and rows.is_whole:
            return Selection(None, rows, None, np.arange(first), first + np.flatnonzero(rows.alive[first:]))
        chosen = rows.alive.copy() if keys is None else np.zeros(len(rows.keys), np.bool_)
        if keys is not None:
            place = rows.find(np.asarray(keys, np.int64))
            chosen[place[place != NONE]] = True
        parameters = None if chosen[:first].all() else bases.parameters(rows.base, chosen[:first])
        in_base, behind = np.flatnonzero(chosen[:first]), first + np.flatnonzero(chosen[first:])
        return Selection(keys, rows, parameters, in_base, behind)

    def search(self, queries: Floats32, k: int, allowed: Ints | Selection | None = None) -> tuple[Floats32, Ints]:
        """The ``k`` articles of highest inner product with each query (b, dim).

        With ``allowed`` (keys, or what ``select`` made of them) only those are searched, inside FAISS; a filter so
        strict that an approximate index would miss what passes it is searched exactly.
        Returns scores (b, k), highest first, and keys (b, k); -inf and NONE where there are fewer than k.
        """
        chosen = allowed if isinstance(allowed, Selection) else self.select(allowed)
        if chosen.rows is not self._rows:
            chosen = self.select(chosen.keys)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        keys = np.full((len(queries), k), NONE, np.int64)
        if not len(chosen):
            return scores, keys
        queries = np.ascontiguousarray(queries, np.float32)
        for row, places in enumerate(self._near(chosen, queries, k)):
            found = chosen.rows.matrix[places] @ queries[row]
            order = np.lexsort((chosen.rows.keys[places], -found))[:k]
            scores[row, : len(order)], keys[row, : len(order)] = found[order], chosen.rows.keys[places[order]]
        return scores, keys

    def vectors(self, keys: Ints) -> tuple[Floats32, Bools]:
        """Vectors (n, dim) of keys (n,), zeros for those that are not here, and which are here (n,)."""
        rows = self._rows
        place = rows.find(keys)
        known = place != NONE
        if known.all():
            return rows.matrix[place], known
        gathered = np.zeros((len(keys), self.dim), np.float32)
        gathered[known] = rows.matrix[place[known]]
        return gathered, known

    def says(self, keys: Ints, part: slice) -> Bools:
        """Which articles (n,) have something in a part of the vectors' columns; worked out once for each state."""
        rows = self._rows
        name = (part.start, part.stop)
        if name not in rows.told:
            rows.told[name] = np.append(rows.matrix[:, part].any(axis=1), False)  # the last is for NONE
        return rows.told[name][rows.find(keys)]

    def save(self, path: Path) -> None:
        """Write a flat FAISS file; its ids are rows, whose articles are ``keys``."""
        flat = faiss.IndexFlatIP(self.dim)
        flat.add(np.ascontiguousarray(self._rows.matrix[self._rows.alive]))
        faiss.write_index(flat, str(path))

    @classmethod
    def load(cls, path: Path, keys: Ints) -> "VectorIndex":
        """Read a file whose rows belong to these article keys (n,); rows with NONE are left out.

        Raises:
            RecsysError: when the file is not such an index, or has another number of rows.
        """
        flat = read_flat(path, len(keys))
        index = cls(flat.d)
        known = keys != NONE
        index.put(keys[known], flat.reconstruct_n(0, flat.ntotal)[known])
        return index

    def settle(self) -> None:
        """Wait for a base that is being built."""
        building = self._building
        if building is not None:
            building.join()

    def _near(self, chosen: Selection, queries: Floats32, k: int) -> list[Ints]:
        """Rows among which the k best for each query are."""
        base, width = chosen.rows.base, min(k + SLACK, len(chosen.in_base))
        if not width:
            return [chosen.behind] * len(queries)
        if not bases.is_exact(base) and len(chosen.in_base) < FEW * base.ntotal:
            count("exact_fallback")
            return [np.append(chosen.in_base, chosen.behind)] * len(queries)
        places = base.search(queries, width, params=chosen.parameters)[1]
        return [np.append(place[place >= 0], chosen.behind) for place in places]

    def _keep_short(self) -> None:
        """Build the base anew once too much lies behind it or is dead; a large one in a thread of its own."""
        rows = self._rows
        outside = len(rows.keys) - int(rows.alive[: rows.base.ntotal].sum())
        if outside <= TAIL * len(rows.keys) or self._building is not None:
            return
        if len(rows.keys) < bases.LISTS_FROM:
            self._rows = _rebased(rows)
            return
        self._building = threading.Thread(target=self._build, args=[rows], name="recsys-index", daemon=True)
        self._building.start()

    def _build(self, rows: _Rows) -> None:
        try:
            built = _rebased(rows)
            with self._writing:
                now = self._rows
                gone = built.keys[now.find(built.keys) == NONE]
                since = len(rows.keys) + np.flatnonzero(now.alive[len(rows.keys) :])
                self._rows = _with(_without(built, gone), now.keys[since], now.matrix[since])
        finally:
            self._building = None  # also where there was no memory for it: the next write tries again

    def _check(self, keys: Ints, vectors: Floats32) -> None:
        if vectors.shape != (len(keys), self.dim):
            raise RecsysError(
                f"{len(keys)} keys need vectors of the shape {(len(keys), self.dim)}, not {vectors.shape}"
            )
        if len(keys) and int(keys.min()) < 0:
            raise RecsysError(f"an article key cannot be negative, like {int(keys.min())}")
        if not np.isfinite(vectors).all():
            raise RecsysError("item vectors hold NaN or infinity: look for a diverged training or a broken picture")


def read_flat(path: Path, rows: int) -> faiss.IndexFlatIP:
    """The file that ``VectorIndex.save`` wrote.

    Raises:
        RecsysError: when the file is not such an index, or has another number of rows.
    """
    try:
        flat = faiss.read_index(str(path))
    except RuntimeError as error:
        raise RecsysError(f"{path} is not a readable FAISS index: restore it or train again") from error
    if not isinstance(flat, faiss.IndexFlatIP) or flat.ntotal != rows:
        raise RecsysError(f"{path} is not an inner-product index of {rows} vectors: restore it or train again")
    return flat


def _based(keys: Ints, matrix: Floats32) -> _Rows:
    """Rows of distinct keys, all of them in the base; the matrix (n, dim) is taken over."""
    row_of = np.full(int(keys.max(initial=-1)) + 1, NONE, np.int64)
    row_of[keys] = np.arange(len(keys))
    return _Rows(keys, matrix, np.ones(len(keys), np.bool_), row_of, bases.build(matrix))


def _rebased(rows: _Rows) -> _Rows:
    return _based(rows.keys[rows.alive], rows.matrix[rows.alive])


def _with(rows: _Rows, keys: Ints, vectors: Floats32) -> _Rows:
    """The rows with vectors appended; those that the keys had before die."""
    have, size, buffer = len(rows.keys), len(rows.keys) + len(keys), rows.buffer
    if len(buffer) < size:
        buffer = np.empty((size + size // 4, buffer.shape[1]), np.float32)
        buffer[:have] = rows.matrix
    buffer[have:size] = vectors
    old = rows.find(keys)
    row_of = np.full(max(len(rows.row_of), int(keys.max(initial=-1)) + 1), NONE, np.int64)
    row_of[: len(rows.row_of)] = rows.row_of
    row_of[keys] = np.arange(have, size)
    alive = np.append(rows.alive, np.ones(len(keys), np.bool_))
    alive[old[old != NONE]] = False
    return replace(rows, keys=np.append(rows.keys, keys), buffer=buffer, alive=alive, row_of=row_of, told={})


def _same(rows: _Rows, keys: Ints, vectors: Floats32) -> Bools:
    """Which keys (n,) have these vectors (n, dim) already: a catalogue is often indexed once more after a start."""
    place = rows.find(keys)
    same: Bools = place != NONE
    same[same] = (rows.matrix[place[same]] == vectors[same]).all(axis=1)
    return same


def _without(rows: _Rows, keys: Ints) -> _Rows:
    place = rows.find(np.asarray(keys, np.int64))
    alive, row_of = rows.alive.copy(), rows.row_of.copy()
    alive[place[place != NONE]] = False
    row_of[rows.keys[place[place != NONE]]] = NONE
    return replace(rows, alive=alive, row_of=row_of)
