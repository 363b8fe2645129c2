"""The whole way on logs that are hardly logs: every command ends in an answer or in one sentence."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from cli_commands import Cli
from tiny_worlds import HOUR, NOW, SPLIT, Log

from recsys.lifecycle.versions import rfc3339

NO_MODEL = "No model is live yet"
NO_LIST = "no impression in this window"
WORLDS: dict[str, tuple[Log, dict[str, str]]] = {  # and what the commands that fail say
    "nothing happened": (
        Log(lists=0),
        {
            "train": "The log is empty", "evaluate": "no model yet", "retrain": "no impression to judge",
            "recommend": NO_MODEL, "similar": NO_MODEL,
        },
    ),
    "nobody clicked": (
        Log(clicked=lambda _: False),
        {
            "train": "no click to train on", "evaluate": "no model yet", "retrain": "no click to train on",
            "recommend": NO_MODEL, "similar": NO_MODEL,
        },
    ),
    "only clicks": (Log(shown=False), {"evaluate": NO_LIST, "retrain": "no impression to judge"}),
    "one click": (Log(clicked=lambda number: number == 9), {}),
    "one user": (Log(users=1), {}),
    "one article": (Log(articles=1), {}),
    "one event": (Log(articles=1, users=1, lists=1), {"evaluate": NO_LIST, "retrain": "too short"}),
    "one click and nothing else": (
        Log(articles=1, users=1, lists=1, shown=False), {"evaluate": NO_LIST, "retrain": "no impression to judge"},
    ),
    "all at once": (Log(at=lambda *_: SPLIT - HOUR), {"evaluate": NO_LIST, "retrain": "too short"}),
    "few lists": (Log(lists=8), {"evaluate": "predicts no CTR"}),
}  # fmt: skip
STEPS = {
    "init": ("init",),
    "encode": ("encode",),
    "train": ("train", "--until", rfc3339(SPLIT)),
    "evaluate": ("evaluate", "--since", rfc3339(SPLIT)),
    "recommend": ("recommend", "u0"),
    "similar": ("similar", "a0"),
    "retrain": ("retrain", "--full"),
}


def go(cli: Cli, log: Path, failing: dict[str, str]) -> dict[str, Any]:
    """Take every step, and return what those say that succeed."""
    said = {"init": cli.json("init"), "import": cli.json("import", "table", log)}
    for name, arguments in list(STEPS.items())[1:]:
        if name in failing:
            assert failing[name] in cli.fails(*arguments)
        else:
            said[name] = cli.json(*arguments)
    return said


@pytest.mark.parametrize("name", WORLDS)
def test_the_whole_way_ends_in_answers_and_sentences(name: str, cli: Cli, tmp_path: Path) -> None:
    world, failing = WORLDS[name]
    said = go(cli, world.write(tmp_path / "log"), failing)
    listed = cli.json("models")
    if "train" in said:
        version = said["train"]["version"]
        assert listed["live"] == version == said["recommend"]["model_version"]
        assert cli.json("recommend", "a stranger")["items"]
    if "retrain" in said:
        assert said["retrain"]["promoted"] is ("train" not in said)
        assert said["retrain"]["why"]
    assert len(listed["versions"]) == ("train" in said) + ("retrain" in said)
    folders = sorted(path.name for path in (cli.home / "snapshots").glob("*"))
    assert folders == sorted(row["version"] for row in listed["versions"])
    with sqlite3.connect(cli.home / "recsys.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


class TestWindows:
    @pytest.mark.parametrize("command", [("import", "table", "log"), ("train",), ("evaluate",)])
    def test_a_window_that_ends_before_it_begins_is_wrong_usage(self, cli: Cli, command: tuple[str, ...]) -> None:
        for until in (SPLIT, SPLIT - HOUR):
            said = cli.fails(*command, "--since", rfc3339(SPLIT), "--until", rfc3339(until), code=2)
            assert "--since must lie before --until" in said

    @pytest.mark.parametrize("log", [Log(), Log(shown=False)], ids=["lists", "clicks"])
    def test_training_begins_before_the_last_event(self, cli: Cli, tmp_path: Path, log: Log) -> None:
        cli.json("init")
        cli.json("import", "table", log.write(tmp_path / "log"))
        said = cli.fails("train", "--since", rfc3339(NOW + HOUR))
        assert "nothing to train on from --since on" in said
        assert rfc3339(log.at(79, 80)) in said
        assert cli.json("models")["versions"] == []
