"""Parquet files as batches."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recsys.domain import RecsysError
from recsys.ingest.batches import BYTES, ROWS, Batch, present

BUFFER = 2**18  # bytes of each column read at a time, however large its chunks are


def read_parquet(
    path: Path,
    *,
    required: Sequence[str],
    optional: Sequence[str] = (),
    timezone: str = "UTC",
    rows: int = ROWS,
    file: str = "",
    tell_unread: bool = False,
) -> Iterator[Batch]:
    """Stream the named columns of a Parquet file.

    Args:
        rows: the most in a batch; fewer where they are long.
        file: how refusals name it, if not by its name.

    Raises:
        RecsysError: when the file cannot be read, or a required column is not there.
    """
    try:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER) as content:
            wanted = present(path, content.schema_arrow.names, required, optional, tell_unread=tell_unread)
            first = 1
            for part in content.iter_batches(_fitting(content.metadata, rows), columns=wanted, use_threads=False):
                columns = dict(zip(part.schema.names, part.columns, strict=True))
                yield Batch(file or path.name, range(first, first + len(part)), columns, timezone)
                first += len(part)
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise RecsysError(f"{path} is not a readable Parquet file ({reason}): write or download it again.") from error


def _fitting(metadata: pq.FileMetaData, rows: int) -> int:
    """As many rows as fit in a batch where they are longest."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    longest = max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=1.0)
    return max(1, min(rows, int(BYTES / max(longest, 1.0))))
