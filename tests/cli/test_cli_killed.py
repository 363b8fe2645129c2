"""A process that is killed at any stage loses nothing: what is live goes on, and running it again completes."""

import shutil
import sqlite3
from pathlib import Path

import made_training
import made_world
import pytest
from cli_commands import Cli
from killing import Place, killed_at
from made_world import NOW, SPLIT
from tiny_worlds import Log

from recsys.database import jobs
from recsys.database.session import open_sessions
from recsys.database.tables import JobRow
from recsys.lifecycle import train as train_room
from recsys.lifecycle.versions import rfc3339
from recsys.settings import Settings
from recsys.snapshots.manifest import read_manifest

EVENTS, VECTORS = "recsys.database.events", "recsys.database.vectors"
RECORDING, RETRAIN = "recsys.lifecycle.recording", "recsys.lifecycle.retrain"
MODELS, JOBS = "recsys.database.models", "recsys.database.jobs"
SNAPSHOT, FOLDER = "recsys.snapshots.snapshot", "recsys.snapshots.folder"
TRAINED = ("train", "--until", rfc3339(SPLIT))


def contents(home: Path) -> dict[str, int]:
    """How many rows each table holds, of a database that is whole."""
    database = sqlite3.connect(home / "recsys.db")
    try:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}
    finally:
        database.close()


@pytest.mark.parametrize(
    "place",
    [
        Place(EVENTS, "add_impressions", nth=1),
        Place(EVENTS, "add_impressions", nth=3),
        Place(EVENTS, "add_clicks", before=True, nth=5),
    ],
    ids=["in the first transaction", "among articles and lists", "among clicks"],
)
def test_an_import_goes_on_where_it_was_killed(cli: Cli, tmp_path: Path, place: Place) -> None:
    log = Log().write(tmp_path / "log")
    cli.json("init")
    shutil.copytree(cli.home, tmp_path / "other")
    killed_at(place, cli.home, "import", "table", log)
    before = contents(cli.home)
    again = cli.json("import", "table", log)
    assert again["new"]["clicks"] + before["clicks"] == 80
    assert again["new"]["impressions"] + before["impressions"] == 80
    cli.monkeypatch.setenv("RECSYS_HOME", str(tmp_path / "other"))
    cli.json("import", "table", log)
    assert contents(cli.home) == contents(tmp_path / "other")


def test_encoding_goes_on_where_it_was_killed(cli: Cli, tmp_path: Path) -> None:
    cli.json("init")
    cli.json("import", "table", Log(articles=30).write(tmp_path / "log"))
    cli.monkeypatch.setattr("recsys.lifecycle.encode.BATCH", 10)
    killed_at(Place(VECTORS, "put_contents"), cli.home, "encode")
    assert contents(cli.home)["vectors"] == 0  # the batch was not committed yet
    document = cli.json("encode")
    assert (document["encoded"]["title"], document["cached"]["title"]) == (30, 0)
    assert contents(cli.home)["vectors"] == 30


@pytest.mark.usefixtures("site")
class TestBesideALiveVersion:
    def answer(self, cli: Cli) -> object:
        return cli.json("recommend", "u01", "--at", rfc3339(NOW))

    def check(self, cli: Cli, site: Settings) -> list[str]:
        """All versions, each of which must be whole."""
        contents(cli.home)
        listed = [row["version"] for row in cli.json("models")["versions"]]
        for version in listed:
            read_manifest(site.snapshots / version)
        return listed

    @pytest.mark.parametrize(
        ("place", "recorded"),
        [
            (Place(SNAPSHOT, "save_file"), 0),
            (Place(FOLDER, "sync", nth=3), 0),
            (Place(RECORDING, "write_snapshot"), 0),
            (Place(MODELS, "add_version"), 0),
            (Place(RECORDING, "add_row"), 1),
        ],
        ids=["among the files", "before the name", "with the name", "uncommitted", "recorded"],
    )
    def test_training(self, cli: Cli, site: Settings, place: Place, recorded: int) -> None:
        before, (version,) = self.answer(cli), self.check(cli, site)
        killed_at(place, cli.home, *TRAINED)
        assert len(self.check(cli, site)) == 1 + recorded
        assert self.answer(cli) == before
        cli.monkeypatch.setattr(train_room, "fit", made_training.quick_fit)
        again = cli.json(*TRAINED)["version"]
        assert self.check(cli, site)[-1] == again
        assert not list(site.snapshots.glob(".*"))
        assert cli.json("models")["live"] == version

    def test_promoting(self, cli: Cli, site: Settings) -> None:
        cli.monkeypatch.setattr(train_room, "fit", made_training.quick_fit)
        before, (version,) = self.answer(cli), self.check(cli, site)
        other = cli.json(*TRAINED)["version"]
        killed_at(Place(MODELS, "promote"), cli.home, "promote", other)
        assert self.check(cli, site) == [version, other]
        assert cli.json("models")["live"] == version
        assert self.answer(cli) == before
        assert cli.json("promote", other) == {"live": other}

    @pytest.mark.parametrize(
        ("place", "recorded"),
        [
            (Place(SNAPSHOT, "save_file"), 0),
            (Place(RETRAIN, "evaluate_shown"), 1),
            (Place(JOBS, "finish"), 1),
        ],
        ids=["writing", "judging", "promoting"],
    )
    def test_retraining(self, cli: Cli, site: Settings, place: Place, recorded: int) -> None:
        before, (version,) = self.answer(cli), self.check(cli, site)
        killed_at(place, cli.home, "retrain", "--full")
        assert len(self.check(cli, site)) == 1 + recorded
        assert cli.json("models")["live"] == version
        assert self.answer(cli) == before
        cli.monkeypatch.setattr(train_room, "fit", made_training.quick_fit)
        again = cli.json("retrain", "--full")
        assert cli.json("models")["live"] == (again["version"] if again["promoted"] else version)
        assert not list(site.snapshots.glob(".*"))

    def test_a_retraining_that_was_killed_at_its_end_is_done(self, cli: Cli, site: Settings) -> None:
        """The job's result is in the transaction that promotes or rejects, so that no kill comes between them."""
        (version,) = self.check(cli, site)
        killed_at(Place(RETRAIN, "_carry_out"), cli.home, "retrain", "--full")
        (done,) = newest_jobs(site)
        candidate = cli.json("models")["versions"][-1]
        assert (done.status, (done.result or {})["version"]) == ("done", candidate["version"])
        assert (candidate["status"] == "promoted") is (done.result or {})["promoted"]
        assert cli.json("models")["live"] == (version if candidate["status"] == "rejected" else candidate["version"])


def newest_jobs(settings: Settings) -> list[JobRow]:
    with open_sessions(settings)() as session:
        return jobs.newest(session, 10)


def test_the_first_training_of_all(cli: Cli, tmp_path: Path) -> None:
    settings = made_world.plain_settings(cli.home)
    made_training.untrained(settings, tmp_path).kw["bind"].dispose()
    killed_at(Place(MODELS, "promote"), cli.home, *TRAINED)
    assert cli.json("models") == {"versions": [], "live": None, "experiment": None}
    assert "No model is live yet" in cli.fails("recommend", "u01")
    cli.monkeypatch.setattr(train_room, "fit", made_training.quick_fit)
    version = cli.json(*TRAINED)["version"]
    assert cli.json("models")["live"] == version
    assert cli.json("recommend", "u01", "--at", rfc3339(NOW))["items"]
