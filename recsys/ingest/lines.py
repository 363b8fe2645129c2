"""Text files line by line, compressed or not; a line that is not text is named, not raised."""

import gzip
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from recsys.domain import RecsysError

LONGEST = 2**25  # bytes of a line: a picture of 20 MB written into it
TOO_LONG = f"the line is longer than {LONGEST >> 20} MB"
NOT_UTF8 = "the line is not UTF-8 text: save the file as UTF-8"
UTF8_MARK, UTF16_MARKS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")


class Line(NamedTuple):
    """A line, its end included, counted from 1; or why it cannot be read."""

    number: int
    text: str
    reason: str | None = None


def lines(path: Path) -> Iterator[Line]:
    """Stream the lines of a file in UTF-8, with or without a byte order mark; ``.gz`` is unpacked.

    Raises:
        RecsysError: when the file cannot be read, is UTF-16, or is not the packed file that its name says.
    """
    try:
        with _open(path) as file:
            number = 0
            while raw := file.readline(LONGEST):
                number += 1
                if number == 1:
                    raw = _without_mark(path, raw)
                torn = len(raw) == LONGEST and not raw.endswith(b"\n")
                yield _too_long(number, file) if torn else _line(number, raw)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RecsysError(f"{path} cannot be read to its end ({reason}): write or download it again.") from error


def _open(path: Path) -> gzip.GzipFile | BufferedReader:
    return gzip.GzipFile(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")


def _without_mark(path: Path, raw: bytes) -> bytes:
    if raw.startswith(UTF16_MARKS):
        raise RecsysError(f"{path} is UTF-16 text: save it as UTF-8.")
    return raw.removeprefix(UTF8_MARK)


def _line(number: int, raw: bytes) -> Line:
    try:
        return Line(number, raw.decode())
    except UnicodeDecodeError:
        return Line(number, "", NOT_UTF8)


def _too_long(number: int, file: gzip.GzipFile | BufferedReader) -> Line:
    while (rest := file.readline(LONGEST)) and not rest.endswith(b"\n"):
        pass
    return Line(number, "", TOO_LONG)
