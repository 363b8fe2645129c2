"""Pictures in plain tables: paths, addresses, data addresses and bytes."""

import base64
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_logs import bare, write_rows
from PIL import Image

from recsys.domain import Article, RecsysError
from recsys.ingest import pictures
from recsys.ingest.importer import import_path
from recsys.ingest.pictures import NOWHERE, UNKNOWN, located
from recsys.ingest.rows import Repair
from recsys.ingest.table import rows


def picture(kind: str) -> bytes:
    content = BytesIO()
    Image.new("RGB", (3, 2), "red").save(content, kind)
    return content.getvalue()


def data(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_bytes_become_a_file_named_by_their_content(tmp_path, kind):
    path = Path(located(picture(kind), tmp_path, tmp_path / "media"))
    assert path.parent == tmp_path / "media"
    assert path.read_bytes() == picture(kind)
    with Image.open(path) as opened:
        assert path.suffix in {e for e, name in Image.registered_extensions().items() if name == opened.format}
    assert located(data(picture(kind)), tmp_path, tmp_path / "media") == str(path)
    assert list((tmp_path / "media").iterdir()) == [path]


def test_addresses_and_paths(tmp_path):
    for address in ("https://example.org/1.png", "HTTP://example.org/1.png", "/media/1.png"):
        assert located(address, tmp_path, None) == address
    assert located("pictures/1.png", tmp_path, None) == str(tmp_path / "pictures" / "1.png")


@pytest.mark.parametrize(
    "bad",
    [b"", b"<svg/>", b"RIFF....WAVE", "data:image/png;base64,???", "data:image/svg+xml,<svg/>", "data:", data(b"")],
)
def test_bytes_that_are_no_picture(tmp_path, bad):
    with pytest.raises(ValueError, match="the picture"):
        located(bad, tmp_path, tmp_path / "media")
    assert not (tmp_path / "media").exists()


def test_a_folder_that_cannot_be_written_is_explained(tmp_path):
    (tmp_path / "media").write_text("a file")
    with pytest.raises(RecsysError, match="could not be kept"):
        located(picture("PNG"), tmp_path, tmp_path / "media")


def test_a_picture_that_is_too_large_is_told_as_that(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MOST_BYTES", 20)
    with pytest.raises(ValueError, match="more than"):
        located(picture("PNG"), tmp_path, tmp_path / "media")


def table(folder: Path, pictures: list[Any]) -> Path:
    content = pa.table({"article_id": [f"a{n}" for n in range(len(pictures))], "image": pa.array(pictures)})
    pq.write_table(content, folder / "articles.parquet")
    return folder


def test_a_table_of_bytes_gives_articles_with_files(tmp_path, sessions):
    folder = table(tmp_path, [picture("PNG"), None, b"broken", b""])
    report = import_path(sessions, "table", folder, media=tmp_path / "media", report=tmp_path / "told.jsonl")
    assert (report.articles, report.refused, report.repaired) == (4, {}, {f"a picture was left out: {UNKNOWN}": 1})
    assert '"row": 3, "outcome": "repaired"' in (tmp_path / "told.jsonl").read_text()
    images = [found.image for found in bare(rows(folder, media=tmp_path / "media")) if isinstance(found, Article)]
    assert images == [located(picture("PNG"), folder, tmp_path / "media"), None, None, None]


def test_the_same_pictures_in_two_formats_give_the_same_articles(tmp_path):
    found = []
    for name, image in (("parquet", picture("PNG")), ("csv", data(picture("PNG"))), ("jsonl", data(picture("PNG")))):
        write_rows(tmp_path / name / f"articles.{name}", [{"article_id": "a", "image": image}])
        found += bare(rows(tmp_path / name, media=tmp_path / "media"))
    assert len(set(found)) == 1


def test_without_a_media_folder_bytes_are_left_out(tmp_path):
    assert list(bare(rows(table(tmp_path, [picture("PNG")])))) == [
        Repair("articles.parquet", 1, f"a picture was left out: {NOWHERE}"),
        Article("a0"),
    ]


def test_one_picture_may_be_kept_by_many_at_once(tmp_path):
    picture = b"\x89PNG\r\n\x1a\n" + bytes(2**20)
    with ThreadPoolExecutor(8) as pool:
        kept = set(pool.map(lambda _: located(picture, tmp_path, tmp_path / "media"), range(32)))
    (path,) = kept
    assert Path(path).read_bytes() == picture
    assert [file.name for file in (tmp_path / "media").iterdir()] == [Path(path).name]
