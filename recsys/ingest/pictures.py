"""Pictures of tables and requests: a path or an address stays one, bytes become a file named by their content."""

import base64
import binascii
import hashlib
import os
import re
from pathlib import Path
from tempfile import NamedTemporaryFile

from recsys.domain import RecsysError, is_address

MOST_BYTES = 64 * 2**20
NO_BASE64 = "the picture is not valid base64"
TOO_LARGE = f"the picture has more than {MOST_BYTES >> 20} MB"
UNKNOWN = "the bytes of the picture are none of JPEG, PNG, GIF, WebP, AVIF, BMP or TIFF"  # not SVG: it can hold scripts
NOWHERE = "there is no media folder to keep the bytes of the picture in"
_DATA = re.compile(r"data:[\w.+/-]*(?:;[\w=.+-]+)*;base64,", re.IGNORECASE)
_BEGINNINGS = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG\r\n\x1a\n": ".png",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"II*\0": ".tiff",
    b"MM\0*": ".tiff",
}


def located(picture: str | bytes, folder: Path, media: Path | None) -> str:
    """What the catalogue keeps of a picture: its address, or the path of its file.

    Args:
        picture: a path (relative to ``folder``), an http(s) address, ``data:...;base64,...``, or the bytes themselves.
        media: the folder in which bytes are kept; writing the same bytes again changes nothing.

    Raises:
        ValueError: when bytes are not those of a picture, or cannot be kept, with the reason.
        RecsysError: when the media folder cannot be written.
    """
    if isinstance(picture, bytes):
        return _kept(picture, media)
    if is_inline(picture):
        return _kept(decoded(picture), media)
    return picture if is_address(picture) else str(folder / picture)


def is_inline(picture: str) -> bool:
    """Whether this is a ``data:`` URI, which holds the picture itself."""
    return picture[:5].lower() == "data:"


def decoded(picture: str) -> bytes:
    """The bytes of a picture in a ``data:`` URI; ValueError when they are not those of one that can be read."""
    found = _DATA.match(picture)
    try:
        data = base64.b64decode(picture[found.end() :], validate=True) if found else b""
    except binascii.Error as error:
        raise ValueError(NO_BASE64) from error
    _suffix(data)
    return data


def _kept(data: bytes, media: Path | None) -> str:
    suffix = _suffix(data)
    if media is None:
        raise ValueError(NOWHERE)
    path = media.absolute() / (hashlib.sha256(data).hexdigest() + suffix)
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(data, path)
    except OSError as error:
        raise RecsysError(f"A picture could not be kept in {media}: {error.strerror}.") from error
    return str(path)


def _write(data: bytes, path: Path) -> None:
    """Under a name of its own first: others may be writing the same picture, and a file is whole or not there."""
    with NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as partial:
        try:
            partial.write(data)
            partial.flush()
            os.fsync(partial.fileno())
            Path(partial.name).chmod(0o644)
            Path(partial.name).replace(path)
        except OSError:
            Path(partial.name).unlink(missing_ok=True)
            raise


def _suffix(data: bytes) -> str:
    """The ending of a file with these bytes, by how they begin; ValueError when they are no picture, or too many."""
    suffix = next((suffix for beginning, suffix in _BEGINNINGS.items() if data.startswith(beginning)), None)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        suffix = ".webp"
    if data[4:12] in (b"ftypavif", b"ftypavis"):
        suffix = ".avif"
    if suffix is None:
        raise ValueError(UNKNOWN)
    if len(data) > MOST_BYTES:
        raise ValueError(TOO_LARGE)
    return suffix
