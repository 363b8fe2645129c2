"""One index with one inner product, or two whose scores are blended: ``python benchmarks/one_index.py DIR``.

DIR is a MovieLens folder with posters (protocol B of ``quality.py``). The blend of the learned and the content score is
the inner product of (user, profile, 1) and (scale x learned, weight x content, offset), so one index can hold it. Both
ways search the same towers; they differ in which candidates come to the blend at all.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import movielens
import numpy as np
import torch
from movielens import Events, Films
from options import add_common
from quality import write_json
from rich.console import Console

from recsys.columns import Floats32, Ints
from recsys.domain import RecsysError
from recsys.evaluation import metrics
from recsys.evaluation.report import table
from recsys.pipeline.model import Views, views_of
from recsys.pipeline.towers import blended_scores
from recsys.retrieval.index import VectorIndex
from recsys.training.towers import fit_towers

FOUND = 100  # candidates that a search is to find

Row = dict[str, Any]
Search = Callable[[Floats32, Floats32, Ints], Ints]  # user (dim,), profile (c,), allowed keys -> keys, best first


def main() -> None:
    """Parse the command, run it, print its table and write its JSON."""
    options = _parser().parse_args()
    started = time.perf_counter()
    torch.set_num_threads(options.threads)
    try:
        with tempfile.TemporaryDirectory() as folder:
            films = movielens.load(options.folder, options.home or Path(folder))
            rows = run(films, options.seeds, options.every)
    except RecsysError as error:
        sys.exit(str(error))
    Console(width=170).print(table(rows, list(rows[0])))
    if options.json:
        write_json(options.json, rows, options.threads, round(time.perf_counter() - started, 1))


def run(films: Films, seeds: int, every: int) -> list[Row]:
    """A row for each way to search; every so many-th event is searched for."""
    tests = {"G": [movielens.warm(films)], "C": [movielens.cold(films, i) for i in range(len(films.cold))]}
    found: dict[str, Row] = {}
    for kind, events in tests.items():
        ranks: dict[str, list[Any]] = {}
        for test in events:
            for seed in range(seeds):
                towers = fit_towers(films.content, test.train, until=films.split + 1, seed=seed)
                views = views_of(towers, films.content, films.keys)
                for name, search in searches(views, films.keys).items():
                    ranks.setdefault(name, []).append(ranked(search, views, test, every))
        for name, parts in ranks.items():
            found.setdefault(name, {"name": name})[f"{kind}_r@{FOUND}"] = _mean(metrics.recall_at, parts, FOUND)
            found[name] |= {f"{kind}_r@10": _mean(metrics.recall_at, parts, 10)}
            found[name] |= {f"{kind}_ndcg@10": _mean(metrics.ndcg_at, parts, 10)}
    return list(found.values())


def searches(views: Views, keys: Ints) -> dict[str, Search]:
    """The ways to search, by name."""
    one = joined(views, keys)
    ways: dict[str, Search] = {
        f"one index of {one.dim} dimensions": lambda user, profile, allowed: one.search(
            np.concatenate([user, profile, np.ones(1, np.float32)])[None], FOUND, allowed=allowed
        )[1][0]
    }
    for each in (FOUND, FOUND // 2):
        ways[f"two indexes, {each} of each, blended"] = lambda user, profile, allowed, each=each: of_two(
            views, user, profile, allowed, each
        )
    return ways


def joined(views: Views, keys: Ints) -> VectorIndex:
    """One index whose inner product with (user, profile, 1) is the blended score of ``keys`` (n,)."""
    blend = views.towers.blend(keys)
    learned, content = views.learned.vectors(keys)[0], views.content.vectors(keys)[0]
    items = np.concatenate(
        [learned * blend.scale[:, None], content * blend.content[:, None], blend.offset[:, None]], axis=1
    )
    index = VectorIndex(items.shape[1])
    index.put(keys, items)
    return index


def of_two(views: Views, user: Floats32, profile: Floats32, allowed: Ints, each: int) -> Ints:
    """The best by blended score of the ``each`` nearest of both indexes."""
    indexes = ((views.learned, user), (views.content, profile))
    found = np.unique(np.concatenate([i.search(q[None], each, allowed=allowed)[1][0] for i, q in indexes]))
    found = found[found >= 0]
    learned, content = views.learned.vectors(found)[0] @ user, views.content.vectors(found)[0] @ profile
    scores = blended_scores(learned, content, views.towers.blend(found))
    return found[np.argsort(-scores, kind="stable")][:FOUND]


def ranked(search: Search, views: Views, test: Events, every: int) -> np.ndarray:
    """Rank of each target in what was found, infinite where it was not."""
    events = np.arange(0, len(test), every)
    window = test.histories.windows(test.start[events], test.end[events], test.at[events], movielens.HISTORY)
    (learned, known), (frozen, there) = (i.vectors(window.article.ravel()) for i in (views.learned, views.content))
    shape = window.mask.shape
    users = views.towers.user_vectors(learned.reshape(*shape, -1), window.age, known.reshape(shape))
    profiles = views.towers.content_profiles(frozen.reshape(*shape, -1), window.age, there.reshape(shape))
    ranks = np.full(len(events), np.inf)
    for row, event in enumerate(events):
        allowed = np.setdiff1d(np.flatnonzero(test.candidates), test.seen[event])
        place = np.flatnonzero(search(users[row], profiles[row], allowed) == test.target[event])
        ranks[row] = place[0] + 1 if len(place) else np.inf
    return ranks


def _mean(metric: Callable[[Any, int], Any], parts: list[Any], k: int) -> float:
    return round(float(np.mean([metric(ranks, k).mean() for ranks in parts])), 4)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=4, help="search for every so many-th event")
    add_common(parser, seeds=1)
    return parser


if __name__ == "__main__":
    main()
