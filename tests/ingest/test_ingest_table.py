"""The table format: what its columns mean, and what is said of files that are not as they should be."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_logs import WEEK, bare, stamp, write_parquet

from recsys.domain import Article, Click, Context, Impression, RecsysError
from recsys.ingest.importer import import_path
from recsys.ingest.rows import Refusal
from recsys.ingest.table import rows


def read(path: Path, **options: Any) -> Any:
    return bare(rows(path, **options))


def one(folder: Path, name: str, **row: Any) -> Any:
    """What one row of one table is read as."""
    write_parquet(folder / f"{name}.parquet", [row])
    (record,) = read(folder)
    return record


def click(folder: Path, **row: Any) -> Any:
    return one(folder, "clicks", **{"event_id": "e", "user_id": "u", "article_id": "a", "at": WEEK, **row})


def test_an_article_of_all_columns(tmp_path):
    row = {
        "article_id": "a1", "title": "T", "summary": "S", "body": "B", "section": "sport", "author": "Ann",
        "language": "en", "url": "https://example.org/1", "image": "pictures/1.png", "published_at": WEEK,
        "expires_at": WEEK + 5, "premium": True, "length": 12,
    }  # fmt: skip
    assert one(tmp_path, "articles", **row) == Article(**{**row, "image": str(tmp_path / "pictures" / "1.png")})


@pytest.mark.parametrize("image", ["https://example.org/1.png", "http://example.org/1.png", "/media/1.png", None])
def test_a_picture_that_is_not_in_the_folder(tmp_path, image):
    assert one(tmp_path, "articles", article_id="a", image=image).image == image


def test_an_article_of_an_id_alone(tmp_path):
    assert one(tmp_path, "articles", article_id=5, title="") == Article("5")


def test_an_impression_of_all_columns(tmp_path):
    row = {"impression_id": "i", "user_id": "u", "at": WEEK, "known_at": WEEK + 1, "items": ["a", "b"]}
    context = {"page": "article", "context_article": "c", "device": "tablet", "subscriber": True, "placement": "top"}
    expected = Impression("i", "u", WEEK, ("a", "b"), Context(**context), WEEK + 1)
    assert one(tmp_path, "impressions", **row, **context) == expected


def test_a_click_of_all_columns(tmp_path):
    row = {"impression_id": "i", "known_at": WEEK + 1, "dwell_seconds": 4.5, "weight": 0.0, "backfilled": True}
    assert click(tmp_path, **row) == Click("e", "u", "a", WEEK, **row)


def test_a_click_of_the_needed_columns(tmp_path):
    assert click(tmp_path, weight=None, dwell_seconds=float("nan")) == Click("e", "u", "a", WEEK, known_at=WEEK)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (WEEK, WEEK),
        (int(WEEK), WEEK),
        (Decimal("1684396800.25"), WEEK + 0.25),
        (stamp(WEEK), WEEK),
        (np.datetime64(int(WEEK * 1000) + 250, "ms"), WEEK + 0.25),
        (np.datetime64(int(WEEK), "s"), WEEK),
        (np.datetime64(int(WEEK) * 10**9, "ns"), WEEK),
        (datetime(2023, 5, 18, 8, tzinfo=UTC), WEEK),
        (date(2023, 5, 18), WEEK - 8 * 3600),
    ],
)
def test_times(tmp_path, value, expected):
    assert click(tmp_path, at=value).at == expected


def test_times_without_a_zone_are_in_the_one_that_is_named(tmp_path):
    rows = [{"event_id": "e", "user_id": "u", "article_id": "a", "at": stamp(WEEK), "known_at": WEEK}]
    write_parquet(tmp_path / "clicks.parquet", rows)
    (found,) = read(tmp_path, timezone="America/New_York")
    assert (found.at, found.known_at) == (WEEK + 4 * 3600, WEEK)


@pytest.mark.parametrize(
    ("clock", "offset"),
    [("2023-03-26T02:30:00", -1.5), ("2023-10-29T02:30:00", -2.0), ("2023-10-29T03:30:00", -1.0)],
    ids=["skipped", "twice", "once"],
)
def test_hours_that_a_zone_skips_or_repeats(tmp_path, clock, offset):
    rows = [{"event_id": "e", "user_id": "u", "article_id": "a", "at": np.datetime64(clock, "us")}]
    write_parquet(tmp_path / "clicks.parquet", rows)
    (found,) = read(tmp_path, timezone="Europe/Copenhagen")
    assert found.at == datetime.fromisoformat(clock + "+00:00").timestamp() + offset * 3600


@pytest.mark.parametrize("table_", ["articles", "impressions", "clicks"])
def test_any_one_file_is_enough_and_none_is_not(tmp_path, table_):
    with pytest.raises(RecsysError, match=r"holds none of articles, impressions and clicks as \.parquet, \.csv"):
        next(read(tmp_path))
    columns = {"article_id": "a", "impression_id": "i", "event_id": "e", "user_id": "u", "at": 5.0, "items": ["a"]}
    assert not isinstance(one(tmp_path, table_, **columns), Refusal)


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path):
    write_parquet(tmp_path / "clicks.parquet", [{"event_id": "e", "user": "u", "article_id": "a"}])
    with pytest.raises(
        RecsysError, match=r"clicks\.parquet has no column user_id, at; it has event_id, user, article_id"
    ):
        list(read(tmp_path))


def test_a_column_that_is_there_twice_is_explained(tmp_path):
    pq.write_table(
        pa.table([pa.array(["a"]), pa.array(["b"])], ["article_id", "article_id"]), tmp_path / "articles.parquet"
    )
    with pytest.raises(RecsysError, match="more than one column article_id"):
        list(read(tmp_path))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_a_file_that_is_not_parquet_is_explained(tmp_path, content):
    (tmp_path / "articles.parquet").write_bytes(content)
    with pytest.raises(RecsysError, match="is not a readable Parquet file"):
        list(read(tmp_path))


def test_a_file_that_breaks_off_gives_what_came_before(tmp_path):
    rows = [{"article_id": f"{n:06}", "title": f"{n * 7919:020}"} for n in range(9000)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "articles.parquet", row_group_size=3000, compression="gzip")
    meta = pq.read_metadata(tmp_path / "articles.parquet").row_group(2).column(1)
    with (tmp_path / "articles.parquet").open("r+b") as file:
        file.seek(meta.data_page_offset + 60)
        file.write(b"\xff" * 2000)
    records = read(tmp_path)
    assert [next(records).article_id for _ in range(3000)] == [f"{n:06}" for n in range(3000)]
    with pytest.raises(RecsysError, match="download it again"):
        list(records)


def test_ids_that_are_not_text_are_refused(tmp_path, sessions):
    columns = {"user_id": [b"\xff", b"ok"], "at": [1.0, 2.0], "event_id": ["e1", "e2"], "article_id": ["a", "b"]}
    pq.write_table(pa.table(columns), tmp_path / "clicks.parquet")
    report = import_path(sessions, "table", tmp_path)
    assert (report.refused, report.clicks) == ({"user_id is not a text": 1}, 1)
    assert report.examples == {"user_id is not a text": "clicks.parquet, row 1"}


def test_text_that_is_not_utf_8_is_refused_cell_by_cell(tmp_path):
    raw = pa.array([b"fine", b"\xff\xfe", None]).view(pa.string())
    pq.write_table(pa.table({"article_id": ["a", "b", "c"], "title": raw}), tmp_path / "articles.parquet")
    assert list(read(tmp_path)) == [
        Refusal("articles.parquet", 2, "title is not a text"),
        Article("a", "fine"),
        Article("c"),
    ]
