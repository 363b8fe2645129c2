"""EB-NeRD: what each column means, and that a later week teaches nothing about an earlier one."""

import logging
import random
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from made_logs import DAY, WEEK, bare, behavior, dump, stamp, write_ebnerd, write_parquet, write_records, write_week
from sqlalchemy import select

from recsys.database import articles, stretches
from recsys.database.tables import UserRow
from recsys.domain import Article, Click, Context, Impression, RecsysError
from recsys.ingest.ebnerd import rows
from recsys.ingest.importer import import_path
from recsys.ingest.rows import Refusal


def read(path: Path, **options: Any) -> Any:
    return bare(rows(path, **options))


NEXT_WEEK = WEEK + 7 * DAY


def one_row(folder: Path, **columns: Any) -> list[Any]:
    """What is read of a week of one impression, made at the third minute of WEEK."""
    row = behavior(7, 3, WEEK + 180, [11, 12], [12], **columns)
    write_week(folder, [row], {3: [(WEEK - 60, 9)]})
    return list(read(folder))


def test_an_impression_and_its_click(tmp_path):
    impression, click = one_row(tmp_path)[1:]
    assert impression == Impression("7", "3", WEEK + 180, ("11", "12"), Context("front", None, "mobile", False))
    event_id = f"3:12:{int(WEEK) + 180}"
    assert click == Click(event_id, "3", "12", WEEK + 180, "7", known_at=WEEK + 200)


def test_an_article_page_names_the_article(tmp_path):
    context = one_row(tmp_path, article_id=5, device_type=1, is_subscriber=True)[1].context
    assert context == Context("article", "5", "desktop", True)


@pytest.mark.parametrize(("number", "device"), [(1, "desktop"), (2, "mobile"), (3, "tablet"), (4, None), (None, None)])
def test_devices(tmp_path, number, device):
    assert one_row(tmp_path, device_type=number)[1].context.device == device


@pytest.mark.parametrize("read_time", [None, float("nan"), -3.0, 0.0])
def test_a_click_without_a_read_time_is_known_at_once(tmp_path, read_time):
    click = one_row(tmp_path, read_time=read_time)[2]
    assert click.known_at == click.at == WEEK + 180
    assert click.dwell_seconds is None


@pytest.mark.parametrize(
    ("clicked", "next_read_time", "dwell"),
    [([12], 4.0, 4.0), ([12, 12], 4.0, 4.0), ([12], 0.0, 0.0), ([12], -1.0, None), ([11, 12], 4.0, None)],
)
def test_the_next_read_time_is_how_long_the_one_clicked_article_was_read(tmp_path, clicked, next_read_time, dwell):
    row = behavior(7, 3, WEEK + 180, [11, 12], clicked, next_read_time=next_read_time)
    write_week(tmp_path, [row], {3: [(WEEK - 60, 9)]})
    found = [record for record in read(tmp_path) if isinstance(record, Click) and not record.backfilled]
    assert {(click.dwell_seconds, click.known_at) for click in found} == {(dwell, WEEK + 200)}


def test_a_click_of_a_history_is_known_from_the_hour_in_which_the_week_begins(tmp_path):
    first = one_row(tmp_path)[0]
    expected = Click(f"3:9:{int(WEEK) - 60}", "3", "9", WEEK - 60, None, WEEK, 9.0, backfilled=True)
    assert first == expected


def test_a_gap_among_the_clicked_is_refused_and_the_rest_taken(tmp_path):
    write_week(tmp_path, [behavior(1, 1, WEEK, [5, 6], [None, 6])], {1: [(WEEK - 1, 7)]})
    assert list(read(tmp_path))[2:] == [
        Refusal(f"{tmp_path.name}/behaviors.parquet", 1, "article_ids_clicked has gaps"),
        Click(f"1:6:{int(WEEK)}", "1", "6", WEEK, "1", known_at=WEEK + 20),
    ]


def test_the_length_given_goes_before_the_body_counted(tmp_path):
    write_ebnerd(tmp_path)
    rows = [
        {"article_id": 1, "body": "abc", "article_length": 900},
        {"article_id": 2, "body": "abc"},
        {"article_id": 3},
    ]
    write_parquet(tmp_path / "articles.parquet", rows)
    assert [record.length for record in read(tmp_path) if isinstance(record, Article)] == [900, 3, None]


def test_a_history_that_reaches_into_its_week_is_refused(tmp_path, sessions):
    write_week(tmp_path, [behavior(1, 1, WEEK + 60, [5], [5])], {1: [(WEEK - 1, 5), (WEEK, 6), (WEEK + 30, 7)]})
    report = import_path(sessions, "ebnerd", tmp_path)
    assert report.refused == {"a click of the history is not before its week": 2}
    assert report.new["clicks"] == 2


def test_an_article_has_its_content_and_nothing_that_peeks(tmp_path):
    write_ebnerd(tmp_path)
    (tmp_path / "images").mkdir()
    for name in ("3.jpg", "1005.jpg"):
        (tmp_path / "images" / name).write_bytes(b"")
    found = {record.article_id: record for record in read(tmp_path) if isinstance(record, Article)}
    assert found["1003"] == Article(
        "1003", "Nyhed 3", "Mere om 3", "Brødtekst " * 3, "krimi", None, "da", "https://example.org/3",
        str(tmp_path / "images" / "3.jpg"), WEEK - 3 * 3600, None, False, 30,
    )  # fmt: skip
    assert found["1005"].image == str(tmp_path / "images" / "1005.jpg")
    assert found["1004"].image is None


def test_ids_in_a_column_with_gaps_are_digits_all_the_same(tmp_path):
    write_ebnerd(tmp_path)
    file = tmp_path / "train" / "behaviors.parquet"
    pq.read_table(file).to_pandas().to_parquet(file)  # pandas makes floats of article_id
    assert pq.read_schema(file).field("article_id").type == "double"
    pages = {record.context.context_article for record in read(tmp_path) if isinstance(record, Impression)}
    assert "1003" in pages


def test_times_are_in_the_zone_that_is_named(tmp_path):
    write_ebnerd(tmp_path)
    utc = [record for record in read(tmp_path) if isinstance(record, Click)]
    local = [record for record in read(tmp_path, timezone="Europe/Copenhagen") if isinstance(record, Click)]
    assert {a.at - b.at for a, b in zip(utc, local, strict=True)} == {7200.0}
    with pytest.raises(RecsysError, match="no time zone 'Mars/Base'"):
        next(read(tmp_path, timezone="Mars/Base"))


def test_a_week_alone_finds_the_catalogue_above_it(tmp_path, sessions):
    write_ebnerd(tmp_path)
    assert import_path(sessions, "ebnerd", tmp_path / "train").articles == 40


def test_shown_articles_without_a_catalogue_row_are_known_ids(tmp_path, sessions, caplog):
    write_week(tmp_path / "week", [behavior(1, 1, WEEK, [5, 6], [5], article_id=4)], {1: [(WEEK - 1, 7)]})
    with caplog.at_level(logging.WARNING):
        report = import_path(sessions, "ebnerd", tmp_path / "week")
    assert "known ids without content" in caplog.text
    assert report.unknown_articles == 4
    with sessions() as session:
        assert articles.get_article(session, "6") == Article("6")


def test_a_week_without_a_history_says_so(tmp_path, caplog):
    write_week(tmp_path, [behavior(1, 1, WEEK, [5, 6], [5])], {1: [(WEEK - 1, 7)]})
    (tmp_path / "history.parquet").unlink()
    with caplog.at_level(logging.WARNING):
        assert [type(record) for record in read(tmp_path)] == [Impression, Click]
    assert "No history.parquet" in caplog.text


def test_a_week_without_impressions_has_no_start_for_its_history(tmp_path):
    write_week(tmp_path, [behavior(1, 1, WEEK, [5, 6], [5])], {1: [(WEEK - 1, 7)]})
    empty = pq.read_table(tmp_path / "behaviors.parquet").slice(0, 0)
    pq.write_table(empty, tmp_path / "behaviors.parquet")
    assert [record.reason for record in read(tmp_path)] == ["a click of the history is not before its week"]


def test_a_catalogue_that_is_missing_from_the_official_layout_is_an_error(tmp_path):
    write_ebnerd(tmp_path)
    (tmp_path / "articles.parquet").unlink()
    with pytest.raises(RecsysError, match=r"expected are articles\.parquet"):
        next(read(tmp_path))


def test_the_same_log_as_a_table_gives_the_same_database(tmp_path, sessions, other_sessions):
    path = write_ebnerd(tmp_path / "ebnerd")
    import_path(sessions, "ebnerd", path)
    write_records(tmp_path / "table", [record for record in read(path) if not hasattr(record, "reason")])
    import_path(other_sessions, "table", tmp_path / "table")
    assert dump(other_sessions) == dump(sessions)


class TestTwoWeeks:
    """train/ and validation/ of one made log, imported together and one by one, in both orders."""

    def test_the_second_week_changes_nothing_that_was_known_in_the_first(self, tmp_path, sessions):
        two_weeks(tmp_path)
        import_path(sessions, "ebnerd", tmp_path / "train")
        before = known_before_next_week(sessions)
        import_path(sessions, "ebnerd", tmp_path)
        after = known_before_next_week(sessions)
        for half in ("impressions", "clicks"):
            for column in fields(getattr(before, half)):
                name = column.name
                np.testing.assert_array_equal(getattr(getattr(after, half), name), getattr(getattr(before, half), name))
        with sessions() as session:
            assert len(stretches.read_log(session).clicks) > len(before.clicks) + 50

    @pytest.mark.parametrize("order", [("train", "validation"), ("validation", "train"), ("validation", "train", ".")])
    def test_the_order_of_importing_does_not_matter(self, tmp_path, sessions, other_sessions, order):
        two_weeks(tmp_path)
        import_path(other_sessions, "ebnerd", tmp_path)
        for folder in order:
            import_path(sessions, "ebnerd", tmp_path / folder)
        assert dump(sessions) == dump(other_sessions)

    def test_the_order_of_importing_does_not_matter_to_what_the_fold_reads(self, tmp_path, sessions, other_sessions):
        two_weeks(tmp_path)
        for opened, folders in ((sessions, ("train", "validation")), (other_sessions, ("validation", "train"))):
            for folder in folders:
                import_path(opened, "ebnerd", tmp_path / folder)
        assert in_order(known_before_next_week(sessions), sessions) == in_order(
            known_before_next_week(other_sessions), other_sessions
        )

    @pytest.mark.parametrize("order", [("train", "validation"), ("validation", "train")])
    def test_a_click_is_there_once_whatever_time_its_copy_bears(self, tmp_path, sessions, order):
        clicks, views = two_weeks(tmp_path)
        for folder in order:
            import_path(sessions, "ebnerd", tmp_path / folder)
        rows = dump(sessions)["clicks"]
        first_week = [row for row in rows if WEEK <= row[3] < NEXT_WEEK]
        assert sum(not row[8] for row in first_week) == clicks
        assert sum(row[8] for row in first_week) == views
        assert all(row[4] == NEXT_WEEK for row in first_week if row[8])

    def test_what_an_earlier_history_knew_stays_known_from_then(self, tmp_path, sessions):
        two_weeks(tmp_path)
        import_path(sessions, "ebnerd", tmp_path / "validation")
        import_path(sessions, "ebnerd", tmp_path / "train")
        assert {row[4] for row in dump(sessions)["clicks"] if row[3] < WEEK} == {WEEK}

    def test_importing_again_in_another_order_finds_nothing_new(self, tmp_path, sessions):
        two_weeks(tmp_path)
        for folder in ("validation", "train"):
            import_path(sessions, "ebnerd", tmp_path / folder)
        for folder in ("train", "validation", "."):
            assert import_path(sessions, "ebnerd", tmp_path / folder).new["clicks"] == 0


def two_weeks(folder: Path) -> tuple[int, int]:
    """Write a log of two weeks; returns the clicks made in lists of the first, and its readings without a list.

    The second week's history repeats the first's history, and holds every reading of the first week: those that came
    from a list are dated by the list, by the click, or a second after it.
    """
    draw = random.Random(5)
    earlier = {user: [(WEEK - DAY * draw.random() * 20, 100 + n) for n in range(12)] for user in range(6)}
    later = {user: [(int(at), article) for at, article in clicks] for user, clicks in earlier.items()}
    weeks: tuple[list[Any], list[Any]] = ([], [])
    for number in range(160):
        user, wait = number % 6, draw.choice([0, 3, 40, 600])
        week = number % 2
        at = WEEK + 7 * DAY * week + number * 3000
        row = behavior(number, user, at, [100 + (number + place) % 50 for place in range(6)], [100 + number % 50])
        row["read_time"] = float(wait)
        weeks[week].append(row)
        if not week:
            later[user].append((at + draw.choice([0, wait, wait + 1]), 100 + number % 50))
            later[user].append((at + 1500, 100 + (number + 25) % 50))
    write_parquet(
        folder / "articles.parquet", [{"article_id": n, "published_time": stamp(WEEK)} for n in range(100, 140)]
    )
    write_week(folder / "train", weeks[0], later_to_earlier(later))
    write_week(folder / "validation", weeks[1], later)
    return len(weeks[0]), len(weeks[0])


def later_to_earlier(later: dict[int, list[tuple[float, int]]]) -> dict[int, list[tuple[float, int]]]:
    return {user: [(at, article) for at, article in clicks if at < WEEK] for user, clicks in later.items()}


def known_before_next_week(sessions: Any) -> Any:
    with sessions() as session:
        return stretches.read_log(session, until=NEXT_WEEK)


def in_order(log: Any, sessions: Any) -> list[tuple[Any, ...]]:
    """Users, articles and times of the log's rows in the order read, without the keys of one database."""
    with sessions() as session:
        names = articles.load_catalogue(session).article_ids
        users = dict(session.execute(select(UserRow.key, UserRow.user_id)).all())
    clicks, shown = log.clicks, log.impressions
    clicked = zip(clicks.user.tolist(), clicks.article, clicks.at, clicks.known_at, strict=True)
    lists = zip(shown.user.tolist(), np.split(shown.items, shown.offsets[1:-1]), shown.known_at, strict=True)
    return [(users[user], names[article], *rest) for user, article, *rest in clicked] + [
        (users[user], *names[items], known_at) for user, items, known_at in lists
    ]
