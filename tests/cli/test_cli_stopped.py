"""Ctrl-C and SIGTERM end a command at once, in one sentence, and running it again completes."""

import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made_training
import pytest
from cli_commands import Cli
from made_world import NOW, SPLIT
from tiny_worlds import Log

from recsys.database import events
from recsys.ingest import importer
from recsys.lifecycle import train as train_room
from recsys.lifecycle.versions import rfc3339
from recsys.settings import Settings
from recsys.snapshots import snapshot

SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard() -> Iterator[None]:
    """A shell starts what runs in the background deaf to Ctrl-C, and so these tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


SENTENCE = "error: stopped. Nothing is left half done: run the same command again to go on."


def sending(number: signal.Signals, function: Any, nth: int = 1) -> Any:
    """The function, at whose n-th call this process is sent a signal."""
    calls: list[int] = []

    def sent(*given: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == nth:
            os.kill(os.getpid(), number)
            threading.Event().wait(5)  # any Python code notices
        return function(*given, **named)

    return sent


def stopped(cli: Cli, code: int, *arguments: object) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    said = cli.run(*arguments)
    assert said.code == code
    assert said.err.splitlines()[-1] == SENTENCE
    assert "Traceback" not in said.err
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.mark.parametrize(("number", "code"), SIGNALS, ids=["SIGINT", "SIGTERM"])
def test_an_import(cli: Cli, tmp_path: Path, number: signal.Signals, code: int) -> None:
    log = Log().write(tmp_path / "log")
    cli.json("init")
    cli.monkeypatch.setattr(importer, "CHUNK", 30)
    with cli.monkeypatch.context() as patch:
        patch.setattr("recsys.database.events.add_clicks", sending(number, events.add_clicks, 4))
        stopped(cli, code, "import", "table", log)
    database = sqlite3.connect(cli.home / "recsys.db")
    kept = database.execute("SELECT count(*) FROM impressions").fetchone()[0]
    database.close()
    assert kept > 0
    assert cli.json("import", "table", log)["new"]["impressions"] == 80 - kept


@pytest.mark.parametrize(("number", "code"), SIGNALS, ids=["SIGINT", "SIGTERM"])
def test_a_training_that_is_writing_its_snapshot(cli: Cli, site: Settings, number: signal.Signals, code: int) -> None:
    cli.monkeypatch.setattr(train_room, "fit", made_training.quick_fit)
    live = cli.json("models")["live"]
    with cli.monkeypatch.context() as patch:
        patch.setattr(snapshot, "save_file", sending(number, snapshot.save_file))
        stopped(cli, code, "train", "--until", rfc3339(SPLIT))
    assert [path.name for path in site.snapshots.iterdir()] == [live]
    assert [row["version"] for row in cli.json("models")["versions"]] == [live]
    assert cli.json("recommend", "u01", "--at", rfc3339(NOW))["model_version"] == live
    assert cli.json("train", "--until", rfc3339(SPLIT))["version"] != live
