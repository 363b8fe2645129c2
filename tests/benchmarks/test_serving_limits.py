"""What serving must reach: ratios of figures, requests timed from when they were due, and what a soak compares."""

import http.server
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serving
import serving_limits
from serving_limits import HALF, INSIDE, MOST, ONE, PARTS, PROTOTYPE
from serving_load import at_rate
from soak import compared
from soak_readers import Readers


def test_limits_are_ratios_of_the_figures_and_say_whether_they_are_met() -> None:
    answers = {"requests / s": 100.0, "p50": 12.0, "p99": 30.0, "ready s": 9.0, "RSS MB": 1600}
    measured = {
        ONE: answers,
        MOST: answers | {"requests / s": 80.0},
        HALF: {"p50": 10.0, "p99": 20.0},
        INSIDE: {"p50": 10.0},
        PARTS: {"search ms": 4.0, "heads ms": 1.0, "recall@100": 0.99},
        PROTOTYPE: {"p50": 8.0},
    }
    found = {row["name"]: (row["value"], row["met"]) for row in serving_limits.rows(measured, {"202": 99, "503": 1})}
    assert found == {
        "HTTP median / in-process median, one connection": (1.2, "yes"),
        "p99 / median at half of the peak": (2.0, "yes"),
        "goodput at 64 connections / peak": (0.8, "no"),
        "in-process median / exact search and heads alone": (2.0, "no"),
        "recall@100 of the served indexes": (0.99, "yes"),
        "in-process median / prototype's": (1.25, "no"),
        "start to ready, s": (9.0, "yes"),
        "resident memory of an API process, GB": (1.6, "no"),
        "share of the events posted meanwhile that got a 202": (0.99, "no"),
    }


def test_a_limit_without_its_figures_is_not_in_the_table() -> None:
    assert [row["name"] for row in serving_limits.rows({}, {"202": 5})] == [
        "share of the events posted meanwhile that got a 202"
    ]


class Slow(http.server.BaseHTTPRequestHandler):
    """Thinks for a second about the first request, and one at a time."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        if type(self).asked == 1:
            time.sleep(1.0)
        self.send_response(200 if type(self).asked < 10 else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def listening(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[int]:
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_requests_that_are_due_while_the_server_stalls_are_counted_from_then_on() -> None:
    with listening(Slow) as port:
        figures = at_rate(port, 5, rate=20.0, seconds=0.5)
    assert Slow.asked == 10
    assert figures["p50"] > 500  # ms: due within the second in which nothing was answered
    assert (figures["ok"], figures["errors"], figures["503"]) == (9, 1, 1)


def test_a_soak_finds_what_was_lost_and_what_is_there_twice(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("CREATE TABLE clicks (event_id TEXT)")
        database.execute("CREATE TABLE impressions (impression_id TEXT)")
        database.executemany("INSERT INTO clicks VALUES (?)", [("a",), ("b",), ("b",)])
        database.execute("INSERT INTO impressions VALUES ('c')")
    database.close()
    (tmp_path / "taken.txt").write_text("a\nb\nc\nd\n")
    assert compared(tmp_path / "a.db", tmp_path / "taken.txt") == (["d"], ["b"])


@pytest.mark.parametrize(
    ("status", "headers", "body", "why"),
    [
        (503, {"retry-after": "1"}, b"", None),
        (503, {}, b"", "without Retry-After"),
        (500, {}, b"oh", "an answer with 500: oh"),
        (0, {}, b"", "though nobody was killed"),
        (200, {}, b'{"model_version": "v1", "items": [1,2,3,4,5,6,7,8,9,10]}', None),
        (200, {}, b'{"model_version": "v1", "items": []}', "half an answer"),
        (200, {}, b'{"model_version": "v9", "items": [1,2,3,4,5,6,7,8,9,10]}', "half an answer"),
    ],
)
def test_a_reader_sees_what_should_not_be(status: int, headers: dict[str, str], body: bytes, why: str | None) -> None:
    fault = Readers(0, 5, ["v1"]).fault(status, headers, body)
    assert fault is None if why is None else why in str(fault)


def test_a_connection_may_break_while_the_server_is_shaken() -> None:
    readers = Readers(0, 5, ["v1"])
    with readers.shaken():
        assert readers.fault(0, {}, b"") is None
    assert readers.fault(0, {}, b"") is None  # and a moment longer


def test_without_wrk_it_says_so_in_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["serving.py", "--articles", "500"])
    with pytest.raises(SystemExit) as ended:
        serving.main()
    assert "wrk, which is not installed" in str(ended.value.code)
    assert "\n" not in str(ended.value.code)
