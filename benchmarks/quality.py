"""Quality beside peers on the same split: ``python benchmarks/quality.py ebnerd|movielens DIR [--json FILE]``.

Peers are tuned on a development split of the training window; a row's name says the setting. The seconds are those of
one training, without the tuning.

On movielens-posters (2 shared cores, three seeds) the towers reach about G R@10 .21, nDCG@10 .108, AUC .82 and
C .27, .13, .74; a fit takes about 20 s.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import ebnerd
import ebnerd_rows
import movielens
import movielens_rows
import torch
from options import add_common
from rich.console import Console
from threadpoolctl import threadpool_limits

from recsys.cli.output import plain
from recsys.domain import RecsysError
from recsys.evaluation.report import table
from recsys.model.fusion import FUSIONS

HIDDEN = ("table", "confidence", "impressions")
LAST = "seconds_to_train"
Row = dict[str, Any]


def main() -> None:
    """Parse the command, run it, print its tables and write its JSON."""
    options = _parser().parse_args()
    torch.set_num_threads(options.threads)
    with threadpool_limits(options.threads), tempfile.TemporaryDirectory() as folder:
        tell(options.run(options, options.home or Path(folder)), options.json, options.threads)


def tell(made: Iterable[Row], file: Path | None, threads: int = 1, width: int = 190) -> None:
    """Print each row as it is made, then their tables, and write them to a file; end where it cannot go on."""
    started, rows = time.perf_counter(), list[Row]()
    try:
        for row in made:
            rows.append(row)
            Console(stderr=True).print(row)
    except RecsysError as error:
        sys.exit(str(error))
    seconds = round(time.perf_counter() - started, 1)
    for title, some in tables(rows).items():
        print(f"\n{title}")
        Console(width=width).print(table(some, columns(some)))
    if file:
        write_json(file, rows, threads, seconds)


def write_json(file: Path, rows: list[Row], threads: int, seconds: float) -> None:
    """Rows, machine and seconds of one run."""
    machine = f"{platform.machine()}, {threads} thread(s), torch {torch.__version__}"
    document = plain({"rows": rows, "machine": machine, "seconds": seconds})  # what is no number becomes null
    file.write_text(json.dumps(document, indent=1, allow_nan=False))


def run_movielens(options: argparse.Namespace, home: Path) -> Iterator[Row]:
    """All rows of protocol B."""
    films = movielens.load(options.folder, home, options.titles)
    tests = {"G": [movielens.warm(films)], "C": [movielens.cold(films, i) for i in range(len(films.cold))]}
    yield from movielens_rows.rows(
        films, tests, options.seeds, fusion=options.fusion, peers=options.peers, news=options.news,
        controls=options.controls,
    )  # fmt: skip


def run_ebnerd(options: argparse.Namespace, home: Path) -> Iterator[Row]:
    """All rows of protocols A and A2."""
    week = ebnerd.load(options.folder, home, options.fusion)
    yield from ebnerd_rows.rows(week, options.seeds, peers=options.peers, news=options.news, live=not options.no_live)


def tables(rows: list[Row]) -> dict[str, list[Row]]:
    """The rows by the table that they belong to."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["table"], []).append(row)
    return found


def columns(rows: list[Row]) -> list[str]:
    """What a table shows, in the order in which rows first have it, seconds last."""
    names = dict.fromkeys(name for row in rows for name in row if name not in HIDDEN)
    return [name for name in names if name != LAST] + [LAST] * (LAST in names)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    command.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True, help="fit and tune the peers")
    command.add_argument("--news", action="store_true", help="NRMS and NAML among them, which take most of an hour")
    command.add_argument("--fusion", choices=list(FUSIONS), default="gated")
    add_common(command)


if __name__ == "__main__":
    main()
