"""Plain tables as CSV, TSV and JSON Lines: what is understood, and what is said of files that are not as expected."""

import gzip
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_logs import WEEK, bare, dump, write_records, write_rows

from recsys.domain import Article, Click, Context, Impression, RecsysError
from recsys.ingest import delimited, lines
from recsys.ingest.delimited import BAD_QUOTES, UNCLOSED
from recsys.ingest.importer import import_path
from recsys.ingest.jsonlines import NOT_AN_OBJECT, NOT_JSON
from recsys.ingest.lines import NOT_UTF8, TOO_LONG
from recsys.ingest.rows import Refusal
from recsys.ingest.table import rows

ENDINGS = [".parquet", ".csv", ".tsv", ".jsonl"]
FEWER = "the row has fewer fields than the first line has names"
MORE = "the row has more fields than the first line has names"
TEXTS = {
    "empty": "",
    "long": "ä" * 10_000,
    "emoji": "👩🏽‍🚀 lands 🚀",
    "right to left": "\u202bשלום, עולם\u202c, مرحبا",
    "controls": "bell \x07, escape \x1b[31m, tab \t, vertical \x0b\x0c, next line \x85\u2028",
    "breaks": 'one\ntwo\r\nthree\rfour, "five""',
    "spaces": "  around  ",
    "formula": '=HYPERLINK("x")',
    "json": '["a"]',
    "null": "null",
}


def read(folder: Path, **options: Any) -> Any:
    return list(bare(rows(folder, **options)))


def articles(folder: Path, content: bytes, name: str = "articles.csv") -> Any:
    (folder / name).write_bytes(content)
    return read(folder)


@pytest.mark.parametrize("ending", ENDINGS)
def test_titles_come_back_as_they_were(tmp_path, sessions, ending):
    records = [Article(name, text or None, summary=text or None) for name, text in TEXTS.items()]
    write_records(tmp_path, records, ending)
    report = import_path(sessions, "table", tmp_path)
    assert (report.refused, report.articles) == ({}, len(TEXTS))
    assert {row[0]: row[1] for row in dump(sessions)["articles"]} == {n: text or None for n, text in TEXTS.items()}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_zero_character_is_refused(tmp_path, sessions, ending):
    write_records(tmp_path, [Article("a", "zero \0 inside"), Article("b", "fine")], ending)
    report = import_path(sessions, "table", tmp_path)
    assert report.refused == {"a text of the article holds a character that cannot be stored": 1}
    assert report.articles == 1


@pytest.mark.parametrize("ending", ENDINGS)
def test_records_of_all_columns_come_back(tmp_path, ending):
    article = Article(
        "a 1", "T", "S", "B", "sport", "Ann", "en", "https://example.org/1", "https://example.org/1.png", WEEK,
        WEEK + 5.25, premium=True, length=12,
    )  # fmt: skip
    context = Context("article", "c", "tablet", subscriber=True, placement="top")
    shown = Impression("i", "u", WEEK, ("a 1", "b"), context, WEEK + 1)
    click = Click("e", "u", "a 1", WEEK, "i", WEEK + 1.5, 4.5, 0.0, backfilled=True)
    write_records(tmp_path, [article, shown, click], ending)
    assert read(tmp_path) == [article, shown, click]


class TestCsv:
    def test_a_mark_at_the_beginning_and_ends_of_windows(self, tmp_path):
        content = b'\xef\xbb\xbfarticle_id,title\r\na,"one\r\ntwo"\r\n\r\nb,'
        assert articles(tmp_path, content) == [Article("a", "one\r\ntwo"), Article("b")]

    def test_rows_of_another_width_are_refused_by_line(self, tmp_path):
        found = articles(tmp_path, b"article_id,title\na\nb,B\nc,C,more\n")
        assert found == [Refusal("articles.csv", 2, FEWER), Refusal("articles.csv", 4, MORE), Article("b", "B")]

    def test_a_quote_within_a_word_is_only_a_quote(self, tmp_path):
        assert articles(tmp_path, b'article_id,title\na,a 5" disk\n') == [Article("a", 'a 5" disk')]

    @pytest.mark.parametrize(
        ("row", "reason"), [(b'x,"open', UNCLOSED), (b'x,"clo"sed', BAD_QUOTES), (b'"x"y,"z', UNCLOSED)]
    )
    def test_a_stray_quote_spoils_its_own_row_only(self, tmp_path, row, reason):
        found = articles(tmp_path, b"article_id,title\na,A\n" + row + b'\nb,B\nc,"C\nC"\nd,D\n')
        assert found == [
            Refusal("articles.csv", 3, reason), Article("a", "A"), Article("b", "B"), Article("c", "C\nC"),
            Article("d", "D"),
        ]  # fmt: skip

    def test_a_quote_that_is_never_closed_is_looked_for_in_a_bounded_stretch(self, tmp_path, monkeypatch):
        monkeypatch.setattr(delimited, "MOST_LINES", 3)
        found = articles(tmp_path, b'article_id,title\nx,"open\na,\nb,\nc,"\nd,\n')
        assert [entry.row for entry in found if isinstance(entry, Refusal)] == [2, 5]
        assert [entry.article_id for entry in found if isinstance(entry, Article)] == ["a", "b", "d"]

    def test_a_line_in_another_encoding_is_refused(self, tmp_path):
        found = articles(tmp_path, b"article_id,title\na,caf\xe9\nb,caf\xc3\xa9\n")
        assert found == [Refusal("articles.csv", 2, NOT_UTF8), Article("b", "café")]

    def test_a_line_beyond_the_limit_is_refused(self, tmp_path, monkeypatch):
        monkeypatch.setattr(lines, "LONGEST", 20)
        found = articles(tmp_path, b"article_id,title\na," + b"x" * 17 + b"\nb," + b"x" * 90 + b"\nc,C\n")
        assert found == [Refusal("articles.csv", 3, TOO_LONG), Article("a", "x" * 17), Article("c", "C")]

    def test_a_header_alone_is_an_empty_table(self, tmp_path):
        assert articles(tmp_path, b"article_id,title\n") == []

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "is empty: its first line must name the columns, article_id at least"),
            (b"\n\n", "is empty"),
            (b"article_id;title\na;A\n", "has semicolons between its columns: expected are commas"),
            (b"article_id\ttitle\n", "has tabs between its columns: expected are commas"),
            (b"id,title\n", "has no column article_id; it has id, title"),
            (b"article_id,title,title\n", "more than one column title"),
            (b'article_id,"title\n', "the first line must name the columns, but in it a quote is not closed"),
            ("article_id\na\n".encode("utf-16"), "is UTF-16 text: save it as UTF-8"),
            (b"article_id,caf\xe9\n", "cannot be read, the line is not UTF-8"),
            (b'article_id,title\ra,"A"\rb,"B"\r', "as old Macs did"),
        ],
    )
    def test_a_first_line_that_is_not_right_is_explained(self, tmp_path, content, message):
        with pytest.raises(RecsysError, match=message):
            articles(tmp_path, content)

    def test_columns_that_nobody_reads_are_told(self, tmp_path, caplog):
        with caplog.at_level(logging.WARNING):
            articles(tmp_path, b"article_id,headline\na,A\n")
            articles(tmp_path / "..", b'{"article_id": "a", "headline": "A"}', "articles.jsonl")
        assert caplog.text.count("these columns are not read: headline") == 2

    def test_tabs_separate_in_tsv(self, tmp_path):
        assert articles(tmp_path, b'article_id\ttitle\na\t"A\tB, C"\n', "articles.tsv") == [Article("a", "A\tB, C")]

    @given(table=st.lists(st.tuples(st.text(min_size=1), st.text()), min_size=1))
    def test_whatever_was_written_is_read_again(self, table, tmp_path_factory):
        folder = tmp_path_factory.mktemp("any")
        storable = [(i, t) for i, t in table if not any("\ud800" <= c <= "\udfff" for c in i + t)]
        write_rows(folder / "articles.csv", [{"article_id": i, "title": t} for i, t in storable])
        assert read(folder) == [Article(i, t or None) for i, t in storable]

    @given(torn=st.text(st.sampled_from('",a \x00\ufeffé[{'), max_size=30), place=st.integers(0, 4))
    def test_one_torn_line_spoils_no_other(self, torn, place, tmp_path_factory):
        good = [f"a{n},T{n}" for n in range(4)]
        content = "\n".join(["article_id,title", *good[:place], torn, *good[place:]])
        found = articles(tmp_path_factory.mktemp("torn"), content.encode())
        assert {(n, f"T{i}") for i, n in enumerate(("a0", "a1", "a2", "a3"))} <= {
            (entry.article_id, entry.title) for entry in found if isinstance(entry, Article)
        }
        assert len(found) == 4 + bool(torn)


class TestJsonLines:
    def test_lines_that_are_no_objects_are_refused_by_line(self, tmp_path):
        content = b'{"article_id": 5}\n{"article_id": \n\n[1]\n"a"\n' + b"[" * 100_000 + b'\n{"title": "A"}\n\xff\n'
        assert articles(tmp_path, content, "articles.jsonl") == [
            Refusal("articles.jsonl", 2, NOT_JSON),
            Refusal("articles.jsonl", 4, NOT_AN_OBJECT),
            Refusal("articles.jsonl", 5, NOT_AN_OBJECT),
            Refusal("articles.jsonl", 6, NOT_JSON),
            Refusal("articles.jsonl", 7, "article_id is missing"),
            Refusal("articles.jsonl", 8, NOT_UTF8),
            Article("5"),
        ]

    @pytest.mark.parametrize(
        ("column", "value", "wanted"),
        [
            ("title", "true", "a text"),
            ("title", '{"en": "A"}', "a text"),
            ("published_at", '"yesterday"', "a time"),
            ("published_at", "[5]", "a time"),
            ("premium", '"perhaps"', "true or false"),
            ("premium", "2", "true or false"),
            ("length", '"long"', "a number"),
            ("length", "1e999", "a number"),
        ],
    )
    def test_a_value_of_the_wrong_kind_is_refused(self, tmp_path, column, value, wanted):
        found = articles(tmp_path, f'{{"article_id": "a", "{column}": {value}}}'.encode(), "articles.jsonl")
        assert found == [Refusal("articles.jsonl", 1, f"{column} is not {wanted}")]

    def test_an_array_is_explained(self, tmp_path):
        with pytest.raises(RecsysError, match="one object in each line"):
            articles(tmp_path, b'[\n{"article_id": "a"}\n]', "articles.jsonl")

    def test_members_that_no_object_has_are_named_with_those_that_are_there(self, tmp_path):
        content = b'{"id": "a", "title": "A"}\n{"id": "b", "lead": "B"}\n'
        with pytest.raises(RecsysError, match="has no column article_id; it has id, title, lead"):
            articles(tmp_path, content, "articles.jsonl")

    def test_an_empty_file_is_an_empty_table(self, tmp_path):
        assert articles(tmp_path, b"\n", "articles.jsonl") == []


def test_a_packed_file_that_breaks_off_is_explained(tmp_path):
    packed = gzip.compress(b"article_id\n" + b"".join(b"%d\n" % (n * n) for n in range(9999)))
    for content in (packed[: len(packed) // 2], b"article_id\na\n", b""):
        with pytest.raises(RecsysError, match=r"cannot be read to its end|is empty"):
            articles(tmp_path, content, "articles.csv.gz")


def test_a_table_in_two_files_is_explained(tmp_path):
    for ending in (".csv", ".jsonl"):
        (tmp_path / f"articles{ending}").write_text("article_id\n")
    with pytest.raises(RecsysError, match=r"holds articles\.csv and articles\.jsonl: keep one file of articles"):
        read(tmp_path)


def test_a_file_instead_of_its_folder_is_explained(tmp_path):
    (tmp_path / "articles.csv").write_text("article_id\n")
    with pytest.raises(RecsysError, match="is not a folder with articles, impressions and clicks"):
        read(tmp_path / "articles.csv")


@pytest.mark.parametrize("mark", [",", ";", "|"])
def test_lists_that_are_cut_by_other_marks_are_told_once(tmp_path, caplog, mark):
    lists = "\n".join(f'i{n},ann,{n},"{mark.join(["a", "b"])}"' for n in range(3))
    (tmp_path / "impressions.csv").write_text(f"impression_id,user_id,at,items\ni,ann,1,a b\n{lists}\n")
    found = read(tmp_path)
    assert [shown.items for shown in found] == [("a", "b"), *[(f"a{mark}b",)] * 3]
    (told,) = caplog.messages
    assert f"row 3: items 'a{mark}b' is read as one article" in told
