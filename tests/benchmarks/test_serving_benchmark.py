"""The benchmark of serving and the soak at their smallest: a real server, wrk, events, processes that are killed."""

import json
import shutil
import sys
import time
from pathlib import Path

import pytest
import serving
import serving_fresh
import soak
from fastapi.testclient import TestClient
from made_answers import load_world
from prototype import HISTORY, Prototype, app_of
from serving_catalogue import Sizes
from serving_names import article_id, user_id
from serving_server import serving as server_of
from sqlalchemy import select

from recsys.database import users
from recsys.database.session import open_sessions
from recsys.database.tables import ClickRow
from recsys.encoders import expected_ids
from recsys.settings import Settings

pytestmark = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")

ARTICLES, USERS = 500, 50


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("newspapers")


@pytest.fixture(scope="module")
def made(home: Path) -> tuple[Settings, Sizes, list[str]]:
    """A newspaper where ``serving.py --home`` looks for it, with two versions of its model."""
    return serving.site(home / f"{ARTICLES}-articles-{USERS}-users", Sizes(ARTICLES, USERS), versions=2)


def test_all_that_was_asked_for_is_measured(
    home: Path, made: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = f"--articles {ARTICLES} --users {USERS} --seconds 1 --runs 1 --connections 1 4 --home {home}"
    parts = f"--parts load half inside retrain --json {tmp_path / 'rows.json'}"
    monkeypatch.setattr(sys, "argv", ["serving.py", *given.split(), *parts.split()])
    monkeypatch.setattr("serving_retrain.STARTED", 0.0)  # so small a newspaper is soon retrained
    serving.main()
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    answers = {row["name"]: row for row in rows if row["table"] == serving.ANSWERS}
    assert list(answers) == [
        "HTTP, 1 connection", "HTTP, 4 connections", "HTTP, half of the peak", "in process",
        "HTTP, a quarter of the peak", "HTTP, a quarter of the peak, while it retrains",
    ]  # fmt: skip
    for row in answers.values():
        assert row["requests / s"] > 0
        assert 0 < row["p50"] <= row["p95"] <= row["p99"]
        assert row.get("errors", 0) == 0
    figures = next(row for row in rows if row["name"] == "exact search and both heads")
    assert figures["recommendable"] == ARTICLES
    assert figures["recall@100"] == 1.0
    assert "in-process median / exact search and heads alone" in {row["name"] for row in rows}
    assert "what must be reached" in capsys.readouterr().out


def test_the_prototype_answers_with_what_the_reader_has_not_read(made: tuple[Settings, Sizes, list[str]]) -> None:
    settings = made[0]
    sessions = open_sessions(settings)
    with sessions() as session:
        world = load_world(session, expected_ids(settings), settings.live_hours)
        reader = users.key_of(session, user_id(7))
        assert reader is not None
        newest = select(ClickRow.article).where(ClickRow.user == reader).order_by(ClickRow.known_at.desc())
        clicked = set(session.scalars(newest.limit(HISTORY)))
    sessions.kw["bind"].dispose()
    prototype = Prototype(settings, world, USERS)
    client = TestClient(app_of(prototype))
    answer = client.get(f"/v1/users/{user_id(7)}/recommendations").json()
    names = [item["article_id"] for item in answer]
    assert len(set(names)) == 10
    assert not {article_id(key) for key in clicked} & set(names)
    logged = prototype.log.execute("SELECT user, shown FROM served").fetchall()
    assert [(user, [article_id(key) for key in json.loads(shown)]) for user, shown in logged] == [(reader, names)]


def test_what_one_process_is_told_the_other_one_knows(made: tuple[Settings, Sizes, list[str]]) -> None:
    tries = 4
    with server_of(made[0], workers=2) as server:
        one, other = serving_fresh.two_processes(server)
        assert one.process != other.process
        rows = list(serving_fresh.rows(server, USERS, tries))
    known = ["a click", "an article with title and picture", "a deleted article"]
    assert [row["name"].split(",")[0] for row in rows] == known
    assert [row["tries"] for row in rows] == [tries, tries // 2, tries // 2]
    for row in rows:
        assert "another process" in row["name"]
        assert 0 < row["p50 s"] <= row["p95 s"] <= row["max s"] < serving_fresh.PATIENCE


def test_what_does_not_show_in_time_counts_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_fresh, "PATIENCE", 0.05)
    assert serving_fresh.until(time.perf_counter(), lambda: False) == float("inf")
    assert serving_fresh.until(time.perf_counter() - 5, lambda: True) >= 5
    row = serving_fresh.row("never, or soon", [0.1, 0.2, 0.3, float("inf")])
    assert row["p50 s"] < 1
    assert row["p95 s"] == row["max s"] == float("inf")


def test_nothing_is_lost_while_versions_change_and_processes_are_killed(
    made: tuple[Settings, Sizes, list[str]],
) -> None:
    rows, wrong = soak.soak(*made, seconds=0.0, blows=["promote", "kill_api", "rollback", "kill_worker"], gently=True)
    assert wrong == []
    times = {row["what"]: row["times"] for row in rows}
    assert times["200"] > 0
    assert times["202"] > 0
    assert (times["lost"], times["twice"]) == (0, 0)
    assert times["kill_api"] >= 1
