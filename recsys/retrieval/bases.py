"""The FAISS index behind a matrix of vectors, chosen by their number: exact while that is quick enough."""

from typing import Any

import faiss
import numpy as np

from recsys.columns import Bools, Floats32, Ints

LISTS_FROM = 30_000  # rows from which only some lists of an inverted file are scanned; below, 2 ms are enough for all
SAMPLE = 50_000  # rows that the lists' centres are learnt from
WANTED = 0.99  # recall@100 that so many lists must give on queries made of the rows themselves
PROBED = (
    64  # such queries: means of rows, as a reader's taste is one, which lie farther from their neighbours than rows do
)
MIXED = 50  # rows in such a mean
DEPTH = 100


def build(matrix: Floats32) -> Any:
    """An inner-product index of the rows (n, dim)."""
    if len(matrix) >= LISTS_FROM:
        return _lists(matrix)
    flat = faiss.IndexFlatIP(matrix.shape[1])
    flat.add(matrix)
    return flat


def is_exact(index: Any) -> bool:
    """Whether a search looks at every row."""
    return not isinstance(index, faiss.IndexIVF)


def parameters(index: Any, chosen: Bools) -> faiss.SearchParameters:
    """For a search among the chosen rows (n,) alone; of fewer rows more lists are probed."""
    selector = faiss.IDSelectorBitmap(np.packbits(chosen, bitorder="little"))  # type: ignore[call-arg, arg-type]
    if not isinstance(index, faiss.IndexIVF):
        return faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
    share = max(float(chosen.mean()), 1.0 / index.nlist)
    probed = min(index.nlist, int(np.ceil(index.nprobe / share)))
    return faiss.SearchParametersIVF(sel=selector, nprobe=probed)  # type: ignore[call-arg]


def _lists(matrix: Floats32) -> Any:
    """An inverted file of about the square root of n lists, as float16, which halves the memory to read.

    As many lists are probed as the recall asks for.
    """
    lists = int(np.sqrt(len(matrix)))
    made: Any = faiss.index_factory(matrix.shape[1], f"IVF{lists},SQfp16", faiss.METRIC_INNER_PRODUCT)
    rows = np.random.default_rng(0).permutation(len(matrix))
    made.train(matrix[np.sort(rows[:SAMPLE])])
    made.add(matrix)
    queries = matrix[rows[: PROBED * MIXED]].reshape(PROBED, MIXED, -1).mean(axis=1)
    best = _best(matrix, queries)
    made.nprobe = 8
    while made.nprobe < lists and _recall(made.search(queries, DEPTH)[1], best) < WANTED:
        made.nprobe = min(2 * made.nprobe, lists)
    return made


def _best(matrix: Floats32, queries: Floats32) -> Ints:
    """Rows of the DEPTH highest inner products with each query (q, DEPTH), in no order."""
    found = [np.argpartition(-(matrix @ query), DEPTH)[:DEPTH] for query in queries]
    return np.array(found)


def _recall(found: Ints, best: Ints) -> float:
    return float(np.mean([np.isin(b, f).mean() for f, b in zip(found, best, strict=True)]))
