"""CSV and TSV files as batches: a stray quote or a torn row spoils no other row."""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from recsys.domain import RecsysError
from recsys.ingest.batches import Batch, Parsed, batched, present
from recsys.ingest.lines import LONGEST, Line, lines

MOST_LINES = 2000  # of one row: a text with line breaks in quotes
NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
BAD_QUOTES = "a quote is not closed, or stands within a quoted text without being doubled"
UNCLOSED = "a quote is opened and not closed"

Row = tuple[int, int, list[str] | str]  # see Parsed


def read_delimited(
    path: Path,
    *,
    delimiter: str,
    required: Sequence[str],
    optional: Sequence[str] = (),
    timezone: str = "UTC",
    tell_unread: bool = False,
) -> Iterator[Batch]:
    """Stream the named columns of a file whose first line names them.

    Raises:
        RecsysError: when the file cannot be read, is empty, or its first line lacks a required column.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST))
    source = lines(path)
    names = _header(path, source, delimiter, required)
    wanted = present(path, names, required, optional, tell_unread=tell_unread)
    places = [names.index(name) for name in wanted]
    yield from batched(path.name, wanted, _picked(_rows(source, delimiter, len(names)), places), timezone)


def _picked(rows: Iterator[Row], places: list[int]) -> Iterator[Parsed]:
    for number, size, fields in rows:
        yield number, size, fields if isinstance(fields, str) else [fields[place] for place in places]


def _header(path: Path, source: Iterator[Line], delimiter: str, required: Sequence[str]) -> list[str]:
    line = next((line for line in source if line.reason or line.text.strip()), None)
    if line is None:
        raise RecsysError(f"{path} is empty: its first line must name the columns, {', '.join(required)} at least.")
    if line.reason:
        raise RecsysError(f"{path} cannot be read, {line.reason}.")
    if "\r" in line.text and not line.text.endswith("\n"):
        raise RecsysError(f"{path} ends its lines as old Macs did (\\r alone): save it with \\n or \\r\\n.")
    names = _split(line.text, delimiter)
    if names is None:
        raise RecsysError(f"{path}: the first line must name the columns, but in it {BAD_QUOTES}.")
    other = next((mark for mark in NAMES if mark != delimiter and mark in names[0]), None)
    if len(names) == 1 and other and names[0] not in required:
        raise RecsysError(f"{path} has {NAMES[other]} between its columns: expected are {NAMES[delimiter]}.")
    return names


def _rows(source: Iterator[Line], delimiter: str, width: int) -> Iterator[Row]:
    """The rows below the header; one that is broken is given up alone, and the line behind it begins the next."""
    ahead = deque[Line]()
    while (line := ahead.popleft() if ahead else next(source, None)) is not None:
        if line.reason is None and not line.text.strip("\r\n"):
            continue
        fields = line.reason or _fields(line, ahead, source, delimiter, width)
        yield line.number, len(fields) if isinstance(fields, str) else sum(map(len, fields)), fields


def _fields(line: Line, ahead: deque[Line], source: Iterator[Line], delimiter: str, width: int) -> list[str] | str:
    fields = _split(line.text, delimiter)
    if fields is None:
        if line.text.count('"') % 2 == 0:
            return BAD_QUOTES
        return _continued(line, ahead, source, delimiter, width)
    if len(fields) == width:
        return fields
    return f"the row has {'fewer' if len(fields) < width else 'more'} fields than the first line has names"


def _continued(line: Line, ahead: deque[Line], source: Iterator[Line], delimiter: str, width: int) -> list[str] | str:
    """The fields of a row that goes on behind the end of a line; what was read ahead in vain stays in ``ahead``."""
    parts, size = [line.text], len(line.text)
    while len(parts) < MOST_LINES and size < LONGEST:
        if len(ahead) < len(parts):
            following = next(source, None)
            if following is None:
                break
            ahead.append(following)
        following = ahead[len(parts) - 1]
        if following.reason:
            break
        parts.append(following.text)
        size += len(following.text)
        if following.text.count('"') % 2:
            fields = _split("".join(parts), delimiter)
            if fields is None or len(fields) != width:
                break
            for _ in parts[1:]:
                ahead.popleft()
            return fields
    return UNCLOSED


def _split(text: str, delimiter: str) -> list[str] | None:
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error:
        return None
