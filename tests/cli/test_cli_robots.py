"""Robots are listed, and training and evaluation say how much of the log they left out."""

from datetime import UTC, datetime

import made_world
import pytest
from cli_commands import Cli

from recsys.database import robots
from recsys.database.session import open_sessions, writing
from recsys.settings import Settings

ROBOT = made_world.user_id(1)


def did(known_before: float) -> dict[str, int]:
    """What the robot of the made log did."""
    lists, clicks = made_world.made_log()
    return {
        "users": 1,
        "clicks": sum(click.user_id == ROBOT and click.known_at < known_before for click in clicks),
        "impressions": sum(shown.user_id == ROBOT and shown.at < known_before for shown in lists),
    }


@pytest.fixture
def flagged(site: Settings) -> None:
    sessions = open_sessions(site)
    with writing(sessions) as session:
        robots.flag(session, ROBOT)
    sessions.kw["bind"].dispose()


def test_robots_are_listed(cli: Cli, flagged: None, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = cli.json("robots")["robots"]
    whole = did(made_world.NOW)
    assert (found["user_id"], found["flagged"]) == (ROBOT, True)
    assert (found["clicks"], found["impressions"]) == (whole["clicks"], whole["impressions"])
    assert ROBOT in cli.run("robots").out
    monkeypatch.setenv("RECSYS_ROBOT_CLICKS_PER_HOUR", "1")
    listed = cli.json("robots")["robots"]
    assert len(listed) > 1
    assert all(robot["flagged"] or robot["most_clicks_per_hour"] > 1 for robot in listed)
    assert [robot["clicks"] for robot in listed] == sorted((robot["clicks"] for robot in listed), reverse=True)


def test_without_robots_there_is_nobody_to_list(cli: Cli, site: Settings) -> None:
    assert cli.json("robots") == {"robots": []}
    assert cli.run("robots").out == "There are no robots.\n"


def test_training_and_evaluation_leave_robots_out_and_count_them(cli: Cli, flagged: None) -> None:
    split = datetime.fromtimestamp(made_world.SPLIT, UTC).isoformat()
    trained = cli.json("train", "--until", split)
    assert trained["robots"] == trained["metrics"]["robots"] == did(made_world.SPLIT)
    judged = cli.json("evaluate", "--since", split)
    assert judged["robots"] == did(made_world.NOW)
    lists, _ = made_world.made_log()
    late = [shown for shown in lists if shown.at >= made_world.SPLIT]
    assert any(shown.user_id == ROBOT for shown in late)
    assert judged["impressions"] == sum(shown.user_id != ROBOT for shown in late)
    (*_, version) = cli.json("models")["versions"]
    assert version["metrics"]["training"]["robots"] == did(made_world.SPLIT)
    assert version["metrics"]["shown"]["robots"] == did(made_world.NOW)
