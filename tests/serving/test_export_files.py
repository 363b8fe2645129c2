"""Exported files: whole or not there, the same log once more when they are imported, and true vectors."""

import json
import tracemalloc
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

import made_world
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_world import DELETED, END, NOW
from serving_site import Site

from recsys.columns import Ints
from recsys.database import articles, events, logins, merges, readout, vectors
from recsys.database.session import Sessions, open_sessions, upgrade, writing
from recsys.domain import Article, Click, Impression, NotReadyError, RecsysError
from recsys.ingest import table
from recsys.ingest.importer import import_path
from recsys.serving.export import (
    ARTICLES,
    CLICKS,
    IMPRESSIONS,
    export_articles,
    export_clicks,
    export_impressions,
    export_vectors,
    export_view,
)
from recsys.serving.export_file import Rows, write_rows

ENDINGS = ("parquet", "jsonl")
NUMBERS = pa.schema({"number": pa.int64()})


def quietly(_done: int, _total: int) -> None:
    """Progress that nobody looks at."""


def rows_of(path: Path) -> Rows:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()  # type: ignore[no-any-return]
    return [json.loads(line) for line in path.read_text().splitlines()]


def everything(sessions: Sessions) -> tuple[list[Article], list[Impression], list[Click]]:
    """The catalogue and the log; clicks of one chunk are written told ones last, so their order is not the file's."""
    with sessions() as session:
        catalogue = [article for batch in readout.read_articles(session) for article in batch]
        shown = [impression for batch in readout.read_impressions(session) for impression in batch]
        clicks = [click for batch in readout.read_clicks(session) for click in batch]
    return catalogue, shown, sorted(clicks, key=attrgetter("event_id"))


@pytest.fixture
def odd(site: Site) -> Site:
    """The made world, and what is harder to write down."""
    text = 'Zeilen\nund "Zitate", \t 🎈 \u202eעברית\u202c \\ '
    site.publish(
        Article("öd/ät", text, text, text * 50, "a, b", text, "de-AT", "https://example.org/?a=1&b=ü", "http://x.org/p.jpg",
                END + 0.1, END + 1e6 / 3, premium=True, length=0),
        Article("few words", premium=False),
        encoded=False,
    )  # fmt: skip
    shown = Impression("odd list", 'reader, "one"\n🎈', END + 1 / 3, ("öd/ät", "nobody told"), known_at=END + 2 / 3)
    read = Click(
        "odd click", shown.user_id, "öd/ät", END + 0.123456, "odd list", END + 1.7, dwell_seconds=1 / 3, weight=0.25
    )
    with writing(site.sessions) as session:
        events.add_impressions(session, [shown])
        events.add_clicks(session, [read, Click("lone", "u01", "a01", END, "a list that nobody knows")])
    return site


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Sessions]:
    settings = made_world.plain_settings(tmp_path / "empty")
    upgrade(settings)
    opened = open_sessions(settings)
    yield opened
    opened.kw["bind"].dispose()


def export_log(sessions: Sessions, folder: Path, ending: str) -> tuple[int, int, int]:
    return (
        export_articles(sessions, folder / f"articles.{ending}", quietly),
        export_impressions(sessions, folder / f"impressions.{ending}", quietly),
        export_clicks(sessions, folder / f"clicks.{ending}", quietly),
    )


class TestLog:
    @pytest.mark.parametrize("ending", ENDINGS)
    def test_an_import_of_what_was_exported_gives_the_same_log(
        self, odd: Site, empty: Sessions, tmp_path: Path, ending: str
    ) -> None:
        written = export_log(odd.sessions, tmp_path / "files", ending)
        report = import_path(empty, "table", tmp_path / "files")
        assert (report.articles, report.impressions, report.clicks) == written
        assert report.refused == {}
        before, after = everything(odd.sessions), everything(empty)
        assert [len(part) for part in before] == list(written)
        for found, expected in zip(after, before, strict=True):
            assert found == expected
        assert {"öd/ät", "few words", "nobody told", DELETED} <= {article.article_id for article in after[0]}
        assert any(click.backfilled for click in after[2])

    def test_both_formats_hold_the_same(self, odd: Site, tmp_path: Path) -> None:
        for ending in ENDINGS:
            export_log(odd.sessions, tmp_path, ending)
        for name, schema in (("articles", ARTICLES), ("impressions", IMPRESSIONS), ("clicks", CLICKS)):
            parquet, lines = (rows_of(tmp_path / f"{name}.{ending}") for ending in ENDINGS)
            assert parquet == lines
            assert list(lines[0]) == schema.names

    def test_columns_are_those_that_an_import_reads(self) -> None:
        for name, schema in (("articles", ARTICLES), ("impressions", IMPRESSIONS), ("clicks", CLICKS)):
            columns = table.TABLES[name]
            assert set(schema.names) == {*columns.required, *columns.optional}

    def test_what_was_withdrawn_is_told_as_gone_and_no_more(self, site: Site, empty: Sessions, tmp_path: Path) -> None:
        export_log(site.sessions, tmp_path, "parquet")
        (row,) = [row for row in rows_of(tmp_path / "articles.parquet") if row["article_id"] == DELETED]
        told = {name: value for name, value in row.items() if value is not None}
        assert told == {"article_id": DELETED, "expires_at": END - made_world.HOUR}
        import_path(empty, "table", tmp_path)
        with empty() as session:
            assert articles.load_catalogue(session).expires_at[articles.keys_of(session, [DELETED])[DELETED]] < NOW

    def test_merged_articles_and_readers_stand_as_what_they_are_today(
        self, site: Site, empty: Sessions, tmp_path: Path
    ) -> None:
        site.show("anonymous", ["a78", "a77", "a79"], NOW - 50)
        site.click("anonymous", "a78", NOW - 40)
        with writing(site.sessions) as session:
            merges.merge(session, "a78", "a79", NOW - 30)
            logins.merge(session, "anonymous", "u01")
        export_log(site.sessions, tmp_path, "parquet")
        newest = rows_of(tmp_path / "impressions.parquet")[-1]
        assert (newest["user_id"], newest["items"]) == ("u01", ["a79", "a77"])
        clicks = [row for row in rows_of(tmp_path / "clicks.parquet") if row["at"] == NOW - 40]
        assert [(row["user_id"], row["article_id"]) for row in clicks] == [("u01", "a79")]
        assert import_path(empty, "table", tmp_path).refused == {}

    def test_an_empty_database(self, empty: Sessions, tmp_path: Path) -> None:
        for ending in ENDINGS:
            assert export_log(empty, tmp_path, ending) == (0, 0, 0)
            assert rows_of(tmp_path / f"clicks.{ending}") == []
        assert pq.read_schema(tmp_path / "clicks.parquet").names == CLICKS.names

    def test_progress_is_told(self, site: Site, tmp_path: Path) -> None:
        told: list[tuple[int, int]] = []
        rows = export_clicks(site.sessions, tmp_path / "clicks.jsonl", lambda *counts: told.append(counts))
        assert told[-1] == (rows, rows)

    def test_memory_does_not_grow_with_the_log(self, sessions: Sessions) -> None:
        shown = [Impression(f"i{n}", f"u{n % 50}", float(n), ("a", "b", "c", "d", "e", "f")) for n in range(6000)]
        with writing(sessions) as session:
            events.add_impressions(session, shown)
        with sessions() as session:
            next(readout.read_impressions(session, 100))  # what is imported and compiled at first
        with sessions() as session:
            tracemalloc.start()
            counted = sum(len(batch) for batch in readout.read_impressions(session, 100))
            flat = tracemalloc.get_traced_memory()[1]
            tracemalloc.reset_peak()
            held = list(readout.read_impressions(session, 100))
            whole = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert counted == sum(len(batch) for batch in held) == len(shown)
        assert flat < whole / 5


class TestFile:
    @pytest.mark.parametrize("ending", ENDINGS)
    @pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
    def test_an_interruption_leaves_what_was_there(
        self, tmp_path: Path, ending: str, failure: type[BaseException]
    ) -> None:
        path = tmp_path / f"numbers.{ending}"
        write_rows(path, NUMBERS, [[{"number": 1}]])

        def interrupted() -> Iterator[Rows]:
            yield [{"number": 2}]
            raise failure

        with pytest.raises(failure):
            write_rows(path, NUMBERS, interrupted())
        assert rows_of(path) == [{"number": 1}]
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_it_is_not_there_before_it_is_whole(self, tmp_path: Path, ending: str) -> None:
        path = tmp_path / "new" / "folder" / f"numbers.{ending}"

        def watched() -> Iterator[Rows]:
            for number in range(3):
                assert not path.exists()
                yield [{"number": number}]

        assert write_rows(path, NUMBERS, watched()) == 3
        assert rows_of(path) == [{"number": 0}, {"number": 1}, {"number": 2}]
        assert list(path.parent.iterdir()) == [path]

    @pytest.mark.parametrize("name", ["rows.csv", "rows", "rows.parquet.zip", "parquet"])
    def test_another_ending_is_refused_before_anything_is_read(self, tmp_path: Path, name: str) -> None:
        asked = iter([[{"number": 1}]])
        with pytest.raises(RecsysError, match=r"neither \.parquet nor \.jsonl"):
            write_rows(tmp_path / name, NUMBERS, asked)
        assert len(list(asked)) == 1
        assert list(tmp_path.iterdir()) == []

    def test_where_nothing_can_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("not a folder")
        with pytest.raises(RecsysError, match="cannot be written"):
            write_rows(tmp_path / "file" / "rows.jsonl", NUMBERS, [[{"number": 1}]])
        (tmp_path / "rows.parquet").mkdir()
        with pytest.raises(RecsysError, match="cannot be written"):
            write_rows(tmp_path / "rows.parquet", NUMBERS, [[{"number": 1}]])
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "rows.parquet"]


class TestVectors:
    @pytest.mark.parametrize("ending", ENDINGS)
    def test_they_are_those_of_the_encoders(self, site: Site, tmp_path: Path, ending: str) -> None:
        path = tmp_path / f"vectors.{ending}"
        count = export_vectors(site.sessions, path, quietly)
        rows = rows_of(path)
        assert len(rows) == count
        for modality, encoder in site.encoders.items():
            mine = [row for row in rows if row["modality"] == modality]
            assert {row["encoder_id"] for row in mine} == {encoder}
            stored, present = self.stored(site, modality, [row["article_id"] for row in mine])
            assert present.all()
            np.testing.assert_array_equal(np.array([row["vector"] for row in mine], np.float32), stored)
        ids = [(row["article_id"], row["modality"]) for row in rows]
        assert len(set(ids)) == len(ids)
        assert {("a01", "title"), ("a01", "image"), ("a10", "title")} <= set(ids)
        assert not {("a10", "image"), (made_world.BARE, "title"), (DELETED, "title")} & set(ids)

    def stored(self, site: Site, modality: str, article_ids: list[str]) -> tuple[np.ndarray, np.ndarray]:
        with site.sessions() as session:
            known = articles.keys_of(session, article_ids)
            keys: Ints = np.array([known[article_id] for article_id in article_ids], np.int64)
            return vectors.load_vectors(session, modality, site.encoders[modality], made_world.DIMS[modality], keys)

    @pytest.mark.parametrize("view", ["fused", "content"])
    def test_a_view_is_what_the_live_model_compares(self, site: Site, tmp_path: Path, view: str) -> None:
        live = site.live()
        assert live.model is not None
        count = export_view(live, view, tmp_path / "view.parquet", quietly)
        rows = rows_of(tmp_path / "view.parquet")
        assert len(rows) == count > 70
        assert {(row["modality"], row["encoder_id"]) for row in rows} == {(view, site.trained)}
        assert DELETED not in {row["article_id"] for row in rows}
        matrix = {row["article_id"]: np.array(row["vector"], np.float32) for row in rows}
        assert all(vector.any() for vector in matrix.values())
        nearest = site.recommender(live).similar("a60", "fused", 1)[0]
        if view == "fused":
            assert nearest.similarity == pytest.approx(float(matrix["a60"] @ matrix[nearest.article_id]), abs=1e-5)

    def test_a_view_needs_a_model(self, settings: object, sessions: Sessions, tmp_path: Path) -> None:
        from recsys.encoders import expected_ids
        from recsys.serving.live import Live

        live = Live(sessions, settings, expected_ids(settings))  # type: ignore[arg-type]
        with pytest.raises(NotReadyError, match="recsys train"):
            export_view(live, "fused", tmp_path / "view.parquet", quietly)
        assert list(tmp_path.glob("*.parquet")) == []
