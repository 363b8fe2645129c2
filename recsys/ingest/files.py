"""Tables in files of several formats: which is meant, and its rows as batches."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from recsys.domain import RecsysError
from recsys.ingest.batches import Batch
from recsys.ingest.delimited import read_delimited
from recsys.ingest.jsonlines import read_jsonlines
from recsys.ingest.parquet import read_parquet

DELIMITERS = {".csv": ",", ".tsv": "\t"}
TEXTS = (*DELIMITERS, ".jsonl", ".ndjson")
ENDINGS = (".parquet", *TEXTS, *(f"{ending}.gz" for ending in TEXTS))


def find_tables(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """The files of the tables that a folder holds, by table, in the order of ``names``.

    Raises:
        RecsysError: when it holds none, or one table twice.
    """
    found = {name: [folder / (name + ending) for ending in ENDINGS if (folder / (name + ending)).is_file()]
             for name in names}  # fmt: skip
    if not any(found.values()):
        wanted = f"{', '.join(names[:-1])} and {names[-1]} as .parquet, {', '.join(TEXTS)}, or packed as in .csv.gz"
        raise RecsysError(f"{folder} {'holds none of' if folder.is_dir() else 'is not a folder with'} {wanted}.")
    for name, files in found.items():
        if len(files) > 1:
            both = " and ".join(file.name for file in files)
            raise RecsysError(f"{folder} holds {both}: keep one file of {name}.")
    return {name: files[0] for name, files in found.items() if files}


def read_file(path: Path, *, required: Sequence[str], optional: Sequence[str], timezone: str) -> Iterator[Batch]:
    """Stream a table in the format that the ending of its file says, one of ENDINGS.

    Raises:
        RecsysError: when the file cannot be read, or a required column is not there.
    """
    ending = path.name.lower().removesuffix(".gz")
    delimiter = next((mark for suffix, mark in DELIMITERS.items() if ending.endswith(suffix)), None)
    if ending.endswith(".parquet"):
        return read_parquet(path, required=required, optional=optional, timezone=timezone, tell_unread=True)
    if delimiter is not None:
        return read_delimited(
            path, delimiter=delimiter, required=required, optional=optional, timezone=timezone, tell_unread=True
        )
    return read_jsonlines(path, required=required, optional=optional, timezone=timezone, tell_unread=True)
