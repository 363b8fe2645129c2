"""Quality beside peers on the same split: ``python benchmarks/quality.py ebnerd|movielens DIR [--json FILE]``.

On movielens-posters (2 shared cores, three seeds) the towers reach about G R@10 .20, nDCG@10 .105, AUC .82 and
C .27, .13, .74; a fit takes about 10 s.
"""

import argparse
import functools
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import ebnerd
import movielens
import numpy as np
import peers
import torch
from movielens import Events, Films, Result, Scores
from rich.console import Console

from recsys.columns import Floats32
from recsys.domain import RecsysError
from recsys.evaluation.report import table
from recsys.model.fusion import FUSIONS
from recsys.pipeline.content import Content
from recsys.pipeline.histories import Windows
from recsys.pipeline.model import Views, views_of
from recsys.pipeline.towers import blended_scores
from recsys.retrieval.index import VectorIndex
from recsys.training.towers import FitConfig, TowerConfig, fit_towers

FIGURES = ("r@10", "ndcg@10", "mrr", "auc")
Row = dict[str, Any]


def main() -> None:
    """Parse the command, run it, print its table and write its JSON."""
    options = _parser().parse_args()
    started = time.perf_counter()
    torch.set_num_threads(options.threads)
    try:
        rows = options.run(options)
    except RecsysError as error:
        sys.exit(str(error))
    seconds = round(time.perf_counter() - started, 1)
    for some, columns in _tables(rows):
        Console(width=170).print(table(some, columns))
    if options.json:
        write_json(options.json, rows, options.threads, seconds)


def write_json(file: Path, rows: list[Row], threads: int, seconds: float) -> None:
    """Rows, machine and seconds of one run."""
    machine = f"{platform.machine()}, {threads} thread(s), torch {torch.__version__}"
    file.write_text(json.dumps({"rows": rows, "machine": machine, "seconds": seconds}, indent=1))


def run_movielens(options: argparse.Namespace) -> list[Row]:
    """All rows of protocol B."""
    with tempfile.TemporaryDirectory() as folder:
        films = movielens.load(options.folder, options.home or Path(folder), options.titles)
        tests = {"G": [movielens.warm(films)], "C": [movielens.cold(films, i) for i in range(len(films.cold))]}
        return [_row(name, tests, makers, seeds) for name, makers, seeds in _methods(films, tests, options)]


def run_ebnerd(options: argparse.Namespace) -> list[Row]:
    """All rows of protocols A and A2."""
    with tempfile.TemporaryDirectory() as folder:
        week = ebnerd.load(options.folder, options.home or Path(folder), options.fusion)
        return [_told(row) for row in ebnerd.rows(week, options.seeds, live=not options.no_live)]


def two_towers(
    films: Films,
    content: Content,
    test: Events,
    seed: int,
    config: FitConfig = FitConfig(),
    view: str = "blended",
    augmented: Sequence[Content] = (),
) -> Scores:
    """The product's own fit and FAISS indexes; scores of "learned", "content" or both "blended"."""
    towers = fit_towers(content, test.train, until=films.split + 1, config=config, seed=seed, views=augmented)
    keys = np.flatnonzero(content.mask["title"])
    views = views_of(towers, content, keys)
    return lambda window: _searched(views, window, films.size, view)


def _searched(views: Views, window: Windows, size: int, view: str) -> Floats32:
    """Scores (batch, size) of everything that the indexes return."""
    towers, keys = views.towers, np.arange(size)
    learned, known = _gathered(views.learned, window)
    users = towers.user_vectors(learned, window.age, known)
    frozen, there = _gathered(views.content, window)
    profiles = towers.content_profiles(frozen, window.age, there)
    first, second = _all_of(views.learned, users, size), _all_of(views.content, profiles, size)
    if view != "blended":
        return first if view == "learned" else second
    return blended_scores(first, second, towers.blend(keys))


def _gathered(index: VectorIndex, window: Windows) -> tuple[Floats32, np.ndarray]:
    vectors, known = index.vectors(window.article.ravel())
    return vectors.reshape(*window.mask.shape, -1), known.reshape(window.mask.shape)


def _all_of(index: VectorIndex, queries: Floats32, size: int) -> Floats32:
    """The index's scores by article key (batch, size), lowest for what is not in it."""
    scores, keys = index.search(queries, len(index))
    dense = np.full((len(queries), size), scores.min() - 1, np.float32)
    np.put_along_axis(dense, keys, scores, axis=1)
    return dense


Maker = Callable[[Events, int], Scores]


def _methods(
    films: Films, tests: dict[str, list[Events]], options: argparse.Namespace
) -> Iterator[tuple[str, dict[str, Maker], int]]:
    """Name, how to fit it for G and for C, and how many seeds it has."""
    size, content = films.size, films.content
    fit = functools.partial(two_towers, films, config=FitConfig(TowerConfig(fusion=options.fusion)))
    shrinkage, ridge = peers.tuned_shrinkage(tests["G"][0], size), peers.tuned_ridge(tests["G"][0], size)
    yield "most popular", {"G": lambda test, _: peers.most_popular(test.train, size)}, 1
    yield f"item-kNN, shrinkage {shrinkage:g}", {"G": lambda test, _: peers.item_knn(test.train, size, shrinkage)}, 1
    yield f"EASE, ridge {ridge:g}", {"G": lambda test, _: peers.ease(test.train, size, ridge)}, 1
    yield "content kNN, frozen title", _both(lambda _test, _seed: peers.content_knn(content, 0.0)), 1
    yield "content kNN, frozen title + image", _both(lambda _test, _seed: peers.content_knn(content, 0.25)), 1
    yield f"two towers, {options.fusion}", _both(lambda test, seed: fit(content, test, seed)), options.seeds
    if options.controls:
        for view in ("learned", "content"):
            maker = _both(lambda test, seed, view=view: fit(content, test, seed, view=view))
            yield f"two towers, {view} index alone", maker, options.seeds
        mixed = permuted(content, "image")
        yield "two towers, images permuted", _both(lambda t, seed: fit(mixed, t, seed)), options.seeds
        blind = without(content, "image")
        yield "two towers, no images", _both(lambda t, seed: fit(blind, t, seed)), options.seeds


def permuted(content: Content, name: str) -> Content:
    """The control: the vectors of one modality dealt out anew among the articles that have it."""
    rows = np.flatnonzero(content.mask[name])
    vectors = content.vectors[name].copy()
    vectors[rows] = vectors[np.random.default_rng(0).permutation(rows)]
    return Content({**content.vectors, name: vectors}, content.mask)


def without(content: Content, name: str) -> Content:
    """The same without one modality."""
    return Content(content.vectors, {**content.mask, name: np.zeros_like(content.mask[name])})


def _both(maker: Maker) -> dict[str, Maker]:
    return {"G": maker, "C": maker}


def _row(name: str, tests: dict[str, list[Events]], makers: dict[str, Maker], seeds: int) -> Row:
    row: Row = {"name": name}
    for kind, maker in makers.items():
        results = [_timed(maker, test, seed) for test in tests[kind] for seed in range(seeds)]
        row |= {f"{kind}_{figure}": round(value, 4) for figure, value in movielens.pooled(results).items()}
        row[f"{kind}_events"] = sum(len(test) for test in tests[kind])
        row["seconds_to_train"] = round(float(np.mean([r.seconds for r in results])), 1)
    return _told(row)


def _told(row: Row) -> Row:
    """Say on standard error that a row is done."""
    Console(stderr=True).print(row)
    return row


def _timed(maker: Maker, test: Events, seed: int) -> Result:
    return movielens.timed(lambda: maker(test, seed), test)


def _tables(rows: list[Row]) -> Iterator[tuple[list[Row], list[str]]]:
    """The rows with their columns, in the order in which rows first have them; protocol A2 is a table of its own."""
    names = dict.fromkeys(name for row in rows for name in row)
    shown = [name for name in names if name not in ("confidence", "impressions") and not name.endswith("_events")]
    yield rows, [name for name in shown if not name.startswith("live_")]
    live = [name for name in shown if name.startswith("live_")]
    if live:
        yield [row for row in rows if live[0] in row], ["name", *live]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    news = commands.add_parser("ebnerd", help="protocols A and A2")
    news.set_defaults(run=run_ebnerd)
    news.add_argument("--no-live", action="store_true", help="leave out protocol A2")
    films = commands.add_parser("movielens", help="protocol B")
    films.set_defaults(run=run_movielens)
    for command in (news, films):
        _common(command)
    films.add_argument("--titles", choices=["gtitle", "title", "noyear"], default="gtitle")
    films.add_argument("--controls", action="store_true", help="each index alone, images permuted, no images")
    return parser


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", type=Path)
    command.add_argument("--seeds", type=int, default=3)
    command.add_argument("--fusion", choices=list(FUSIONS), default="gated")
    command.add_argument(
        "--home", type=Path, help="folder that keeps the database, so that a second run encodes nothing"
    )
    command.add_argument("--threads", type=int, default=2)
    command.add_argument("--json", type=Path)


if __name__ == "__main__":
    main()
