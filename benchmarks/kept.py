"""Rows of a long benchmark, written as they are finished, so that a second run goes on where the first one stopped.

Beside FILE.json, which holds the rows, stands FILE.npz with the values of the single test events, which further rows
are compared with.
"""

import hashlib
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ablation_rows import Events, Row

import recsys
from recsys.domain import RecsysError

ROOMS = (
    "model",
    "training",
    "pipeline",
    "retrieval",
    "features",
    "evaluation",
    "encoders",
    "ingest",
    "database",
)  # what decides the figures
BESIDE = (
    "ablation_films",
    "ablation_rows",
    "ablation_sample",
    "indexes",
    "modalities",
    "movielens",
    "sample",
    "summed",
)

EventsByRow = dict[str, dict[str, Events]]  # row -> test -> values


@dataclass
class Kept:
    """Finished rows, in memory and in a file where there is one."""

    file: Path | None
    setup: dict[str, Any]  # what a run must share with the one that it continues
    rows: list[Row] = field(default_factory=list)
    events: EventsByRow = field(default_factory=dict)
    seconds: float = 0.0  # of earlier runs
    started: float = field(default_factory=time.perf_counter)

    @classmethod
    def read(cls, file: Path | None, setup: dict[str, Any]) -> "Kept":
        """Go on with what the file holds, if there is one.

        Raises:
            RecsysError: when it was written with another setup, or by other code.
        """
        setup = json.loads(json.dumps({**setup, "code": code()}))
        if file is None or not file.exists():
            return cls(file, setup)
        document = json.loads(file.read_text())
        other = [name for name, value in setup.items() if document.get("setup", {}).get(name) != value]
        if other:
            raise RecsysError(f"{file} was made with another {' and '.join(other)}: name a new file, or remove it.")
        events = _read_events(file.with_suffix(".npz"))
        rows = [row for row in document["rows"] if row["name"] in events]  # the others were computed from these
        return cls(file, setup, rows, events, document["seconds"])

    def add(self, rows: Sequence[Row], events: EventsByRow) -> None:
        """Keep the finished rows of one condition."""
        self.rows += rows
        self.events |= events
        self.write(self.rows)

    def write(self, rows: Sequence[Row]) -> None:
        """Write these rows, the events first: a row in the file has its events."""
        if self.file is None:
            return
        columns = {
            f"{row}\t{test}\t{name}": getattr(some, name)
            for row, tests in self.events.items()
            for test, some in tests.items()
            for name in ("values", "users")
        }
        part = self.file.with_suffix(".part")
        with part.open("wb") as stream:
            np.savez_compressed(stream, **columns)
        part.replace(self.file.with_suffix(".npz"))
        seconds = round(self.seconds + time.perf_counter() - self.started, 1)
        machine = f"{platform.machine()}, {torch.get_num_threads()} thread(s), torch {torch.__version__}"
        document = {"rows": list(rows), "machine": machine, "seconds": seconds, "setup": self.setup}
        part.write_text(json.dumps(document, indent=1))
        part.replace(self.file)


def code() -> str:
    """A digest of the source files that decide the figures."""
    root, here, digest = Path(recsys.__file__).parent, Path(__file__).parent, hashlib.sha256()
    files = [file for room in ROOMS for file in (root / room).rglob("*.py")]
    for file in sorted(files) + [here / f"{name}.py" for name in BESIDE]:
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _read_events(file: Path) -> EventsByRow:
    found: dict[str, dict[str, dict[str, Any]]] = {}
    with np.load(file) as columns:
        for name, values in columns.items():
            row, test, column = name.split("\t")
            found.setdefault(row, {}).setdefault(test, {})[column] = values
    return {row: {test: Events(**some) for test, some in tests.items()} for row, tests in found.items()}
