"""Writing records: windows of time, corrections, and what an import says about itself."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from made_logs import dump

from recsys.database import articles, merges
from recsys.database.session import writing
from recsys.domain import Article, Click, Context, Impression, RecsysError
from recsys.ingest.importer import FUTURE, run_import
from recsys.ingest.rows import Refusal
from recsys.ingest.tally import DETACHED
from recsys.ingest.writer import NOT_IN_LIST, OTHER_EVENT

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
    report = run_import(sessions, [SHOWN, CLICK, replace(CLICK, event_id="e2", impression_id="i1.0")])
    assert (report.new["clicks"], report.detached) == (2, 1)
    assert report.examples == {DETACHED: "click 'e2' names 'i1.0'"}
    assert run_import(sessions, [replace(CLICK, event_id="e3", impression_id=None)]).detached == 0


def test_a_log_that_names_a_merged_article_by_either_id_is_the_same_log(sessions):
    records = [Article("a"), Article("b"), Article("c"), SHOWN, CLICK]
    run_import(sessions, records)
    with writing(sessions) as session:
        merges.merge(session, "b", "c", 20.0)
    today = [replace(SHOWN, items=("a", "c")), replace(CLICK, article_id="c")]
    assert run_import(sessions, today).refused == {}
    assert run_import(sessions, [SHOWN, CLICK]).refused == {}
    late = replace(CLICK, event_id="e2", article_id="c", at=12.0, known_at=12.0)
    report = run_import(sessions, [late])
    assert (report.refused, report.new["clicks"]) == ({}, 1)


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


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [
        (CLICK, replace(CLICK, article_id="a"), False),
        (CLICK, replace(CLICK, at=12.0, known_at=12.0), False),
        (CLICK, replace(CLICK, weight=0.0), False),
        (CLICK, replace(CLICK, user_id="somebody else"), False),
        (CLICK, replace(CLICK, impression_id="another list"), False),
        (CLICK, replace(CLICK, dwell_seconds=9.0), True),
        (SHOWN, replace(SHOWN, items=("b", "a")), False),
        (SHOWN, replace(SHOWN, at=9.0, known_at=10.0), False),
        (SHOWN, replace(SHOWN, user_id="somebody else"), False),
        (SHOWN, replace(SHOWN, context=Context("front")), True),
    ],
)
@pytest.mark.parametrize("chunk", [1, 10])
def test_of_two_events_with_one_id_the_first_stays(sessions, monkeypatch, chunk, first, second, taken):
    monkeypatch.setattr("recsys.ingest.importer.CHUNK", chunk)
    report = run_import(sessions, [first, second])
    assert report.refused == ({} if taken else {OTHER_EVENT: 1})
    assert report.new["impressions"] + report.new["clicks"] == 1
    assert run_import(sessions, [first]).refused == {}


def test_of_two_articles_with_one_id_the_last_stays(sessions, monkeypatch):
    for chunk in (10, 1):
        monkeypatch.setattr("recsys.ingest.importer.CHUNK", chunk)
        assert run_import(sessions, [Article("a", "One"), Article("a", "Two")]).refused == {}
        assert [row[1] for row in dump(sessions)["articles"]] == ["Two"]


def test_events_may_be_out_of_order_and_of_one_time(sessions):
    events = [replace(CLICK, event_id=f"e{n}", at=float(11 + n % 3), known_at=float(11 + n % 3)) for n in range(9)]
    assert run_import(sessions, [*events, SHOWN]).new == {"articles": 0, "impressions": 1, "clicks": 9}


def test_an_event_of_the_future_is_refused_beyond_a_day(sessions):
    soon, far = time.time() + 3600, time.time() + 2 * 86_400
    report = run_import(
        sessions,
        [replace(CLICK, event_id=str(at), at=at, known_at=at) for at in (soon, far)] + [Article("a", published_at=far)],
    )
    assert (report.clicks, report.articles, report.refused) == (1, 1, {FUTURE: 1})


def test_a_report_that_cannot_be_written_is_explained_before_anything_is_read(sessions, tmp_path):
    with pytest.raises(RecsysError, match=r"The report .* cannot be written"):
        run_import(sessions, [SHOWN], report=tmp_path / "nowhere" / "told.csv")
    assert dump(sessions)["impressions"] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_full_disk_under_the_report_is_explained(sessions):
    with pytest.raises(RecsysError, match="No space left"):
        run_import(sessions, [SHOWN, Refusal("x", 1, "bad")], report=Path("/dev/full"))
    assert run_import(sessions, [SHOWN]).new["impressions"] == 1


def test_the_report_is_written_while_the_import_runs(sessions, tmp_path):
    def entries():
        yield Refusal("x.csv", 7, "bad")
        yield from (replace(CLICK, event_id=f"e{n}") for n in range(5000))
        assert json.loads((tmp_path / "told.jsonl").read_text())["row"] == 7

    run_import(sessions, entries(), report=tmp_path / "told.jsonl")


def test_the_report_of_bare_records_names_them(sessions, tmp_path):
    run_import(sessions, [Article("\ud800", "T")], report=tmp_path / "told.csv")
    assert "article '\\ud800'" in (tmp_path / "told.csv").read_text()


@pytest.mark.parametrize("name", ["told.csv", "told.jsonl"])
def test_a_report_replaces_an_earlier_report_and_nothing_else(sessions, tmp_path, name):
    told = tmp_path / name
    for reason in ("bad", "worse"):
        run_import(sessions, [Refusal("x", 1, reason)], report=told)
    assert "worse" in told.read_text()
    told.write_text("article_id,title\na,T\n")
    with pytest.raises(RecsysError, match="is no report: name another file"):
        run_import(sessions, [Article("a", "T")], report=told)
    assert told.read_text() == "article_id,title\na,T\n"
    assert dump(sessions)["articles"] == []


def test_an_import_does_not_bring_deleted_articles_back(sessions):
    run_import(sessions, [Article("a", "T"), Article("b", "B")])
    with writing(sessions) as session:
        articles.delete_article(session, "a", at=5.0)
    for title in ("T", "Another title"):
        report = run_import(sessions, [Article("a", title), Article("b", "B")])
        assert (report.new["articles"], report.deleted) == (0, 1)
    with sessions() as session:
        assert articles.get_article(session, "a") is None
        assert articles.get_article(session, "b") == Article("b", "B")


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
