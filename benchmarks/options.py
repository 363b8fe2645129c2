"""What every script that fits something takes on its command line."""

import argparse
from pathlib import Path


def add_common(parser: argparse.ArgumentParser, *, seeds: int = 3, threads: int = 2) -> None:
    """How often, where the data stays, on how many threads, and where the rows go; with these defaults."""
    parser.add_argument("--seeds", type=int, default=seeds, help="of what is drawn at random; 0: no rows of ours")
    parser.add_argument(
        "--home", type=Path, help="folder that keeps the database, so that a second run encodes nothing"
    )
    parser.add_argument("--threads", type=int, default=threads)
    parser.add_argument("--json", type=Path)
