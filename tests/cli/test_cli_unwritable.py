"""A database that is locked, read-only or full, and a disk that is: one sentence each, and nothing is lost."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import made_training
import pytest
import sqlalchemy
from cli_commands import Cli
from made_world import NOW, SPLIT
from tiny_worlds import Log

from recsys.database import session as sessions_room
from recsys.lifecycle import train as train_room
from recsys.lifecycle.versions import rfc3339
from recsys.settings import Settings
from recsys.snapshots import snapshot


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Another process is writing."""
    code = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None); db.execute('BEGIN IMMEDIATE');"
        "print('locked', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(home / "recsys.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        yield


def stored(home: Path) -> dict[str, int]:
    database = sqlite3.connect(home / "recsys.db")
    try:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        names = ("articles", "impressions", "clicks", "model_versions", "promotions")
        return {name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}
    finally:
        database.close()


@pytest.fixture
def quick(cli: Cli, site: Settings, tmp_path: Path) -> Cli:
    """The made world, where trainings are short, and a log that could be imported."""
    cli.monkeypatch.setattr(train_room, "fit", made_training.quick_fit)
    Log().write(tmp_path / "log")
    return cli


def test_a_database_that_stays_locked(quick: Cli, site: Settings) -> None:
    """Reading goes on; whatever writes says so, and leaves no snapshot without a version."""
    quick.monkeypatch.setattr(sessions_room, "BUSY", 0.1)
    before, listed = stored(quick.home), quick.json("models")
    with locked(quick.home):
        assert quick.json("recommend", "u01", "--at", rfc3339(NOW))["items"]
        assert quick.json("models") == listed
        for arguments in (("train", "--until", rfc3339(SPLIT)), ("rollback",), ("import", "table", "log")):
            assert "database is locked" in quick.fails(*arguments)
    assert stored(quick.home) == before
    assert [path.name for path in site.snapshots.iterdir()] == [listed["live"]]
    assert quick.json("import", "table", "log")["new"]["clicks"] > 0


def test_a_database_that_is_full(cli: Cli, tmp_path: Path) -> None:
    """What was imported until then stays, and the rest follows once there is room."""
    log = Log(lists=300).write(tmp_path / "log")
    cli.json("init")
    cli.monkeypatch.setattr("recsys.ingest.importer.CHUNK", 50)
    limit = sqlite3.connect(cli.home / "recsys.db").execute("PRAGMA page_count").fetchone()[0] + 2

    def small(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count={limit}")

    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", small)
    try:
        assert "disk is full" in cli.fails("import", "table", log)
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "connect", small)
    before = stored(cli.home)
    assert before["impressions"] + before["clicks"] < 600
    cli.json("import", "table", log)
    assert {"articles": 20, "impressions": 300, "clicks": 300}.items() <= stored(cli.home).items()


@pytest.mark.parametrize("command", [("train",), ("retrain", "--full")], ids=["train", "retrain"])
def test_a_disk_that_is_full_as_the_snapshot_is_written(quick: Cli, site: Settings, command: tuple[str, ...]) -> None:
    before, listed = stored(quick.home), quick.json("models")

    def full(_tensors: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with quick.monkeypatch.context() as patch:
        patch.setattr(snapshot, "save_file", full)
        said = quick.fails(*command)
    assert "No space left on device" in said
    assert "MB are free" in said
    assert stored(quick.home) == before
    assert [path.name for path in site.snapshots.iterdir()] == [listed["live"]]
    assert quick.json("recommend", "u01", "--at", rfc3339(NOW))["model_version"] == listed["live"]


def test_a_database_that_may_only_be_read(quick: Cli, site: Settings) -> None:
    """Reading goes on here, too."""
    before, listed = stored(quick.home), quick.json("models")
    url = f"sqlite:///file:{quick.home / 'recsys.db'}?mode=ro&uri=true"
    with quick.monkeypatch.context() as patch:
        patch.setenv("RECSYS_DATABASE_URL", url)
        assert quick.json("models") == listed
        assert quick.json("recommend", "u01", "--at", rfc3339(NOW))["items"]
        for arguments in (("train", "--until", rfc3339(SPLIT)), ("import", "table", "log")):
            assert "attempt to write a readonly database" in quick.fails(*arguments)
    assert stored(quick.home) == before
    assert [path.name for path in site.snapshots.iterdir()] == [listed["live"]]


@pytest.mark.parametrize("home", ["a file", "/proc/recsys/home"])
def test_a_home_that_cannot_be(cli: Cli, home: str) -> None:
    Path("a file").write_text("")
    cli.monkeypatch.setenv("RECSYS_HOME", home)
    for command in ("init", "models"):
        assert f"RECSYS_HOME cannot be a folder at {home}" in cli.fails(command)
