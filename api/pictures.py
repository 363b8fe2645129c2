"""Pictures of articles over HTTP: which may be sent, and which this server gives out."""

from pathlib import Path

from recsys.domain import is_address
from recsys.encoders.pictures import local_file
from recsys.ingest.pictures import decoded, is_inline

MOST_BYTES = 10 * 2**20
MEDIA_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".tiff": "image/tiff",
}


def checked(image: str) -> str:
    """The picture of a request as it was sent; ValueError for what cannot be taken, files of the server included."""
    if is_address(image):
        return image
    if not is_inline(image):
        raise ValueError("a picture is an http(s) address, or data:image/png;base64,...")
    size = len(decoded(image))
    if size > MOST_BYTES:
        raise ValueError(f"a picture has at most {MOST_BYTES:,} bytes, this one has {size:,}")
    return image


def shown(image: str | None, media: Path) -> tuple[Path, str] | None:
    """File and media type of a picture that this server holds; None for an address, another file, or nothing."""
    path = local_file(image, media)
    kind = None if path is None else MEDIA_TYPES.get(path.suffix.lower())
    return (path, kind) if path is not None and kind and path.is_file() else None
