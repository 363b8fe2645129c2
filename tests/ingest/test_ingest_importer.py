"""Writing records: windows of time, corrections, and what an import says about itself."""

from dataclasses import replace

import pytest
from made_logs import dump

from recsys.database import articles
from recsys.domain import Article, Click, Impression
from recsys.ingest.importer import NOT_IN_LIST, run_import
from recsys.ingest.validate import Refusal

SHOWN = Impression("i1", "ann", 10.0, ("a", "b"))
CLICK = Click("e1", "ann", "b", 11.0, "i1")


def test_a_click_on_what_the_list_did_not_hold_is_refused(sessions):
    stray = replace(CLICK, event_id="e2", article_id="z")
    report = run_import(sessions, [SHOWN, CLICK, stray])
    assert report.refused == {NOT_IN_LIST: 1}
    assert report.examples == {NOT_IN_LIST: "click 'e2'"}
    assert report.clicks == report.new["clicks"] == 1
    assert run_import(sessions, [replace(stray, article_id="b")]).clicks == 1


def test_a_click_whose_list_is_not_known_is_taken(sessions):
    assert run_import(sessions, [replace(CLICK, impression_id="elsewhere")]).new["clicks"] == 1


def test_a_list_is_stored_without_its_repeats(sessions):
    report = run_import(sessions, [replace(SHOWN, items=("b", "a", "b"))])
    assert report.repaired == {"an article stood more than once in a list": 1}
    assert dump(sessions)["impressions"][0][-1] == "b,a"


def test_the_window_is_of_when_events_became_known_and_articles_were_published(sessions):
    records = [
        Article("old", published_at=5.0),
        Article("undated"),
        Article("at the end", published_at=20.0),
        replace(SHOWN, impression_id="before", known_at=9.9, at=1.0),
        replace(SHOWN, impression_id="first", known_at=10.0, at=1.0),
        Click("last", "ann", "old", 1.0, known_at=19.9),
        Click("after", "ann", "old", 1.0, known_at=20.0),
    ]
    report = run_import(sessions, records, since=10.0, until=20.0)
    assert (report.articles, report.impressions, report.clicks, report.outside) == (2, 1, 1, 3)
    found = dump(sessions)
    assert [row[0] for row in found["impressions"] + found["clicks"]] == ["first", "last"]


def test_refused_rows_are_counted_and_the_first_is_named(sessions):
    records = [Refusal("x.parquet", 3, "bad"), Refusal("x.parquet", 9, "bad"), Article(""), Article("ok")]
    report = run_import(sessions, records)
    assert report.refused == {"bad": 2, "article_id is not 1 to 128 characters": 1}
    assert report.examples == {"bad": "x.parquet, row 3", "article_id is not 1 to 128 characters": "article ''"}


def test_new_counts_changed_articles_and_unknown_ones_are_those_without_content(sessions):
    assert run_import(sessions, [Article("a", "T"), SHOWN]).unknown_articles == 1
    report = run_import(sessions, [Article("a", "Other"), Article("b", "B"), Article("b", "B")])
    assert report.articles == 3
    assert report.new["articles"] == 2
    assert report.unknown_articles == 0
    with sessions() as session:
        assert articles.get_article(session, "a") == Article("a", "Other")


def test_a_reader_that_fails_leaves_whole_chunks(sessions, monkeypatch):
    monkeypatch.setattr("recsys.ingest.importer.CHUNK", 2)

    def failing():
        yield from (Article("a"), SHOWN, CLICK)
        raise OSError

    with pytest.raises(OSError):
        run_import(sessions, failing())
    assert [len(rows) for rows in dump(sessions).values()] == [2, 1, 0]
