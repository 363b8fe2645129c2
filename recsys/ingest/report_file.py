"""A file of everything that an import refused or repaired, written while it runs."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO, StringIO
from pathlib import Path

from recsys.domain import RecsysError

COLUMNS = ("file", "row", "outcome", "reason", "record")


@dataclass(frozen=True)
class ReportFile:
    """An open report: CSV when its name ends so, otherwise JSON Lines; one line for each row, out at once."""

    path: Path
    content: FileIO

    def write(self, file: str | None, row: int | None, outcome: str, reason: str, record: str | None) -> None:
        """Add a line; ``outcome`` is "refused" or "repaired", ``record`` says what it would have been.

        Raises:
            RecsysError: when the disk is full.
        """
        values = (file, row, outcome, reason, record)
        if self.path.suffix.lower() == ".csv":
            self.write_line(_csv_line(values))
        else:
            self.write_line(json.dumps(dict(zip(COLUMNS, values, strict=True))) + "\n")

    def write_line(self, line: str) -> None:
        """Add a line as it is."""
        try:
            self.content.write(line.encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise RecsysError(f"The report {self.path} cannot be written: {error.strerror}.") from error


@contextmanager
def open_report(path: Path | None) -> Iterator[ReportFile | None]:
    """A report that replaces an earlier one of that name; None for no path.

    Raises:
        RecsysError: when it cannot be written, or something else has that name.
    """
    if path is None:
        yield None
        return
    try:
        if path.is_file() and not _is_report(path):
            raise RecsysError(f"{path} is there already and is no report: name another file for it.")
        content = path.open("wb", buffering=0)
    except OSError as error:
        raise RecsysError(f"The report {path} cannot be written: {error.strerror}.") from error
    with content:
        report = ReportFile(path, content)
        if path.suffix.lower() == ".csv":
            report.write_line(_csv_line(COLUMNS))
        yield report


def _is_report(path: Path) -> bool:
    """Whether an earlier import wrote this file: one that is to be imported must not be lost."""
    beginnings = _csv_line(COLUMNS).encode(), f'{{"{COLUMNS[0]}":'.encode()  # as CSV, and as JSON Lines
    with path.open("rb") as file:
        start = file.read(len(beginnings[0]))
    return not start or start.startswith(beginnings)


def _csv_line(values: tuple[str | int | None, ...]) -> str:
    line = StringIO()
    csv.writer(line).writerow(["" if value is None else value for value in values])
    return line.getvalue()
