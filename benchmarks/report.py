"""Plots of what one figure hides: ``python benchmarks/report.py ebnerd DIR|sample [--out docs/images] [--json FILE]``.

Calibration, ROC, learning curve and ageing, each a picture ``NAME-PLOT.png`` and a table of its numbers. An EB-NeRD
folder with one week is tested on its last two days, one with two weeks on the second; the sample on its last four days.
``--home`` keeps the imported database, so that a second run imports and encodes nothing anew.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import report_plots
import report_runs as runs
from quality import write_json
from report_runs import Log, Row
from rich.console import Console
from threadpoolctl import threadpool_limits

from recsys.domain import RecsysError
from recsys.evaluation.report import table

SOURCES = {"ebnerd": "EB-NeRD", "sample": "synthetic sample"}
HIDDEN = ("plot", "curve", "confidence")
PLOTS = ("calibration", "roc", "learning", "ageing")


def main() -> None:
    """Parse the command, run it, draw its pictures, print its tables and write its JSON."""
    options = _parser().parse_args()
    started, rows = time.perf_counter(), list[Row]()
    try:
        with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
            log = runs.load(options.kind, options.folder, options.home or Path(folder), options.seed)
            for plot in options.plots:
                some = list(_rows(log, plot, options.retrained))
                _show(some, SOURCES[options.kind], options.out / f"{options.kind}-{plot}.png")
                rows += some
    except RecsysError as error:
        sys.exit(str(error))
    if options.json:
        write_json(options.json, rows, 1, round(time.perf_counter() - started, 1))


def _rows(log: Log, plot: str, retrained: int) -> Iterator[Row]:
    match plot:
        case "calibration":
            yield from runs.calibration(log)
        case "roc":
            yield from runs.roc(log)
        case "learning":
            yield from runs.learning(log)
        case _:
            yield from runs.ageing(log, retrained)


def _show(rows: list[Row], source: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    report_plots.draw(rows, source, path)
    columns = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in HIDDEN]
    console = Console(width=150)
    console.print(f"\n{source}: {path}")
    console.print(table(rows, columns))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=list(SOURCES))
    parser.add_argument("folder", type=Path, nargs="?", default=Path(), help="of EB-NeRD; the sample is bundled")
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="where the pictures go")
    parser.add_argument("--plots", nargs="+", choices=PLOTS, default=PLOTS)
    parser.add_argument("--retrained", type=int, default=3, help="on how many of the later days to train anew")
    parser.add_argument("--home", type=Path, help="folder that keeps the database")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    return parser


if __name__ == "__main__":
    main()
