"""What every reader keeps to, on small logs in each format."""

import inspect
import tracemalloc
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_logs import WEEK, dump, write_ebnerd, write_movielens, write_table

from recsys.domain import Article, Click, Impression, RecsysError
from recsys.ingest.importer import import_path, read, run_import
from recsys.ingest.validate import Refusal


def change(file: Path, **columns: list[Any]) -> None:
    """Overwrite the first cells of columns of a Parquet file."""
    table = pq.read_table(file)
    for name, cells in columns.items():
        old = table[name].to_pylist()
        place = table.schema.names.index(name)
        table = table.set_column(place, name, pa.array(cells + old[len(cells) :]))
    pq.write_table(table, file)


def spoil_ebnerd(folder: Path) -> None:
    shown = pq.read_table(folder / "train/behaviors.parquet")["article_ids_inview"].to_pylist()
    change(
        folder / "train/behaviors.parquet",
        user_id=[None],
        article_ids_inview=[shown[0], [], shown[2] * 2],
        article_ids_clicked=[[1], [1], [shown[2][0]], [999]],
    )
    times = pq.read_table(folder / "train/history.parquet")["impression_time_fixed"].to_pylist()
    change(folder / "train/history.parquet", impression_time_fixed=[times[0][1:], [None, *times[1][1:]]])


def spoil_movielens(folder: Path) -> None:
    with (folder / "u.data").open("a") as file:
        file.write("1\t2\t3\n\n1\t2\tfive\t881250949\n1\t2\t77\t881250949\n1\t2\t5\tnan\n\t2\t5\t9\n1\t2\t5\t-9\n")
    with (folder / "u.item").open("a") as file:
        file.write("99|Half a line\n")


def spoil_table(folder: Path) -> None:
    change(folder / "articles.parquet", article_id=["x" * 129, None])
    change(folder / "impressions.parquet", items=[[], ["a", None], ["a", "a", "b"], None])
    change(
        folder / "clicks.parquet",
        known_at=[WEEK - 1],
        at=[WEEK, float("inf"), 1.6e12, -5.0],
        event_id=["c0", "c1", "c2", "c3", ""],
    )


@dataclass(frozen=True)
class Format:
    """A reader, how to write a good log and spoil it, and what is to be found in both."""

    kind: str
    write: Any
    good: dict[str, int]
    spoil: Any
    refused: dict[str, int]
    repaired: int = 0


FORMATS = [
    Format(
        "ebnerd", write_ebnerd, {"articles": 40, "impressions": 120, "clicks": 200}, spoil_ebnerd,
        {
            "user_id is missing": 1,
            "article_ids_inview is empty or has gaps": 1,
            "the clicked article is not in its list": 1,
            "the lists of the history are not of one length": 1,
            "a click of the history has no time or no article": 1,
        },
        repaired=1,
    ),
    Format(
        "movielens", write_movielens, {"articles": 40, "impressions": 0, "clicks": 200}, spoil_movielens,
        {
            "a film has too few fields": 1,
            "a rating has too few fields": 1,
            "a rating or its time is not a number": 1,
            "a rating is not from 0 to 5, or its time is not finite": 2,
            "user_id is not 1 to 128 characters": 1,
            "a time is before 1970": 1,
        },
    ),
    Format(
        "table", write_table, {"articles": 30, "impressions": 60, "clicks": 100}, spoil_table,
        {
            "article_id is not 1 to 128 characters": 1,
            "article_id is missing": 1,
            "the list is empty": 1,
            "an article of the list has no id of 1 to 128 characters": 1,
            "items is missing": 1,
            "known_at is before at": 1,
            "at is not a time": 1,
            "a time is after 2200 (seconds are expected, not milliseconds)": 1,
            "a time is before 1970": 1,
            "event_id is missing": 1,
        },
        repaired=1,
    ),
]  # fmt: skip


@pytest.mark.parametrize("log", FORMATS, ids=[log.kind for log in FORMATS])
class TestReader:
    def test_everything_good_is_taken(self, log, tmp_path, sessions):
        report = import_path(sessions, log.kind, log.write(tmp_path / "log"))
        assert report.refused == report.examples == report.repaired == {}
        assert {name: getattr(report, name) for name in log.good} == report.new == log.good

    def test_twice_is_once(self, log, tmp_path, sessions):
        path = log.write(tmp_path / "log")
        import_path(sessions, log.kind, path)
        before = dump(sessions)
        report = import_path(sessions, log.kind, path)
        assert dump(sessions) == before
        assert {name: getattr(report, name) for name in log.good} == log.good
        assert report.new == {"articles": 0, "impressions": 0, "clicks": 0}

    def test_killed_and_run_again_is_as_if_never_killed(self, log, tmp_path, sessions, monkeypatch):
        monkeypatch.setattr("recsys.ingest.importer.CHUNK", 30)
        path = log.write(tmp_path / "log")
        with pytest.raises(KeyboardInterrupt):
            run_import(sessions, killed_after(131, read(log.kind, path)))
        half = dump(sessions)
        assert sum(map(len, half.values())) > 0
        report = import_path(sessions, log.kind, path)
        assert {name: getattr(report, name) for name in log.good} == log.good
        assert sum(report.new.values()) < sum(log.good.values())
        after = dump(sessions)
        assert len(after["impressions"]) == log.good["impressions"]
        assert len(after["clicks"]) == log.good["clicks"]

    def test_bad_rows_are_refused_by_reason_and_the_rest_is_taken(self, log, tmp_path, sessions):
        path = log.write(tmp_path / "log")
        log.spoil(path)
        report = import_path(sessions, log.kind, path)
        assert report.refused == log.refused
        assert set(report.examples) == set(log.refused)
        assert sum(report.repaired.values()) == log.repaired
        assert sum(report.new.values()) > 0.9 * sum(log.good.values())

    def test_a_refusal_names_the_row(self, log, tmp_path):
        path = log.write(tmp_path / "log")
        log.spoil(path)
        refusals = [record for record in read(log.kind, path) if isinstance(record, Refusal)]
        assert refusals
        assert all(record.row >= 1 and list(path.rglob(record.file)) for record in refusals)

    def test_records_come_one_by_one(self, log, tmp_path):
        records = read(log.kind, log.write(tmp_path / "log"))
        assert inspect.isgenerator(records)
        assert isinstance(next(records), Article)
        assert Counter(type(record) for record in records)[Click] == log.good["clicks"]

    def test_memory_does_not_grow_with_the_file(self, log, tmp_path):
        small, large = log.write(tmp_path / "small", 40), log.write(tmp_path / "large", 100)
        assert peak(log.kind, large) < 1.4 * peak(log.kind, small)

    def test_a_window_of_time_takes_what_became_known_in_it(self, log, tmp_path, sessions):
        path = log.write(tmp_path / "log")
        known = sorted(record.known_at for record in read(log.kind, path) if isinstance(record, Impression | Click))
        since, until = known[20], known[-20]
        report = import_path(sessions, log.kind, path, since=since, until=until)
        assert report.impressions + report.clicks == sum(since <= time < until for time in known) > 0
        rest = import_path(sessions, log.kind, path, since=until)
        assert rest.impressions + rest.clicks == sum(time >= until for time in known)
        assert report.outside == sum(not since <= time < until for time in known)

    def test_a_folder_without_the_files_is_explained(self, log, tmp_path, sessions):
        for path in (tmp_path, tmp_path / "nothing"):
            with pytest.raises(RecsysError, match=r"articles\.parquet|u\.item"):
                import_path(sessions, log.kind, path)

    def test_progress_is_told(self, log, tmp_path, sessions, monkeypatch):
        monkeypatch.setattr("recsys.ingest.importer.CHUNK", 100)
        told = list[int]()
        import_path(sessions, log.kind, log.write(tmp_path / "log"), progress=told.append)
        assert told == [*range(100, sum(log.good.values()), 100), sum(log.good.values())]


def test_an_unknown_format_is_explained(tmp_path, sessions):
    with pytest.raises(RecsysError, match="ebnerd, movielens, table"):
        import_path(sessions, "csv", tmp_path)


def killed_after(count: int, records: Any) -> Any:
    for number, record in enumerate(records):
        if number == count:
            raise KeyboardInterrupt
        yield record


def peak(kind: str, path: Path) -> int:
    tracemalloc.start()
    for _ in read(kind, path):
        pass
    bytes_ = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return bytes_
