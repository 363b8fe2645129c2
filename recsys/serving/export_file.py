"""Files of exported rows, Parquet or JSON Lines by their ending, which appear whole or not at all."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys.domain import RecsysError

PARQUET, JSON_LINES = (".parquet",), (".jsonl", ".ndjson")

Rows = list[dict[str, Any]]


def check_ending(path: Path) -> None:
    """Refuse a file of another format than these, before anything is computed for it.

    Raises:
        RecsysError: with the endings that are known.
    """
    if path.suffix.lower() not in (*PARQUET, *JSON_LINES):
        raise RecsysError(f"{path} ends in neither .parquet nor .jsonl: the ending says which format to write.")


def write_rows(path: Path, schema: pa.Schema, batches: Iterable[Rows]) -> int:
    """Write batches of rows as they come and return how many rows there were; a file that is there is replaced.

    Raises:
        RecsysError: when the ending is unknown, or the file cannot be written there.
    """
    check_ending(path)
    write = _write_parquet if path.suffix.lower() in PARQUET else _write_json_lines
    with _whole(path) as file:
        return write(file, schema, batches)


@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """A file under a temporary name beside ``path``; it takes its place when it is complete and on the disk."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file, _removed_unless_whole(partial):
            yield file
            file.flush()
            os.fsync(file.fileno())
            partial.replace(path)
    except OSError as error:
        raise RecsysError(f"{path} cannot be written ({error.strerror or error}); nothing was left there.") from error


@contextmanager
def _removed_unless_whole(partial: Path) -> Iterator[None]:
    try:
        yield
    finally:
        partial.unlink(missing_ok=True)


def _write_parquet(file: IO[bytes], schema: pa.Schema, batches: Iterable[Rows]) -> int:
    rows = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            rows += len(batch)
    return rows


def _write_json_lines(file: IO[bytes], schema: pa.Schema, batches: Iterable[Rows]) -> int:
    rows = 0
    for batch in batches:
        for row in batch:
            named = {name: _plain(row[name]) for name in schema.names}
            file.write(json.dumps(named, ensure_ascii=False, allow_nan=False).encode() + b"\n")
        rows += len(batch)
    return rows


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value
