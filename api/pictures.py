"""Pictures of articles: uploaded ones are kept as files named by their content, and given out again."""

import base64
import binascii
import hashlib
import re
from pathlib import Path

# Not SVG: a browser runs the scripts in it, and the encoders read no vectors.
SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/jpg": ".jpg",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/avif": ".avif",
    "image/bmp": ".bmp",
    "image/tiff": ".tiff",
}
MEDIA_TYPES = {suffix: kind for kind, suffix in reversed(SUFFIXES.items())} | {".jpeg": "image/jpeg"}
MOST_BYTES = 10 * 2**20
_DATA = re.compile(r"data:(?P<kind>[\w.+/-]+);base64,", re.IGNORECASE)


def checked(image: str) -> str:
    """The picture of a request as it was sent; ValueError for what cannot be taken, files of the server included."""
    if not _is_address(image):
        _decoded(image)
    return image


def stored(image: str, media: Path) -> str:
    """What the catalogue keeps of a checked picture: its address, or the path of the file it was saved in."""
    if _is_address(image):
        return image
    suffix, data = _decoded(image)
    path = media.absolute() / (hashlib.sha256(data).hexdigest() + suffix)
    if not path.exists():
        media.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(data)
        partial.replace(path)
    return str(path)


def shown(image: str | None) -> tuple[Path, str] | None:
    """File and media type of a picture that this server holds; None for an address, another file, or nothing."""
    if image is None or _is_address(image):
        return None
    path = Path(image)
    kind = MEDIA_TYPES.get(path.suffix.lower())
    return (path, kind) if kind and path.is_file() else None


def _is_address(image: str) -> bool:
    return image.lower().startswith(("http://", "https://"))


def _decoded(image: str) -> tuple[str, bytes]:
    found = _DATA.match(image)
    suffix = SUFFIXES.get(found["kind"].lower()) if found else None
    if found is None or suffix is None:
        kinds = ", ".join(sorted({kind.removeprefix("image/") for kind in SUFFIXES}))
        raise ValueError(f"a picture is an http(s) address, or data:image/png;base64,... (one of {kinds})")
    try:
        data = base64.b64decode(image[found.end() :], validate=True)
    except binascii.Error as error:
        raise ValueError(f"the picture is not valid base64: {error}") from error
    if not 0 < len(data) <= MOST_BYTES:
        raise ValueError(f"a picture has 1 to {MOST_BYTES:,} bytes, this one has {len(data):,}")
    return suffix, data
