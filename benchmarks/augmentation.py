"""What augmented views give, and cost: ``python benchmarks/augmentation.py DIR [--views 0 2 4] [--seeds N]``.

DIR is a MovieLens folder with posters (protocol B of ``quality.py``: G all films, C films that training never met).
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import movielens
import numpy as np
import torch
from movielens import Events, Films
from movielens_rows import two_towers
from options import add_common
from quality import write_json
from rich.console import Console

from recsys.database.session import Sessions, open_sessions
from recsys.domain import RecsysError
from recsys.encoders import expected_ids, load_encoders, view_id, with_views
from recsys.evaluation.report import table
from recsys.lifecycle.encode import encode_new
from recsys.pipeline.content import Content
from recsys.pipeline.load import load_content
from recsys.settings import Settings

Row = dict[str, Any]


def main() -> None:
    """Parse the command, run it, print its table and write its JSON."""
    options = _parser().parse_args()
    started = time.perf_counter()
    torch.set_num_threads(options.threads)
    try:
        with tempfile.TemporaryDirectory() as folder:
            rows = run(options.folder, options.home or Path(folder), options.views, options.seeds)
    except RecsysError as error:
        sys.exit(str(error))
    seconds = round(time.perf_counter() - started, 1)
    Console(width=170).print(table(rows, list(rows[0])))
    if options.json:
        write_json(options.json, rows, options.threads, seconds)


def run(folder: Path, home: Path, counts: list[int], seeds: int) -> list[Row]:
    """One row for each number of views."""
    settings = Settings(home=home, database_url="")
    films = movielens.load(folder, home)
    sessions = open_sessions(settings)
    tests = {"G": [movielens.warm(films)], "C": [movielens.cold(films, i) for i in range(len(films.cold))]}
    rows, seconds, views = [], 0.0, list[Content]()
    for count in sorted(counts):
        seconds += encode(sessions, settings, count)
        views += [vectors(sessions, settings, films, view) for view in range(len(views) + 1, count + 1)]
        rows.append({"views": count, "seconds_to_encode": round(seconds, 1), **figures(films, tests, views, seeds)})
        Console(stderr=True).print(rows[-1])
    return rows


def encode(sessions: Sessions, settings: Settings, count: int) -> float:
    """Encode what views are missing; the seconds that took."""
    started = time.perf_counter()
    encode_new(sessions, with_views(load_encoders(settings), count))
    return time.perf_counter() - started


def vectors(sessions: Sessions, settings: Settings, films: Films, view: int) -> Content:
    """The raw vectors of one view."""
    ids = {name: view_id(encoder, view) for name, encoder in expected_ids(settings).items()}
    with sessions() as session:
        return load_content(session, ids, np.arange(films.size))


def figures(films: Films, tests: dict[str, list[Events]], views: list[Content], seeds: int) -> Row:
    """Means over seeds and hold-outs, and the spread of the seeds' nDCG@10 (standard deviation)."""
    row: Row = {}
    for kind, events in tests.items():
        results = [
            [
                movielens.timed(lambda t=test, s=seed: two_towers(films, films.content, t, s, augmented=views), test)
                for test in events
            ]
            for seed in range(seeds)
        ]
        for name in ("r@10", "ndcg@10", "auc"):
            by_seed = [float(np.mean([result.means[name] for result in some])) for some in results]
            row[f"{kind}_{name}"] = round(float(np.mean(by_seed)), 4)
            if name == "ndcg@10":
                row[f"{kind}_{name}_sd"] = round(float(np.std(by_seed)), 4)
        row[f"{kind}_seconds_to_train"] = round(float(np.mean([r.seconds for some in results for r in some])), 1)
    return row


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--views", type=int, nargs="+", default=[0, 2, 4])
    add_common(parser)
    return parser


if __name__ == "__main__":
    main()
