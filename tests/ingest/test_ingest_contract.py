"""What every reader keeps to, on small logs in each format."""

import csv
import inspect
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from made_formats import FORMATS, Format
from made_logs import dump, write_table

from recsys.domain import Article, Click, Impression, RecsysError
from recsys.ingest.importer import import_path, read, read_rows
from recsys.ingest.rows import Refusal

# Imports a log in chunks of 25 records and says so after each; waits to be killed after the sixth.
KILLED = """
import sys, time
from pathlib import Path
from recsys.database.session import open_sessions
from recsys.ingest import importer
from recsys.settings import Settings

importer.CHUNK = 25
home, kind, path = sys.argv[1:]

def told(count):
    print(count, flush=True)
    time.sleep(60 * (count >= 150))

importer.import_path(open_sessions(Settings(home=Path(home), _env_file=None)), kind, Path(path), progress=told)
"""
# How much more memory than for the first log reading the second one takes at its highest, in bytes. Not getrusage:
# on Linux its figure begins with that of the process that started this one.
MEASURED = """
import re, sys
from pathlib import Path
from recsys.ingest.importer import read_rows

highest = []
for path in sys.argv[2:]:
    for _ in read_rows(sys.argv[1], Path(path)):
        pass
    highest.append(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024)
print(highest[1] - highest[0])
"""
LIMIT = 16 * 2**20  # bytes: of batches and buffers


@pytest.mark.parametrize("log", FORMATS, ids=str)
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
        assert report.refused == {}

    def test_killed_and_run_again_is_as_if_never_killed(self, log, tmp_path, settings, sessions, other_sessions):
        path = log.write(tmp_path / "log")
        assert killed(settings.home, log, path) == -signal.SIGKILL
        assert sum(map(len, dump(sessions).values())) > 100
        report = import_path(sessions, log.kind, path)
        assert {name: getattr(report, name) for name in log.good} == log.good
        assert 0 < sum(report.new.values()) <= sum(log.good.values()) - 100
        import_path(other_sessions, log.kind, path)
        assert dump(sessions) == dump(other_sessions)

    def test_bad_rows_are_refused_by_reason_and_the_rest_is_taken(self, log, tmp_path, sessions):
        path = log.write(tmp_path / "log")
        log.spoil(path)
        report = import_path(sessions, log.kind, path)
        assert report.refused == log.refused
        assert set(report.examples) == set(log.refused)
        assert sum(report.repaired.values()) == log.repaired
        assert sum(report.new.values()) > 0.9 * sum(log.good.values())

    @pytest.mark.parametrize("ending", [".jsonl", ".csv"])
    def test_the_report_names_every_row(self, log, ending, tmp_path, sessions):
        path = log.write(tmp_path / "log")
        log.spoil(path)
        file = tmp_path / f"refused{ending}"
        report = import_path(sessions, log.kind, path, report=file)
        assert report.report == str(file)
        told = report_rows(file)
        assert Counter(row["reason"] for row in told if row["outcome"] == "refused") == report.refused
        assert Counter(row["reason"] for row in told if row["outcome"] == "repaired") == report.repaired
        assert all(int(row["row"]) >= 1 and list(tmp_path.rglob(row["file"])) for row in told)
        for reason, where in report.examples.items():
            first = next(row for row in told if row["reason"] == reason)
            assert where.startswith(f"{first['file']}, row {first['row']}")

    def test_a_refusal_names_the_row(self, log, tmp_path):
        path = log.write(tmp_path / "log")
        log.spoil(path)
        refusals = [record for record in read_rows(log.kind, path) if isinstance(record, Refusal)]
        assert refusals
        assert all(record.row >= 1 and list(tmp_path.rglob(record.file)) for record in refusals)

    def test_records_come_one_by_one(self, log, tmp_path):
        records = read(log.kind, log.write(tmp_path / "log"))
        assert inspect.isgenerator(records)
        assert isinstance(next(records), Article)
        assert Counter(type(record) for record in records)[Click] == log.good["clicks"]

    @pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory of a process from /proc")
    def test_a_file_beyond_a_limit_of_memory_is_read_within_it(self, log, tmp_path):
        small = log.write(tmp_path / "small", times=30, articles=1500, longer=4000)
        large = log.write(tmp_path / "large", times=60, articles=6500, longer=4000)
        assert sum(file.stat().st_size for file in large.rglob("*") if file.is_file()) > 1.5 * LIMIT
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, log.kind, small, large], stdout=subprocess.PIPE, text=True, check=True,
            env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"},  # the others keep what was freed for a while
        )  # fmt: skip
        assert int(done.stdout) < LIMIT

    def test_a_window_of_time_takes_what_became_known_in_it(self, log, tmp_path, sessions):
        path = log.write(tmp_path / "log")
        known = sorted(record.known_at for record in read(log.kind, path) if isinstance(record, Impression | Click))
        since, until = known[20], known[-20]
        report = import_path(sessions, log.kind, path, since=since, until=until)
        assert report.impressions + report.clicks == sum(since <= time < until for time in known) > 0
        rest = import_path(sessions, log.kind, path, since=until)
        assert rest.impressions + rest.clicks == sum(time >= until for time in known)
        assert report.outside == sum(not since <= time < until for time in known)

    def test_times_are_utc_unless_another_zone_is_named(self, log, tmp_path):
        path = log.write(tmp_path / "log")
        utc, local = (events(log.kind, path, zone) for zone in ("UTC", "America/New_York"))
        stated = log.kind in ("movielens", "table")  # numbers are seconds of 1970 UTC, a table's times here have zones
        if log.name == "parquet":
            utc, local = (sorted(r.at for r in both if isinstance(r, Impression)) for both in (utc, local))
            assert local == [at + 4 * 3600 for at in utc]
        elif stated:
            assert local == utc
        else:
            assert [r.at for r in local] == [r.at + 4 * 3600 for r in utc]

    def test_a_folder_without_the_files_is_explained(self, log, tmp_path, sessions):
        for path in (tmp_path, tmp_path / "nothing"):
            with pytest.raises(RecsysError, match=r"articles\.parquet|u\.item|behaviors\.tsv|articles, impressions"):
                import_path(sessions, log.kind, path)

    def test_progress_is_told(self, log, tmp_path, sessions, monkeypatch):
        monkeypatch.setattr("recsys.ingest.importer.CHUNK", 100)
        told = list[int]()
        import_path(sessions, log.kind, log.write(tmp_path / "log"), progress=told.append)
        assert told == [*range(100, sum(log.good.values()), 100), sum(log.good.values())]


def test_an_unknown_format_is_explained(tmp_path, sessions):
    with pytest.raises(RecsysError, match="ebnerd, mind, movielens, table"):
        import_path(sessions, "csv", tmp_path)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".ndjson", ".csv.gz", ".jsonl.gz"])
def test_the_same_log_in_two_formats_gives_the_same_database(tmp_path, sessions, other_sessions, ending):
    import_path(sessions, "table", write_table(tmp_path))
    for file in tmp_path.glob("*.parquet"):
        file.unlink()
    report = import_path(other_sessions, "table", write_table(tmp_path, ending=ending))
    assert report.refused == report.repaired == {}
    assert dump(other_sessions) == dump(sessions)


def killed(home: Path, log: Format, path: Path) -> int:
    """The exit code of an import that was killed while it ran."""
    arguments = [sys.executable, "-c", KILLED, home, log.kind, path]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RECSYS_")}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 150:
                process.kill()
        return process.wait()


def report_rows(file: Path) -> list[dict[str, Any]]:
    with file.open(encoding="utf-8", newline="") as content:
        return list(csv.DictReader(content)) if file.suffix == ".csv" else [json.loads(line) for line in content]


def events(kind: str, path: Path, timezone: str) -> list[Impression | Click]:
    return [record for record in read(kind, path, timezone=timezone) if isinstance(record, Impression | Click)]
