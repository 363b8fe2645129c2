"""The id that a request carries through the log, and the one line that is written of it."""

import json
import logging
from io import StringIO
from logging.config import dictConfig

import pytest
from api_calls import assert_problem, recommended
from fastapi.testclient import TestClient
from sqlalchemy import text
from starlette.responses import PlainTextResponse

from api.app import create_app
from api.requests import Requests
from recsys import logs
from recsys.serving.recommender import Recommender

ROUTE = "/v1/users/{user_id}/recommendations"


@pytest.fixture
def written(request):
    """What a process writes to its log, as ``recsys serve`` sets that up."""
    root = logging.getLogger()
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # of the test's client
    before = root.handlers[:], root.level
    dictConfig(logs.config(request.param))
    ours = next(handler for handler in root.handlers if handler not in before[0])
    text = StringIO()
    ours.setStream(text)
    yield text
    root.handlers[:], root.level = before[0], before[1]


def lines(written):
    return [json.loads(line) for line in written.getvalue().splitlines()]


def access(written):
    return [line for line in lines(written) if line["logger"] == "recsys.access"]


json_lines = pytest.mark.parametrize("written", ["json"], indirect=True)
text_lines = pytest.mark.parametrize("written", ["text"], indirect=True)


def answered_id(sent):
    """The id in the answer to a request, by the middleware around the smallest application there is."""
    client = TestClient(Requests(PlainTextResponse("here")))
    return client.get("/", headers={"X-Request-ID": sent}).headers["x-request-id"]


@pytest.mark.parametrize("sent", ["7f3a-11", "a/b+c=", "x" * 128, "trace:12@edge.1"])
def test_a_sane_id_of_the_client_is_kept(sent):
    assert answered_id(sent) == sent


@pytest.mark.parametrize("sent", ["", "two words", "x" * 129, 'quote"', "tab\there", "ümlaut".encode(), "{json}"])
def test_any_other_id_is_replaced(sent):
    made = answered_id(sent)
    assert len(made) == 32
    assert set(made) <= set("0123456789abcdef")


def test_each_request_has_an_id_of_its_own():
    assert answered_id("") != answered_id("")


@json_lines
def test_one_access_line_says_what_came_of_a_request(client, written):
    client.get("/v1/users/secret-reader/recommendations", headers={"X-Request-ID": "abc"})
    [line] = access(written)
    assert line["request_id"] == "abc"
    assert (line["method"], line["route"], line["status"], line["level"]) == ("GET", ROUTE, 200, "INFO")
    assert line["milliseconds"] > 0
    assert line["timestamp"].endswith("+00:00")
    assert "secret-reader" not in written.getvalue()


@text_lines
def test_lines_for_people_name_the_request_too(client, written):
    client.get("/v1/users/secret-reader/recommendations", headers={"X-Request-ID": "abc"})
    [line] = [line for line in written.getvalue().splitlines() if "recsys.access" in line]
    assert f"recsys.access [abc]: GET {ROUTE} 200 in" in line
    assert "secret-reader" not in written.getvalue()


@json_lines
def test_every_line_of_a_failed_request_has_its_id_and_no_reader(client, written, monkeypatch):
    def broken(session, user_id):
        session.execute(text("SELECT :reader FROM nowhere"), {"reader": user_id})

    monkeypatch.setattr("recsys.database.users.key_of", broken)
    answer = client.get("/v1/users/secret-reader", headers={"X-Request-ID": "abc"})
    assert_problem(answer, 503)
    assert answer.headers["x-request-id"] == "abc"
    own = [line for line in lines(written) if line.get("request_id") == "abc"]
    assert [line["status"] for line in own if "status" in line] == [answer.status_code]
    assert len(own) == 2
    assert any("nowhere" in json.dumps(line) for line in own)
    assert "secret-reader" not in written.getvalue()


@json_lines
def test_an_unexpected_error_is_logged_once_with_its_traceback(site, written, monkeypatch):
    def broken(*_arguments, **_more):
        raise ZeroDivisionError("nobody expects it")

    with TestClient(create_app(site)) as client:
        monkeypatch.setattr(Recommender, "recommend", broken)
        answer = client.get("/v1/users/u1/recommendations", headers={"X-Request-ID": "abc"})
        assert_problem(answer, 500, "log")
        assert answer.headers["x-request-id"] == "abc"
        monkeypatch.undo()
        recommended(client)
    [told] = [line for line in lines(written) if "nobody expects it" in json.dumps(line)]
    assert told["request_id"] == "abc"
    assert "ZeroDivisionError" in told["exc_info"]
    assert [line["status"] for line in access(written)] == [500, 200]


@json_lines
def test_a_problem_of_the_server_is_told_in_the_log(bare, written):
    bare.get("/v1/users/secret-reader/recommendations", headers={"X-Request-ID": "abc"})
    told = [line for line in lines(written) if line["logger"] == "api.problems"]
    assert [line["request_id"] for line in told] == ["abc"]
    assert "recsys train" in told[0]["message"]
