"""MIND: what a row means, what is made up of its histories, and files that are not as they should be."""

import random
from pathlib import Path
from typing import Any

import pytest
from made_logs import DAY, WEEK, bare, clock, dump, write_mind, write_tsv

from recsys.domain import Article, Click, Context, Impression, RecsysError
from recsys.ingest.importer import import_path
from recsys.ingest.lines import NOT_UTF8
from recsys.ingest.mind import FEW, NO_LABELS, rows
from recsys.ingest.rows import Refusal

START = WEEK - 3600  # the last full hour before a list at WEEK


def read(path: Path, **options: Any) -> Any:
    return list(bare(rows(path, **options)))


def behaviors(folder: Path, *lists: list[str]) -> Path:
    write_tsv(folder / "behaviors.tsv", list(lists))
    return folder


def told(records: list[Any]) -> list[Any]:
    """The clicks of histories: user, article, when, and since when it is known."""
    return [(r.user_id, r.article_id, r.at, r.known_at) for r in records if isinstance(r, Click) and r.backfilled]


def test_a_row_of_news(tmp_path):
    behaviors(tmp_path)
    write_tsv(tmp_path / "news.tsv", [
        ["N1", "sports", "soccer", 'A "title', "More", "https://example.org/1", "[]", "[]"],
        ["N2", "", "", "", ""],
    ])  # fmt: skip
    first = Article("N1", 'A "title', "More", section="sports", language="en", url="https://example.org/1")
    assert read(tmp_path) == [first, Article("N2", language="en")]


def test_a_row_of_behaviors(tmp_path):
    behaviors(tmp_path, ["7", "U1", "11/13/2019 8:36:57 PM", "", "N3-0 N4-1 N5-1"])
    at = 1_573_677_417.0
    name = f"7:U1:{int(at)}"
    assert read(tmp_path) == [
        Impression(name, "U1", at, ("N3", "N4", "N5"), Context("front")),
        Click(f"{name}:N4", "U1", "N4", at, name),
        Click(f"{name}:N5", "U1", "N5", at, name),
    ]


@pytest.mark.parametrize(
    ("text", "hour"), [("11/9/2019 12:00:00 AM", 0), ("11/9/2019 12:00:00 PM", 12), ("11/09/2019 1:00:00 PM", 13)]
)
def test_noon_and_midnight(tmp_path, text, hour):
    behaviors(tmp_path, ["1", "U1", text, "", "N1-0"])
    assert read(tmp_path)[0].at == 1_573_257_600.0 + hour * 3600


@pytest.mark.parametrize("text", ["2/30/2019 1:00:00 AM", "1/1/2019 0:00:00 AM", "13/1/2019 1:00:00 AM", "", "soon"])
def test_times_that_are_none(tmp_path, text):
    (refusal,) = read(behaviors(tmp_path, ["1", "U1", text, "", "N1-0"]))
    assert refusal.reason in ("time is not a time", "time is missing")


class TestHistories:
    def test_they_are_taken_once_in_their_order_and_known_before_the_first_list(self, tmp_path):
        lists = [["1", "U1", clock(WEEK + 9), "N1 N2 N1", "N3-0"], ["2", "U1", clock(WEEK), "N1 N2 N1", "N4-0"]]
        assert told(read(behaviors(tmp_path, *lists))) == [
            ("U1", "N1", START - 3, START), ("U1", "N2", START - 2, START), ("U1", "N1", START - 1, START),
        ]  # fmt: skip

    def test_a_list_at_the_full_hour_sees_them(self, tmp_path):
        assert told(read(behaviors(tmp_path, ["1", "U1", clock(WEEK), "N1", "N3-0"])))[0][3] < WEEK

    def test_what_only_some_rows_list_is_known_from_the_first_of_these_on(self, tmp_path, sessions):
        lists = [
            ["1", "U1", clock(WEEK + 50), "N1 N2 N5", "N3-0"],
            ["2", "U1", clock(WEEK + 9), "N1", "N4-0"],
            ["3", "U1", clock(WEEK + 90), "N1 N2 N5", "N3-0"],
        ]
        random.Random(0).shuffle(lists)
        import_path(sessions, "mind", behaviors(tmp_path, *lists))
        clicks = {row[2]: row[4] for row in dump(sessions)["clicks"]}
        assert clicks["N1"] == WEEK  # the last full hour before the first list
        assert WEEK + 49 < clicks["N2"] < clicks["N5"] < WEEK + 50

    def test_a_later_folder_adds_what_it_knows_more(self, tmp_path, sessions):
        behaviors(tmp_path / "MINDsmall_train", ["1", "U1", clock(WEEK), "N1 N2", "N3-0"])
        behaviors(tmp_path / "MINDsmall_dev", ["1", "U1", clock(WEEK + DAY), "N1 N2 N9", "N4-1"])
        report = import_path(sessions, "mind", tmp_path)
        assert report.new == {"articles": 0, "impressions": 2, "clicks": 4}
        known = {row[2]: row[4] for row in dump(sessions)["clicks"]}
        assert known == {"N1": START, "N2": START, "N9": START + DAY, "N4": WEEK + DAY}

    def test_the_order_of_importing_folders_does_not_matter(self, tmp_path, sessions, other_sessions):
        behaviors(tmp_path / "train", ["1", "U1", clock(WEEK), "N1 N2", "N3-0"])
        behaviors(tmp_path / "dev", ["1", "U1", clock(WEEK + DAY), "N1 N2 N9", "N4-1"])
        import_path(sessions, "mind", tmp_path)
        for folder in ("dev", "train"):
            import_path(other_sessions, "mind", tmp_path / folder)
        known = [{(row[2], row[4]) for row in dump(both)["clicks"]} for both in (sessions, other_sessions)]
        assert known[0] == known[1]

    def test_a_list_without_labels_is_refused_and_its_history_taken(self, tmp_path):
        lists = ["1", "U1", clock(WEEK), "N1", "N3 N4"]
        click, refusal = read(behaviors(tmp_path / "test", lists))
        assert click.backfilled
        assert refusal == Refusal("test/behaviors.tsv", 1, NO_LABELS)


def test_folders_side_by_side_are_read_in_the_order_of_time(tmp_path):
    for name in ("MINDsmall_dev", "MINDsmall_train", "notes"):
        write_mind(tmp_path / name, articles=1)
    files = dict.fromkeys(entry.file for entry in rows(tmp_path))
    assert list(files) == [f"MINDsmall_{s}/{f}.tsv" for s in ("train", "dev") for f in ("news", "behaviors")]


def test_two_sizes_at_once_are_explained(tmp_path):
    for name in ("MINDsmall_train", "MINDlarge_train"):
        write_mind(tmp_path / name, articles=1)
    with pytest.raises(RecsysError, match="several folders of one split"):
        read(tmp_path)


def test_without_news_ids_are_known_without_content(tmp_path, sessions, caplog):
    behaviors(tmp_path, ["1", "U1", clock(WEEK), "N1", "N3-0 N4-1"])
    assert import_path(sessions, "mind", tmp_path).unknown_articles == 3
    assert "No news.tsv" in caplog.text


def test_torn_lines_are_refused_by_line(tmp_path):
    behaviors(tmp_path, ["1", "U1"], [""], ["3", "U1", clock(WEEK), "", "N1-0"])
    with (tmp_path / "behaviors.tsv").open("ab") as file:
        file.write(b"\xef\xbb\xbf4\tU1\t5/18/2023 8:00:00 AM\t\tN1-0\r\n5\tU1\t5/18/2023 8:00:00 AM\t\t\xff-0\n")
    found = {entry.row: getattr(entry, "reason", None) for entry in rows(tmp_path)}
    assert found == {1: FEW, 3: None, 4: None, 5: NOT_UTF8}


def test_two_lists_of_one_second_keep_their_clicks_on_one_article(tmp_path):
    at = "11/13/2019 8:36:57 PM"
    behaviors(tmp_path, ["1", "U1", at, "", "N1-1 N2-0"], ["2", "U1", at, "", "N3-0 N1-1"])
    clicks = [entry for entry in read(tmp_path) if isinstance(entry, Click)]
    assert [click.article_id for click in clicks] == ["N1", "N1"]
    assert len({click.event_id for click in clicks}) == len({click.impression_id for click in clicks}) == 2
