"""What title, image and behaviour give, and each fusion: ``python benchmarks/ablation.py movielens DIR|sample``.

Trained anew with each subset of the modalities, each fusion, and images shuffled among the articles; served with 0, 30,
60 and 100% of the images dropped. Late fusion with fixed weights sums the scores of a model for each modality; its
weights are chosen inside the training window. Everything with several seeds (``--seeds``): the deviation is over those,
intervals are over users, differences are to the gated fusion of everything, event by event.

With ``--json FILE`` finished rows are kept, and the same command goes on behind them. Three seeds take about 85 minutes
on movielens-posters and 50 on the sample, on a thread of a machine with other work.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import movielens
import torch
from ablation_films import FilmTrials
from ablation_rows import Measured, Prepared, Row, events_of, image_rows, row_of
from ablation_sample import SampleTrials
from kept import Kept
from modalities import CONDITIONS, REFERENCE, Condition
from options import add_common
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from threadpoolctl import threadpool_limits

from recsys.domain import RecsysError
from recsys.evaluation.report import number, table
from recsys.settings import Settings
from recsys.training.towers import FitConfig

TITLES = {"G": "G: all films", "C": "C: films that training never met", "lists": "lists as shown, the whole model",
          "towers": "lists as shown, the towers alone"}  # fmt: skip
COLUMNS = ("r@10", "ndcg@10", "ndcg@10_sd", "ndcg@10_minus_reference", "mrr", "auc")
DROPPED = "images dropped"


class Trials(Protocol):
    """What can be trained and tested under each condition."""

    def prepare(self, condition: Condition) -> Prepared:
        """Do what is done once for all seeds."""


def main() -> None:
    """Parse the command, run it, print its tables and write its JSON."""
    options = _parser().parse_args()
    torch.set_num_threads(options.threads)
    chosen = [c for c in CONDITIONS if c is REFERENCE or not options.only or c.name in options.only]
    try:
        with threadpool_limits(options.threads), tempfile.TemporaryDirectory() as folder:
            kept = Kept.read(options.json, _setup(options))
            trials = options.trials(options, Settings(home=options.home or Path(folder), database_url=""))
            run(trials, chosen, options.seeds, kept)
    except RecsysError as error:
        sys.exit(str(error))
    show(kept.rows, Console(width=150))


def run(trials: Trials, conditions: list[Condition], seeds: int, kept: Kept) -> None:
    """Measure what is not kept yet; the reference must be the first condition."""
    waiting = [condition for condition in conditions if condition.names[-1] not in kept.events]
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(waiting) * seeds)
        for condition in waiting:
            progress.update(task, description=condition.name)
            prepared, by_seed = trials.prepare(condition), []
            for seed in range(seeds):
                progress.update(task, description=f"{condition.name}, seed {seed}")
                by_seed.append(prepared.measure(seed))
                progress.advance(task)
            _keep(kept, condition, prepared.notes, by_seed)
            progress.console.print(f"{condition.name}: {_told(kept.rows[-len(condition.dropped)])}", highlight=False)
    kept.rows = [row for row in kept.rows if row["name"] in kept.events] + image_rows(kept.events)
    kept.write(kept.rows)


def _keep(kept: Kept, condition: Condition, notes: Row, by_seed: list[list[Measured]]) -> None:
    rows, events = list[Row](), dict(kept.events)
    for place, (name, share) in enumerate(zip(condition.names, condition.dropped, strict=True)):
        seeds = [measured[place] for measured in by_seed]
        events[name] = events_of(seeds)
        group = DROPPED if share else condition.group
        rows.append(row_of(name, group, seeds, events[name], events[REFERENCE.name]) | notes)
    kept.add(rows, events)


def _told(row: Row) -> str:
    mark = "_ndcg@10"
    return ", ".join(f"nDCG@10 {name.removesuffix(mark)} {number(row[name])}" for name in row if name.endswith(mark))


def show(rows: list[Row], console: Console) -> None:
    """A table for each test and group, and what the image adds."""
    for title, some, columns in _tables(rows):
        console.print(f"\n{title}", highlight=False)
        console.print(table(some, columns))


def _tables(rows: list[Row]) -> Iterator[tuple[str, list[Row], list[str]]]:
    groups = list(dict.fromkeys(row["group"] for row in rows if "test" not in row))
    for kind, title in TITLES.items():
        tested = [row for row in rows if f"{kind}_ndcg@10" in row]
        for group in groups:
            some = [row for row in tested if row["group"] == group or (row["name"] == REFERENCE.name)]
            if some:
                shown = [_of_test(row, kind) for row in some]
                yield f"{title}: {group}", shown, ["name", *(c for c in COLUMNS if any(c in row for row in shown))]
    added = [row for row in rows if "test" in row]
    if added:
        yield f"{added[0]['group']} (nDCG@10)", added, ["test", "name", "added", "verdict"]


def _of_test(row: Row, kind: str) -> Row:
    """The row's figures of one test, under plain names."""
    mark = f"{kind}_"
    plain = {name.removeprefix(mark): value for name, value in row.items() if name.startswith(mark)}
    intervals = {name.removeprefix(mark): i for name, i in row["confidence"].items() if name.startswith(mark)}
    return {"name": row["name"], **plain, "confidence": intervals}


def _films(options: argparse.Namespace, settings: Settings) -> Trials:
    return FilmTrials.of(movielens.load(options.folder, settings.home))


def _sample(_options: argparse.Namespace, settings: Settings) -> Trials:
    print("The sample is synthetic: this shows that what was planted is found, not how good it is on real readers.")
    return SampleTrials.of(settings)


def _setup(options: argparse.Namespace) -> dict[str, Any]:
    data = options.folder.resolve().name if options.command == "movielens" else "sample"
    return {"data": data, "seeds": options.seeds, "config": repr(FitConfig())}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    films = commands.add_parser("movielens", help="protocol B on a folder with posters")
    films.add_argument("folder", type=Path)
    films.set_defaults(trials=_films)
    commands.add_parser("sample", help="the bundled synthetic sample").set_defaults(trials=_sample)
    for command in commands.choices.values():
        command.add_argument("--only", nargs="+", metavar="NAME", help="conditions by name, beside the reference")
        add_common(command, threads=1)
    return parser


if __name__ == "__main__":
    main()
