"""Picture files -> upright RGB pictures of bounded size; whatever is wrong with a file, it is a BrokenPictureError."""

import stat
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

Levels = npt.NDArray[np.float64]
MAX_BYTES = 64 * 2**20
MAX_PIXELS = 64_000_000  # to decode at once: 192 MB; larger JPEG files are decoded at a half, a quarter or an eighth
MAX_ASPECT = (
    4  # of a longer strip only the middle is kept: resizing 1 x 60,000 pixels to 256 on the short side explodes
)
LEAST_AREA = 0.5  # of a picture that a view of it keeps
# Not EPS and its like, which run an interpreter on what is in the file.
_WANTED = ("AVIF", "BMP", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")
# What Pillow's decoders raise on files with random damage.
_DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    SyntaxError,
    EOFError,
    MemoryError,
    RuntimeError,
    struct.error,
    Image.DecompressionBombError,
)


class BrokenPictureError(Exception):
    """A picture that is there and cannot be read; says why."""


def local_file(image: str | None, media: Path | None = None) -> Path | None:
    """The file behind ``Article.image``; None for no picture, an http(s) address, or a path where nothing is.

    What was kept in a media folder that was moved since lies in ``media``, which is where it is today.
    """
    if not image or image.lower().startswith(("http://", "https://")):
        return None
    path = Path(image)
    try:
        if path.exists():
            return path
        moved = None if media is None or path.parent.name != media.name else media / path.name
        return moved if moved is not None and moved.exists() else None
    except (OSError, ValueError):  # a name too long for the file system, or with a NUL in it
        return None


def read_bytes(path: Path) -> bytes:
    """The bytes of a picture file; BrokenPictureError for a folder, a device, an unreadable, empty or huge file."""
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):  # opening a pipe would wait for ever
            raise BrokenPictureError(f"{path} is not a file")
        if not 0 < info.st_size <= MAX_BYTES:
            raise BrokenPictureError(f"{path} has {info.st_size} bytes")
        return path.read_bytes()
    except OSError as error:
        raise BrokenPictureError(str(error)) from error


def decode(data: bytes, side: int = 256) -> Image.Image:
    """The picture (of an animation the first frame) in RGB, upright, on white where it is transparent.

    A large JPEG is decoded at a fraction of its size, but with at least twice ``side`` pixels on its short side, so
    that resizing to ``side`` still has the detail it averages. Raises BrokenPictureError.
    """
    formats = _formats()
    try:
        with Image.open(BytesIO(data), formats=formats) as image:
            image.draft("RGB", (2 * side, 2 * side))
            if image.width * image.height > MAX_PIXELS:
                raise BrokenPictureError(f"{image.width} x {image.height} pixels are too many")
            return to_rgb(_middle(_upright(image)))
    except _DAMAGE as error:
        raise BrokenPictureError(f"{type(error).__name__}: {error}") from error


def check_head(data: bytes) -> None:
    """BrokenPictureError unless this begins like a picture that could be decoded; its pixels are not looked at."""
    try:
        with Image.open(BytesIO(data), formats=_formats()) as image:
            width, height = image.size
    except _DAMAGE as error:
        raise BrokenPictureError(f"no picture: {type(error).__name__}") from error
    if width * height > MAX_PIXELS and image.format not in ("JPEG", "MPO"):  # those are decoded at a fraction
        raise BrokenPictureError(f"{width} x {height} pixels are too many")


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Without Pillow's warnings on doubtful files, of which a catalogue has thousands: what is broken is counted."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\b")
        yield


def _formats() -> list[str]:
    Image.init()
    return [name for name in _WANTED if name in Image.OPEN]  # Pillow can be built without some


def _upright(image: Image.Image) -> Image.Image:
    """The decoded picture, turned as its EXIF says."""
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except _DAMAGE:  # unreadable EXIF says nothing; the pixels are fine
        return image


def _middle(image: Image.Image) -> Image.Image:
    """The middle of a long strip, at most 4 times as long as wide; other pictures as they are."""
    width, height = image.size
    longest = MAX_ASPECT * min(width, height)
    if max(width, height) <= longest:
        return image
    left, top = max(0, (width - longest) // 2), max(0, (height - longest) // 2)
    return image.crop((left, top, left + min(width, longest), top + min(height, longest)))


def varied(picture: Image.Image, chance: np.random.Generator) -> Image.Image:
    """A part of a picture in its own proportions, with at least half of its area, every other time in the mirror."""
    share = np.sqrt(chance.uniform(LEAST_AREA, 1.0))
    width, height = (max(1, round(side * share)) for side in picture.size)
    left, top = (
        int(chance.integers(whole - part + 1)) for whole, part in zip(picture.size, (width, height), strict=True)
    )
    part = picture.crop((left, top, left + width, top + height))
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if chance.random() < 0.5 else part


def to_rgb(image: Image.Image) -> Image.Image:
    """RGB of any of Pillow's modes."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16"):
        return _from_grey(np.asarray(image) / 257.0)
    if image.mode in ("I", "F"):
        return _from_grey(_stretched(np.asarray(image, dtype=np.float64)))
    if image.has_transparency_data:
        opaque = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(opaque, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _from_grey(levels: Levels) -> Image.Image:
    return Image.fromarray(levels.round().astype(np.uint8)).convert("RGB")


def _stretched(levels: Levels) -> Levels:
    """Darkest to 0 and lightest to 255: pictures of such numbers have no white of their own. ValueError for NaN."""
    lowest, highest = float(levels.min()), float(levels.max())
    if not np.isfinite(highest - lowest):
        raise ValueError("the levels are not all finite")
    return (levels - lowest) * (255.0 / ((highest - lowest) or 1.0))
