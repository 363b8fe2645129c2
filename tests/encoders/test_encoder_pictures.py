"""Picture files of every kind and in every state: read, or counted as broken; never a crash, never a wait."""

import io
import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recsys.domain import Article
from recsys.encoders.fetched import Fetched
from recsys.encoders.image import ImageEncoder
from recsys.encoders.pictures import MAX_BYTES, BrokenPictureError, decode, local_file

GRADIENT = np.linspace(0, 255, 60 * 40).reshape(40, 60)
COLOURS = Image.fromarray(np.stack([GRADIENT, GRADIENT.T.reshape(40, 60), 255 - GRADIENT], axis=2).astype(np.uint8))


def saved(picture: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


READABLE = {
    "jpeg": saved(COLOURS, "JPEG"),
    "progressive": saved(COLOURS, "JPEG", progressive=True),
    "cmyk": saved(COLOURS.convert("CMYK"), "JPEG"),
    "grey": saved(COLOURS.convert("L"), "JPEG"),
    "png": saved(COLOURS, "PNG"),
    "palette": saved(COLOURS.convert("P"), "PNG", transparency=3),
    "one bit": saved(COLOURS.convert("1"), "PNG"),
    "16 bit": saved(Image.fromarray((GRADIENT * 257).astype(np.uint16)), "PNG"),
    "32 bit": saved(Image.fromarray(GRADIENT.astype(np.int32) * 1000), "TIFF"),
    "float": saved(Image.fromarray(GRADIENT.astype(np.float32) / 255), "TIFF"),
    "alpha": saved(COLOURS.convert("RGBA"), "PNG"),
    "grey alpha": saved(COLOURS.convert("LA"), "PNG"),
    "gif": saved(COLOURS, "GIF"),
    "animation": saved(COLOURS, "GIF", save_all=True, append_images=[COLOURS.rotate(90), COLOURS.rotate(180)]),
    "webp": saved(COLOURS, "WEBP"),
    "webp animation": saved(COLOURS, "WEBP", save_all=True, append_images=[COLOURS.rotate(180)]),
    "png animation": saved(COLOURS, "PNG", save_all=True, append_images=[COLOURS.rotate(180)]),
    "gif transparent": saved(COLOURS.convert("P"), "GIF", transparency=0),
    "palette alpha": saved(COLOURS.convert("P"), "PNG", transparency=bytes(range(256))),
    "cmyk tiff": saved(COLOURS.convert("CMYK"), "TIFF"),
    "lab": saved(Image.new("LAB", (40, 30), (120, 90, 160)), "TIFF"),
    "16 bit tiff": saved(Image.fromarray((GRADIENT * 257).astype(np.uint16)), "TIFF"),
    "one pixel jpeg": saved(COLOURS.resize((1, 1)), "JPEG"),
    "bmp": saved(COLOURS, "BMP"),
    "one pixel": saved(COLOURS.resize((1, 1)), "PNG"),
    "strip": saved(COLOURS.resize((3000, 1)), "PNG"),
    "column": saved(COLOURS.resize((1, 3000)), "JPEG"),
}


@pytest.mark.parametrize("kind", READABLE)
def test_every_kind_of_picture_is_read(kind: str) -> None:
    picture = decode(READABLE[kind])
    assert picture.mode == "RGB"
    assert max(picture.size) <= 4 * min(picture.size)


def test_all_kinds_are_encoded(tmp_path: Path, image_encoder: ImageEncoder) -> None:
    """Under wrong endings, since what is in a file decides."""
    articles = []
    for i, data in enumerate(READABLE.values()):
        path = tmp_path / f"{i}.{['jpg', 'png', 'gif', 'txt'][i % 4]}"
        path.write_bytes(data)
        articles.append(Article(str(i), image=str(path)))
    vectors, mask = image_encoder.encode(articles)
    assert mask.all()
    assert np.isfinite(vectors).all()


def test_sixteen_bits_keep_their_brightness() -> None:
    levels = np.asarray(decode(READABLE["16 bit"]))[:, :, 0]
    np.testing.assert_allclose(levels, GRADIENT, atol=1)


def test_an_animation_is_its_first_frame() -> None:
    first, still = np.asarray(decode(READABLE["animation"])), np.asarray(decode(READABLE["gif"]))
    assert np.abs(first.astype(float) - still).mean() < 2


def test_what_is_transparent_is_white() -> None:
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    assert decode(saved(clear, "PNG")).getpixel((4, 4)) == (255, 255, 255)


def test_a_photo_is_turned_as_its_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    assert decode(saved(COLOURS, "JPEG", exif=exif)).size == (40, 60)


def test_a_large_jpeg_is_decoded_small_and_looks_the_same(photos: dict[str, Path], image_encoder: ImageEncoder) -> None:
    with Image.open(photos["china"]) as picture:
        data = saved(picture.resize((2560, 1708), Image.Resampling.BICUBIC), "JPEG", quality=92)
    assert min(decode(data, 256).size) in range(512, 1024)
    small, whole = (decode(data, side).resize((384, 256), Image.Resampling.BICUBIC) for side in (256, 10_000))
    assert np.abs(np.asarray(small, dtype=float) - np.asarray(whole)).mean() < 1.5


def bomb() -> bytes:
    """A valid PNG of 400 million pixels in a few bytes: the header alone says so."""
    return READABLE["png"][:16] + (20_000).to_bytes(4, "big") * 2 + READABLE["png"][24:]


def gif_bomb() -> bytes:
    """A GIF that says it is 65,000 pixels wide and high."""
    return READABLE["gif"][:6] + (65_000).to_bytes(2, "little") * 2 + READABLE["gif"][10:]


def big() -> bytes:
    return saved(Image.new("1", (9_000, 9_000)), "PNG")


BROKEN = {
    "no bytes": b"",
    "text": b"<html>404</html>",
    "half a jpeg": READABLE["jpeg"][: len(READABLE["jpeg"]) // 2],
    "half a png": READABLE["png"][: len(READABLE["png"]) // 2],
    "a header alone": READABLE["png"][:30],
    "bomb": bomb(),
    "gif bomb": gif_bomb(),
    "half a gif": READABLE["gif"][: len(READABLE["gif"]) // 2],
    "half a webp": READABLE["webp"][: len(READABLE["webp"]) // 2],
    "81 million pixels": big(),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n",
    "not a number": saved(Image.fromarray(np.full((4, 4), np.nan, np.float32)), "TIFF"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_pictures_are_counted_and_masked(kind: str, tmp_path: Path, image_encoder: ImageEncoder) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(BROKEN[kind])
    article = Article("a", image=str(path))
    vectors, mask = image_encoder.encode([article])
    assert not mask.any()
    assert not vectors.any()
    assert image_encoder.status(article) == "broken"


def test_a_broken_picture_spoils_no_other(
    draw: Callable[[int], Path], tmp_path: Path, image_encoder: ImageEncoder
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(BROKEN["half a jpeg"])
    good = [Article(str(i), image=str(draw(i))) for i in range(10)]
    mixed = [item for article in good for item in (article, Article("b", image=str(broken)))]
    vectors, mask = image_encoder.encode(mixed)
    alone, _ = image_encoder.encode(good)
    assert mask.tolist() == [True, False] * 10
    cosines = (vectors[::2] * alone).sum(1) / np.linalg.norm(alone, axis=1) / np.linalg.norm(vectors[::2], axis=1)
    assert cosines.min() > 0.999


@pytest.mark.parametrize(
    "image", [None, "", "https://example.org/a.jpg", "HTTP://example.org/a.jpg", "/nowhere/a.jpg", "a\0b", "x" * 5000]
)
def test_what_is_not_there_is_missing(image: str | None, image_encoder: ImageEncoder) -> None:
    article = Article("a", image=image)
    assert image_encoder.status(article) == "missing"
    assert image_encoder.content_hash(article) is None
    assert local_file(image) is None


def test_a_picture_that_was_kept_is_found_where_its_folder_was_moved_to(tmp_path):
    today = tmp_path / "moved" / "media"
    today.mkdir(parents=True)
    (today / "1.png").write_bytes(b"")
    assert local_file("/home/of/before/media/1.png", today) == today / "1.png"
    assert local_file("/home/of/before/media/2.png", today) is None
    assert local_file("/somewhere/else/1.png", today) is None
    assert Fetched(tmp_path / "moved" / "fetched").file("/home/of/before/media/1.png") == today / "1.png"


def test_folders_pipes_and_huge_files_are_broken_at_once(tmp_path: Path, image_encoder: ImageEncoder) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "huge.png"):
        article = Article("a", image=str(path))
        assert image_encoder.status(article) == "broken"
        assert image_encoder.content_hash(article) is None
        assert not image_encoder.encode([article])[1].any()


def test_the_hash_is_that_of_the_bytes(tmp_path: Path, image_encoder: ImageEncoder) -> None:
    for name, data in (("a.png", READABLE["png"]), ("b.jpg", READABLE["png"]), ("c.png", BROKEN["half a png"])):
        (tmp_path / name).write_bytes(data)
    first, copy, broken = (
        image_encoder.content_hash(Article("x", image=str(tmp_path / n))) for n in ("a.png", "b.jpg", "c.png")
    )
    assert first == copy
    assert broken is not None
    assert broken != first


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "webp", "bmp", "float", "palette", "animation", "cmyk"])
@pytest.mark.filterwarnings("ignore")
def test_random_damage_never_crashes(kind: str) -> None:
    dice = random.Random(kind)
    for _ in range(60):
        data = bytearray(READABLE[kind])
        for _ in range(dice.choice([1, 3, 20])):
            data[dice.randrange(len(data))] = dice.randrange(256)
        try:
            assert decode(bytes(data[: dice.randrange(1, 2 * len(data))])).mode == "RGB"
        except BrokenPictureError as error:
            assert str(error)  # noqa: PT017
